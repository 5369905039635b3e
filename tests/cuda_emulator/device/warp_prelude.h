// Models of what graphtorch/codegen/cuda_prelude.py writes as PTX.
#pragma once

#define GT_SHARED(bytes) extern unsigned char gt_shared[]

template <int N>
inline void gt_copy(void* to, const void* from, bool where, int line = __builtin_LINE()) {
  // where nothing is read the address may be any; the model wants one that is aligned
  emu::cp_async(to, where ? from : to, N, where ? N : 0, line);
}
inline void gt_commit() { emu::runtime->commit_copies(); }
template <int N>
inline void gt_wait() {
  emu::runtime->wait_copies(N);
}
inline void gt_ldmatrix(unsigned* to, const void* row, int line = __builtin_LINE()) {
  emu::ldmatrix<4, false>(to, row, line);
}
inline void gt_ldmatrix_trans(unsigned* to, const void* row, int line = __builtin_LINE()) {
  emu::ldmatrix<4, true>(to, row, line);
}
// Nearest with 10 bits of fraction, ties away from 0; nan and infinity stay.
inline unsigned gt_tf32(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  return std::isfinite(x) ? (bits + 0x1000) & 0xffffe000u : bits;
}
inline void gt_mma_m16n8k8_tf32(float* c, const float* a, const float* b, int line = __builtin_LINE()) {
  unsigned x[4], y[2];
  for (int i = 0; i < 4; ++i) x[i] = gt_tf32(a[i]);
  for (int i = 0; i < 2; ++i) y[i] = gt_tf32(b[i]);
  emu::mma_tf32(c, x, y, c, line);
}
inline void gt_mma_m16n8k16_bf16(float* c, const unsigned* a, const unsigned* b, int line = __builtin_LINE()) {
  emu::mma_bf16(c, a, b, c, line);
}
inline void gt_mma_m16n8k16_f16(float* c, const unsigned* a, const unsigned* b, int line = __builtin_LINE()) {
  emu::mma_f16(c, a, b, c, line);
}
