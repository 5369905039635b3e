"""Expressions of Kernel IR as CUDA C: tables by kind of dtype.

Indices are int64 in the IR. Where the bounds of an expression show that 32 bits hold it and all that it
is made of, it is computed in `int`, which is several times faster on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphtorch.codegen.kernel_grammar import INFIX, Names
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import (
    COMPARE,
    Binary,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Select,
    Unary,
    Var,
    bounds,
    children,
    flat_index,
)
from graphtorch.ir.types import DType, bool_, float64, int64

C_TYPES = {
    "f64": "double", "f32": "float", "i64": "i64", "i32": "int", "i16": "i16", "i8": "i8",
    "u8": "u8", "bool": "bool", "u32": "u32", "u64": "u64",
}  # fmt: skip
PREAMBLE = """\
typedef long long i64;
typedef short i16;
typedef signed char i8;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define GT_INF __int_as_float(0x7f800000)
#define GT_NAN __int_as_float(0x7fc00000)
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
GT_FN gt_abs(T x) { return x < 0 ? (T)(0 - (u64)x) : x; }
GT_FN gt_pow(T a, T b) {
  if (b < 0) return a == 1 ? 1 : a == (T)-1 ? (b % 2 ? -1 : 1) : 0;
  T y = 1;
  for (; b; b >>= 1, a = (T)((u64)a * (u64)a)) if (b & 1) y = (T)((u64)y * (u64)a);
  return y;
}
"""
RESERVED = frozenset(
    [
        "alignas",
        "alignof",
        "and",
        "asm",
        "auto",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "constexpr",
        "continue",
        "decltype",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "mutable",
        "namespace",
        "new",
        "noexcept",
        "not",
        "nullptr",
        "operator",
        "or",
        "private",
        "protected",
        "public",
        "register",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typedef",
        "typeid",
        "typename",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "while",
        "xor",
        "threadIdx",
        "blockIdx",
        "blockDim",
        "gridDim",
        "warpSize",
        "i64",
        "i16",
        "i8",
        "u64",
        "u32",
        "u8",
        "GT_INF",
        "GT_NAN",
        "GT_FN",
    ]
)

_INFIX = {fn: f"({{0}} {symbol} {{1}})" for fn, symbol in INFIX.items()}
_COMPARE = {fn: _INFIX[fn] for fn in COMPARE}
_BITS = {fn: _INFIX[fn] for fn in ("and", "or", "xor")}
_WRAPPING = {fn: f"(({{T}})(({{U}}){{0}} {INFIX[fn]} ({{U}}){{1}}))" for fn in ("add", "sub", "mul", "shl")}
#: C promotes what is narrower than an int, so that its results are cut back
_UNSIGNED = {fn: _INFIX[fn] for fn in ("add", "sub", "mul", "shl")}
_WHOLE = dict.fromkeys(("floor", "ceil", "trunc", "round"), "{0}")
_MATH = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "erf",
    "floor",
    "ceil",
    "trunc",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
]
_INT = {
    **_COMPARE, **_BITS, **_WHOLE, **_WRAPPING, "shr": _INFIX["shr"],
    "floordiv": "gt_floordiv<{T}>({0}, {1})", "mod": "gt_mod<{T}>({0}, {1})", "pow": "gt_pow<{T}>({0}, {1})",
    "min": "gt_min<{T}>({0}, {1})", "max": "gt_max<{T}>({0}, {1})",
    "neg": "(({T})(0 - ({U}){0}))", "abs": "gt_abs<{T}>({0})", "not": "(({T})~{0})",
}  # fmt: skip

#: kind of dtype -> function -> template over the operands, T the C type, U its unsigned form, f the suffix
TABLES: dict[str, dict[str, str]] = {
    "f": {
        **_COMPARE, **{fn: _INFIX[fn] for fn in ("add", "sub", "mul", "div")}, **{fn: fn + "{f}({0})" for fn in _MATH},
        "round": "rint{f}({0})", "abs": "fabs{f}({0})", "neg": "(-{0})", "not": "({0} == 0)",
        "pow": "pow{f}({0}, {1})", "atan2": "atan2{f}({0}, {1})", "floordiv": "gt_ffloordiv<{T}>({0}, {1})",
        "mod": "gt_fmod<{T}>({0}, {1})", "min": "gt_min<{T}>({0}, {1})", "max": "gt_max<{T}>({0}, {1})",
    },
    "i": _INT,
    "u": {**_INT, **_UNSIGNED, "abs": "{0}", "floordiv": "({0} / {1})", "mod": "({0} % {1})"},
    "b": {
        **_COMPARE, **_WHOLE, "and": "({0} && {1})", "or": "({0} || {1})", "xor": "({0} != {1})",
        "add": "({0} || {1})", "mul": "({0} && {1})", "min": "({0} && {1})", "max": "({0} || {1})",
        "not": "(!{0})", "abs": "{0}",
    },
}  # fmt: skip
#: index arithmetic whose result is known to fit, with operands that are not negative
_EXACT = {**{fn: _INFIX[fn] for fn in ("add", "sub", "mul")}, "neg": "(-{0})"}
_POSITIVE = {"floordiv": "({0} / {1})", "mod": "({0} % {1})"}


def c_type(dtype: DType) -> str:
    return C_TYPES[dtype.short]


def index_type(e: Expr) -> str:
    """The C type in which an int64 expression is computed."""
    return "int" if _fits_int(e) else "i64"


def type_of(e: Expr) -> str:
    return index_type(e) if e.dtype == int64 else c_type(e.dtype)


def _fits_int(e: Expr) -> bool:
    low, high = bounds(e)
    if not (low > -(2**31) and high < 2**31):
        return False
    return isinstance(e, Const | Var) or (isinstance(e, Binary | Select) and all(map(_fits_int, _parts(e))))


def _parts(e: Binary | Select) -> tuple[Expr, ...]:
    return (e.a, e.b)


def _known(e: Expr) -> bool:
    """Whether the bounds of an int64 expression show that it does not overflow."""
    low, high = bounds(e)
    return e.dtype == int64 and low >= -(2**63) and high < 2**63


class CudaExprs:
    """Translates scalar expressions, with the names that the emitter binds."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def __call__(self, e: Expr) -> str:
        if e.lanes > 1:
            raise IRError("GT826", f"kernel @{self.names.kernel.name}: a vector expression in CUDA code")
        match e:
            case Const():
                return literal(e)
            case Var():
                return self.names[e]
            case Load():
                return self.load(e)
            case Unary() | Binary():
                return self.apply(e)
            case Select():
                return f"({self(e.cond)} ? {self(e.a)} : {self(e.b)})"
            case Cast():
                return f"({self(e.x)} != 0)" if e.dtype == bool_ else f"(({type_of(e)}){self(e.x)})"
        raise TypeError(f"not a scalar expression: {e!r}")

    def apply(self, e: Unary | Binary) -> str:
        operands = children(e)
        template = _template(e, operands)
        if template is None:
            raise IRError("GT826", f"{e.fn} of {operands[0].dtype} has no CUDA form")
        text = list(map(self, operands))
        if _widens(e, operands):
            text[0] = f"(i64){text[0]}"
        dtype = operands[0].dtype
        unsigned = "u64" if dtype.itemsize == 8 else "u32"
        return template.format(*text, T=type_of(e), U=unsigned, f="" if dtype == float64 else "f")

    def load(self, e: Load) -> str:
        element = self.element(e.buffer, e.indices)
        if e.where is None:
            return element
        zero = literal(Const({"f": 0.0, "b": False}.get(e.dtype.kind, 0), e.dtype))
        return f"({self(e.where)} ? {element} : {zero})"

    def element(self, buffer: Buffer, indices: Sequence[Expr]) -> str:
        position = self(flat_index(buffer.shape, indices))
        return f"{self.names[buffer]}[{bare(position)}]"


