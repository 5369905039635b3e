extern "C" __global__ void __launch_bounds__(256) reduce_argmax_0(const float* __restrict__ a0, i64* __restrict__ out0) {
  const int b = blockIdx.x;
  __shared__ __align__(16) float s0[256];
  __shared__ __align__(16) i64 s1[256];
  const int t = threadIdx.x;
  float r0[1];
  i64 r1[1];
  r0[0] = -GT_INF;
  r1[0] = 4611686018427387904ll;
  if (t < 129) {
    const int q = t;
    const float t0 = r0[0];
    const float t1 = a0[(b * 129) + q];
    const bool t2 = t1 != t1;
    const i64 t3 = r1[0];
    const bool t4 = q < t3;
    const bool t5 = (t0 != t0) ? (t2 && t4) : (t2 || ((t1 > t0) || ((t1 == t0) && t4)));
    const float tr0 = t5 ? t1 : t0;
    const i64 tr1 = t5 ? q : t3;
    r0[0] = tr0;
    r1[0] = tr1;
  }
  s0[t] = r0[0];
  s1[t] = r1[0];
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 8; ++r) {
    const int w = (i64)128 >> r;
    if (t < w) {
      const float t0_1 = s0[t];
      const float t1_1 = s0[t + w];
      const bool t2_1 = t1_1 != t1_1;
      const i64 t3_1 = s1[t + w];
      const i64 t4_1 = s1[t];
      const bool t5_1 = t3_1 < t4_1;
      const bool t6 = (t0_1 != t0_1) ? (t2_1 && t5_1) : (t2_1 || ((t1_1 > t0_1) || ((t1_1 == t0_1) && t5_1)));
      const float tr0_1 = t6 ? t1_1 : t0_1;
      const i64 tr1_1 = t6 ? t3_1 : t4_1;
      s0[t] = tr0_1;
      s1[t] = tr1_1;
    }
    __syncthreads();
  }
  if (t == 0) {
    out0[b] = s1[0];
  }
}
