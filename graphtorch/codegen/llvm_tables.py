"""What LLVM has for the IR's dtypes and functions: types, instructions, intrinsics, and the formulas of vector_math."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphtorch.codegen import llvm_division, llvm_halves, vector_math
from graphtorch.codegen import llvm_text as ll
from graphtorch.ir import expr as E
from graphtorch.ir.expr import Expr
from graphtorch.ir.types import LOW_PRECISION, DType, int64

I1, I8, I32, I64 = map(ll.integer, (1, 8, 32, 64))
PTR = ll.pointer(I8)

# ---- types ----------------------------------------------------------------------------------------


def llvm_type(dtype: DType, lanes: int = 1) -> ll.Type:
    """In registers; bool is i1 there and a byte in memory. 16-bit floats are bits until they are float32."""
    if dtype in LOW_PRECISION:
        base = ll.integer(16)
    elif dtype.kind == "f":
        base = ll.FLOAT if dtype.itemsize == 4 else ll.DOUBLE
    else:
        base = I1 if dtype.kind == "b" else ll.integer(8 * dtype.itemsize)
    return ll.vector(base, lanes) if lanes > 1 else base


def memory_type(dtype: DType, lanes: int = 1) -> ll.Type:
    base = I8 if dtype.kind == "b" else llvm_type(dtype)
    return ll.vector(base, lanes) if lanes > 1 else base


def constant(e: E.Const) -> ll.Constant:
    value = int.from_bytes(e.dtype.np.type(e.value).tobytes(), "little") if e.dtype in LOW_PRECISION else e.value
    return ll.Constant(llvm_type(e.dtype), value)


def zero(kind: ll.Type) -> ll.Constant:
    if kind.kind == "vector":
        return ll.Constant(kind, [zero(kind.element)] * kind.count)
    return ll.Constant(kind, 0)


def suffix(dtype: DType, lanes: int = 1) -> str:
    """What an intrinsic's name ends with."""
    vector = f"v{lanes}" if lanes > 1 else ""
    return f"{vector}{'f' if dtype.kind == 'f' and dtype not in LOW_PRECISION else 'i'}{8 * dtype.itemsize}"


# ---- instructions ---------------------------------------------------------------------------------


class Instructions:
    """Where instructions go: a module, and a builder ``b`` in one of its functions. ``fused`` and ``halves`` say what
    the CPU has (target.py)."""

    def __init__(self, module: ll.Module, b: ll.Builder, fused: bool, halves: bool = False) -> None:
        self.module, self.b, self.fused, self.halves = module, b, fused, halves
        #: variables that are the same in all rounds of the loop that instructions are in
        self.steady: frozenset[E.Var] = frozenset()

    def intrinsic(self, name: str, e: Expr, *args: Any, flags: str = "") -> Any:
        kind = llvm_type(e.dtype, e.lanes)
        function = self.module.declare(f"llvm.{name}.{suffix(e.dtype, e.lanes)}", kind, [kind] * len(args))
        return self.b.call(function, args, flags=flags)


# ---- functions of one operand -----------------------------------------------------------------------


def _intrinsic(name: str) -> Callable[[Instructions, Any, Any], Any]:
    return lambda to, e, x: to.intrinsic(name, e, x)


def _neg(to: Instructions, e: E.Unary, x: Any) -> Any:
    return to.b.negative(x) if e.dtype.kind == "f" else to.b.binary("sub", zero(x.type), x)


def _abs(to: Instructions, e: E.Unary, x: Any) -> Any:
    if e.dtype.kind == "f":
        return to.intrinsic("fabs", e, x)
    if e.dtype.kind == "u":
        return x
    return to.b.select(to.b.compare("icmp slt", x, zero(x.type)), to.b.binary("sub", zero(x.type), x), x)


