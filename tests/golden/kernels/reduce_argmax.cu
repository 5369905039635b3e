extern "C" __global__ void __launch_bounds__(128) reduce_argmax_0(const float* __restrict__ a0, i64* __restrict__ out0) {
  const int b = blockIdx.x;
  __shared__ __align__(16) float s0_0[128];
  __shared__ __align__(16) i64 s0_1[128];
  const int t = threadIdx.x;
  float w0[2];
  float p0_0[1];
  i64 p0_1[1];
  p0_0[0] = -GT_INF;
  p0_1[0] = 4611686018427387904ll;
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    if (((j * 128) + t) < 129) {
      const int q = (j * 128) + t;
      w0[j] = a0[(b * 129) + q];
      const float p0tr0 = w0[j];
      const i64 p0tr1 = q;
      const float t0 = p0_0[0];
      const bool t1 = p0tr0 != p0tr0;
      const i64 t2 = p0_1[0];
      const bool t3 = p0tr1 < t2;
      const bool t4 = (t0 != t0) ? (t1 && t3) : (t1 || ((p0tr0 > t0) || ((p0tr0 == t0) && t3)));
      const float tr0 = t4 ? p0tr0 : t0;
      const i64 tr1 = t4 ? p0tr1 : t2;
      p0_0[0] = tr0;
      p0_1[0] = tr1;
    }
  }
  s0_0[t] = p0_0[0];
  s0_1[t] = p0_1[0];
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 7; ++r) {
    const int w = (i64)64 >> r;
    if (t < w) {
      const float t0_1 = s0_0[t];
      const float t1_1 = s0_0[t + w];
      const bool t2_1 = t1_1 != t1_1;
      const i64 t3_1 = s0_1[t + w];
      const i64 t4_1 = s0_1[t];
      const bool t5 = t3_1 < t4_1;
      const bool t6 = (t0_1 != t0_1) ? (t2_1 && t5) : (t2_1 || ((t1_1 > t0_1) || ((t1_1 == t0_1) && t5)));
      const float tr0_1 = t6 ? t1_1 : t0_1;
      const i64 tr1_1 = t6 ? t3_1 : t4_1;
      s0_0[t] = tr0_1;
      s0_1[t] = tr1_1;
    }
    __syncthreads();
  }
  const float acc0 = s0_0[0];
  const i64 acc1 = s0_1[0];
  if (t == 0) {
    out0[b] = acc1;
  }
}
