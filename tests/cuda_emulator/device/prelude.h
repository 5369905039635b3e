// What the emitted preamble says in PTX behind #ifdef __CUDACC__ (codegen/cuda_tables.py, cuda_prelude.py), by its names.
#pragma once

namespace emu {
// A call in a line of the text.
struct Line {
  int line;

  // cp.async: lands at the wait; until then the destination holds 0xFF
  template <int N>
  void copy(void* to, const void* from, bool where) const {
    bool aligned = (uintptr_t)to % N == 0 && (!where || (uintptr_t)from % N == 0);
    if (!aligned) runtime->fail(line, "cp.async: an address is no multiple of what is copied");
    runtime->copy_async(to, from, N, where ? N : 0, line);
  }
  template <bool TRANSPOSED>
  void ldmatrix(unsigned* to, const void* row) const {
    emu::ldmatrix<4, TRANSPOSED>(to, row, line);
  }
  template <bool TRANSPOSED>
  void ldmatrix(float* to, const void* row) const {
    static_assert(!TRANSPOSED, "ldmatrix.trans moves words of 16 bits");
    unsigned bits[4];
    emu::ldmatrix<4, false>(bits, row, line);
    std::memcpy(to, bits, sizeof bits);
  }
  void mma_tf32(float* c, const float* a, const float* b) const {
    unsigned left[4], right[2];
    for (int i = 0; i < 4; ++i) left[i] = to_tf32(a[i]);
    for (int i = 0; i < 2; ++i) right[i] = to_tf32(b[i]);
    emu::mma_tf32(c, left, right, c, line);
  }
  void mma_bf16(float* c, const unsigned* a, const unsigned* b) const { emu::mma_bf16(c, a, b, c, line); }
  void mma_f16(float* c, const unsigned* a, const unsigned* b) const { emu::mma_f16(c, a, b, c, line); }
};
}  // namespace emu

inline float gt_from_f16(unsigned short x) { return emu::from_half(x); }
inline unsigned short gt_to_f16(float x) { return emu::to_half(x); }
inline unsigned gt_tf32(float x) { return emu::to_tf32(x); }

#define GT_SHARED(bytes) unsigned char* const gt_shared = emu::dynamic_shared
#define gt_copy emu::Line{__LINE__}.copy
#define gt_commit() emu::runtime->commit_copies()
template <int N>
inline void gt_wait() {
  emu::runtime->wait_copies(N);
}
#define gt_ldmatrix emu::Line{__LINE__}.ldmatrix<false>
#define gt_ldmatrix_trans emu::Line{__LINE__}.ldmatrix<true>
#define gt_mma_m16n8k8_tf32 emu::Line{__LINE__}.mma_tf32
#define gt_mma_m16n8k16_bf16 emu::Line{__LINE__}.mma_bf16
#define gt_mma_m16n8k16_f16 emu::Line{__LINE__}.mma_f16