def _formula(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A function of vector_math."""

    def emit(to: Instructions, e: E.Unary | E.Binary, *operands: Any) -> Any:
        place = vector_math.Place(to.module, to.b, e.lanes, to.fused)
        return vector_math.emit(formula, place, e.dtype.itemsize, *operands)

    return emit


UNARY: dict[str, Callable[[Instructions, Any, Any], Any]] = {
    "neg": _neg,
    "not": lambda to, e, x: to.b.complement(x),
    "abs": _abs,
    "round": _intrinsic("rint"),
    **{n: _intrinsic(n) for n in "sqrt floor ceil trunc".split()},
    **{n: _formula(f) for n, f in vector_math.FORMULAS.items() if n in E.UNARY},
}

# ---- functions of two operands ----------------------------------------------------------------------


def _max(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(to, e, a, b, "gt")


def _min(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(to, e, a, b, "lt")


def _extremum(to: Instructions, e: E.Binary, a: Any, b: Any, order: str) -> Any:
    compare = to.b.compare
    if e.dtype.kind != "f":
        return to.b.select(compare(f"icmp {'s' if e.dtype.kind == 'i' else 'u'}{order}", a, b), a, b)
    constant = e.b.x if isinstance(e.b, E.Splat) else e.b
    if isinstance(constant, E.Const) and constant.value == constant.value:
        return to.b.select(compare(f"fcmp o{order}", b, a), b, a)  # nan in a is kept
    # written with comparisons it would be two more instructions; which zero is greater nobody asks
    return to.intrinsic("maximum" if order == "gt" else "minimum", e, a, b, flags="nsz ")


def _divide(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    """By what is the same in all lanes and rounds, it is a product with the reciprocal, corrected."""
    steady = isinstance(e.b, E.Splat) and e.b.x in to.steady
    return _formula(vector_math.quotient)(to, e, a, b) if steady and to.fused else to.b.binary("fdiv", a, b)


def _zip(first: int) -> Callable[[Instructions, Any, Any, Any], Any]:
    """Lanes of both operands in turn, from lane ``first`` halves on."""

    def emit(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
        half = e.lanes // 2
        lanes = [lane + operand for lane in range(first * half, first * half + half) for operand in (0, e.lanes)]
        return to.b.shuffle(a, b, lanes)

    return emit


def _instruction(name: str) -> Callable[[Instructions, Any, Any, Any], Any]:
    return lambda to, e, a, b: to.b.binary(name, a, b)


# contract: a product and the sum that takes it may become one fused multiply-add; nothing else may change
BINARY: dict[tuple[str, str], Callable[[Instructions, Any, Any, Any], Any]] = {
    **{(n, "f"): _instruction(f"f{n} contract") for n in ("add", "sub", "mul")},
    ("div", "f"): _divide,
    **{(n, "f"): _formula(f) for n, f in vector_math.FORMULAS.items() if n in E.BINARY},
    **{(n, "i"): _instruction(n) for n in ("add", "sub", "mul")},
    ("div", "i"): llvm_division.truncated,
    ("fmod", "i"): llvm_division.rest,
    ("floordiv", "i"): llvm_division.floored,
    ("mod", "i"): llvm_division.modulo,
    ("copysign", "f"): lambda to, e, a, b: to.intrinsic("copysign", e, a, b),
    ("max", ""): _max,
    ("min", ""): _min,
    **{(n, ""): _instruction(n) for n in ("and", "or", "xor", "shl")},
    ("shr", "u"): _instruction("lshr"),
    ("shr", "i"): _instruction("ashr"),
    ("zip_low", ""): _zip(0),
    ("zip_high", ""): _zip(1),
}


def binary(to: Instructions, e: E.Binary, a: Any, b: Any) -> Any:
    kind = e.a.dtype.kind
    if e.fn in E.COMPARE:
        return to.b.compare(_PREDICATES[e.fn, kind], a, b)
    for found in (kind, "i" if kind == "u" else kind, ""):
        if (e.fn, found) in BINARY:
            return BINARY[e.fn, found](to, e, a, b)
    raise KeyError((e.fn, kind))


def _predicate(fn: str, kind: str) -> str:
    if kind == "f":
        return "fcmp une" if fn == "ne" else f"fcmp o{fn}"
    return f"icmp {fn}" if fn in ("eq", "ne") else f"icmp {'s' if kind == 'i' else 'u'}{fn}"


_PREDICATES = {(fn, kind): _predicate(fn, kind) for fn in E.COMPARE for kind in "fiub"}

# ---- casts ------------------------------------------------------------------------------------------


def cast(to: Instructions, e: E.Cast, x: Any) -> Any:
    old, new = e.x.dtype, e.dtype
    if old in LOW_PRECISION:
        return llvm_halves.widen(to.b, old, x, to.halves)
    if new in LOW_PRECISION:
        return llvm_halves.narrow(to.b, new, x, to.halves)
    kind = llvm_type(new, e.lanes)
    if new.kind == "b":
        return to.b.compare("fcmp une" if old.kind == "f" else "icmp ne", x, zero(x.type))
    if old.kind == "f" and new.kind == "f":
        return to.b.convert("fpext" if new.itemsize > old.itemsize else "fptrunc", x, kind)
    if old.kind == "f":  # by way of int64: narrow types wrap, as numpy's do
        whole = to.b.convert("fptosi", x, llvm_type(int64, e.lanes))
        return whole if new.itemsize == 8 else to.b.convert("trunc", whole, kind)
    signed = old.kind == "i"
    if new.kind == "f":
        return to.b.convert("sitofp" if signed else "uitofp", x, kind)
    size = 0 if old.kind == "b" else old.itemsize
    if new.itemsize == size:
        return x
    return to.b.convert("trunc" if new.itemsize < size else "sext" if signed else "zext", x, kind)
