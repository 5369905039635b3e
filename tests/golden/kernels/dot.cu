extern "C" __global__ void __launch_bounds__(256) dot_0(const float* __restrict__ a0, const float* __restrict__ a1, float* __restrict__ out0) {
  const int by = blockIdx.y;
  const int bx = blockIdx.x;
  __shared__ __align__(16) float a[2176];
  __shared__ __align__(16) float b[2176];
  const int ty = threadIdx.y;
  const int tx = threadIdx.x;
  const int slot = (ty * 16) + tx;
  __align__(16) float ah[4];
  __align__(16) float bh[4];
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    const int fast = slot % 16;
    const int slow = (r * 16) + (slot / 16);
    const int m = (bx * 64) + slow;
    ah[r] = (m < 65) ? a0[(m * 33) + fast] : 0.0f;
  }
#pragma unroll
  for (int r_1 = 0; r_1 < 4; ++r_1) {
    const int fast_1 = slot % 64;
    const int slow_1 = (r_1 * 4) + (slot / 64);
    const int m_1 = (by * 64) + fast_1;
    bh[r_1] = (m_1 < 70) ? a1[(slow_1 * 70) + m_1] : 0.0f;
  }
#pragma unroll
  for (int r_2 = 0; r_2 < 4; ++r_2) {
    const int fast_2 = slot % 16;
    const int slow_2 = (r_2 * 16) + (slot / 16);
    a[(fast_2 * 68) + slow_2] = ah[r_2];
  }
#pragma unroll
  for (int r_3 = 0; r_3 < 4; ++r_3) {
    const int fast_3 = slot % 64;
    const int slow_3 = (r_3 * 4) + (slot / 64);
    b[(slow_3 * 68) + fast_3] = bh[r_3];
  }
  __syncthreads();
  __align__(16) float acc[16];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      acc[(i * 4) + j] = 0.0f;
    }
  }
  for (int ko = 0; ko < 3; ++ko) {
    if ((ko + 1) < 3) {
      const int next = ko + 1;
#pragma unroll
      for (int r_4 = 0; r_4 < 4; ++r_4) {
        const int fast_4 = slot % 16;
        const int slow_4 = (r_4 * 16) + (slot / 16);
        const int m_2 = (bx * 64) + slow_4;
        const int k = (next * 16) + fast_4;
        ah[r_4] = ((m_2 < 65) && (k < 33)) ? a0[(m_2 * 33) + k] : 0.0f;
      }
#pragma unroll
      for (int r_5 = 0; r_5 < 4; ++r_5) {
        const int fast_5 = slot % 64;
        const int slow_5 = (r_5 * 4) + (slot / 64);
        const int m_3 = (by * 64) + fast_5;
        const int k_1 = (next * 16) + slow_5;
        bh[r_5] = ((m_3 < 70) && (k_1 < 33)) ? a1[(k_1 * 70) + m_3] : 0.0f;
      }
    }
#pragma unroll
    for (int k_2 = 0; k_2 < 16; ++k_2) {
      __align__(16) float x[4];
      __align__(16) float y[4];
#pragma unroll
      for (int i_1 = 0; i_1 < 4; ++i_1) {
        x[i_1] = a[(((ko % 2) * 1088) + (k_2 * 68)) + ((ty * 4) + i_1)];
      }
#pragma unroll
      for (int j_1 = 0; j_1 < 4; ++j_1) {
        y[j_1] = b[(((ko % 2) * 1088) + (k_2 * 68)) + ((tx * 4) + j_1)];
      }
#pragma unroll
      for (int i_2 = 0; i_2 < 4; ++i_2) {
#pragma unroll
        for (int j_2 = 0; j_2 < 4; ++j_2) {
          acc[(i_2 * 4) + j_2] = acc[(i_2 * 4) + j_2] + (x[i_2] * y[j_2]);
        }
      }
    }
    if ((ko + 1) < 3) {
#pragma unroll
      for (int r_6 = 0; r_6 < 4; ++r_6) {
        const int fast_6 = slot % 16;
        const int slow_6 = (r_6 * 16) + (slot / 16);
        a[((((ko + 1) % 2) * 1088) + (fast_6 * 68)) + slow_6] = ah[r_6];
      }
#pragma unroll
      for (int r_7 = 0; r_7 < 4; ++r_7) {
        const int fast_7 = slot % 64;
        const int slow_7 = (r_7 * 4) + (slot / 64);
        b[((((ko + 1) % 2) * 1088) + (slow_7 * 68)) + fast_7] = bh[r_7];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i_3 = 0; i_3 < 4; ++i_3) {
#pragma unroll
    for (int j_3 = 0; j_3 < 4; ++j_3) {
      if ((((bx * 64) + ((ty * 4) + i_3)) < 65) && (((by * 64) + ((tx * 4) + j_3)) < 70)) {
        const int m_4 = (bx * 64) + ((ty * 4) + i_3);
        const int n = (by * 64) + ((tx * 4) + j_3);
        out0[(m_4 * 70) + n] = acc[(i_3 * 4) + j_3];
      }
    }
  }
}
