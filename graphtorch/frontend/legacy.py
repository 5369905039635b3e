"""torch's older constructors: ``gt.Tensor(2, 3)``, ``gt.LongTensor([1, 2])``; the latter are types of tensors, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.construction import to_tensor
from graphtorch.frontend.dtypes import TENSOR_NAMES
from graphtorch.frontend.history import replaced
from graphtorch.frontend.tensor import Size, Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import sizes
from graphtorch.ir.types import DType, defaults


class TensorClass:
    """The tensors of one dtype, as `torch.FloatTensor` and the like: a constructor, and for ``isinstance``.

    ``FloatTensor(2, 3)`` and ``FloatTensor(gt.Size([2, 3]))`` have these sizes and unspecified content (zeros, here),
    ``FloatTensor([2, 3])`` holds a copy of the data, of this dtype, and ``FloatTensor(t)`` views a tensor of it.
    ArgumentTypeError GT301 for anything else, DTypeError GT201 for a tensor of another dtype, ArgumentError GT304 for
    numbers that the dtype cannot hold.
    """

    #: as torch's have them
    is_cuda = is_sparse = False

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.__name__ = self.__qualname__ = TENSOR_NAMES[dtype]
        self.__module__ = "graphtorch"

    def __call__(self, *args: Any, device: Any = None, **named: Any) -> Tensor:
        return build(self.__name__, args, named, device, self.dtype)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is self.dtype

    def __repr__(self) -> str:
        return f"<class 'graphtorch.{self.__name__}'>"

    def __reduce__(self) -> str:
        return self.__name__


def build(name: str, args: tuple[Any, ...], named: dict[str, Any], device: Any, dtype: DType | None) -> Tensor:
    """What the constructor ``name`` makes of its arguments; of the default dtype, unless ``dtype`` is given."""
    place = check_device(device)
    made = _built(name, args, named, dtype)
    return made if place is None else made.to(place)


def _built(name: str, args: tuple[Any, ...], named: dict[str, Any], dtype: DType | None) -> Tensor:
    args = _given(name, args, named)
    first: Any = args[0] if len(args) == 1 else Size(args or (0,))
    if isinstance(first, Tensor):
        check(
            dtype is None or first.dtype is dtype,
            "GT201",
            f"{name} of a tensor of another dtype",
            f"expected {dtype!r}, got {first.dtype!r}; convert it with .to()",
            kind=DTypeError,
        )
        return first.view(first.shape)
    if _is_data(first):
        return to_tensor(first, dtype or defaults.dtype, "data")
    if isinstance(first, bool) or not (isinstance(first, Size) or hasattr(first, "__index__")):
        kind = type(first).__name__
        raise ArgumentTypeError("GT301", f"{name} takes sizes or a sequence of numbers, got {kind}", _OF_A_NUMBER)
    return PUBLIC["gt"]["empty"](sizes((first,)), dtype=dtype)  # type: ignore[no-any-return]


_OF_A_NUMBER = ["gt.tensor makes a tensor of a number"]


def _given(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments; torch takes ``data`` and ``size`` by name as well."""
    if not named:
        return args
    if args or len(named) > 1 or not named.keys() <= {"data", "size"}:
        raise ArgumentTypeError("GT301", f"{name} takes data or sizes, got {', '.join(named)} by name")
    return (named["data"],) if "data" in named else (Size(named["size"]),)


def _is_data(x: Any) -> bool:
    return isinstance(x, Sequence | np.ndarray) and not isinstance(x, Size | str | bytes)


def fill(t: Tensor, args: tuple[Any, ...], named: dict[str, Any], device: Any) -> None:
    """``Tensor(...)``: make ``t``, which is nothing yet, what its arguments say."""
    made = build(type(t).__name__, args, named, device, None)
    vars(t).update(vars(made))
    if made._view is not None:
        replaced(made, t)
    if made._traced is not None:
        made._traced.writes.aliases.replaced(made, t)


#: by their names, under which `graphtorch` has them
TYPES = {name: TensorClass(dtype) for dtype, name in TENSOR_NAMES.items()}
globals().update(TYPES)
