// CUDA C for a host compiler: force-included before the text of kernels. Threads are fibers of the driver beside this
// folder; whatever has to wait for other threads goes through the table `emu::runtime`.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <utility>

#include "../abi.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// One place for all threads: the driver knows it from the symbol table, and fills it with 0xFF before every block.
#define __shared__ static __attribute__((section("emu_shared"), used))

namespace emu {
inline Place place;
inline const Runtime* runtime;
alignas(1024) inline unsigned char dynamic_shared[MOST_DYNAMIC_SHARED];
}  // namespace emu

#define threadIdx (emu::place.thread)
#define blockIdx (emu::place.block)
#define blockDim (emu::place.block_size)
#define gridDim (emu::place.grid_size)
constexpr int warpSize = emu::WARP;

#include "types.h"

#include "math.h"

#include "warp.h"

#include "mma.h"

#include "prelude.h"

#include "module.h"
