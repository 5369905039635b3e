// Runs the blocks of a launch one after another, the threads of each as fibers that switch where they wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../abi.h"

namespace emu {

// In which order the threads of a block go on, and blocks one after another.
struct Order {
  enum Kind { FORWARD, REVERSE, SHUFFLED } kind = FORWARD;
  uint64_t seed = 0;
  std::string name() const;
  std::vector<unsigned> of(size_t count, uint64_t salt) const;
  // "forward", "reverse" or a number, which is the seed of a shuffle
  static Order parse(const std::string& text);
};

// What the driver knows of a kernel's module.
struct Image {
  Place* place;
  const Runtime** runtime;
  unsigned char* dynamic_shared;
};
struct Range {
  unsigned char* start;
  size_t size;
};

struct Launch {
  const Kernel* kernel;
  Image image;
  std::vector<Range> shared;  // static shared memory of the kernel
  dim3 grid, block;
  size_t dynamic_shared;
  void* const* arguments;
};

// What went wrong, or an empty text.
std::string run(const Launch& launch, const Order& order);

// ---- shared.cc
void poison(const Launch& launch);
// What the launch did not ask for of the dynamic shared memory may not be touched, and whether it was.
void limit_dynamic(const Launch& launch);
std::string beyond_dynamic(const Launch& launch);

// What a fault at an address that no memory holds is called: memory.cc knows the allocations.
std::string describe_address(const void* address);

}  // namespace emu
