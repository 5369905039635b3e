"""What LLVM has for the IR's dtypes and functions: types, instructions, intrinsics, and the formulas of vector_math."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ll

from graphtorch.codegen import vector_math
from graphtorch.ir import expr as E
from graphtorch.ir.expr import Expr
from graphtorch.ir.types import DType, int64

I1, I8, I32, I64 = ll.IntType(1), ll.IntType(8), ll.IntType(32), ll.IntType(64)
PTR = I8.as_pointer()
#: a product and the sum that takes it may become one fused multiply-add; nothing else may change
_CONTRACT = ("contract",)

# ---- types ----------------------------------------------------------------------------------------


def llvm_type(dtype: DType, lanes: int = 1) -> ll.Type:
    """In registers; bool is i1 there and a byte in memory."""
    base = {"f": {4: ll.FloatType(), 8: ll.DoubleType()}.get(dtype.itemsize), "b": I1}.get(dtype.kind)
    base = base or ll.IntType(8 * dtype.itemsize)
    return ll.VectorType(base, lanes) if lanes > 1 else base


def memory_type(dtype: DType, lanes: int = 1) -> ll.Type:
    base = I8 if dtype.kind == "b" else llvm_type(dtype)
    return ll.VectorType(base, lanes) if lanes > 1 else base


def zero(kind: ll.Type) -> ll.Constant:
    if isinstance(kind, ll.VectorType):
        return ll.Constant(kind, [zero(kind.element)] * kind.count)
    return ll.Constant(kind, 0.0 if isinstance(kind, ll.FloatType | ll.DoubleType) else 0)


def suffix(dtype: DType, lanes: int = 1) -> str:
    """What an intrinsic's name ends with."""
    vector = f"v{lanes}" if lanes > 1 else ""
    return f"{vector}{'f' if dtype.kind == 'f' else 'i'}{8 * dtype.itemsize}"


# ---- instructions ---------------------------------------------------------------------------------


def declare(module: ll.Module, name: str, result: ll.Type, args: list[ll.Type]) -> ll.Function:
    """The external function ``name``, declared once."""
    return module.globals.get(name) or ll.Function(module, ll.FunctionType(result, args), name)


class Instructions:
    """Where instructions go: a module, and a builder ``b`` in one of its functions, for a CPU with ``fused`` or not."""

    def __init__(self, module: ll.Module, b: ll.IRBuilder, fused: bool) -> None:
        self.module, self.b, self.fused = module, b, fused

    def intrinsic(self, name: str, e: Expr, *args: Any) -> Any:
        kind = llvm_type(e.dtype, e.lanes)
        function = declare(self.module, f"llvm.{name}.{suffix(e.dtype, e.lanes)}", kind, [kind] * len(args))
        return self.b.call(function, args)

    def lane(self, x: Any, number: int) -> Any:
        return self.b.extract_element(x, ll.Constant(I32, number))

    def splat(self, x: Any, lanes: int) -> Any:
        if isinstance(x, ll.Constant):
            return ll.Constant(ll.VectorType(x.type, lanes), [x] * lanes)
        undefined = ll.Constant(ll.VectorType(x.type, lanes), ll.Undefined)
        one = self.b.insert_element(undefined, x, ll.Constant(I32, 0))
        zeros = ll.Constant(ll.VectorType(I32, lanes), [ll.Constant(I32, 0)] * lanes)
        return self.b.shuffle_vector(one, undefined, zeros)


# ---- functions of one operand -----------------------------------------------------------------------


def _intrinsic(name: str) -> Callable[[Instructions, Any, Any], Any]:
    return lambda to, e, x: to.intrinsic(name, e, x)


def _neg(to: Instructions, e: E.Unary, x: Any) -> Any:
    return to.b.fneg(x) if e.dtype.kind == "f" else to.b.neg(x)


def _abs(to: Instructions, e: E.Unary, x: Any) -> Any:
    if e.dtype.kind == "f":
        return to.intrinsic("fabs", e, x)
    if e.dtype.kind == "u":
        return x
    return to.b.select(to.b.icmp_signed("<", x, zero(x.type)), to.b.neg(x), x)


def _formula(name: str) -> Callable[..., Any]:
    """A function of vector_math."""

    def emit(to: Instructions, e: E.Unary | E.Binary, *operands: Any) -> Any:
        place = vector_math.Place(to.module, to.b, e.lanes, to.fused)
        return vector_math.emit(name, place, e.dtype.itemsize, *operands)

    return emit


UNARY: dict[str, Callable[[Instructions, Any, Any], Any]] = {
    "neg": _neg,
    "not": lambda to, e, x: to.b.not_(x),
    "abs": _abs,
    "round": _intrinsic("rint"),
    **{n: _intrinsic(n) for n in "sqrt floor ceil trunc".split()},
    **{n: _formula(n) for n in vector_math.FORMULAS.keys() & E.UNARY},
}

# ---- functions of two operands ----------------------------------------------------------------------


