extern "C" __global__ void __launch_bounds__(256) dot_0(const float* __restrict__ a0, const float* __restrict__ a1, float* __restrict__ out0) {
  const int by = blockIdx.y;
  const int bx = blockIdx.x;
  __shared__ __align__(16) float a[2176];
  __shared__ __align__(16) float b[2176];
  const int ty = threadIdx.y;
  const int tx = threadIdx.x;
  const int slot = (ty * 16) + tx;
  const int fast = slot % 16;
  const int slow = slot / 16;
  const int m = (bx * 64) + slow;
  const bool in = m < 65;
  const bool in_1 = (m + 16) < 65;
  const bool in_2 = (m + 32) < 65;
  const bool in_3 = (m + 48) < 65;
  const int base = m * 33;
  __align__(16) float ah[4];
  const int fast_1 = slot % 64;
  const int slow_1 = slot / 64;
  const int m_1 = (by * 64) + fast_1;
  const bool in_4 = m_1 < 70;
  __align__(16) float bh[4];
  ah[0] = in ? a0[base + fast] : 0.0f;
  ah[1] = in_1 ? a0[(base + fast) + 528] : 0.0f;
  ah[2] = in_2 ? a0[(base + fast) + 1056] : 0.0f;
  ah[3] = in_3 ? a0[(base + fast) + 1584] : 0.0f;
  const int off = slow_1 * 70;
  bh[0] = in_4 ? a1[m_1 + off] : 0.0f;
  bh[1] = in_4 ? a1[(m_1 + off) + 280] : 0.0f;
  bh[2] = in_4 ? a1[(m_1 + off) + 560] : 0.0f;
  bh[3] = in_4 ? a1[(m_1 + off) + 840] : 0.0f;
  a[(fast * 68) + slow] = ah[0];
  a[((fast * 68) + slow) + 16] = ah[1];
  a[((fast * 68) + slow) + 32] = ah[2];
  a[((fast * 68) + slow) + 48] = ah[3];
  b[(slow_1 * 68) + fast_1] = bh[0];
  b[((slow_1 * 68) + fast_1) + 272] = bh[1];
  b[((slow_1 * 68) + fast_1) + 544] = bh[2];
  b[((slow_1 * 68) + fast_1) + 816] = bh[3];
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
      const int m_2 = (next * 16) + fast;
      const bool ok = in && (m_2 < 33);
      const bool ok_1 = in_1 && (m_2 < 33);
      const bool ok_2 = in_2 && (m_2 < 33);
      const bool ok_3 = in_3 && (m_2 < 33);
      ah[0] = ok ? a0[base + m_2] : 0.0f;
      ah[1] = ok_1 ? a0[(base + m_2) + 528] : 0.0f;
      ah[2] = ok_2 ? a0[(base + m_2) + 1056] : 0.0f;
      ah[3] = ok_3 ? a0[(base + m_2) + 1584] : 0.0f;
      const int m_3 = (next * 16) + slow_1;
      const int off_1 = m_3 * 70;
      const bool ok_4 = in_4 && (m_3 < 33);
      const bool ok_5 = in_4 && ((m_3 + 4) < 33);
      const bool ok_6 = in_4 && ((m_3 + 8) < 33);
      const bool ok_7 = in_4 && ((m_3 + 12) < 33);
      bh[0] = ok_4 ? a1[m_1 + off_1] : 0.0f;
      bh[1] = ok_5 ? a1[(m_1 + off_1) + 280] : 0.0f;
      bh[2] = ok_6 ? a1[(m_1 + off_1) + 560] : 0.0f;
      bh[3] = ok_7 ? a1[(m_1 + off_1) + 840] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < 16; ++k) {
      __align__(16) float x[4];
      __align__(16) float y[4];
#pragma unroll
      for (int i_1 = 0; i_1 < 4; ++i_1) {
        x[i_1] = a[(((ko % 2) * 1088) + (k * 68)) + ((ty * 4) + i_1)];
      }
#pragma unroll
      for (int j_1 = 0; j_1 < 4; ++j_1) {
        y[j_1] = b[(((ko % 2) * 1088) + (k * 68)) + ((tx * 4) + j_1)];
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
      a[((((ko + 1) % 2) * 1088) + (fast * 68)) + slow] = ah[0];
      a[(((((ko + 1) % 2) * 1088) + (fast * 68)) + slow) + 16] = ah[1];
      a[(((((ko + 1) % 2) * 1088) + (fast * 68)) + slow) + 32] = ah[2];
      a[(((((ko + 1) % 2) * 1088) + (fast * 68)) + slow) + 48] = ah[3];
      b[((((ko + 1) % 2) * 1088) + (slow_1 * 68)) + fast_1] = bh[0];
      b[(((((ko + 1) % 2) * 1088) + (slow_1 * 68)) + fast_1) + 272] = bh[1];
      b[(((((ko + 1) % 2) * 1088) + (slow_1 * 68)) + fast_1) + 544] = bh[2];
      b[(((((ko + 1) % 2) * 1088) + (slow_1 * 68)) + fast_1) + 816] = bh[3];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i_3 = 0; i_3 < 4; ++i_3) {
#pragma unroll
    for (int j_3 = 0; j_3 < 4; ++j_3) {
      const int at = (bx * 64) + ((ty * 4) + i_3);
      const int at_1 = (by * 64) + ((tx * 4) + j_3);
      if ((((bx * 64) + ((ty * 4) + i_3)) < 65) && (((by * 64) + ((tx * 4) + j_3)) < 70)) {
        out0[(at * 70) + at_1] = acc[(i_3 * 4) + j_3];
      }
    }
  }
}
