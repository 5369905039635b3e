// Launches of kernels, in every order that was asked for.
#include <algorithm>

#include "driver.h"

namespace emu {
namespace {

constexpr int MOST_SHARED = 232448;
enum { MAX_THREADS = 0, SHARED_BYTES = 1, LOCAL_BYTES = 3, REGISTERS = 4, MOST_DYNAMIC = 8 };

Function* function_of(void* handle) {
  for (ModuleHandle* m : driver().modules.where([](ModuleHandle&) { return true; }))
    for (auto& f : m->functions)
      if (f.get() == handle) return f.get();
  throw Error{INVALID_HANDLE, "this is no kernel, or one of a module that was unloaded"};
}

// Values of a launch's arguments, which the caller may overwrite as soon as the call returns.
struct Arguments {
  std::vector<std::vector<char>> values;
  std::vector<void*> pointers;
};

std::string named(const Function& f, const std::string& text) { return std::string("kernel ") + f.kernel->name + ": " + text; }

std::vector<void*> unpack(const Kernel& k, void** extra) {
  // CU_LAUNCH_PARAM_BUFFER_POINTER is 1, _SIZE 2, _END 0
  char* buffer = nullptr;
  size_t size = 0;
  for (; extra && *extra; extra += 2) {
    if (extra[0] == (void*)1) buffer = (char*)extra[1];
    if (extra[0] == (void*)2) size = *(size_t*)extra[1];
  }
  std::vector<void*> found;
  size_t at = 0;
  for (unsigned i = 0; i < k.count; ++i) {
    size_t bytes = k.parameters[i].size, unit = std::min<size_t>(bytes & -bytes, 16);
    at = (at + unit - 1) / unit * unit;
    found.push_back(buffer + at);
    at += bytes;
  }
  require(at == size, INVALID_VALUE, std::string("kernel ") + k.name + " takes " + std::to_string(at) + " bytes of arguments, got " + std::to_string(size));
  return found;
}

std::shared_ptr<Arguments> copy_arguments(const Kernel& k, void** given) {
  auto all = std::make_shared<Arguments>();
  for (unsigned i = 0; i < k.count; ++i) {
    require(given && given[i], INVALID_VALUE, std::string("kernel ") + k.name + " takes " + std::to_string(k.count) + " arguments");
    all->values.emplace_back((char*)given[i], (char*)given[i] + k.parameters[i].size);
  }
  for (auto& v : all->values) all->pointers.push_back(v.data());
  return all;
}

void check_pointers(const Function& f, const Arguments& all) {
  const Context* c = f.module->context;
  for (unsigned i = 0; i < f.kernel->count; ++i) {
    if (!f.kernel->parameters[i].pointer) continue;
    Address address;
    memcpy(&address, all.values[i].data(), sizeof address);
    bool ok = !address || is_accessible(address, c);
    require(ok, ILLEGAL_ADDRESS, named(f, "argument " + std::to_string(i) + " points to " + describe_address((void*)address)));
  }
}

void check_shape(const Function& f, dim3 grid, dim3 block, size_t dynamic) {
  auto inside = [](dim3 d, unsigned x, unsigned y, unsigned z) { return d.x && d.y && d.z && d.x <= x && d.y <= y && d.z <= z; };
  require(inside(grid, 2147483647, 65535, 65535), INVALID_VALUE, named(f, "the grid is empty or too large"));
  require(inside(block, 1024, 1024, 64), INVALID_VALUE, named(f, "the block is empty or too large"));
  size_t threads = (size_t)block.x * block.y * block.z, most = f.kernel->most_threads ? f.kernel->most_threads : 1024;
  require(threads <= 1024, INVALID_VALUE, named(f, std::to_string(threads) + " threads in a block"));
  require(threads <= most, LAUNCH_OUT_OF_RESOURCES, named(f, std::to_string(threads) + " threads in a block, its launch bounds say " + std::to_string(most)));
  require(dynamic <= (size_t)f.most_dynamic, INVALID_VALUE, named(f, std::to_string(dynamic) + " bytes of dynamic shared memory, its attribute allows " + std::to_string(f.most_dynamic)));
  require(f.shared_bytes + dynamic <= MOST_SHARED, INVALID_VALUE, named(f, "too much shared memory"));
}

void check(const std::string& report, Code code) { require(report.empty(), code, report); }

// In the first order, and then in each other from the same memory: what they leave has to be the same.
void run_orders(const Launch& l) {
  const std::vector<Order>& orders = driver().orders;
  if (orders.size() == 1) return check(run(l, orders[0]), LAUNCH_FAILED);
  Snapshot before = take_snapshot();
  check(run(l, orders[0]), LAUNCH_FAILED);
  Snapshot first = take_snapshot();
  for (size_t i = 1; i < orders.size(); ++i) {
    restore(before);
    check(run(l, orders[i]), LAUNCH_FAILED);
    std::string where = difference(first, take_snapshot());
    restore(first);
    if (where.empty()) continue;
    throw Error{LAUNCH_FAILED, std::string("kernel ") + l.kernel->name + ": a race: " + where + " depends on the order of threads (" + orders[0].name() + ", " + orders[i].name() + ")"};
  }
}

}  // namespace
}  // namespace emu

