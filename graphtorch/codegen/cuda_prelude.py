"""Device functions for statements that CUDA C has no words for: inline PTX under nvcc.

Behind `#ifdef __CUDACC__`, so that an emulator may define models of the same names (warp.py has the layouts) before it
compiles the text with a C++ compiler. GT_SHARED(bytes) is the shared memory of a kernel that has more than 48 KiB.
"""

from __future__ import annotations

WARP_PRELUDE = """\
#ifdef __CUDACC__
#define GT_SHARED(bytes) extern __shared__ __align__(16) u8 gt_shared[]

static __device__ __forceinline__ u32 gt_address(const void* shared) { return (u32)__cvta_generic_to_shared(shared); }
// N bytes of global memory to shared memory, past registers; zeros unless `where`.
template <int N> static __device__ __forceinline__ void gt_copy(void* to, const void* from, bool where) {
  const int bytes = where ? N : 0;
  const u32 at = gt_address(to);
  if (N == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(at), "l"(from), "r"(bytes) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" :: "r"(at), "l"(from), "n"(N), "r"(bytes) : "memory");
}
static __device__ __forceinline__ void gt_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> static __device__ __forceinline__ void gt_wait() {
  asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory");
}
static __device__ __forceinline__ void gt_ldmatrix(u32* to, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(gt_address(row)));
}
// The same of 32-bit elements: a lane has row lane / 4, column lane % 4 of each 8 x 4.
static __device__ __forceinline__ void gt_ldmatrix(float* to, const void* row) {
  u32 bits[4];
  gt_ldmatrix(bits, row);
  for (int i = 0; i < 4; ++i) to[i] = __uint_as_float(bits[i]);
}
static __device__ __forceinline__ void gt_ldmatrix_trans(u32* to, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(gt_address(row)));
}
// The nearest number with 10 bits of fraction, ties away from 0. Not volatile: equal ones are computed once.
static __device__ __forceinline__ u32 gt_tf32(float x) {
  u32 y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}
#define GT_MMA_OPERANDS "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
static __device__ __forceinline__ void gt_mma_m16n8k8_tf32(float* c, const float* a, const float* b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 " GT_MMA_OPERANDS
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(gt_tf32(a[0])), "r"(gt_tf32(a[1])), "r"(gt_tf32(a[2])), "r"(gt_tf32(a[3])),
                 "r"(gt_tf32(b[0])), "r"(gt_tf32(b[1])));
}
#define GT_MMA_16(dtype) \\
  static __device__ __forceinline__ void gt_mma_m16n8k16_##dtype(float* c, const u32* a, const u32* b) { \\
    asm("mma.sync.aligned.m16n8k16.row.col.f32." #dtype "." #dtype ".f32 " GT_MMA_OPERANDS \\
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) \\
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \\
  }
GT_MMA_16(bf16)
GT_MMA_16(f16)
#endif
"""
