// CUDA's vector types, aligned as they are on a device.
#pragma once

#define EMU_VECTORS(T, name, a2, a4)                 \
  struct name##1 {                                   \
    T x;                                             \
  };                                                 \
  struct alignas(a2) name##2 {                       \
    T x, y;                                          \
  };                                                 \
  struct name##3 {                                   \
    T x, y, z;                                       \
  };                                                 \
  struct alignas(a4) name##4 {                       \
    T x, y, z, w;                                    \
  };                                                 \
  inline name##2 make_##name##2(T x, T y) {          \
    return {x, y};                                   \
  }                                                  \
  inline name##4 make_##name##4(T x, T y, T z, T w) { \
    return {x, y, z, w};                             \
  }

EMU_VECTORS(signed char, char, 2, 4)
EMU_VECTORS(unsigned char, uchar, 2, 4)
EMU_VECTORS(short, short, 4, 8)
EMU_VECTORS(unsigned short, ushort, 4, 8)
EMU_VECTORS(int, int, 8, 16)
EMU_VECTORS(float, float, 8, 16)
EMU_VECTORS(double, double, 16, 16)
EMU_VECTORS(long long, longlong, 16, 16)
EMU_VECTORS(unsigned long long, ulonglong, 16, 16)
#undef EMU_VECTORS

// uint3 is in abi.h.
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
