"""The expressions, and their construction.

Nodes are never changed once they are made, and are compared by identity (`same` compares structure).
They are made through `const`, `unary`, `binary`, `select` and `cast`, or Python's operators, which simplify
by the rules of simplify.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr.buffer import Buffer
from graphtorch.ir.types import LOW_PRECISION, DType, bool_, float32, int64, scalar_dtype

UNARY = frozenset(
    "neg not abs exp exp2 expm1 log log1p log2 log10 sqrt sin cos tan tanh sigmoid erf erfc erfinv floor ceil trunc "
    "round asin acos atan sinh cosh asinh acosh atanh".split()
)
COMPARE = frozenset("lt le gt ge eq ne".split())
#: of two vectors: the lanes of their low halves in turn (a0, b0, a1, b1, ...), and those of their high halves
ZIPS = frozenset(["zip_low", "zip_high"])
#: `div` and `fmod` of integers round towards zero, `floordiv` and `mod` towards minus infinity; by 0 all give 0
BINARY = (
    frozenset("add sub mul div floordiv mod fmod min max pow and or xor shl shr atan2 hypot copysign".split())
    | COMPARE
    | ZIPS
)


class Expr:
    """The base; Python's operators build expressions (comparisons too, so no ``==`` on them: `same`)."""

    __slots__ = ("dtype", "lanes", "range")

    def __init__(self, dtype: DType, lanes: int = 1) -> None:
        self.dtype, self.lanes = dtype, lanes
        #: what `bounds` found, once it was asked
        self.range: tuple[float, float] | None = None

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__slots__)
        return f"{type(self).__name__}({fields})"

    def __add__(self, other: ExprLike) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: ExprLike) -> Expr:
        return binary("add", other, self)

    def __sub__(self, other: ExprLike) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: ExprLike) -> Expr:
        return binary("sub", other, self)

    def __mul__(self, other: ExprLike) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: ExprLike) -> Expr:
        return binary("mul", other, self)

    def __truediv__(self, other: ExprLike) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: ExprLike) -> Expr:
        return binary("div", other, self)

    def __floordiv__(self, other: ExprLike) -> Expr:
        return binary("floordiv", self, other)

    def __mod__(self, other: ExprLike) -> Expr:
        return binary("mod", self, other)

    def __neg__(self) -> Expr:
        return unary("neg", self)

    def __lt__(self, other: ExprLike) -> Expr:
        return binary("lt", self, other)

    def __le__(self, other: ExprLike) -> Expr:
        return binary("le", self, other)

    def __gt__(self, other: ExprLike) -> Expr:
        return binary("gt", self, other)

    def __ge__(self, other: ExprLike) -> Expr:
        return binary("ge", self, other)

    def __and__(self, other: ExprLike) -> Expr:
        return binary("and", self, other)

    def __or__(self, other: ExprLike) -> Expr:
        return binary("or", self, other)

    def eq(self, other: ExprLike) -> Expr:
        return binary("eq", self, other)

    def ne(self, other: ExprLike) -> Expr:
        return binary("ne", self, other)


ExprLike = Expr | bool | int | float


class Const(Expr):
    """A literal, or a size that is not known (`Dim`): the same number wherever it is met in a run."""

    __slots__ = ("value",)

    def __init__(self, value: bool | int | float, dtype: DType) -> None:
        super().__init__(dtype)
        self.value = value


class Var(Expr):
    """A loop variable (0 <= var < extent, where extent is known; it may be a `Dim`) or the name of a `let`."""

    __slots__ = ("extent", "name")

    def __init__(self, name: str, dtype: DType = int64, extent: int | None = None, lanes: int = 1) -> None:
        super().__init__(dtype, lanes)
        self.name, self.extent = name, extent

    @property
    def size(self) -> int:
        """The extent; 0 where it is not known."""
        return 0 if self.extent is None else self.extent

    @property
    def single(self) -> bool:
        """Whether it is known to be 0."""
        return self.extent is not None and bool(surely("==", self.extent, 1))


class Load(Expr):
    """``buffer[indices]``; where ``where`` is given and false nothing is read and the result is 0."""

    __slots__ = ("buffer", "indices", "where")

    def __init__(self, buffer: Buffer, indices: tuple[Expr, ...], where: Expr | None = None, lanes: int = 1) -> None:
        super().__init__(buffer.dtype, lanes)
        self.buffer, self.indices, self.where = buffer, indices, where


class Unary(Expr):
    __slots__ = ("fn", "x")

    def __init__(self, fn: str, x: Expr) -> None:
        super().__init__(x.dtype, x.lanes)
        self.fn, self.x = fn, x


class Binary(Expr):
    __slots__ = ("a", "b", "fn")

    def __init__(self, fn: str, a: Expr, b: Expr) -> None:
        super().__init__(bool_ if fn in COMPARE else a.dtype, a.lanes)
        self.fn, self.a, self.b = fn, a, b


class Select(Expr):
    __slots__ = ("a", "b", "cond")

    def __init__(self, cond: Expr, a: Expr, b: Expr) -> None:
        super().__init__(a.dtype, a.lanes)
        self.cond, self.a, self.b = cond, a, b


