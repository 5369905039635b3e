"""What rewrites look at: an op applied to operands, and the numbers that are known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.graph import Attr, Value
from graphtorch.ir.low_precision import reference
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Call:
    """An op applied to operands: a node that is not in a graph yet."""

    op: Op
    operands: tuple[Value, ...]
    attrs: Mapping[str, Attr]
    type: TensorType

    @property
    def first(self) -> Value:
        return self.operands[0]

    def ints(self, name: str) -> tuple[int, ...]:
        """An attribute that is a tuple of ints."""
        value = self.attrs[name]
        assert isinstance(value, tuple)  # by the op's infer
        return value


#: what a rule makes of a call: a value, a simpler call, or nothing
Found = Value | Call | None
Rule = Callable[[Call], Found]


def scalar_of(value: Value) -> Value | None:
    """The 0-d constant that ``value`` is, or repeats."""
    node = value.node
    if node is not None and node.op.name == "broadcast_to":
        value, node = node.operands[0], node.operands[0].node
    return value if node is not None and node.op.name == "constant" and not is_dynamic(node.attrs["value"]) else None


def number_of(value: Value) -> bool | int | float | None:
    """The number that every element of ``value`` is known to be, as stored in its dtype."""
    scalar = scalar_of(value)
    array = _array(scalar) if scalar is not None else None
    return None if array is None else array.item()


def _array(scalar: Value) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    assert scalar.node is not None  # it is the result of `constant`
    with np.errstate(all="ignore"):
        return np.asarray(reference(scalar.node.op, (), scalar.node.attrs)[0])


def filled(scalar: Value, type: TensorType) -> Call:
    """A tensor of ``type`` in which every element is ``scalar``."""
    return Call(OPS["broadcast_to"], (scalar,), {"shape": type.shape}, type)


def filled_with(number: bool | int | float, type: TensorType) -> Call:
    return filled(bind.bind(OPS["constant"], value=number, dtype=type.dtype), type)


def fold(call: Call) -> Call | None:
    """An elementwise op on known numbers gives a known number, that of `ref`."""
    scalars = [scalar_of(o) for o in call.operands]
    if not call.op.elementwise or not scalars or None in scalars:
        return None
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(reference(call.op, [_array(s) for s in scalars if s], call.attrs)[0])
    except (ValueError, ArithmeticError):  # numpy refuses 2 ** -1 of integers: let the program do so too
        return None
    return filled_with(result.item(), call.type)


def same_number(value: bool | int | float | None, wanted: bool | int | float) -> bool:
    """Whether a known number is ``wanted``, with the sign of zero where both are floats."""
    if value is None or value != wanted:
        return False
    return not isinstance(value, float) or np.signbit(value) == np.signbit(float(wanted))