using namespace emu;

EXPORT cuLaunchKernel(void* handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned dynamic, void* stream, void** parameters, void** extra) {
  return in_context([&](Context* c) {
    Function* f = function_of(handle);
    require(f->module->context == c, INVALID_HANDLE, named(*f, "it was loaded in another context"));
    check_shape(*f, {gx, gy, gz}, {bx, by, bz}, dynamic);
    std::vector<void*> unpacked = parameters ? std::vector<void*>() : unpack(*f->kernel, extra);
    auto arguments = copy_arguments(*f->kernel, parameters ? parameters : unpacked.data());
    const Module& m = *f->module->table;
    Launch launch{f->kernel, {m.place, m.runtime, m.dynamic_shared}, f->shared, {gx, gy, gz}, {bx, by, bz}, dynamic, nullptr};
    enqueue(stream_of(stream, c), NodeKind::KERNEL, [=] {
      check_pointers(*f, *arguments);
      Launch now = launch;
      now.arguments = arguments->pointers.data();
      ++driver().launches;
      run_orders(now);
      try {
        check_canaries();
      } catch (Error& e) {
        throw Error{e.code, named(*f, e.text)};
      }
    });
  });
}
EXPORT cuFuncGetAttribute(int* out, int which, void* handle) {
  return in_context([&](Context*) {
    Function* f = function_of(handle);
    switch (which) {
      case MAX_THREADS: *out = f->kernel->most_threads ? f->kernel->most_threads : 1024; break;
      case SHARED_BYTES: *out = f->shared_bytes; break;
      case MOST_DYNAMIC: *out = f->most_dynamic; break;
      case REGISTERS: *out = 32; break;
      default: *out = 0;
    }
  });
}
EXPORT cuFuncSetAttribute(void* handle, int which, int value) {
  return in_context([&](Context*) {
    Function* f = function_of(handle);
    if (which != MOST_DYNAMIC) return;
    require(value >= 0 && f->shared_bytes + value <= MOST_SHARED, INVALID_VALUE, named(*f, "so much shared memory no block has"));
    f->most_dynamic = value;
  });
}
EXPORT cuFuncSetCacheConfig(void* handle, int) {
  return in_context([&](Context*) { function_of(handle); });
}
EXPORT cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, void* handle, int threads, size_t dynamic) {
  return in_context([&](Context*) {
    Function* f = function_of(handle);
    require(threads > 0, INVALID_VALUE, "threads of a block");
    size_t shared = f->shared_bytes + dynamic + 1024;
    *out = (int)std::min<size_t>({32, 2048 / (size_t)threads, 233472 / shared});
  });
}
// pycuda's prepared calls say the block's shape twice: here, and in cuLaunchKernel.
EXPORT cuFuncSetBlockShape(void* handle, int x, int y, int z) {
  return in_context([&](Context*) {
    function_of(handle);
    require(x > 0 && y > 0 && z > 0, INVALID_VALUE, "a block without threads");
  });
}