def _template(e: Unary | Binary, operands: tuple[Expr, ...]) -> str | None:
    if e.fn in _EXACT and _known(e):
        return _EXACT[e.fn]
    if e.fn in _POSITIVE and operands[0].dtype == int64:
        (low, _), (least, _) = map(bounds, operands)
        if low >= 0 and least > 0:
            return _POSITIVE[e.fn]
    dtype = operands[0].dtype
    narrow = dtype.kind == "u" and dtype.itemsize < 4 and e.fn in _UNSIGNED
    return _WRAPPING[e.fn] if narrow else TABLES[dtype.kind].get(e.fn)


def _widens(e: Unary | Binary, operands: tuple[Expr, ...]) -> bool:
    """Whether operands in `int` give a result that needs 64 bits."""
    return e.dtype == int64 and index_type(e) == "i64" and all(map(_fits_int, operands))


def bare(text: str) -> str:
    """``text`` without parentheses around the whole of it."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if i and i == len(text) - 1 and text[0] == "(" else text
    return text


# ---- literals -------------------------------------------------------------------------------------


def literal(e: Const) -> str:
    """A constant, exactly."""
    if e.dtype == bool_:
        return "true" if e.value else "false"
    text = _float(float(e.value), e.dtype) if e.dtype.kind == "f" else _integer(int(e.value), e.dtype)
    return f"({text})" if text.startswith("-") else text


def _float(value: float, dtype: DType) -> str:
    suffix = "" if dtype == float64 else "f"
    if math.isfinite(value):
        return f"{dtype.np.type(value)!s}{suffix}"
    name = "GT_NAN" if math.isnan(value) else "GT_INF" if value > 0 else "-GT_INF"
    return name if suffix else f"(double){name}" if value != -math.inf else "-(double)GT_INF"


def _integer(value: int, dtype: DType) -> str:
    if dtype.itemsize < 4:
        return f"({c_type(dtype)}){value}"
    if dtype.kind == "u":
        return f"{value}{'ull' if dtype.itemsize == 8 else 'u'}"
    if value in (-(2**63), -(2**31)):  # C has no literal for the least integer
        return f"-{-value - 1}{'ll' if value == -(2**63) else ''} - 1"
    return str(value) if abs(value) < 2**31 else f"{value}ll"
