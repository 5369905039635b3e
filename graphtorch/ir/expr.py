"""Scalar and index expressions: what `Op.lower` is written in, and what Kernel IR computes with.

    expr ::= Const | Var                          a literal; a loop variable or a `let` binding
           | Load(buffer, indices, where)         an element; 0 where `where` is false
           | Unary(fn, x) | Binary(fn, a, b)      see UNARY and BINARY
           | Select(cond, a, b) | Cast(x)
           | Ramp(base, lanes) | Splat(x, lanes)  vectors: base+0..lanes-1; x in every lane

Index arithmetic is int64 and simplified on construction with the known extents of the variables:
``(i*4 + j) // 4`` is ``i`` where j runs over 4. `//` and `%` floor, as Python's do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphtorch.ir.types import DType, bool_, contiguous_strides, int64, scalar_dtype

UNARY = frozenset(
    "neg not abs exp exp2 expm1 log log1p log2 sqrt sin cos tan tanh erf floor ceil trunc round "
    "asin acos atan sinh cosh".split()
)
COMPARE = frozenset("lt le gt ge eq ne".split())
BINARY = frozenset("add sub mul div floordiv mod min max pow and or xor shl shr atan2".split()) | COMPARE


class Expr:
    """The base; Python's operators build expressions (comparisons too, so no ``==`` on them: `same`)."""

    __slots__ = ()
    dtype: DType
    lanes: int = 1

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


@dataclass(frozen=True, eq=False, slots=True)
class Const(Expr):
    value: bool | int | float
    dtype: DType


@dataclass(frozen=True, eq=False, slots=True)
class Var(Expr):
    """A loop variable (0 <= var < extent, where extent is known) or the name of a `let`."""

    name: str
    dtype: DType = int64
    extent: int | None = None
    lanes: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Load(Expr):
    """``buffer[indices]``; where ``where`` is given and false nothing is read and the result is 0."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    where: Expr | None = None
    lanes: int = 1

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.buffer.dtype


@dataclass(frozen=True, eq=False, slots=True)
class Unary(Expr):
    fn: str
    x: Expr

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.x.dtype

    @property
    def lanes(self) -> int:  # type: ignore[override]
        return self.x.lanes


@dataclass(frozen=True, eq=False, slots=True)
class Binary(Expr):
    fn: str
    a: Expr
    b: Expr

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return bool_ if self.fn in COMPARE else self.a.dtype

    @property
    def lanes(self) -> int:  # type: ignore[override]
        return self.a.lanes


@dataclass(frozen=True, eq=False, slots=True)
class Select(Expr):
    cond: Expr
    a: Expr
    b: Expr

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.a.dtype

    @property
    def lanes(self) -> int:  # type: ignore[override]
        return self.a.lanes


@dataclass(frozen=True, eq=False, slots=True)
class Cast(Expr):
    x: Expr
    dtype: DType

    @property
    def lanes(self) -> int:  # type: ignore[override]
        return self.x.lanes


@dataclass(frozen=True, eq=False, slots=True)
class Ramp(Expr):
    base: Expr
    lanes: int

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.base.dtype


@dataclass(frozen=True, eq=False, slots=True)
class Splat(Expr):
    x: Expr
    lanes: int

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True, eq=False)
class Buffer:
    """A dense row-major array that kernels read and write."""

    name: str
    shape: tuple[int, ...]
    dtype: DType

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize


def children(e: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions."""
    match e:
        case Const() | Var():
            return ()
        case Load():
            return (*e.indices, e.where) if e.where is not None else e.indices
        case Binary():
            return (e.a, e.b)
        case Select():
            return (e.cond, e.a, e.b)
        case Ramp():
            return (e.base,)
        case Unary() | Cast() | Splat():
            return (e.x,)
    raise TypeError(f"not an expression: {e!r}")


def with_children(e: Expr, new: Sequence[Expr]) -> Expr:
    """``e`` over other subexpressions, simplified again."""
    match e:
        case Load():
            count = len(e.indices)
            where = new[count] if e.where is not None else None
            return Load(e.buffer, tuple(new[:count]), where, e.lanes)
        case Unary():
            return unary(e.fn, new[0])
        case Binary():
            return binary(e.fn, new[0], new[1])
        case Select():
            return select(new[0], new[1], new[2])
        case Cast():
            return cast(new[0], e.dtype)
        case Ramp():
            return Ramp(new[0], e.lanes)
        case Splat():
            return Splat(new[0], e.lanes)
    return e


