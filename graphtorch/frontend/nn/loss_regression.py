"""Loss layers of numbers: the functions of the same meaning, with their settings kept."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import above, flag, number
from graphtorch.frontend.nn.loss import Loss, Old
from graphtorch.frontend.tensor import Tensor


class MSELoss(Loss):
    """The squared difference of input and target."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)  # type: ignore[no-any-return]


class L1Loss(Loss):
    """The absolute difference of input and target."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)  # type: ignore[no-any-return]


class SmoothL1Loss(Loss):
    """d^2 / (2 beta) where the difference d is less than ``beta``, |d| - beta / 2 elsewhere."""

    def __init__(
        self, size_average: Old = None, reduce: Old = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = number(beta, "beta", 0)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)  # type: ignore[no-any-return]


class HuberLoss(Loss):
    """d^2 / 2 where the difference d is less than ``delta``, delta * (|d| - delta / 2) elsewhere."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = above(delta, "delta", 0)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)  # type: ignore[no-any-return]


class PoissonNLLLoss(Loss):
    """exp(input) - target * input, or input - target * log(input + eps) with ``log_input=False``."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: Old = None,
        eps: float = 1e-8,
        reduce: Old = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full = flag(log_input, "log_input"), flag(full, "full")
        self.eps = number(eps, "eps")

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(  # type: ignore[no-any-return]
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """(log(var) + (input - target)^2 / var) / 2, with ``var`` at least ``eps``."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = flag(full, "full"), number(eps, "eps", 0)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)  # type: ignore[no-any-return]
