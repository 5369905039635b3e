// Copies and fills. Ranges are checked when they are asked for, and again when they are done.
#include "driver.h"

namespace emu {
namespace {

struct End {
  Side side;
  Address address;
};

void check(const End& p, size_t size, const Context* c, const char* what) {
  if (p.side == Side::DEVICE)
    check_device_range(p.address, size, c, what);
  else
    check_host((void*)p.address, size);
}

Work copying(End to, End from, size_t size, const Context* c) {
  return [=] {
    check(to, size, c, "the destination of a copy");
    check(from, size, c, "the source of a copy");
    memmove((void*)to.address, (void*)from.address, size);
  };
}

// As the driver does: memory that is not pinned is read at once, and has been written when the call returns.
void copy(End to, End from, size_t size, void* stream, bool wait, bool peers = false) {
  Context* c = current_context();
  const Context* limit = peers ? nullptr : c;
  check(to, size, limit, "the destination of a copy");
  check(from, size, limit, "the source of a copy");
  if (!size) return;
  Stream* s = stream_of(stream, c);
  auto pageable = [&](const End& p) { return p.side == Side::HOST && !is_pinned((void*)p.address, size); };
  Work work = copying(to, from, size, limit);
  if (!s->capture && !wait && pageable(from)) {
    auto staged = std::make_shared<std::vector<char>>((char*)from.address, (char*)from.address + size);
    work = [=] {
      check(to, size, limit, "the destination of a copy");
      memcpy((void*)to.address, staged->data(), size);
    };
  }
  enqueue(s, NodeKind::MEMCPY, std::move(work));
  if (!s->capture && (wait || pageable(to))) drain(s);
}

int copied(End to, End from, size_t size, void* stream, bool wait, bool peers = false) {
  return in_context([&](Context*) { copy(to, from, size, stream, wait, peers); });
}

template <class T>
int filled(Address to, T value, size_t count, void* stream, bool wait) {
  return in_context([&](Context* c) {
    check_device_range(to, count * sizeof(T), c, "a fill");
    require(to % sizeof(T) == 0, INVALID_VALUE, "a fill at an address that is not aligned to its elements");
    if (!count) return;
    Stream* s = stream_of(stream, c);
    enqueue(s, NodeKind::MEMSET, [=] {
      check_device_range(to, count * sizeof(T), c, "a fill");
      for (size_t i = 0; i < count; ++i) ((T*)to)[i] = value;
    });
    if (wait && !s->capture) drain(s);
  });
}

End on_device(Address a) { return {Side::DEVICE, a}; }
End on_host(const void* p) { return {Side::HOST, (Address)p}; }

}  // namespace
}  // namespace emu

using namespace emu;

EXPORT cuMemcpyHtoD_v2(Address to, const void* from, size_t size) {
  return copied(on_device(to), on_host(from), size, nullptr, true);
}
EXPORT cuMemcpyDtoH_v2(void* to, Address from, size_t size) {
  return copied(on_host(to), on_device(from), size, nullptr, true);
}
EXPORT cuMemcpyDtoD_v2(Address to, Address from, size_t size) {
  return copied(on_device(to), on_device(from), size, nullptr, false);
}
EXPORT cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t size, void* stream) {
  return copied(on_device(to), on_host(from), size, stream, false);
}
EXPORT cuMemcpyDtoHAsync_v2(void* to, Address from, size_t size, void* stream) {
  return copied(on_host(to), on_device(from), size, stream, false);
}
EXPORT cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size, void* stream) {
  return copied(on_device(to), on_device(from), size, stream, false);
}
EXPORT cuMemcpyPeer(Address to, void*, Address from, void*, size_t size) {
  return copied(on_device(to), on_device(from), size, nullptr, false, true);
}
EXPORT cuMemcpyPeerAsync(Address to, void*, Address from, void*, size_t size, void* stream) {
  return copied(on_device(to), on_device(from), size, stream, false, true);
}
EXPORT cuMemsetD8_v2(Address to, unsigned char value, size_t count) { return filled(to, value, count, nullptr, false); }
EXPORT cuMemsetD16_v2(Address to, unsigned short value, size_t n) { return filled(to, value, n, nullptr, false); }
EXPORT cuMemsetD32_v2(Address to, unsigned value, size_t count) { return filled(to, value, count, nullptr, false); }
EXPORT cuMemsetD8Async(Address to, unsigned char value, size_t n, void* s) { return filled(to, value, n, s, false); }
EXPORT cuMemsetD16Async(Address to, unsigned short value, size_t n, void* s) { return filled(to, value, n, s, false); }
EXPORT cuMemsetD32Async(Address to, unsigned value, size_t n, void* s) { return filled(to, value, n, s, false); }
