"""What eager mode knows of a call of an op before it looks at a number: inferred once for operands of the same types.

A training loop makes the same calls at every step. `infer` checks shapes and words what it would say of wrong ones,
which takes longer than computing with small tensors; what it allowed once it allows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphtorch.ir.low_precision import is_low
from graphtorch.ir.op import Op
from graphtorch.ir.types import TensorType, defaults


class TypedCall(NamedTuple):
    """An op of operands of the types ``taken``."""

    made: tuple[TensorType, ...]
    taken: tuple[TensorType, ...]
    #: whether `ref` can have the arrays as they are: nothing is of 16 bits
    plain: bool
    #: the results, by number, through which gradients flow
    differentiable: tuple[int, ...]
    #: whether `vjp` reads the data of the results, and of each operand
    keeps_results: bool
    keeps: tuple[bool, ...]


#: by op, types and attributes; forgotten as a whole when it is full, as it is where every call has another shape
_known: dict[tuple[Any, ...], TypedCall] = {}
_FULL = 10_000


def typed(op: Op, operands: Sequence[Any], attrs: dict[str, Any]) -> TypedCall:
    """What is known of ``op(*operands, **attrs)``; raises what `infer` raises."""
    try:
        key = (op, defaults.dtype, *[o._aval or o.aval for o in operands], *attrs.items())
        return _known[key]
    except KeyError:
        call = _inferred(op, operands, attrs)
    except (AttributeError, TypeError):  # what is no tensor, which is refused; a graph, which has no hash
        return _inferred(op, operands, attrs)
    if len(_known) >= _FULL:
        _known.clear()
    _known[key] = call
    return call


def _inferred(op: Op, operands: Sequence[Any], attrs: dict[str, Any]) -> TypedCall:
    made = op.result_types(operands, attrs)
    taken = tuple(o.aval for o in operands)
    plain = not (any(is_low(t.dtype) for t in taken) or is_low(attrs.get("dtype")))
    if op.nondifferentiable:
        return TypedCall(made, taken, plain, (), False, ())
    keeps_results, keeps = op.saved_for_backward
    differentiable = tuple(i for i, t in enumerate(made) if t.dtype.is_floating_point)
    keeps = keeps if len(keeps) == len(taken) else (True,) * len(taken)
    return TypedCall(made, taken, plain, differentiable, keeps_results, keeps)
