"""The base of ops that map each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import DTypeError
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op
from graphtorch.ir.ops.common import (
    aval_of,
    common_type,
    is_handle,
    plain_number,
    result_dtype,
    same_types,
    to_dtype,
    unify,
)
from graphtorch.ir.ops.in_float32 import beside_a_number, widened
from graphtorch.ir.types import DType, TensorType, defaults, promote_scalar

Array = Any
EVERYWHERE = ("gt", "Tensor")


_NUMBERS = (float, int, bool)


def beside_number(a: Any, b: Any, floating: bool) -> tuple[Any, Any] | None:
    """``a`` and ``b`` as tensors of one type, where one is a tensor (of a ``floating`` dtype, if that is asked for) and
    the other a Python number of its dtype: nothing is promoted or broadcast. Else None, and `unify` knows."""
    number, tensor = (a, b) if type(a) in _NUMBERS else (b, a)
    found = getattr(tensor, "aval", None)
    if type(number) not in _NUMBERS or found is None or promote_scalar(found.dtype, number) is not found.dtype:
        return None
    if floating and not found.dtype.is_floating_point:
        return None
    filled = bind.current().filled(plain_number(number), found)
    return (filled, b) if number is a else (a, filled)


class Elementwise(Op):
    """Operands of one shape and dtype; the public call promotes and broadcasts."""

    elementwise = True
    #: integers and bools are computed in the default dtype
    to_float: ClassVar[bool] = False
    #: kinds of dtype that the op takes
    kinds: ClassVar[str] = "fiub"
    result: ClassVar[DType | None] = None

    #: one element of the result, from one element of each operand
    scalar: Callable[..., Expr]

    def unified(self, *args: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Operands of the promoted dtype and the common shape."""
        found = common_type(args)
        if found is not None and (found.dtype.is_floating_point or not self.to_float):
            return args, {}
        pair = beside_number(*args, self.to_float) if len(args) == 2 else None
        if pair is not None:
            return pair, {}
        if not any(map(is_handle, args)):
            aval_of(args[0])  # refuses it
        dtype = result_dtype(*args)
        if self.to_float and not dtype.is_floating_point:
            dtype = defaults.dtype
        return unify(*args, dtype=dtype), {}

    def typed(self, *xs: TensorType) -> TensorType:
        """The result's type; operands must be of one type that the op takes."""
        t = same_types(*xs)
        if t.dtype.kind not in self.kinds:
            facts = [f"expected a dtype of kind {', '.join(_KIND_NAMES[k] for k in self.kinds)}"]
            raise DTypeError("GT203", f"{self.name} does not take {t.dtype!r}", facts)
        return t.with_dtype(self.result) if self.result else t

    def lower(self, *xs: Source) -> Compute:
        dtype = self.result or xs[0].dtype
        return compute(xs[0].shape, dtype, lambda *i: self.scalar(*(x[i] for x in xs)))


_KIND_NAMES = {"f": "float", "i": "int", "u": "uint", "b": "bool"}


class Unary(Elementwise):
    surface: ClassVar[tuple[str, ...]] = EVERYWHERE

    def infer(self, x: TensorType) -> TensorType:
        return self.typed(x)

    def prepare(self, input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.unified(input)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary(self.name, x)


class Binary(Elementwise):
    surface: ClassVar[tuple[str, ...]] = EVERYWHERE

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        return self.typed(input, other)

    def prepare(self, input: Any, other: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.unified(input, other)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        low = None if self.result else beside_a_number((*args, *kwargs.values()) if kwargs else args)
        if low is None:
            return Op.__call__(self, *args, **kwargs)
        return to_dtype(Op.__call__(self, *map(widened, args), **{k: widened(v) for k, v in kwargs.items()}), low)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.binary(self.name, a, b)
