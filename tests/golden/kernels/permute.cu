extern "C" __global__ void __launch_bounds__(128) permute_0(const float* __restrict__ a0, float* __restrict__ out0) {
  const int t = threadIdx.x;
  if (t < 105) {
    const int p = t;
    const int i0 = p / 15;
    const int i1 = p % 15;
    out0[p] = a0[(i1 * 7) + i0];
  }
}
