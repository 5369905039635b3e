// Memory of devices: pages of the host between pages that may not be touched, so that a kernel that goes past the end
// faults. What lies between the last byte and the page after it (less than 256 bytes) is looked at after each launch.
#include <sys/mman.h>

#include <cstdlib>

#include "asan.h"
#include "driver.h"

namespace emu {
namespace {

constexpr size_t PAGE = 4096, ALIGNMENT = 256;
constexpr size_t REMEMBERED = 4096;  // allocations that were freed, to say so

struct Allocation {
  size_t size;
  const Context* context;
  char* mapping;
  size_t mapped;
};
struct Pinned {
  size_t size;
  bool ours;
  unsigned flags;
};
std::map<Address, Allocation> live;
std::map<uintptr_t, Pinned> pinned;
std::deque<std::pair<Address, Allocation>> freed;
std::map<int, size_t> used;  // by device

size_t total() {
  const char* given = getenv("CUDA_EMULATOR_MEMORY");
  return given && *given ? strtoull(given, nullptr, 10) : (size_t)16 << 30;
}

size_t up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

Address map_pages(size_t size, Allocation& a) {
  void* got;
  if (sanitized()) {  // from its allocator, which is exact to the byte
    if (posix_memalign(&got, ALIGNMENT, size)) return 0;
    a.mapping = (char*)memset(got, 0xFF, size);
    return (Address)got;
  }
  size_t data = up(size, ALIGNMENT), pages = up(data, PAGE);
  a.mapped = pages + 2 * PAGE;
  got = mmap(nullptr, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) return 0;
  a.mapping = (char*)got;
  mprotect(a.mapping + PAGE, pages, PROT_READ | PROT_WRITE);
  memset(a.mapping + PAGE, 0xFF, pages);
  return (Address)(a.mapping + PAGE + pages - data);
}

// What is freed keeps its addresses for a while, so that using it faults.
void release(std::map<Address, Allocation>::iterator at) {
  Allocation a = at->second;
  used[a.context->device] -= a.size;
  freed.emplace_back(at->first, a);
  live.erase(at);
  if (sanitized()) {
    free(a.mapping);
  } else {
    mprotect(a.mapping, a.mapped, PROT_NONE);
    madvise(a.mapping, a.mapped, MADV_DONTNEED);
  }
  if (freed.size() <= REMEMBERED) return;
  if (!sanitized()) munmap(freed.front().second.mapping, freed.front().second.mapped);
  freed.pop_front();
}

std::map<Address, Allocation>::iterator find(Address address) {
  auto at = live.upper_bound(address);
  if (at == live.begin()) return live.end();
  --at;
  return address < at->first + at->second.size || address == at->first ? at : live.end();
}

bool reaches(const Context* c, const Allocation& a) {
  return a.context->device == c->device || c->peers.count(a.context->device);
}

std::string bytes(uint64_t n) { return std::to_string(n) + " bytes"; }

}  // namespace

std::string describe_address(const void* p) {
  Address address = (Address)p;
  if (!p) return "a null pointer";
  auto inside = find(address);
  if (inside != live.end()) return "memory of device " + std::to_string(inside->second.context->device);
  auto after = live.upper_bound(address);
  if (after != live.begin()) {
    auto at = std::prev(after);
    Address end = at->first + at->second.size;
    if (address - end < PAGE + ALIGNMENT) return bytes(address - end) + " past the end of an allocation of " + bytes(at->second.size);
  }
  if (after != live.end() && after->first - address <= 2 * PAGE)
    return bytes(after->first - address) + " before an allocation of " + bytes(after->second.size);
  for (auto& [start, a] : freed)
    if (address >= start && address < start + a.size) return "memory that was freed";
  char text[32];
  snprintf(text, sizeof text, "%p", p);
  return std::string("the address ") + text + ", which is in no allocation";
}

void check_device_range(Address start, size_t size, const Context* c, const char* what) {
  auto at = find(start);
  std::string head = std::string(what) + ": ";
  if (at == live.end() && is_pinned((void*)start, size)) return;
  require(at != live.end(), INVALID_VALUE, head + describe_address((void*)start));
  const Allocation& a = at->second;
  require(start + size <= at->first + a.size, INVALID_VALUE,
          head + bytes(size) + " from byte " + std::to_string(start - at->first) + " of an allocation of " + bytes(a.size));
  if (c && !reaches(c, a))
    throw Error{INVALID_VALUE, head + "memory of device " + std::to_string(a.context->device) + " in a context of device " + std::to_string(c->device)};
}

bool is_accessible(Address address, const Context* c) {
  auto at = find(address);
  return at != live.end() ? reaches(c, at->second) : is_pinned((void*)address, 1);
}

bool is_pinned(const void* start, size_t size) {
  auto at = pinned.upper_bound((uintptr_t)start);
  if (at == pinned.begin()) return false;
  --at;
  return (uintptr_t)start + size <= at->first + at->second.size;
}

void check_host(const void* start, size_t size) {
  require(start || !size, INVALID_VALUE, "a null pointer for host memory");
  require(find((Address)start) == live.end(), INVALID_VALUE, "an address of device memory is given as one of the host");
}

void free_memory_of(const Context* c) {
  for (auto at = live.begin(); at != live.end();) {
    auto next = std::next(at);
    if (at->second.context == c) release(at);
    at = next;
  }
}

void check_canaries() {
  if (sanitized()) return;
  for (auto& [start, a] : live) {
    auto* p = (unsigned char*)start;
    for (size_t i = a.size; i < up(a.size, ALIGNMENT); ++i)
      require(p[i] == 0xFF, ILLEGAL_ADDRESS,
              bytes(i - a.size) + " past the end of an allocation of " + bytes(a.size) + " were written");
  }
}

// ---- snapshots --------------------------------------------------------------------------------

Snapshot take_snapshot() {
  Snapshot found;
  for (auto& [start, a] : live) found[start].assign((char*)start, (char*)start + a.size);
  return found;
}

void restore(const Snapshot& snapshot) {
  for (auto& [start, data] : snapshot) memcpy((void*)start, data.data(), data.size());
}

std::string difference(const Snapshot& a, const Snapshot& b) {
  for (auto& [start, data] : a) {
    const std::vector<char>& other = b.at(start);
    for (size_t i = 0; i < data.size(); ++i)
      if (data[i] != other[i]) return "byte " + std::to_string(i) + " of an allocation of " + bytes(data.size());
  }
  return "";
}

}  // namespace emu

