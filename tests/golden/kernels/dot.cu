extern "C" __global__ void __launch_bounds__(256) dot_0(const float* __restrict__ a0, const float* __restrict__ a1, float* __restrict__ out0) {
  const int by = blockIdx.y;
  const int bx = blockIdx.x;
  __shared__ __align__(16) float a[1088];
  __shared__ __align__(16) float b[1088];
  const int ty = threadIdx.y;
  const int tx = threadIdx.x;
  const int slot = (ty * 16) + tx;
  float acc[16];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      acc[(i * 4) + j] = 0.0f;
    }
  }
  for (int ko = 0; ko < 3; ++ko) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int m = (bx * 64) + ((r * 16) + (slot / 16));
      const int k = (ko * 16) + (slot % 16);
      a[((slot % 16) * 68) + ((r * 16) + (slot / 16))] = ((m < 65) && (k < 33)) ? a0[(m * 33) + k] : 0.0f;
    }
#pragma unroll
    for (int r_1 = 0; r_1 < 4; ++r_1) {
      const int m_1 = (by * 64) + (slot % 64);
      const int k_1 = (ko * 16) + ((r_1 * 4) + (slot / 64));
      b[(((r_1 * 4) + (slot / 64)) * 68) + (slot % 64)] = ((m_1 < 70) && (k_1 < 33)) ? a1[(k_1 * 70) + m_1] : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int k_2 = 0; k_2 < 16; ++k_2) {
      float x[4];
      float y[4];
#pragma unroll
      for (int i_1 = 0; i_1 < 4; ++i_1) {
        x[i_1] = a[(k_2 * 68) + ((ty * 4) + i_1)];
      }
#pragma unroll
      for (int j_1 = 0; j_1 < 4; ++j_1) {
        y[j_1] = b[(k_2 * 68) + ((tx * 4) + j_1)];
      }
#pragma unroll
      for (int i_2 = 0; i_2 < 4; ++i_2) {
#pragma unroll
        for (int j_2 = 0; j_2 < 4; ++j_2) {
          acc[(i_2 * 4) + j_2] = acc[(i_2 * 4) + j_2] + (x[i_2] * y[j_2]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i_3 = 0; i_3 < 4; ++i_3) {
#pragma unroll
    for (int j_3 = 0; j_3 < 4; ++j_3) {
      if (((((bx * 64) + (ty * 4)) + i_3) < 65) && ((((by * 64) + (tx * 4)) + j_3) < 70)) {
        const int m_2 = ((bx * 64) + (ty * 4)) + i_3;
        const int n = ((by * 64) + (tx * 4)) + j_3;
        out0[(m_2 * 70) + n] = acc[(i_3 * 4) + j_3];
      }
    }
  }
}
