"""The trail: which layers gave a tensor the sizes that do not fit, back to the last one that changed them.

A size is followed from a value to the operand that has it too; where no operand has, the node made it. Sizes that a
reshape multiplied are followed one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.ir.dim import example
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node, Param, Value
from graphtorch.ir.types import TensorType

Tensors = list[tuple[str, Any]]
#: tensors, and which of their dimensions
Sizes = list[tuple[Any, tuple[int, ...]]]


@dataclass(frozen=True)
class Step:
    """A node that made the sizes ``dims`` of ``value``; None for a value that comes from outside."""

    value: Value
    dims: tuple[int, ...]
    node: Node | None

    @property
    def sizes(self) -> str:
        return ", ".join(str(self.value.type.shape[d]) for d in self.dims)


def steps_of(value: Value, dims: tuple[int, ...]) -> Iterator[Step]:
    """The nodes that made the sizes ``dims`` of ``value``, the last first."""
    while dims:
        node = value.node
        if node is None:
            yield Step(value, dims, None)
            return
        source, before = _before(node, value, dims)
        if source is None or len(before) != len(dims):
            yield Step(value, dims, node)
        if source is None:
            return
        value, dims = source, before


def nodes_on_the_way(value: Value, dims: tuple[int, ...]) -> Iterator[Node]:
    """The nodes that the sizes ``dims`` of ``value`` went through, the last first."""
    while dims and value.node is not None:
        yield value.node
        source, before = _before(value.node, value, dims)
        if source is None and value.node.op.name in _PARTS:
            source, before = value.node.operands[0], dims
        if source is None:
            return
        value, dims = source, before


#: ops that take a part of their operand, whose sizes their results depend on
_PARTS = ("narrow", "slice")


def _before(node: Node, value: Value, dims: tuple[int, ...]) -> tuple[Value | None, tuple[int, ...]]:
    """The operand whose sizes ``dims`` of ``value`` are, and which of its dimensions; None where the node made them."""
    rule = _MOVES.get(node.op.name)
    if rule is not None:
        return node.operands[0], rule(node, dims)
    shape = value.type.shape
    for operand in sorted(node.operands, key=lambda v: isinstance(v, Param) and v.role != "in"):
        have = operand.type.shape
        if len(have) == len(shape) and all(have[d] == shape[d] for d in dims):
            return operand, dims
    return None, ()


def _permuted(node: Node, dims: tuple[int, ...]) -> tuple[int, ...]:
    order: Any = node.attrs["dims"]
    return tuple(order[d] for d in dims)


def _reshaped(node: Node, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions of the operand that became ``dims``; sizes of 1 are left out."""
    old, new = node.operands[0].type.shape, node.result.type.shape
    found: list[int] = []
    for before, after in _groups(old, new):
        if not set(after).isdisjoint(dims):
            found += [d for d in before if old[d] != 1 or len(before) == 1]
    return tuple(found)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The shortest runs of dimensions of equal products, in order."""
    i = j = 0
    while i < len(old) or j < len(new):
        before, after = [i] if i < len(old) else [], [j] if j < len(new) else []
        i, j = i + len(before), j + len(after)
        while _product(old, before) != _product(new, after) and (i < len(old) or j < len(new)):
            grow_old = j >= len(new) or (i < len(old) and _product(old, before) < _product(new, after))
            if grow_old:
                before, i = [*before, i], i + 1
            else:
                after, j = [*after, j], j + 1
        yield before, after


def _product(shape: tuple[int, ...], dims: list[int]) -> int:
    return math.prod(example(shape[d]) for d in dims)


def _broadcast(node: Node, dims: tuple[int, ...]) -> tuple[int, ...]:
    old, new = node.operands[0].type.shape, node.result.type.shape
    ahead = len(new) - len(old)
    return tuple(d - ahead for d in dims if d >= ahead and old[d - ahead] == new[d])


_MOVES: dict[str, Callable[[Node, tuple[int, ...]], tuple[int, ...]]] = {
    "permute": _permuted,
    "reshape": _reshaped,
    "broadcast_to": _broadcast,
}


# ---- which sizes an error is about -----------------------------------------------------------------


def blamed(error: GraphTorchError) -> Sizes:
    """The tensors of the failed call whose sizes are in question, and which; parameters of layers are not."""
    shown = [(n, t) for n, t in error.tensors if not getattr(t, "is_leaf", False) or not t.requires_grad]
    if not shown or not error.code.startswith("GT1"):
        return []
    rule = _RULES.get(error.code, _last)
    return [(t, dims) for t, dims in rule(shown) if dims]


def _last(tensors: Tensors) -> Sizes:
    t = tensors[0][1]
    return [(t, (t.ndim - 1,))] if t.ndim else []


def _channels(tensors: Tensors) -> Sizes:
    t = tensors[0][1]
    return [(t, (1,) if t.ndim > 1 else ())]


def _inner(tensors: Tensors) -> Sizes:
    """Of a matrix product: what is summed over."""
    found = _last(tensors)
    if len(tensors) > 1 and tensors[1][0] in ("other", "mat2", "vec2", "tensor2"):
        other = tensors[1][1]
        found.append((other, (max(other.ndim - 2, 0),) if other.ndim else ()))
    return found


def _all_but_batch(tensors: Tensors) -> Sizes:
    t = tensors[0][1]
    return [(t, tuple(range(1, t.ndim)))]


def _spatial(tensors: Tensors) -> Sizes:
    t = tensors[0][1]
    return [(t, tuple(range(2, t.ndim)))]


def _unequal(tensors: Tensors) -> Sizes:
    """Counted from the end: the dimensions at which sizes are neither equal nor 1."""
    every = [t for _, t in tensors]
    wrong = [-i for i in range(1, max(t.ndim for t in every) + 1) if len(_sizes_at(every, -i) - {1}) > 1]
    return [(t, tuple(sorted(t.ndim + i for i in wrong if t.ndim >= -i))) for t in every]


def _sizes_at(tensors: list[Any], dim: int) -> set[int]:
    return {t.shape[dim] for t in tensors if t.ndim >= -dim}


_RULES: dict[str, Callable[[Tensors], Sizes]] = {
    "GT101": _unequal,
    "GT102": _channels,
    "GT104": _unequal,
    "GT105": _all_but_batch,
    "GT106": _unequal,
    "GT109": _inner,
    "GT110": _channels,
    "GT111": _spatial,
}


# ---- as text ---------------------------------------------------------------------------------------

#: steps of one tensor that are shown: the last one before the error, and the first that made its sizes
_SHOWN = 4
#: types of what a step was given that are shown
_GIVEN = 4


#: what a node is called, and the types that it was given and gave
Told = tuple[str, Sequence[TensorType], TensorType]


def trail(error: GraphTorchError, read: Callable[[Any], Value], told: Callable[[Step, Node], Told]) -> list[str]:
    """The lines of the trail of an error. ``read`` gives the value of a tensor, ``told`` what is said of a step."""
    lines: list[str] = []
    for t, dims in blamed(error):
        steps = list(steps_of(read(t), dims))
        steps = steps if len(steps) <= _SHOWN else [*steps[: _SHOWN - 1], steps[-1]]
        lines += _lines(steps, told)
    return list(dict.fromkeys(lines))


def _lines(steps: Sequence[Step], told: Callable[[Step, Node], Told]) -> Iterator[str]:
    """A line for each step; for several inside of one call the last of them."""
    before: Told | None = None
    for step in steps:
        what = f"size{'s' if len(step.dims) > 1 else ''} {step.sizes}"
        if step.node is None:
            if len(steps) > 1:
                yield f"{what} of {step.value.type}, which comes from outside"
            continue
        now = told(step, step.node)
        name, given, made = now
        if now != before:
            of = f", of {', '.join(map(str, given[:_GIVEN]))}" if given else ""
            yield f"{what} made by {name}: {made}{of}"
        before = now


def given_to(node: Node) -> list[TensorType]:
    """The first of its operands that is no parameter of a model."""
    return [v.type for v in node.operands if not (isinstance(v, Param) and v.role != "in")][:1]
