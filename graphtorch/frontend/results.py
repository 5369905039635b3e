"""What a call makes of the arrays that its program gave: the function's result, `.grad` of leaves, assignments."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.gradients import NewGrad
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import Traced
from graphtorch.frontend.tree import map_leaves
from graphtorch.ir.dim import at_sizes, is_dynamic
from graphtorch.ir.sized import Sizes, type_at
from graphtorch.ir.types import TensorType, float32

Array = np.ndarray[Any, Any]
_made = Tensor._made
#: (arguments, tensors that the call made) -> a part of a result
Part = Callable[[Sequence[Tensor], Sequence[Tensor]], Any]
#: bytes of a gradient from which on it is worth a look whether the last one's memory can be used again
WORTH_REUSING = 1 << 14


class Results:
    """Worked out once for a trace, so that a call does little more than make its tensors.

    Of a trace of sizes that are not known: once for each combination of ``sizes`` of the names.
    """

    def __init__(self, traced: Traced, sizes: Sizes | None = None) -> None:
        self._traced, self._sizes = traced, sizes or {}
        self.avals = tuple(self._at(o.aval) for o in traced.outputs)
        self._numbers = {id(o): i for i, o in enumerate(traced.outputs)}
        wanted = Counter([*self._numbers, *(id(g.value) for g in traced.grads if g.made)])
        self._grads = [self._plan(g, wanted) for g in traced.grads]
        self._shares = any(key is not None for _, _, _, key, _ in self._grads)
        self.result = self._part(traced.result)
        #: the number of the output that is all of the result
        self.only = self._numbers.get(id(traced.result))
        self._reusable = self._plan_reuse()
        self._assignments = [(a, self._part(a.after)) for a in traced.assignments]
        #: whether a call changes anything beside the memory that its program writes
        self.changes = bool(self._grads or self._assignments)

    def _at(self, aval: TensorType) -> TensorType:
        return type_at(aval, self._sizes) if self._sizes else aval

    def tensors(self, arrays: Sequence[Array]) -> list[Tensor]:
        """A tensor over each of the arrays that are outputs."""
        return list(map(_made, arrays, self.avals))  # further arrays are left

    def reuse(self, arrays: list[Array]) -> None:
        """Put the memory of gradients that a call replaces, and that nobody else can see, into the place of new memory.

        So there are never two gradients of a parameter at once, as there are none where `zero_grad` frees the old ones
        first. To be called in turn with other calls of the program.
        """
        for number, leaf, aval in self._reusable:
            grad = leaf._grad
            if grad is None or grad.aval != aval or _references(leaf) != _ALONE:
                continue
            memory = grad._array
            flags = memory.flags
            if flags.c_contiguous and flags.owndata and flags.writeable:
                arrays[number] = memory

    @property
    def reuses(self) -> bool:
        """Whether there may be memory for `reuse`."""
        return bool(self._reusable)

    @property
    def replaced_bytes(self) -> int:
        """Of gradients whose new value has other memory than the last one."""
        made: int = sum(aval.nbytes for _, _, aval, _, _ in self._grads if aval is not None)
        return made - sum(aval.nbytes for _, _, aval in self._reusable)

    def _plan_reuse(self) -> list[tuple[int, Tensor, TensorType]]:
        """(number of the array, leaf, type) of large gradients that are set, and are nothing but a gradient."""
        found, number = [], len(self.avals)
        for leaf, part, aval, key, adds in self._grads:
            if aval is None:
                continue
            if part is None and key is None and not adds and not _is_open(aval) and aval.nbytes >= WORTH_REUSING:
                found.append((number, leaf, aval))
            number += 1
        return found

    def store(self, arrays: Sequence[Array], tensors: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        """Set `.grad`, or add to it, and repeat the assignments."""
        self._store_grads(iter(arrays[len(made) :]), tensors, made)
        for assignment, part in self._assignments:
            assignment.repeat(part(tensors, made))

    def _plan(self, change: NewGrad, wanted: Counter[int]) -> tuple[Any, ...]:
        """(leaf, where else it is found, type of the value, its id if others want it, whether it is added)."""
        part = None if self._traced.is_fixed(change.leaf) else self._part(change.leaf)
        if change.value is None:
            return change.leaf, part, None, None, False
        key = id(change.value)
        return change.leaf, part, self._at(change.value.aval), key if wanted[key] > 1 else None, change.adds

    def _store_grads(self, found: Iterator[Array], tensors: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        shared = {key: made[i] for key, i in self._numbers.items()} if self._shares else {}
        for leaf, part, aval, key, adds in self._grads:
            owner = leaf if part is None else part(tensors, made)
            if aval is None:
                owner._grad = None
                continue
            new = _made(next(found), aval)
            if adds and owner._grad is not None:
                owner._grad = owner._grad + new
            else:
                owner._grad = new if key is None else shared.setdefault(key, new)

    def _part(self, tree: Any) -> Part:
        """How to get what a call has in the place of ``tree``, which is of the trace."""
        if isinstance(tree, Tensor):
            return self._tensor(tree)
        if is_dynamic(tree):
            size = at_sizes(tree, self._sizes) if self._sizes else tree
            return lambda *_: size
        if type(tree) in (tuple, list):
            kind, parts = type(tree), [self._part(item) for item in tree]
            return lambda tensors, made: kind([part(tensors, made) for part in parts])
        return lambda tensors, made: map_leaves(
            lambda x: self._part(x)(tensors, made) if isinstance(x, Tensor) or is_dynamic(x) else x, tree
        )

    def _tensor(self, t: Tensor) -> Part:
        number = self._numbers.get(id(t))
        if number is not None:
            return lambda _, made: made[number]
        return lambda tensors, _: self._traced.actual(t, tensors)


def _is_open(aval: TensorType) -> bool:
    return any(map(is_dynamic, aval.shape))


def _references(leaf: Tensor) -> tuple[int, int, int]:
    """How many there are to the gradient of ``leaf``, its storage and its array, those of this function included."""
    grad = leaf._grad
    assert grad is not None  # the caller has looked
    storage, array = grad._storage, grad._data
    return sys.getrefcount(grad), sys.getrefcount(storage), sys.getrefcount(array)


def _alone() -> tuple[int, int, int]:
    """What `_references` gives where nobody but the leaf has the gradient, and nobody but that its memory; and one
    more of the gradient, which is the caller's."""
    type_ = TensorType((1,), float32)
    leaf = _made(np.empty(1, np.float32), type_)
    leaf._grad = _made(np.empty(1, np.float32), type_)
    grad = leaf._grad
    assert grad is not None  # it is the caller's reference
    return _references(leaf)


_ALONE = _alone()
