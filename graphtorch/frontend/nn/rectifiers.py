"""Activation layers with a kink: functions of the same meaning, with their settings kept."""

from __future__ import annotations

import warnings
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, nonzero, number, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


class InPlace(Module):
    """A function that may write its result into its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag(inplace, "inplace")

    def _settings(self) -> str:
        return ""

    def extra_repr(self) -> str:
        shown = [self._settings(), "inplace=True" if self.inplace else ""]
        return ", ".join(filter(None, shown))


class Threshold(InPlace):
    """x where it is greater than ``threshold``, ``value`` elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = number(threshold, "threshold"), number(value, "value")

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)  # type: ignore[no-any-return]

    def _settings(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class Hardtanh(InPlace):
    """Each element limited to [min_val, max_val]; ``min_value`` and ``max_value`` are their old names.

    ArgumentError GT304 unless ``min_val`` is less than ``max_val``.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        min_val, max_val = _renamed("min_val", min_val, min_value), _renamed("max_val", max_val, max_value)
        self.min_val, self.max_val = number(min_val, "min_val"), number(max_val, "max_val")
        check(
            min_val < max_val,
            "GT304",
            f"min_val={min_val} is not allowed with max_val={max_val}",
            "expected min_val < max_val",
            kind=ArgumentError,
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)  # type: ignore[no-any-return]

    def _settings(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


def _renamed(name: str, value: float, old: float | None) -> float:
    if old is None:
        return value
    before = name.replace("val", "value")
    text = f"keyword argument `{before}` is deprecated and renamed to `{name}`"
    warnings.warn(text, FutureWarning, stacklevel=4)
    return old


class ReLU6(Hardtanh):
    """Each element limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def _settings(self) -> str:
        return ""


class Hardsigmoid(InPlace):
    """(x + 3) / 6 limited to [0, 1]."""

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return ""  # torch does not show it


class Hardswish(InPlace):
    """x * hardsigmoid(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return ""  # torch does not show it


class _Alpha(InPlace):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = number(alpha, "alpha")

    def _settings(self) -> str:
        return f"alpha={self.alpha}"


class ELU(_Alpha):
    """x above 0, alpha * (exp(x) - 1) elsewhere."""

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)  # type: ignore[no-any-return]


class CELU(_Alpha):
    """x above 0, alpha * (exp(x / alpha) - 1) elsewhere. ArgumentError GT304 for alpha=0."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(nonzero(alpha, "alpha"), inplace)

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)  # type: ignore[no-any-return]


class SELU(InPlace):
    """ELU with the alpha and the scale that keep mean 0 and variance 1."""

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)  # type: ignore[no-any-return]


class LeakyReLU(InPlace):
    """x above 0, ``negative_slope`` times x elsewhere."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = number(negative_slope, "negative_slope")

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)  # type: ignore[no-any-return]

    def _settings(self) -> str:
        return f"negative_slope={self.negative_slope}"


class RReLU(InPlace):
    """x above 0; elsewhere x times a number drawn from [lower, upper), or their mean when not training."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = number(lower, "lower")
        self.upper = number(upper, "upper", lower)

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def _settings(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class PReLU(Module):
    """x above 0, ``weight`` times x elsewhere: one weight, or one for each channel of [n, c, ...].

    The weights start as ``init``. K. He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__()
        check_device(device)
        self.num_parameters = positive(num_parameters, "num_parameters")
        self.init = number(init, "init")
        self.weight = Parameter(PUBLIC["gt"]["empty"](self.num_parameters, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every weight is ``init``."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _Lambd(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = number(lambd, "lambd")

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Lambd):
    """0 for each element in [-lambd, lambd], x elsewhere."""

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)  # type: ignore[no-any-return]


class Softshrink(_Lambd):
    """Each element ``lambd`` nearer to 0, and 0 in [-lambd, lambd]. ArgumentError GT304 for lambd < 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(number(lambd, "lambd", 0))

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)  # type: ignore[no-any-return]
