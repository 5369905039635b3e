"""What there is to know of dtypes, under torch's names: conversions and types of tensors."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import (
    DType,
    bfloat16,
    bool_,
    defaults,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

#: methods of tensors that convert, and to what
CONVERSIONS = {
    "double": float64, "float": float32, "half": float16, "bfloat16": bfloat16, "long": int64, "int": int32,
    "short": int16, "char": int8, "byte": uint8, "bool": bool_,
}  # fmt: skip
#: what `Tensor.type()` says
TENSOR_NAMES = {
    float64: "DoubleTensor", float32: "FloatTensor", float16: "HalfTensor", bfloat16: "BFloat16Tensor",
    int64: "LongTensor", int32: "IntTensor", int16: "ShortTensor", int8: "CharTensor", uint8: "ByteTensor",
    bool_: "BoolTensor",
}  # fmt: skip
#: what `Tensor.type()` and `set_default_tensor_type` take, beside dtypes
_BY_NAME = {f"{module}.{name}": d for d, name in TENSOR_NAMES.items() for module in ("graphtorch", "torch")}


def of_tensor_type(t: Any) -> DType:
    """The dtype of a type of tensors: ``gt.LongTensor``, "torch.LongTensor", ``gt.Tensor`` (the default dtype).

    ArgumentTypeError GT301 for a name or an object that is none.
    """
    name = getattr(t, "__name__", None)
    name = f"graphtorch.{name}" if isinstance(name, str) else t
    if name in ("graphtorch.Tensor", "torch.Tensor"):
        return defaults.dtype
    if not isinstance(name, str) or name not in _BY_NAME:
        got = [f"got {t!r}", 'expected gt.FloatTensor or another of its kind, or its name, "graphtorch.FloatTensor"']
        raise ArgumentTypeError("GT301", "there is no such type of tensors", got)
    return _BY_NAME[name]
