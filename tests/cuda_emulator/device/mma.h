// Models of mma.sync and ldmatrix. Matrices are spread over a warp as the PTX
// ISA states for each shape; a lane's group is lane / 4, its place in the group lane % 4.
#pragma once

namespace emu {

using Half = float (*)(unsigned short);

// One lane's registers of d = a * b + c: 16 x 8 floats are c[0..3] in rows group and group + 8.
struct Mma {
  float* d;
  const unsigned *a, *b;
  const float* c;
};

struct Tile {
  float a[16][16], b[16][8], c[16][8];
};

// 16 x 16 of a, two halves to a register: {row group, +8} x {columns 2p, 2p + 1; the same + 8}; b is 16 x 8, column group.
inline void gather_halves(Tile& t, void* const* lanes, Half read) {
  for (int lane = 0; lane < WARP; ++lane) {
    auto* m = (const Mma*)lanes[lane];
    int g = lane / 4, p = lane % 4;
    for (int i = 0; i < 8; ++i) {
      unsigned short bits = m->a[i / 2] >> 16 * (i % 2);
      t.a[g + 8 * (i / 2 % 2)][2 * p + i % 2 + 8 * (i / 4)] = read(bits);
    }
    for (int i = 0; i < 4; ++i) {
      unsigned short bits = m->b[i / 2] >> 16 * (i % 2);
      t.b[2 * p + i % 2 + 8 * (i / 2)][g] = read(bits);
    }
  }
}

// 16 x 8 of a: {row group, +8} x {column p, p + 4}; b is 8 x 8: rows p and p + 4, column group.
inline void gather_tf32(Tile& t, void* const* lanes, Half) {
  for (int lane = 0; lane < WARP; ++lane) {
    auto* m = (const Mma*)lanes[lane];
    int g = lane / 4, p = lane % 4;
    for (int i = 0; i < 4; ++i) t.a[g + 8 * (i % 2)][p + 4 * (i / 2)] = from_tf32(m->a[i]);
    for (int i = 0; i < 2; ++i) t.b[p + 4 * i][g] = from_tf32(m->b[i]);
  }
}

template <int K, void (*gather)(Tile&, void* const*, Half), Half read>
void multiply(void* const* lanes) {
  static Tile t;
  gather(t, lanes, read);
  for (int lane = 0; lane < WARP; ++lane) {
    auto* m = (const Mma*)lanes[lane];
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      double sum = 0;  // products are exact, and summed with more bits than float's
      for (int k = 0; k < K; ++k) sum += (double)t.a[row][k] * t.b[k][column];
      t.c[row][column] = (float)(m->c[i] + sum);
    }
  }
  for (int lane = 0; lane < WARP; ++lane) {
    auto* m = (const Mma*)lanes[lane];
    for (int i = 0; i < 4; ++i) m->d[i] = t.c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  }
}

inline float no_half(unsigned short) { return 0; }
// mma.sync.aligned.m16n8k16.row.col.f32.{bf16,f16}.{bf16,f16}.f32: a has 4 registers, b 2
inline void mma_bf16(float* d, const unsigned* a, const unsigned* b, const float* c, int line) {
  Mma mine{d, a, b, c};
  runtime->collective("mma.m16n8k16.bf16", ALL, line, &mine, multiply<16, gather_halves, from_bfloat>);
}
inline void mma_f16(float* d, const unsigned* a, const unsigned* b, const float* c, int line) {
  Mma mine{d, a, b, c};
  runtime->collective("mma.m16n8k16.f16", ALL, line, &mine, multiply<16, gather_halves, from_half>);
}
// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: a has 4 registers, b 2
inline void mma_tf32(float* d, const unsigned* a, const unsigned* b, const float* c, int line) {
  Mma mine{d, a, b, c};
  runtime->collective("mma.m16n8k8.tf32", ALL, line, &mine, multiply<8, gather_tf32, no_half>);
}

// ldmatrix.sync.aligned.m8n8.x{1,2,4}{.trans}.shared.b16: lane 8 m + r gives the address of row r of matrix m, and every
// lane gets of each matrix the two elements 2 p and 2 p + 1 of row `group` (of the transposed matrix with .trans).
struct Rows {
  const void* address;
  unsigned* out;
};
template <int COUNT, bool TRANSPOSED>
void load_matrices(void* const* lanes) {
  for (int lane = 0; lane < WARP; ++lane)
    for (int m = 0; m < COUNT; ++m) {
      unsigned value = 0;
      for (int i = 0; i < 2; ++i) {
        int major = lane / 4, minor = 2 * (lane % 4) + i;
        if (TRANSPOSED) std::swap(major, minor);
        auto* row = (const unsigned short*)((const Rows*)lanes[8 * m + major])->address;
        value |= (unsigned)row[minor] << 16 * i;
      }
      ((const Rows*)lanes[lane])->out[m] = value;
    }
}
template <int COUNT, bool TRANSPOSED>
inline void ldmatrix(unsigned* out, const void* address, int line) {
  if (lane_id() < 8 * COUNT && (uintptr_t)address % 16) runtime->fail(line, "ldmatrix: the address of a row is no multiple of 16");
  Rows mine{address, out};
  runtime->collective("ldmatrix", ALL, line, &mine, load_matrices<COUNT, TRANSPOSED>);
}

}  // namespace emu
