"""Views in a trace: who shares memory with whom, and what a write through a view makes of its base (ADR 19).

A trace has no memory, so a view keeps the view ops that lead to it from its base. A write through it gives the base a
new value (`Op.put`, from the inside out); a read after another write takes the view again. Whether a reshape is a view
or a copy depends on how eager mode lays elements out, so layouts are followed as well, and only where a write asks:
arguments are asked for theirs, and what is not known is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import ref

from graphtorch.frontend.assignments import NOTHING
from graphtorch.ir.errors import TraceError
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.types import contiguous_strides

if TYPE_CHECKING:
    from graphtorch.frontend.asked import Questions
    from graphtorch.frontend.tensor import Storage, Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One view op, of an operand of shape ``taken``, that gave ``made``. ``contiguous``: it stands for contiguous()."""

    op: Op
    attrs: dict[str, Any]
    taken: Shape
    made: Tensor
    contiguous: bool = False


@dataclass
class Alias:
    """That a storage of the trace views that of ``base``, through ``steps``, as it was at write number ``seen``."""

    base: Tensor
    steps: tuple[Step, ...]
    seen: int
    #: whether gradients were recorded when it was made, and whether they are cut off on the way
    recorded: bool
    detached: bool
    several: str = ""
    #: the base took another history since, which a view that was made under no_grad cannot follow
    broken: bool = False


@dataclass
class Aliases:
    """Those of one trace."""

    questions: Questions
    known: dict[Storage, Alias] = field(default_factory=dict)
    #: tensors over a base, its views among them
    _tensors: dict[Storage, list[ref[Tensor]]] = field(default_factory=dict)
    #: operands of elementwise ops, by the storage of their result: its layout follows theirs
    _operands: dict[Storage, Sequence[Tensor]] = field(default_factory=dict)
    #: tensors that contiguous() was called on, and that are no views: eager mode may have copied
    _contiguous: dict[Storage, list[Tensor]] = field(default_factory=dict)

    def note(self, view: Tensor, operand: Tensor, step: Step, seen: Callable[[Storage], int], cut: bool) -> Alias:
        """``view`` is what ``step`` made of ``operand``; ``cut``: behind a detach."""
        before, op = self.known.get(operand._storage), step.op
        detached = cut or op is OPS["detach"] or operand._is_data
        if before is None:
            alias = Alias(operand, (step,), seen(operand._storage), True, detached)
        else:
            steps = (*before.steps, step)
            alias = Alias(before.base, steps, before.seen, before.recorded, before.detached or detached, before.several)
        self.known[view._storage] = alias
        self._tensors.setdefault(alias.base._storage, [ref(alias.base)]).append(ref(view))
        return alias

    def made(self, result: Tensor, operands: Sequence[Tensor]) -> None:
        """``result`` comes from an elementwise op."""
        if result.aval.ndim > 1:
            self._operands[result._storage] = operands

    def contiguous(self, t: Tensor) -> None:
        """contiguous() gave ``t`` itself, which is no view."""
        self._contiguous.setdefault(t._storage, []).append(t)

    def replaced(self, view: Tensor, t: Tensor) -> None:
        """``t`` has the storage of ``view``, and takes its place."""
        alias = self.known.get(view._storage)
        if alias is not None:
            self._tensors[alias.base._storage].append(ref(t))

    def tensors(self, base: Storage) -> list[Tensor]:
        """The tensors of the trace that share the memory of ``base``."""
        return [t for r in self._tensors.get(base, ()) if (t := r()) is not None]

    def of(self, storage: Storage) -> Alias | None:
        """The alias that ``storage`` is; None where eager mode copies. TraceError GT604 if that is not known."""
        while (alias := self.known.get(storage)) is not None:
            copy = self._follow(alias)[1]
            if copy is None:
                return alias
            self._part(alias.base._storage, copy)
        return None

    def _part(self, base: Storage, copy: Tensor) -> None:
        """``copy`` has memory of its own: it is the base of what was taken for views of ``base`` through it."""
        for storage, alias in tuple(self.known.items()):
            at = next((i for i, step in enumerate(alias.steps, 1) if step.made is copy), 0)
            if at == len(alias.steps):
                del self.known[storage]
            elif at:
                alias.base, alias.steps, alias.seen = copy, alias.steps[at:], 0
        groups: tuple[list[ref[Tensor]], list[ref[Tensor]]] = ([], [])
        for r in self._tensors[base]:
            groups[self._is_over(r(), copy)].append(r)
        self._tensors[base], self._tensors[copy._storage] = groups

    def _is_over(self, t: Tensor | None, base: Tensor) -> bool:
        """Whether ``t`` shows the memory of ``base``."""
        alias = None if t is None else self.known.get(t._storage)
        return t is base or (alias is not None and alias.base is base)

    def check_contiguous(self, base: Storage) -> None:
        """TraceError GT604 where ``base`` is written after a contiguous() that may have copied it."""
        for t in self._contiguous.get(base, ()):
            strides = self.strides(t)
            if strides is None or not _is_dense(t.aval.shape, strides):
                raise _unknown("contiguous()")

    def memory(self, t: Tensor) -> Tensor | None:
        """The base of ``t``, if that is known to be all of its storage, in row-major order."""
        known = t._storage in self.known
        alias = self.of(t._storage)
        base = t if alias is None else alias.base
        if known and alias is None:
            return None  # a copy, of which nothing is known
        strides = self.strides(base)
        if strides is None or not _is_dense(base.aval.shape, strides):
            return None
        found = self.questions.layout(base)
        alone = found is NOTHING or (found[1] == 0 and self.questions.alone(base))
        return base if alone else None

    # ---- layouts ----

    def strides(self, t: Tensor) -> Shape | None:
        """Strides of ``t`` in eager mode, in elements; None for not known."""
        alias = self.of(t._storage)
        if alias is not None:
            return self._follow(alias)[0]
        if t._traced is None:
            return t._layout()[0]
        found = self.questions.layout(t)
        if found is not NOTHING:
            return found[0]  # type: ignore[no-any-return]
        operands = self._operands.get(t._storage, ())
        return contiguous_strides(t.aval.shape) if all(map(self._is_c_like, operands)) else None

    def _is_c_like(self, t: Tensor) -> bool:
        """Whether numpy goes through it in row-major order."""
        if t.aval.ndim < 2:
            return True
        try:
            strides = self.strides(t)
        except TraceError:
            return False
        steps = [s for n, s in zip(t.aval.shape, strides or (), strict=False) if n != 1 and s]
        return strides is not None and steps == sorted(steps, reverse=True)

    def _follow(self, alias: Alias) -> tuple[Shape | None, Tensor | None]:
        """Strides of a view (None: not known), and the first tensor on the way that is a copy in eager mode."""
        strides = self.strides(alias.base)
        for step in alias.steps:
            rule = _STRIDES.get(step.op.name)
            if rule is None:
                continue  # detach
            if strides is None and (step.contiguous or not _is_view_anyway(step)):
                raise _unknown("contiguous()" if step.contiguous else "reshape()")
            if strides is None:
                continue
            strides = None if step.contiguous and not _is_dense(step.taken, strides) else rule(step, strides)
            if strides is None:
                return None, step.made
        return strides, None


