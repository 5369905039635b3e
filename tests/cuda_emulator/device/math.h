// CUDA's scalar functions that C++ lacks, and conversions of 16-bit floats.
#pragma once

namespace emu {
template <class To, class From>
inline To bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "");
  To y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}

// The inverse of erf: Newton's steps from Winitzki's approximation.
inline double erfinv_of(double y) {
  if (!(std::fabs(y) < 1)) return std::fabs(y) == 1 ? std::copysign(HUGE_VAL, y) : NAN;
  long double t = std::fabs(y), w = -std::log1p(-t * t), l = 4.330746750799873L - w / 2;
  long double x = std::sqrt(std::sqrt(l * l + w / 0.147L) - l);
  for (int i = 0; i < 60; ++i) {
    long double error = t > 0.5L ? (1 - t) - std::erfc(x) : std::erf(x) - t;
    long double step = error * std::exp(x * x) * 0.886226925452758013649083741671L;
    x -= step;
    if (std::fabs(step) <= 1e-19L * x) break;
  }
  return std::copysign((double)x, y);
}

inline float from_half(unsigned short h) {
  unsigned sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 31) return bits<float>(sign | 0x7f800000u | fraction << 13);
  float size = exponent ? std::ldexp((float)(1024 + fraction), (int)exponent - 25) : std::ldexp((float)fraction, -24);
  return bits<float>(sign | bits<unsigned>(size));
}

// To the nearest, ties to even.
inline unsigned short to_half(float x) {
  unsigned sign = bits<unsigned>(x) >> 16 & 0x8000u;
  if (x != x) return 0x7fff;
  float size = std::fabs(x);
  if (size >= 65520) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(size, &exponent);
  if (exponent < -13 || size == 0) return sign | (unsigned)std::nearbyint(std::ldexp(size, 24));
  unsigned fraction = (unsigned)std::nearbyint(std::ldexp(size, 11 - exponent));
  return sign | ((exponent + 14) * 1024 + (fraction - 1024));
}

inline float from_bfloat(unsigned short h) { return bits<float>((unsigned)h << 16); }
// What a tensor core reads of a 32-bit register: 8 bits of exponent and 10 of fraction, the others are dropped.
inline float from_tf32(unsigned x) { return bits<float>(x & 0xffffe000u); }
// cvt.rna.tf32.f32: to the nearest, ties away from zero.
inline unsigned to_tf32(float x) {
  unsigned b = bits<unsigned>(x);
  return (b & 0x7f800000u) == 0x7f800000u ? b : (b + 0x1000u) & 0xffffe000u;
}
}  // namespace emu

inline float __int_as_float(int x) { return emu::bits<float>(x); }
inline int __float_as_int(float x) { return emu::bits<int>(x); }
inline float __uint_as_float(unsigned x) { return emu::bits<float>(x); }
inline unsigned __float_as_uint(float x) { return emu::bits<unsigned>(x); }
inline double __longlong_as_double(long long x) { return emu::bits<double>(x); }
inline long long __double_as_longlong(double x) { return emu::bits<long long>(x); }

inline double erfinv(double x) { return emu::erfinv_of(x); }
inline float erfinvf(float x) { return (float)emu::erfinv_of(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float rsqrtf(float x) { return (float)(1 / std::sqrt((double)x)); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1u) << (31 - i);
  return y;
}
inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
inline int __mulhi(int x, int y) { return (int)((long long)x * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return (unsigned long long)((unsigned __int128)x * y >> 64);
}
template <class T>
inline T __ldg(const T* p) {
  return *p;
}
inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return b > a ? b : a; }

// Atomics: only one fiber runs at a time, so reading and writing is one step.
#define EMU_ATOMIC(name, result)        \
  template <class T, class U>           \
  inline T name(T* p, U value) {        \
    T old = *p, given = (T)value;       \
    *p = result;                        \
    return old;                         \
  }
EMU_ATOMIC(atomicAdd, old + given)
EMU_ATOMIC(atomicSub, old - given)
EMU_ATOMIC(atomicExch, given)
EMU_ATOMIC(atomicMin, given < old ? given : old)
EMU_ATOMIC(atomicMax, given > old ? given : old)
EMU_ATOMIC(atomicAnd, old & given)
EMU_ATOMIC(atomicOr, old | given)
EMU_ATOMIC(atomicXor, old ^ given)
#undef EMU_ATOMIC
template <class T>
inline T atomicCAS(T* p, T expected, T value) {
  T old = *p;
  if (old == expected) *p = value;
  return old;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
