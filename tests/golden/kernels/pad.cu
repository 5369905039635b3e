extern "C" __global__ void __launch_bounds__(64) pad_0(const float* __restrict__ a0, float* __restrict__ out0) {
  const int t = threadIdx.x;
  if (t < 60) {
    const int p = t;
    const int i0 = p / 10;
    const int i1 = p % 10;
    out0[p] = (((((i0 + (-1)) >= 0) && (((i0 + 1) % 2) == 0)) && ((i1 + (-2)) >= 0)) && ((i1 + (-2)) < 5)) ? a0[((((i0 + 1) / 2) * 5) + i1) + (-7)] : 0.0f;
  }
}