def _unknown(what: str) -> TraceError:
    return TraceError(
        "GT604",
        f"a tensor is written in place, and whether {what} of it is a view or a copy depends on how it lies in memory",
        ["clone() before or after it, as you mean it"],
    )


def _is_dense(shape: Shape, strides: Shape) -> bool:
    sizes = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    return tuple(s for _, s in sizes) == contiguous_strides(tuple(n for n, _ in sizes)) or 0 in shape


def _is_view_anyway(step: Step) -> bool:
    """Whether it copies nothing, however its operand lies."""
    return step.op.name != "reshape" or _same_but_ones(step.taken, step.attrs["shape"])


def _same_but_ones(old: Shape, new: Shape) -> bool:
    return [n for n in old if n != 1] == [n for n in new if n != 1]


def repeats(alias: Alias) -> bool:
    """Whether an element of the base shows more than once on the way to the view."""
    return any(_repeats(step) for step in alias.steps)


def _repeats(step: Step) -> bool:
    a = step.attrs
    if step.op.name == "broadcast_to":
        lead = len(a["shape"]) - len(step.taken)
        return tuple(a["shape"][lead:]) != step.taken or any(n != 1 for n in a["shape"][:lead])
    if step.op.name == "unfold":
        return bool(a["step"] < a["size"] <= step.taken[a["dim"]] - a["step"])
    if step.op.name != "as_strided":
        return False
    reach = 0
    for stride, n in sorted((s, n) for s, n in zip(a["stride"], a["size"], strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False


# ---- what each view op makes of strides -----------------------------------------------------------


def _of_slice(step: Step, strides: Shape) -> Shape:
    return tuple(s * k for s, k in zip(strides, step.attrs["step"], strict=True))


def _of_permute(step: Step, strides: Shape) -> Shape:
    return tuple(strides[d] for d in step.attrs["dims"])


def _of_broadcast(step: Step, strides: Shape) -> Shape:
    shape: Shape = step.attrs["shape"]
    lead = len(shape) - len(strides)
    kept = zip(step.taken, shape[lead:], strides, strict=True)
    return (*(0,) * lead, *(0 if old != new else s for old, new, s in kept))


def _of_diagonal(step: Step, strides: Shape) -> Shape:
    a, b = step.attrs["dim1"], step.attrs["dim2"]
    return (*(s for i, s in enumerate(strides) if i not in (a, b)), strides[a] + strides[b])


def _of_unfold(step: Step, strides: Shape) -> Shape:
    dim = step.attrs["dim"]
    return (*strides[:dim], strides[dim] * step.attrs["step"], *strides[dim + 1 :], strides[dim])


def _of_reshape(step: Step, strides: Shape) -> Shape | None:
    """Strides under another shape; None where no view has it (as in torch's computeStride, ATen/TensorUtils.cpp)."""
    new: Shape = step.attrs["shape"]
    if 0 in step.taken:
        return contiguous_strides(new)
    out = [0] * len(new)
    at, size, taken = len(new) - 1, 1, 1
    dims = [(n, s) for n, s in zip(step.taken, strides, strict=True) if n != 1]
    base = dims[-1][1] if dims else 1
    for i in range(len(dims) - 1, -1, -1):
        size *= dims[i][0]
        if i > 0 and dims[i - 1][1] == size * base:
            continue  # the next dimension goes on where this one ends
        while at >= 0 and (taken < size or new[at] == 1):
            out[at] = taken * base
            taken *= new[at]
            at -= 1
        if taken != size:
            return None
        size, taken, base = 1, 1, dims[i - 1][1] if i else 1
    for i in range(at, -1, -1):
        out[i] = base
    return tuple(out)


_STRIDES: dict[str, Callable[[Step, Shape], Shape | None]] = {
    "slice": _of_slice,
    "permute": _of_permute,
    "broadcast_to": _of_broadcast,
    "reshape": _of_reshape,
    "diagonal": _of_diagonal,
    "unfold": _of_unfold,
    "as_strided": lambda step, _: step.attrs["stride"],
}