class Cast(Expr):
    __slots__ = ("x",)

    def __init__(self, x: Expr, dtype: DType) -> None:
        super().__init__(dtype, x.lanes)
        self.x = x


class Ramp(Expr):
    """base, base + step, ..., base + (lanes - 1) * step."""

    __slots__ = ("base", "step")

    def __init__(self, base: Expr, lanes: int, step: int = 1) -> None:
        super().__init__(base.dtype, lanes)
        self.base = base
        self.step = step


class Splat(Expr):
    """x in every lane."""

    __slots__ = ("x",)

    def __init__(self, x: Expr, lanes: int) -> None:
        super().__init__(x.dtype, lanes)
        self.x = x


# ---- construction, with simplification ------------------------------------------------------------

#: function -> rule for int64 and for bool operands: the simpler expression, or None; simplify.py fills them
Rule = Callable[[Expr, Expr], Expr | None]
INT_RULES: dict[str, Rule] = {}
BOOL_RULES: dict[str, Rule] = {}


def const(value: bool | int | float, dtype: DType | None = None) -> Const:
    dtype = dtype or scalar_dtype(value)
    if is_dynamic(value) and dtype == int64:
        return Const(value, int64)
    if dtype.kind == "f":
        return Const(float(value), dtype)
    return Const(bool(value) if dtype.kind == "b" else int(value), dtype)


def as_expr(value: ExprLike, like: DType) -> Expr:
    if isinstance(value, Expr):
        return value
    return cast(const(value, int64), like) if is_dynamic(value) else const(value, like)


def unary(fn: str, x: Expr) -> Expr:
    if fn not in UNARY:
        raise ValueError(f"no unary function {fn!r}")
    if fn == "neg" and isinstance(x, Const):
        return const(-x.value, x.dtype)
    if fn == "not" and isinstance(x, Const) and x.dtype == bool_:
        return const(not x.value, bool_)
    return Unary(fn, x)


def cast(x: Expr, dtype: DType) -> Expr:
    """16-bit floats are cast from and to float32 alone; others come there first, as in torch."""
    if x.dtype == dtype:
        return x
    if float32 not in (x.dtype, dtype) and (x.dtype in LOW_PRECISION or dtype in LOW_PRECISION):
        return cast(cast(x, float32), dtype)
    if isinstance(x, Const) and not is_dynamic(x.value) and math.isfinite(x.value) and dtype not in LOW_PRECISION:
        return const(int(x.value) if dtype.kind in "iu" else x.value, dtype)
    return Cast(x, dtype)


def select(cond: Expr, a: ExprLike, b: ExprLike) -> Expr:
    like = a.dtype if isinstance(a, Expr) else b.dtype  # type: ignore[union-attr]
    a, b = as_expr(a, like), as_expr(b, like)
    if isinstance(cond, Const):
        return a if cond.value else b
    lanes = max(cond.lanes, a.lanes, b.lanes)
    if lanes > 1:
        cond, a, b = (e if e.lanes == lanes else Splat(e, lanes) for e in (cond, a, b))
    return a if a is b else Select(cond, a, b)


def binary(fn: str, a: ExprLike, b: ExprLike) -> Expr:
    if fn not in BINARY:
        raise ValueError(f"no binary function {fn!r}")
    like = a.dtype if isinstance(a, Expr) else b.dtype  # type: ignore[union-attr]
    a, b = as_expr(a, like), as_expr(b, like)
    if a.dtype != b.dtype:
        raise TypeError(f"{fn} of {a.dtype.short} and {b.dtype.short}: kernels do not promote")
    if a.lanes != b.lanes:
        a, b = (Splat(a, b.lanes), b) if a.lanes == 1 else (a, Splat(b, a.lanes))
    if fn in ZIPS:
        return Binary(fn, a, b)
    if a.lanes > 1:
        return _vector(fn, a, b)
    rules = BOOL_RULES if a.dtype == bool_ else INT_RULES if a.dtype == int64 else {}
    found = rules[fn](a, b) if fn in rules else None
    return Binary(fn, a, b) if found is None else found


def _number(e: Expr) -> int:
    """The whole number that it is known to be; 0 where it is none."""
    return int(e.value) if isinstance(e, Const) and not is_dynamic(e.value) else 0


def _vector(fn: str, a: Expr, b: Expr) -> Expr:
    """Ramps stay ramps under +, - and * by a number, so that loads of neighbours can be seen as such."""
    if fn in ("add", "sub") and isinstance(a, Ramp) and isinstance(b, Splat):
        return Ramp(binary(fn, a.base, b.x), a.lanes, a.step)
    if fn == "add" and isinstance(a, Splat) and isinstance(b, Ramp):
        return Ramp(a.x + b.base, a.lanes, b.step)
    if fn == "sub" and isinstance(a, Splat) and isinstance(b, Ramp):
        return Ramp(a.x - b.base, a.lanes, -b.step)
    if fn == "mul" and isinstance(b, Ramp):
        a, b = b, a
    if fn == "mul" and isinstance(a, Ramp) and isinstance(b, Splat) and (number := _number(b.x)):
        return Ramp(a.base * b.x, a.lanes, a.step * number)
    if isinstance(a, Splat) and isinstance(b, Splat):
        return Splat(binary(fn, a.x, b.x), a.lanes)
    return Binary(fn, a, b)
