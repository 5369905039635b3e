extern "C" __global__ void __launch_bounds__(64) relu_0(const float* __restrict__ a0, float* __restrict__ out0) {
  const int t = threadIdx.x;
  if (t < 35) {
    const int p = t;
    out0[p] = gt_max<float>(a0[p], 0.0f);
  }
}
