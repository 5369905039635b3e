"""What `Op.lower` is given and what it returns: sources of elements, and computations over an index space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from graphtorch.ir.dim import same
from graphtorch.ir.expr.analysis import reshape_index
from graphtorch.ir.expr.buffer import Buffer
from graphtorch.ir.expr.core import Const, Expr, ExprLike, Load, as_expr, binary, const, select
from graphtorch.ir.expr.traverse import Memo, children, with_children
from graphtorch.ir.types import DType, int64


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
        return or_zero(self[index], where)

    def view(self, shape: tuple[int, ...]) -> Compute:
        if same(tuple(shape), self.shape):
            return self
        return Compute(tuple(shape), self.dtype, lambda *i: self[reshape_index(shape, self.shape, i)])


def or_zero(e: Expr, where: Expr) -> Expr:
    """``e`` where ``where`` holds, and 0 elsewhere. Every load inside is guarded, since what it reads may not exist."""
    inside = guard(e, where)
    return inside if isinstance(inside, Load) else select(where, inside, const(0, e.dtype))


def guard(e: Expr, where: Expr, memo: Memo | None = None) -> Expr:
    """``e`` with every load in it, those in indices too, under the condition as well: what it reads may not exist."""
    memo = {} if memo is None else memo
    if id(e) not in memo:
        old = children(e)
        new = with_children(e, [guard(c, where, memo) for c in old]) if old else e
        if isinstance(new, Load):
            new = Load(new.buffer, new.indices, where if new.where is None else new.where & where)
        memo[id(e)] = e, new
    return memo[id(e)][1]


Values = tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Reduce:
    """For every index of ``shape`` the combination of ``body(index, k)`` over all k of ``domain``.

    Several accumulators run together (a maximum and where it stands). ``combine`` must be
    associative and commutative, but for the sign of a zero, because schedules reorder it; ``init`` is neutral.
    ``kind`` is "add", "mul", "max", "min" for the plain ones, "" otherwise. ``post`` maps the final
    accumulators to the results. ``alone`` is the kind that the first accumulator has where no other is asked for.
    """

    shape: tuple[int, ...]
    domain: tuple[int, ...]
    init: tuple[Const, ...]
    body: Callable[[Values, Values], Values]
    combine: Callable[[Values, Values], Values]
    kind: str = ""
    post: Callable[[Values], Values] = lambda acc: acc
    alone: str = ""

    @property
    def dtypes(self) -> tuple[DType, ...]:
        return tuple(e.dtype for e in self.post(self.init))


@dataclass(frozen=True, eq=False)
class Scatter:
    """``init(i)`` at every index i of ``shape``; then, for every k of ``domain`` in order, ``combine(old, term(i, k))``
    takes the place of ``old`` at all i whose indices along ``dims`` are ``rows(k)``.

    Where one of those is out of range, that is done with ``unknown`` for the term everywhere; nothing where it is 0.
    """

    shape: tuple[int, ...]
    dims: tuple[int, ...]
    domain: tuple[int, ...]
    dtype: DType
    init: Callable[[Values], Expr]
    rows: Callable[[Values], Values]
    term: Callable[[Values, Values], Expr]
    combine: Callable[[Expr, Expr], Expr]
    unknown: Const


@dataclass(frozen=True, eq=False)
class Sort:
    """The first ``k`` elements of ``source`` along ``dim`` in ascending or descending order, and their indices there.

    Equal elements stay in order; nan is the greatest.
    """

    source: Source
    dim: int
    k: int
    descending: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape


@dataclass(frozen=True, eq=False)
class Scan:
    """At every index of ``shape``: ``combine`` over ``body`` at all indices up to it along ``dim``, in order, then
    ``post``; with ``reverse`` at all from it on, beginning with the last.

    Several accumulators run together. ``combine(earlier, later)`` must be associative, because schedules combine parts
    of a line; it need not be commutative. ``init`` comes before the first.
    """

    shape: tuple[int, ...]
    dim: int
    reverse: bool
    init: tuple[Const, ...]
    body: Callable[[Values], Values]
    combine: Callable[[Values, Values], Values]
    post: Callable[[Values], Values]


Lowered = Compute | Reduce | Scatter | Scan | Sort | tuple[Compute, ...]

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


def first_alone(root: Reduce) -> Reduce:
    """Only the first of its accumulators, as the plain reduction that it is. Of equal ones the earlier stays."""
    plain = reduce(root.alone, root.shape, root.domain, root.init[0], lambda i, k: root.body(i, k)[0])
    combine = plain.combine
    return replace(plain, combine=lambda old, new: combine(new, old))


def together(reduces: Sequence[Reduce]) -> Reduce:
    """Reductions over the same elements as one, with all their accumulators in order."""
    if len(reduces) == 1:
        return reduces[0]
    sizes = [len(r.init) for r in reduces]
    starts = [sum(sizes[:n]) for n in range(len(sizes))]

    def body(i: Values, k: Values) -> Values:
        return tuple(e for r in reduces for e in r.body(i, k))

    def combine(old: Values, new: Values) -> Values:
        parts = [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        return tuple(e for r, part in zip(reduces, parts, strict=True) for e in r.combine(old[part], new[part]))

    kinds = {r.kind for r in reduces}
    init = tuple(e for r in reduces for e in r.init)
    return Reduce(reduces[0].shape, reduces[0].domain, init, body, combine, kinds.pop() if len(kinds) == 1 else "")


def maximum(a: Expr, b: ExprLike) -> Expr:
    """The greater of two; nan if either is nan."""
    return binary("max", a, b)


def minimum(a: Expr, b: ExprLike) -> Expr:
    """The smaller of two; nan if either is nan."""
    return binary("min", a, b)
