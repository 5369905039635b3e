// Contexts, and which one is current in each thread.
#include "driver.h"

namespace emu {
namespace {

thread_local std::vector<Context*> stack;

Context* make_context(int device, bool primary) {
  Context* c = driver().contexts.add({device, primary});
  c->legacy = driver().streams.add({c, true, true});
  return c;
}

void destroy(Context* c) {
  if (!c->broken) drain_all(c);
  close_streams(c);
  close_modules(c);
  free_memory_of(c);
  if (c->primary) driver().primary[c->device] = nullptr;
  driver().contexts.drop(c);
}

Context* context_of(void* handle) { return driver().contexts.get(handle, "context"); }

}  // namespace

Context* current_context() {
  require(!stack.empty() && stack.back(), INVALID_CONTEXT, "this thread has no current context");
  Context* c = stack.back();
  bool live = !driver().contexts.where([&](Context& x) { return &x == c; }).empty();
  require(live, CONTEXT_IS_DESTROYED, "the current context was destroyed");
  if (c->broken) throw *c->broken;
  return c;
}

}  // namespace emu

using namespace emu;

EXPORT cuDevicePrimaryCtxRetain(void** out, int device) {
  return locked([&] {
    check_device(device);
    Context*& c = driver().primary[device];
    if (c)
      ++c->users;
    else
      c = make_context(device, true);
    *out = c;
  });
}
EXPORT cuDevicePrimaryCtxRelease_v2(int device) {
  return locked([&] {
    check_device(device);
    Context* c = driver().primary[device];
    require(c, INVALID_CONTEXT, "the primary context is not retained");
    if (--c->users == 0) destroy(c);
  });
}
EXPORT cuDevicePrimaryCtxReset_v2(int device) {
  return locked([&] {
    check_device(device);
    if (Context* c = driver().primary[device]) destroy(c);
  });
}
EXPORT cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  return locked([&] {
    check_device(device);
    Context* c = driver().primary[device];
    *flags = c ? c->flags : 0;
    *active = c != nullptr;
  });
}
EXPORT cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) {
  return locked([&] {
    check_device(device);
    if (Context* c = driver().primary[device]) c->flags = flags;
  });
}
EXPORT cuCtxCreate_v2(void** out, unsigned flags, int device) {
  return locked([&] {
    check_device(device);
    Context* c = make_context(device, false);
    c->flags = flags;
    stack.push_back(c);
    *out = c;
  });
}
EXPORT cuCtxCreate_v4(void** out, void*, unsigned flags, int device) { return cuCtxCreate_v2(out, flags, device); }
EXPORT cuCtxDestroy_v2(void* handle) {
  return locked([&] {
    Context* c = context_of(handle);
    if (!stack.empty() && stack.back() == c) stack.pop_back();
    destroy(c);
  });
}
EXPORT cuCtxAttach(void** out, unsigned) {
  return in_context([&](Context* c) {
    ++c->users;
    *out = c;
  });
}
EXPORT cuCtxDetach(void* handle) {
  return locked([&] {
    Context* c = context_of(handle);
    if (--c->users) return;
    if (!stack.empty() && stack.back() == c) stack.pop_back();
    destroy(c);
  });
}
EXPORT cuCtxPushCurrent_v2(void* handle) {
  return locked([&] { stack.push_back(context_of(handle)); });
}
EXPORT cuCtxPopCurrent_v2(void** out) {
  return locked([&] {
    require(!stack.empty(), INVALID_CONTEXT, "this thread has no current context to pop");
    if (out) *out = stack.back();
    stack.pop_back();
  });
}
EXPORT cuCtxSetCurrent(void* handle) {
  return locked([&] {
    Context* c = handle ? context_of(handle) : nullptr;
    if (!stack.empty()) stack.pop_back();
    if (c) stack.push_back(c);
  });
}
EXPORT cuCtxGetCurrent(void** out) {
  return locked([&] { *out = stack.empty() ? nullptr : stack.back(); });
}
EXPORT cuCtxGetDevice(int* out) {
  return in_context([&](Context* c) { *out = c->device; });
}
EXPORT cuCtxGetApiVersion(void*, unsigned* out) {
  *out = 3020;
  return SUCCESS;
}
EXPORT cuCtxGetFlags(unsigned* out) {
  return in_context([&](Context* c) { *out = c->flags; });
}
EXPORT cuCtxSynchronize() {
  return in_context([](Context* c) {
    unsafe_in_capture("cuCtxSynchronize");
    drain_all(c);
  });
}
EXPORT cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return SUCCESS;
}
EXPORT cuCtxEnablePeerAccess(void* handle, unsigned) {
  return in_context([&](Context* c) {
    int peer = context_of(handle)->device;
    require(peer != c->device, INVALID_DEVICE, "a device is no peer of itself");
    require(c->peers.insert(peer).second, PEER_ACCESS_ALREADY_ENABLED, "");
  });
}
EXPORT cuCtxDisablePeerAccess(void* handle) {
  return in_context([&](Context* c) {
    require(c->peers.erase(context_of(handle)->device), PEER_ACCESS_NOT_ENABLED, "access to this peer is not enabled");
  });
}
EXPORT cuProfilerStart() { return SUCCESS; }
EXPORT cuProfilerStop() { return SUCCESS; }