def walk(e: Expr, visit: Callable[[Expr], None], seen: set[int] | None = None) -> None:
    """Call ``visit`` once for every distinct node of the expression, operands first."""
    seen = set() if seen is None else seen
    if id(e) in seen:
        return
    seen.add(id(e))
    for child in children(e):
        walk(child, visit, seen)
    visit(e)


#: id -> (expression, result); it holds the expression, so that its id cannot come to mean another one
Memo = dict[int, tuple[Expr, Expr]]


def substitute(e: Expr, env: dict[Var, Expr], memo: Memo | None = None) -> Expr:
    """Replace variables; shared subexpressions stay shared (over several calls, with one ``memo``)."""
    memo = {} if memo is None else memo
    if id(e) in memo:
        return memo[id(e)][1]
    if isinstance(e, Var):
        new = env.get(e, e)
    else:
        old = children(e)
        subs = [substitute(c, env, memo) for c in old]
        new = e if all(a is b for a, b in zip(old, subs, strict=True)) else with_children(e, subs)
    memo[id(e)] = e, new
    return new


def free_vars(e: Expr) -> set[Var]:
    found: set[Var] = set()
    walk(e, lambda x: found.add(x) if isinstance(x, Var) else None)
    return found


def same(a: Expr, b: Expr) -> bool:
    """Structural equality; variables and buffers by identity."""
    if a is b:
        return True
    if type(a) is not type(b) or a.dtype != b.dtype or a.lanes != b.lanes:
        return False
    match a, b:
        case Const(), Const():
            return repr(a.value) == repr(b.value)
        case Var(), Var():
            return False
        case Load(), Load() if a.buffer is not b.buffer or (a.where is None) != (b.where is None):
            return False
        case (Unary(fn=f), Unary(fn=g)) | (Binary(fn=f), Binary(fn=g)) if f != g:
            return False
    return all(same(x, y) for x, y in zip(children(a), children(b), strict=True))


# ---- construction, with simplification ------------------------------------------------------------


def const(value: bool | int | float, dtype: DType | None = None) -> Const:
    dtype = dtype or scalar_dtype(value)
    if dtype.kind == "f":
        return Const(float(value), dtype)
    return Const(bool(value) if dtype.kind == "b" else int(value), dtype)


def as_expr(value: ExprLike, like: DType) -> Expr:
    return value if isinstance(value, Expr) else const(value, like)


def unary(fn: str, x: Expr) -> Expr:
    if fn not in UNARY:
        raise ValueError(f"no unary function {fn!r}")
    if fn == "neg" and isinstance(x, Const):
        return const(-x.value, x.dtype)
    if fn == "not" and isinstance(x, Const) and x.dtype == bool_:
        return const(not x.value, bool_)
    return Unary(fn, x)


def cast(x: Expr, dtype: DType) -> Expr:
    if x.dtype == dtype:
        return x
    if isinstance(x, Const) and math.isfinite(x.value):
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
        raise TypeError(f"{fn} of {a.dtype} and {b.dtype}: kernels do not promote")
    if a.lanes != b.lanes:
        a, b = (Splat(a, b.lanes), b) if a.lanes == 1 else (a, Splat(b, a.lanes))
    if a.lanes > 1:
        return _vector(fn, a, b)
    simplify = _SIMPLIFY_BOOL if a.dtype == bool_ else _SIMPLIFY_INT if a.dtype == int64 else {}
    found = simplify[fn](a, b) if fn in simplify else None
    return Binary(fn, a, b) if found is None else found


def _vector(fn: str, a: Expr, b: Expr) -> Expr:
    """Ramps stay ramps under + and -, so that unit-stride loads can be seen as such."""
    if fn in ("add", "sub") and isinstance(a, Ramp) and isinstance(b, Splat):
        return Ramp(binary(fn, a.base, b.x), a.lanes)
    if fn == "add" and isinstance(a, Splat) and isinstance(b, Ramp):
        return Ramp(a.x + b.base, a.lanes)
    if isinstance(a, Splat) and isinstance(b, Splat):
        return Splat(binary(fn, a.x, b.x), a.lanes)
    return Binary(fn, a, b)


def _is(e: Expr, value: int) -> bool:
    return isinstance(e, Const) and e.value == value


