"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


class Linear(Module):
    """``x @ weight.T + bias``: [..., in_features] to [..., out_features].

    weight [out_features, in_features] and bias [out_features] start uniform within 1 / sqrt(in_features).
    ArgumentError GT304 for sizes below 1.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__()
        check_device(device)
        self.in_features = positive(in_features, "in_features")
        self.out_features = positive(out_features, "out_features")
        empty = PUBLIC["gt"]["empty"]
        self.weight = Parameter(empty(self.out_features, self.in_features, dtype=dtype))
        made = Parameter(empty(self.out_features, dtype=dtype)) if flag(bias, "bias") else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.weight_and_bias_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """``x1 @ weight[k] @ x2 + bias[k]`` for every k, of [..., in1_features] and [..., in2_features].

    weight [out_features, in1_features, in2_features] and bias start uniform within 1 / sqrt(in1_features).
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.in1_features = positive(in1_features, "in1_features")
        self.in2_features = positive(in2_features, "in2_features")
        self.out_features = positive(out_features, "out_features")
        empty = PUBLIC["gt"]["empty"]
        self.weight = Parameter(empty(self.out_features, self.in1_features, self.in2_features, dtype=dtype))
        made = Parameter(empty(self.out_features, dtype=dtype)) if flag(bias, "bias") else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        features = f"in1_features={self.in1_features}, in2_features={self.in2_features}"
        return f"{features}, out_features={self.out_features}, bias={self.bias is not None}"
