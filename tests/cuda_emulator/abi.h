// What a compiled module and the emulator know of each other. A module has no undefined symbols: the driver finds
// `emu_module` in it, and gives it a table of functions.
#pragma once

#include <cstddef>
#include <cstdint>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

namespace emu {

constexpr int WARP = 32;
constexpr size_t MOST_DYNAMIC_SHARED = 232448;  // 227 KiB, what a block of an H100 may have

// What the thread that runs now reads as threadIdx and so on.
struct Place {
  uint3 thread, block;
  dim3 block_size, grid_size;
};

// The payloads of a warp's lanes, nullptr for those that take no part.
using Combine = void (*)(void* const* lanes);

// Lines are those of the CUDA C text, for reports.
struct Runtime {
  // Waits for `threads` threads of the block (0: for all of them) at barrier `id`.
  void (*barrier)(unsigned id, unsigned threads, int line);
  // Waits for all lanes of `mask`; the last one to come calls `combine` before any goes on.
  void (*collective)(const char* name, unsigned mask, int line, void* payload, Combine combine);
  // cp.async: `size` bytes at `to`, of which `given` come from memory and the others are zeros.
  void (*copy_async)(void* to, const void* from, unsigned size, unsigned given, int line);
  void (*commit_copies)();
  // Until no more than `pending` groups are on their way.
  void (*wait_copies)(unsigned pending);
  // Ends the launch with a report.
  void (*fail)(int line, const char* text);
};

struct Parameter {
  unsigned size;
  bool pointer;
};

struct Kernel {
  const char* name;
  unsigned most_threads;  // of __launch_bounds__; 0 where it says nothing
  unsigned count;
  const Parameter* parameters;
  void (*call)(void* const* arguments);
};

struct Module {
  unsigned version;
  const Kernel* kernels;  // ends with one that has no name
  Place* place;
  const Runtime** runtime;
  unsigned char* dynamic_shared;  // MOST_DYNAMIC_SHARED bytes
};
constexpr unsigned VERSION = 1;

}  // namespace emu
