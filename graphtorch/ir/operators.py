"""Python's operators for everything that ops apply to: graph values and tensors alike."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.op import OPS, PUBLIC


class Operators:
    """``a + b`` and friends through the registry, so that `vjp` reads as the formula it is."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return OPS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return OPS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return OPS["sub"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return OPS["sub"](other, self)

    def __mul__(self, other: Any) -> Any:
        return OPS["mul"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return OPS["mul"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return OPS["div"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return OPS["div"](other, self)

    __div__, __rdiv__ = __truediv__, __rtruediv__

    def __pow__(self, other: Any) -> Any:
        return OPS["pow"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return OPS["pow"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return OPS["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return OPS["floor_divide"](other, self)

    def __mod__(self, other: Any) -> Any:
        return OPS["remainder"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return OPS["remainder"](other, self)

    def __rmatmul__(self, other: Any) -> Any:
        return PUBLIC["gt"]["matmul"](other, self)

    def __and__(self, other: Any) -> Any:
        return OPS["bitwise_and"](self, other)

    def __rand__(self, other: Any) -> Any:
        return OPS["bitwise_and"](other, self)

    def __or__(self, other: Any) -> Any:
        return OPS["bitwise_or"](self, other)

    def __ror__(self, other: Any) -> Any:
        return OPS["bitwise_or"](other, self)

    def __xor__(self, other: Any) -> Any:
        return OPS["bitwise_xor"](self, other)

    def __rxor__(self, other: Any) -> Any:
        return OPS["bitwise_xor"](other, self)

    def __lshift__(self, other: Any) -> Any:
        return OPS["bitwise_left_shift"](self, other)

    def __rlshift__(self, other: Any) -> Any:
        return OPS["bitwise_left_shift"](other, self)

    def __rshift__(self, other: Any) -> Any:
        return OPS["bitwise_right_shift"](self, other)

    def __rrshift__(self, other: Any) -> Any:
        return OPS["bitwise_right_shift"](other, self)

    def __pos__(self) -> Any:
        return PUBLIC["gt"]["positive"](self)

    def __neg__(self) -> Any:
        return OPS["neg"](self)

    def __lt__(self, other: Any) -> Any:
        return OPS["lt"](self, other)

    def __le__(self, other: Any) -> Any:
        return OPS["le"](self, other)

    def __gt__(self, other: Any) -> Any:
        return OPS["gt"](self, other)

    def __ge__(self, other: Any) -> Any:
        return OPS["ge"](self, other)