using namespace emu;

EXPORT cuDeviceTotalMem_v2(size_t* out, int device) {
  return locked([&] {
    check_device(device);
    *out = total();
  });
}
EXPORT cuMemGetInfo_v2(size_t* free, size_t* all) {
  return in_context([&](Context* c) {
    *all = total();
    *free = total() - used[c->device];
  });
}
EXPORT cuMemAlloc_v2(Address* out, size_t size) {
  return in_context([&](Context* c) {
    unsafe_in_capture("cuMemAlloc");
    require(size > 0, INVALID_VALUE, "an allocation of 0 bytes");
    Allocation a{size, c, nullptr, 0};
    bool room = size <= total() - used[c->device];
    *out = room ? map_pages(size, a) : 0;
    require(*out, OUT_OF_MEMORY, "an allocation of " + bytes(size) + " with " + bytes(total() - used[c->device]) + " free");
    live[*out] = a;
    used[c->device] += size;
  });
}
EXPORT cuMemFree_v2(Address address) {
  return in_context([&](Context* c) {
    if (!address) return;
    unsafe_in_capture("cuMemFree");
    drain_all(c);
    auto at = live.find(address);
    require(at != live.end(), INVALID_VALUE, "free: " + describe_address((void*)address));
    release(at);
  });
}
EXPORT cuMemGetAddressRange_v2(Address* base, size_t* size, Address address) {
  return in_context([&](Context*) {
    auto at = find(address);
    require(at != live.end(), NOT_FOUND, describe_address((void*)address));
    if (base) *base = at->first;
    if (size) *size = at->second.size;
  });
}

// Of cuPointerGetAttribute: 2 is the kind of memory, 9 the device
EXPORT cuPointerGetAttribute(void* out, int which, Address address) {
  return in_context([&](Context*) {
    auto at = find(address);
    bool host = at == live.end() && is_pinned((void*)address, 1);
    require(at != live.end() || host, INVALID_VALUE, describe_address((void*)address));
    if (which == 2)
      *(unsigned*)out = host ? 1 : 2;
    else if (which == 9)
      *(int*)out = host ? 0 : at->second.context->device;
    else
      throw Error{NOT_SUPPORTED, "this attribute of pointers"};
  });
}

// ---- host memory ------------------------------------------------------------------------------

EXPORT cuMemHostAlloc(void** out, size_t size, unsigned flags) {
  return in_context([&](Context*) {
    unsafe_in_capture("cuMemHostAlloc");
    require(size > 0, INVALID_VALUE, "an allocation of 0 bytes");
    *out = aligned_alloc(PAGE, up(size, PAGE));
    require(*out, OUT_OF_MEMORY, "host memory");
    memset(*out, 0xFF, size);
    pinned[(uintptr_t)*out] = {size, true, flags};
  });
}
EXPORT cuMemAllocHost_v2(void** out, size_t size) { return cuMemHostAlloc(out, size, 0); }
EXPORT cuMemFreeHost(void* p) {
  return in_context([&](Context* c) {
    unsafe_in_capture("cuMemFreeHost");
    drain_all(c);
    auto at = pinned.find((uintptr_t)p);
    require(at != pinned.end() && at->second.ours, INVALID_VALUE, "this host memory was not allocated by the driver");
    pinned.erase(at);
    free(p);
  });
}
EXPORT cuMemHostRegister_v2(void* p, size_t size, unsigned flags) {
  return in_context([&](Context*) {
    require(!pinned.count((uintptr_t)p), HOST_MEMORY_ALREADY_REGISTERED, "this host memory is registered");
    pinned[(uintptr_t)p] = {size, false, flags};
  });
}
EXPORT cuMemHostUnregister(void* p) {
  return in_context([&](Context* c) {
    drain_all(c);
    auto at = pinned.find((uintptr_t)p);
    require(at != pinned.end() && !at->second.ours, HOST_MEMORY_NOT_REGISTERED, "this host memory is not registered");
    pinned.erase(at);
  });
}
EXPORT cuMemHostGetDevicePointer_v2(Address* out, void* p, unsigned) {
  return in_context([&](Context*) {
    require(is_pinned(p, 1), INVALID_VALUE, "this host memory is not pinned");
    *out = (Address)p;
  });
}
EXPORT cuMemHostGetFlags(unsigned* out, void* p) {
  return in_context([&](Context*) {
    auto at = pinned.find((uintptr_t)p);
    require(at != pinned.end(), INVALID_VALUE, "this host memory is not pinned");
    *out = at->second.flags;
  });
}