def _int_add(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        a, b = b, a
    if isinstance(b, Const):
        if isinstance(a, Const):
            return const(a.value + b.value, int64)
        if b.value == 0:
            return a
        if isinstance(a, Binary) and a.fn == "add" and isinstance(a.b, Const):
            return a.a + (a.b.value + b.value)
        return Binary("add", a, b)
    if isinstance(a, Binary) and a.fn == "add" and isinstance(a.b, Const):
        return (a.a + b) + a.b
    if isinstance(b, Binary) and b.fn == "add" and isinstance(b.b, Const):
        return (a + b.a) + b.b
    return None


def _int_sub(a: Expr, b: Expr) -> Expr | None:
    if isinstance(b, Const):
        return a + const(-b.value, int64)
    return const(0, int64) if a is b else None


def _int_mul(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        a, b = b, a
    if not isinstance(b, Const):
        return None
    if isinstance(a, Const):
        return const(a.value * b.value, int64)
    if b.value in (0, 1):
        return a if b.value else const(0, int64)
    if isinstance(a, Binary) and isinstance(a.b, Const):
        if a.fn == "mul":
            return a.a * (a.b.value * b.value)
        if a.fn == "add":
            return a.a * b + a.b.value * b.value
    return Binary("mul", a, b)


def _split_multiple(e: Expr, c: int) -> tuple[Expr, Expr]:
    """``e == c*quotient + rest``, with whatever terms are visibly multiples of c in the quotient."""
    if isinstance(e, Const):
        return const(e.value // c, int64), const(e.value % c, int64)
    if isinstance(e, Binary) and e.fn == "mul" and isinstance(e.b, Const) and e.b.value % c == 0:
        return e.a * (e.b.value // c), const(0, int64)
    if isinstance(e, Binary) and e.fn == "add":
        (qa, ra), (qb, rb) = _split_multiple(e.a, c), _split_multiple(e.b, c)
        return qa + qb, ra + rb
    return const(0, int64), e


def _int_floordiv(a: Expr, b: Expr) -> Expr | None:
    if not isinstance(b, Const) or b.value <= 0:
        return None
    if b.value == 1:
        return a
    quotient, rest = _split_multiple(a, int(b.value))
    low, high = bounds(rest)
    if low // b.value == high // b.value and math.isfinite(low) and math.isfinite(high):
        return quotient + int(low // b.value)
    return None if _is(quotient, 0) else quotient + Binary("floordiv", rest, b)


def _int_mod(a: Expr, b: Expr) -> Expr | None:
    if not isinstance(b, Const) or b.value <= 0:
        return None
    if b.value == 1:
        return const(0, int64)
    quotient, rest = _split_multiple(a, int(b.value))
    low, high = bounds(rest)
    if low >= 0 and high < b.value:
        return rest
    return None if _is(quotient, 0) else Binary("mod", rest, b)


def _int_min(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return a if ha <= lb else b if hb <= la else None


def _int_max(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return a if la >= hb else b if lb >= ha else None


def _int_lt(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return const(True, bool_) if ha < lb else const(False, bool_) if la >= hb else None


def _int_le(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    return const(True, bool_) if ha <= lb else const(False, bool_) if la > hb else None


def _int_eq(a: Expr, b: Expr) -> Expr | None:
    (la, ha), (lb, hb) = bounds(a), bounds(b)
    if ha < lb or hb < la:
        return const(False, bool_)
    return const(True, bool_) if la == ha == lb == hb else None


def _int_ne(a: Expr, b: Expr) -> Expr | None:
    equal = _int_eq(a, b)
    return None if equal is None else unary("not", equal)


def _bool_and(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        return b if a.value else a
    if isinstance(b, Const):
        return a if b.value else b
    return None


def _bool_or(a: Expr, b: Expr) -> Expr | None:
    if isinstance(a, Const):
        return a if a.value else b
    if isinstance(b, Const):
        return b if b.value else a
    return None


_SIMPLIFY_INT: dict[str, Callable[[Expr, Expr], Expr | None]] = {
    "add": _int_add, "sub": _int_sub, "mul": _int_mul, "floordiv": _int_floordiv, "mod": _int_mod,
    "min": _int_min, "max": _int_max, "lt": _int_lt, "le": _int_le, "eq": _int_eq, "ne": _int_ne,
    "gt": lambda a, b: _int_lt(b, a), "ge": lambda a, b: _int_le(b, a),
}  # fmt: skip
_SIMPLIFY_BOOL: dict[str, Callable[[Expr, Expr], Expr | None]] = {"and": _bool_and, "or": _bool_or}


def bounds(e: Expr) -> tuple[float, float]:
    """The least and the greatest value that an integer expression can take (infinite when unknown)."""
    match e:
        case Const():
            return e.value, e.value
        case Var(extent=int() as extent):
            return 0, extent - 1
        case Binary():
            return _binary_bounds(e)
        case Select():
            (la, ha), (lb, hb) = bounds(e.a), bounds(e.b)
            return min(la, lb), max(ha, hb)
    return -math.inf, math.inf


def _binary_bounds(e: Binary) -> tuple[float, float]:
    (la, ha), (lb, hb) = bounds(e.a), bounds(e.b)
    match e.fn:
        case "add":
            return la + lb, ha + hb
        case "sub":
            return la - hb, ha - lb
        case "mul":
            corners = [0 if 0 in (x, y) else x * y for x in (la, ha) for y in (lb, hb)]
            return min(corners), max(corners)
        case "floordiv" if lb == hb and lb > 0:
            return _floor(la, lb), _floor(ha, lb)
        case "mod" if lb == hb and lb > 0:
            return 0, min(hb - 1, ha) if la >= 0 else hb - 1
        case "min":
            return min(la, lb), min(ha, hb)
        case "max":
            return max(la, lb), max(ha, hb)
    return -math.inf, math.inf


def _floor(x: float, c: float) -> float:
    return x // c if math.isfinite(x) else x


def linear(e: Expr) -> tuple[dict[Var, int], int] | None:
    """``e`` as ``sum(coefficient * var) + constant``; None where it is not of that form."""
    match e:
        case Const():
            return {}, int(e.value)
        case Var():
            return {e: 1}, 0
        case Binary(fn="add" | "sub"):
            left, right = linear(e.a), linear(e.b)
            if left is None or right is None:
                return None
            sign = 1 if e.fn == "add" else -1
            terms = dict(left[0])
            for var, c in right[0].items():
                terms[var] = terms.get(var, 0) + sign * c
            return {v: c for v, c in terms.items() if c}, left[1] + sign * right[1]
        case Binary(fn="mul", b=Const(value=scale)):
            inner, factor = linear(e.a), int(scale)
            return inner and ({v: c * factor for v, c in inner[0].items()}, inner[1] * factor)
    return None


def flat_index(shape: Sequence[int], indices: Sequence[Expr]) -> Expr:
    """The row-major position of ``indices``."""
    position: Expr = const(0, int64)
    for index, stride in zip(indices, contiguous_strides(tuple(shape)), strict=True):
        position = position + index * stride
    return position


def unflatten_index(shape: Sequence[int], position: Expr) -> tuple[Expr, ...]:
    """The indices of a row-major position."""
    out = []
    for size, stride in zip(shape, contiguous_strides(tuple(shape)), strict=True):
        out.append((position // stride) % size if size > 1 else const(0, int64))
    return tuple(out)


def reshape_index(shape: Sequence[int], into: Sequence[int], indices: Sequence[Expr]) -> tuple[Expr, ...]:
    """``indices`` of an array seen as ``shape``, as indices of the same array seen as ``into``.

    Dimensions are matched in runs of equal size, so that a dimension that both have keeps its index
    as it is (even one that a guard has yet to find out of range).
    """
    wide = [(n, i) for n, i in zip(shape, indices, strict=True) if n != 1]
    targets = [d for d, n in enumerate(into) if n != 1]
    out: list[Expr] = [const(0, int64)] * len(into)
    while wide and targets:
        sources, dims = [wide.pop()], [targets.pop()]
        while (have := math.prod(n for n, _ in sources)) != (want := math.prod(into[d] for d in dims)):
            if have < want:
                sources.insert(0, wide.pop())
            else:
                dims.insert(0, targets.pop())
        run = [i for _, i in sources]
        if len(sources) > 1 or len(dims) > 1:
            run = list(unflatten_index([into[d] for d in dims], flat_index([n for n, _ in sources], run)))
        for d, i in zip(dims, run, strict=True):
            out[d] = i
    return tuple(out)


# ---- what Op.lower returns ------------------------------------------------------------------------


class Source(Protocol):
    """An operand inside `Op.lower`: a buffer in memory or another op's expression."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> DType: ...

    def __getitem__(self, index: Any) -> Expr:
        """The element at ``index`` (expressions or integers)."""

    def at(self, index: tuple[Expr, ...], where: Expr) -> Expr:
        """The element, or 0 where ``where`` is false; then nothing is read."""

    def view(self, shape: tuple[int, ...]) -> Source:
        """The same elements in row-major order under another shape."""


def _index_tuple(index: Any) -> tuple[Expr, ...]:
    index = index if isinstance(index, tuple) else (index,)
    return tuple(as_expr(i, int64) for i in index)


@dataclass(frozen=True, eq=False)
class BufferSource:
    """A `Source` that is a buffer in memory, possibly seen under another shape."""

    buffer: Buffer
    shape: tuple[int, ...]

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype

    def _indices(self, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        if len(index) != len(self.shape):
            raise IndexError(f"{len(index)} indices into {self.shape}")
        return reshape_index(self.shape, self.buffer.shape, index)

    def __getitem__(self, index: Any) -> Expr:
        return Load(self.buffer, self._indices(_index_tuple(index)))

    def at(self, index: tuple[Expr, ...], where: Expr) -> Expr:
        if isinstance(where, Const):
            return self[index] if where.value else const(0, self.dtype)
        return Load(self.buffer, self._indices(index), where)

    def view(self, shape: tuple[int, ...]) -> BufferSource:
        return BufferSource(self.buffer, tuple(shape))


@dataclass(frozen=True, eq=False)
class Compute:
    """An element for every index of ``shape``: ``body(*indices)``. Serves as a `Source` when inlined."""

    shape: tuple[int, ...]
    dtype: DType
    body: Callable[..., Expr]
    _memo: dict[tuple[int, ...], tuple[tuple[Expr, ...], Expr]] = field(default_factory=dict)

    def __getitem__(self, index: Any) -> Expr:
        key = _index_tuple(index)
        found = self._memo.get(tuple(map(id, key)))
        if found is None:  # keep the key alive, so that its ids stay its own
            found = self._memo[tuple(map(id, key))] = key, self.body(*key)
        return found[1]

    def at(self, index: tuple[Expr, ...], where: Expr) -> Expr:
        """Guards every load inside, since the index may lie outside of what they can read."""
        return select(where, _guard(self[index], where), const(0, self.dtype))

    def view(self, shape: tuple[int, ...]) -> Compute:
        if tuple(shape) == self.shape:
            return self
        return Compute(tuple(shape), self.dtype, lambda *i: self[unflatten_index(self.shape, flat_index(shape, i))])


def _guard(e: Expr, where: Expr) -> Expr:
    if isinstance(e, Load):
        guard = where if e.where is None else e.where & where
        return Load(e.buffer, e.indices, guard)
    old = children(e)
    return with_children(e, [_guard(c, where) for c in old]) if old else e


Values = tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Reduce:
    """For every index of ``shape`` the combination of ``body(index, k)`` over all k of ``domain``.

    Several accumulators run together (a maximum and where it stands). ``combine`` must be
    associative and commutative, because schedules reorder it; ``init`` is its neutral element.
    ``kind`` is "add", "mul", "max", "min" for the plain ones, "" otherwise. ``post`` maps the final
    accumulators to the results.
    """

    shape: tuple[int, ...]
    domain: tuple[int, ...]
    init: tuple[Const, ...]
    body: Callable[[Values, Values], Values]
    combine: Callable[[Values, Values], Values]
    kind: str = ""
    post: Callable[[Values], Values] = lambda acc: acc

    @property
    def dtypes(self) -> tuple[DType, ...]:
        return tuple(e.dtype for e in self.post(self.init))


Lowered = Compute | Reduce | tuple[Compute, ...]

_PLAIN: dict[str, Callable[[Expr, Expr], Expr]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "max": lambda a, b: binary("max", a, b),
    "min": lambda a, b: binary("min", a, b),
}


def compute(shape: Sequence[int], dtype: DType, body: Callable[..., Expr]) -> Compute:
    """``out[i, j] = body(i, j)`` for every index of ``shape``."""
    return Compute(tuple(shape), dtype, body)


def reduce(
    kind: str,
    shape: Sequence[int],
    domain: Sequence[int],
    init: Const,
    body: Callable[[Values, Values], Expr],
) -> Reduce:
    """``out[i] = kind over k of body(i, k)``, with kind one of add, mul, max, min."""
    combine = _PLAIN[kind]
    return Reduce(
        tuple(shape), tuple(domain), (init,),
        lambda i, k: (body(i, k),), lambda a, b: (combine(a[0], b[0]),), kind,
    )  # fmt: skip


def maximum(a: Expr, b: ExprLike) -> Expr:
    """The greater of two; nan if either is nan."""
    return binary("max", a, b)


def minimum(a: Expr, b: ExprLike) -> Expr:
    """The smaller of two; nan if either is nan."""
    return binary("min", a, b)
