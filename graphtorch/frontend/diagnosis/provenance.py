"""Where numbers come from: values that are the same numbers, and reductions that were spread over what they are of."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.graph import Node, Value

#: give the numbers of their first operand, in other places
MOVES = frozenset(
    "broadcast_to reshape permute slice flip diagonal unfold as_strided clone detach overwrite check_index "
    "index".split()
)


def root(value: Value, through: frozenset[str] = frozenset(("broadcast_to", "clone", "detach", "overwrite"))) -> Value:
    """What ``value`` is the same numbers as, element by element."""
    while value.node is not None and (value.node.op.name in through or _is_times_one(value.node)):
        value = value.node.operands[0]
    return value


def _is_times_one(node: Node) -> bool:
    """A multiplication by 1, as softplus has it by its ``beta``."""
    if node.op.name != "mul":
        return False
    factor = node.operands[1].node
    factor = factor.operands[0].node if factor is not None and factor.op.name == "broadcast_to" else factor
    return factor is not None and factor.op.name == "constant" and factor.attrs["value"] == 1


def moved(value: Value) -> Value:
    """What ``value`` takes its numbers from, in whatever order."""
    return root(value, MOVES)


def is_greatest_of(top: Value, x: Value) -> bool:
    """Whether ``top`` is a maximum of ``x``, spread over it: x - top is nowhere above 0."""
    return _is_reduced(top, x, ("reduce_max", "reduce_max_at"))


def is_least_of(bottom: Value, x: Value) -> bool:
    """Whether ``bottom`` is a minimum of ``x``, spread over it."""
    return _is_reduced(bottom, x, ("reduce_min", "reduce_min_at"))


def is_sum_of(total: Value, x: Value) -> bool:
    """Whether ``total`` is the sum of ``x`` over some dimensions, at every element again."""
    return _is_reduced(total, x, ("reduce_sum",))


def _is_reduced(whole: Value, x: Value, ops: tuple[str, ...]) -> bool:
    reduction = moved(whole).node
    if reduction is None or reduction.op.name not in ops or root(reduction.operands[0]) is not root(x):
        return False
    shape, dims = reduction.operands[0].type.shape, _dims(reduction)
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape))
    return all(n == 1 for n in kept) or _is_aligned(whole, shape, kept)


def _is_aligned(whole: Value, shape: tuple[int, ...], kept: tuple[int, ...]) -> bool:
    """Whether each element is of its own row: the reduced dimensions came back as sizes of 1, and were broadcast."""
    while whole.node is not None and whole.node.op.name in ("broadcast_to", "reshape", "detach", "clone"):
        if _with_ones(whole.type.shape, shape) not in (kept, shape):
            return False
        is_reshape, whole = whole.node.op.name == "reshape", whole.node.operands[0]
        if is_reshape and moved(whole) is whole:
            return True
    return _with_ones(whole.type.shape, shape) == kept


def _with_ones(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(like) - len(shape)) + tuple(shape)


def _dims(reduction: Node) -> tuple[int, ...]:
    attrs: Any = reduction.attrs
    return tuple(attrs["dims"]) if "dims" in attrs else (attrs["dim"],)