def _max(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(to, e, a, b, ">")


def _min(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(to, e, a, b, "<")


def _extremum(to: Instructions, e: E.Binary, a: Any, b: Any, symbol: str) -> Any:
    if e.dtype.kind != "f":
        signed = e.dtype.kind == "i"
        compare = to.b.icmp_signed if signed else to.b.icmp_unsigned
        return to.b.select(compare(symbol, a, b), a, b)
    constant = e.b.x if isinstance(e.b, E.Splat) else e.b
    if isinstance(constant, E.Const) and constant.value == constant.value:
        return to.b.select(to.b.fcmp_ordered(symbol, b, a), b, a)  # nan in a is kept
    kept = to.b.select(to.b.fcmp_ordered(symbol, a, b), a, b)  # b, if either is nan
    return to.b.select(to.b.fcmp_unordered("!=", a, a), a, kept)


def _floordiv(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    if e.dtype.kind == "u" or E.bounds(e.a)[0] >= 0:
        return (to.b.udiv if e.dtype.kind == "u" else to.b.sdiv)(a, b)
    quotient = to.b.sdiv(a, b)
    exact = to.b.icmp_signed("==", to.b.mul(quotient, b), a)
    apart = to.b.icmp_signed("<", to.b.xor(a, b), zero(a.type))
    down = to.b.and_(to.b.not_(exact), apart)
    return to.b.add(quotient, to.b.sext(down, a.type))


def _mod(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    if e.dtype.kind == "u" or E.bounds(e.a)[0] >= 0:
        return (to.b.urem if e.dtype.kind == "u" else to.b.srem)(a, b)
    return to.b.sub(a, to.b.mul(_floordiv(to, e, a, b), b))


def _zip(first: int) -> Callable[[Instructions, Any, Any, Any], Any]:
    """Lanes of both operands in turn, from lane ``first`` halves on."""

    def emit(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
        half = e.lanes // 2
        lanes = [lane + operand for lane in range(first * half, first * half + half) for operand in (0, e.lanes)]
        mask = ll.Constant(ll.VectorType(I32, e.lanes), [ll.Constant(I32, lane) for lane in lanes])
        return to.b.shuffle_vector(a, b, mask)

    return emit


BINARY: dict[tuple[str, str], Callable[[Instructions, Any, Any, Any], Any]] = {
    ("add", "f"): lambda to, e, a, b: to.b.fadd(a, b, flags=_CONTRACT),
    ("sub", "f"): lambda to, e, a, b: to.b.fsub(a, b, flags=_CONTRACT),
    ("mul", "f"): lambda to, e, a, b: to.b.fmul(a, b, flags=_CONTRACT),
    ("div", "f"): lambda to, e, a, b: to.b.fdiv(a, b),
    **{(n, "f"): _formula(n) for n in vector_math.FORMULAS.keys() & E.BINARY},
    ("add", "i"): lambda to, e, a, b: to.b.add(a, b),
    ("sub", "i"): lambda to, e, a, b: to.b.sub(a, b),
    ("mul", "i"): lambda to, e, a, b: to.b.mul(a, b),
    ("floordiv", "i"): _floordiv,
    ("mod", "i"): _mod,
    ("max", ""): _max,
    ("min", ""): _min,
    ("and", ""): lambda to, e, a, b: to.b.and_(a, b),
    ("or", ""): lambda to, e, a, b: to.b.or_(a, b),
    ("xor", ""): lambda to, e, a, b: to.b.xor(a, b),
    ("zip_low", ""): _zip(0),
    ("zip_high", ""): _zip(1),
    ("shl", ""): lambda to, e, a, b: to.b.shl(a, b),
    ("shr", ""): lambda to, e, a, b: (to.b.lshr if e.dtype.kind == "u" else to.b.ashr)(a, b),
}


def binary(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    kind = e.a.dtype.kind
    if e.fn in E.COMPARE:
        return _compare(to, e, a, b)
    return (BINARY.get((e.fn, kind if kind in "fb" else "i")) or BINARY[e.fn, ""])(to, e, a, b)


def _compare(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    symbol, kind = _SYMBOLS[e.fn], e.a.dtype.kind
    if kind == "f":
        return (to.b.fcmp_unordered if e.fn == "ne" else to.b.fcmp_ordered)(symbol, a, b)
    return (to.b.icmp_signed if kind == "i" else to.b.icmp_unsigned)(symbol, a, b)


_SYMBOLS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}

# ---- casts ------------------------------------------------------------------------------------------


def cast(to: Instructions, e: E.Cast, x: Any) -> Any:
    old, new = e.x.dtype, e.dtype
    kind = llvm_type(new, e.lanes)
    if new.kind == "b":
        nonzero = to.b.fcmp_unordered if old.kind == "f" else to.b.icmp_signed
        return nonzero("!=", x, zero(x.type))
    if old.kind == "f" and new.kind == "f":
        return (to.b.fpext if new.itemsize > old.itemsize else to.b.fptrunc)(x, kind)
    if old.kind == "f":  # by way of int64: narrow types wrap, as numpy's do
        whole = to.b.fptosi(x, llvm_type(int64, e.lanes))
        return whole if new.itemsize == 8 else to.b.trunc(whole, kind)
    signed = old.kind == "i"
    if new.kind == "f":
        return (to.b.sitofp if signed else to.b.uitofp)(x, kind)
    size = 0 if old.kind == "b" else old.itemsize
    if new.itemsize == size:
        return x
    resize = to.b.trunc if new.itemsize < size else to.b.sext if signed else to.b.zext
    return resize(x, kind)
