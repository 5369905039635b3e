"""What CUDA C has for the IR's dtypes and functions: names, templates, and helpers where it has nothing."""

from __future__ import annotations

from graphtorch.codegen.kernel_grammar import INFIX
from graphtorch.ir.expr import COMPARE

C_TYPES = {
    "f64": "double", "f32": "float", "f16": "u16", "bf16": "u16", "i64": "i64", "i32": "int", "i16": "i16", "i8": "i8",
    "u8": "u8", "bool": "bool", "u32": "u32", "u64": "u64",
}  # fmt: skip
PREAMBLE = """\
typedef long long i64;
typedef short i16;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define GT_INF __int_as_float(0x7f800000)
#define GT_NAN __int_as_float(0x7fc00000)
// 16-bit floats are bits in memory; arithmetic is float. Rounding is to the nearest, ties to even; nan stays nan.
static __device__ __forceinline__ float gt_from_bf16(u16 x) { return __uint_as_float((u32)x << 16); }
static __device__ __forceinline__ u16 gt_to_bf16(float x) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  u16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#endif
  u32 bits = __float_as_uint(x);
  return x != x ? 0x7fc0 : (u16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#ifdef __CUDACC__  // whoever compiles for another machine gives what is PTX here
static __device__ __forceinline__ float gt_from_f16(u16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
static __device__ __forceinline__ u16 gt_to_f16(float x) {
  u16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
#endif

#define GT_FN template <class T> static __device__ __forceinline__ T

// The smaller, the greater: nan if either is nan.
GT_FN gt_min(T a, T b) { return a <= b || a != a ? a : b; }
GT_FN gt_max(T a, T b) { return a >= b || a != a ? a : b; }
// Division and remainder towards minus infinity; 0 by 0.
GT_FN gt_floordiv(T a, T b) {
  if (b == 0 || b == -1) return b == 0 ? 0 : (T)(0 - (u64)a);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
GT_FN gt_mod(T a, T b) { return b == 0 || b == -1 ? 0 : a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0); }
GT_FN gt_fmod(T a, T b) {
  T r = fmod(a, b);
  return r == 0 ? copysign(r, b) : (r < 0) != (b < 0) ? r + b : r;
}
GT_FN gt_ffloordiv(T a, T b) {
  if (b == 0) return a / b;
  T r = fmod(a, b);
  T q = (a - r) / b - (r != 0 && (r < 0) != (b < 0) ? 1 : 0);
  T whole = floor(q);
  return q == 0 ? copysign((T)0, a / b) : q - whole > (T)0.5 ? whole + 1 : whole;
}
// The same towards zero.
GT_FN gt_div(T a, T b) { return b == 0 ? 0 : b == (T)-1 && (T)-1 < 0 ? (T)(0 - (u64)a) : a / b; }
GT_FN gt_rest(T a, T b) { return b == 0 || (b == (T)-1 && (T)-1 < 0) ? 0 : a % b; }
GT_FN gt_abs(T x) { return x < 0 ? (T)(0 - (u64)x) : x; }
GT_FN gt_pow(T a, T b) {
  if (b < 0) return a == 1 ? 1 : a == (T)-1 ? (b % 2 ? -1 : 1) : 0;
  T y = 1;
  for (; b; b >>= 1, a = (T)((u64)a * (u64)a)) if (b & 1) y = (T)((u64)y * (u64)a);
  return y;
}
// s / (s + 1) for s = exp(-|x|), once more as s - s y: that leaves little of the rounding of s + 1.
GT_FN gt_sigmoid(T x) {
  T s = exp(-fabs(x)), low = s - s * (s / (s + 1));
  return x >= 0 ? 1 - low : low;
}
"""
RESERVED = frozenset(
    "alignas alignof and asm auto bool break case catch char class const constexpr continue decltype default "
    "delete do double else enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not nullptr operator or private protected public register return short signed sizeof "
    "static struct switch template this throw true try typedef typeid typename union unsigned using virtual void "
    "volatile while xor threadIdx blockIdx blockDim gridDim warpSize i64 i16 i8 u64 u32 u16 u8 "
    "GT_INF GT_NAN GT_FN GT_SHARED GT_MMA_16 gt_shared gt_address".split()
)

_INFIX = {fn: f"({{0}} {symbol} {{1}})" for fn, symbol in INFIX.items()}
_COMPARE = {fn: _INFIX[fn] for fn in COMPARE}
_BITS = {fn: _INFIX[fn] for fn in ("and", "or", "xor")}
WRAPPING = {fn: f"(({{T}})(({{U}}){{0}} {INFIX[fn]} ({{U}}){{1}}))" for fn in ("add", "sub", "mul", "shl")}
#: C promotes what is narrower than an int, so that its results are cut back
UNSIGNED = {fn: _INFIX[fn] for fn in ("add", "sub", "mul", "shl")}
_WHOLE = dict.fromkeys(("floor", "ceil", "trunc", "round"), "{0}")
_MATH = (
    "exp exp2 expm1 log log1p log2 log10 sqrt sin cos tan tanh erf erfc erfinv floor ceil trunc "
    "asin acos atan sinh cosh asinh acosh atanh"
).split()
_MATH2 = "pow atan2 hypot fmod copysign".split()
_INT = {
    **_COMPARE, **_BITS, **_WHOLE, **WRAPPING, "shr": _INFIX["shr"],
    "floordiv": "gt_floordiv<{T}>({0}, {1})", "mod": "gt_mod<{T}>({0}, {1})", "pow": "gt_pow<{T}>({0}, {1})",
    "div": "gt_div<{T}>({0}, {1})", "fmod": "gt_rest<{T}>({0}, {1})",
    "min": "gt_min<{T}>({0}, {1})", "max": "gt_max<{T}>({0}, {1})",
    "neg": "(({T})(0 - ({U}){0}))", "abs": "gt_abs<{T}>({0})", "not": "(({T})~{0})",
}  # fmt: skip

#: kind of dtype -> function -> template over the operands, T the C type, U its unsigned form, f the suffix
TABLES: dict[str, dict[str, str]] = {
    "f": {
        **_COMPARE, **{fn: _INFIX[fn] for fn in ("add", "sub", "mul", "div")}, **{fn: fn + "{f}({0})" for fn in _MATH},
        "round": "rint{f}({0})", "abs": "fabs{f}({0})", "neg": "(-{0})", "not": "({0} == 0)",
        **{fn: fn + "{f}({0}, {1})" for fn in _MATH2}, "floordiv": "gt_ffloordiv<{T}>({0}, {1})",
        "mod": "gt_fmod<{T}>({0}, {1})", "min": "gt_min<{T}>({0}, {1})", "max": "gt_max<{T}>({0}, {1})",
        "sigmoid": "gt_sigmoid<{T}>({0})",
    },
    "i": _INT,
    "u": {
        **_INT, **UNSIGNED, "abs": "{0}", "floordiv": "gt_div<{T}>({0}, {1})", "mod": "gt_rest<{T}>({0}, {1})",
    },
    "b": {
        **_COMPARE, **_WHOLE, "and": "({0} && {1})", "or": "({0} || {1})", "xor": "({0} != {1})",
        "add": "({0} || {1})", "mul": "({0} && {1})", "min": "({0} && {1})", "max": "({0} || {1})",
        "not": "(!{0})", "abs": "{0}",
    },
}  # fmt: skip
#: index arithmetic whose result is known to fit, with operands that are not negative
EXACT = {**{fn: _INFIX[fn] for fn in ("add", "sub", "mul")}, "neg": "(-{0})"}
POSITIVE = {"floordiv": "({0} / {1})", "mod": "({0} % {1})"}
