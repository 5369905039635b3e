"""Loss layers that ask for a margin: the functions of the same meaning, with their settings kept."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import number
from graphtorch.frontend.nn.loss import Loss, Old, WeightedLoss
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.common import aval_of


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * input)) for targets of 1 and -1."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)  # type: ignore[no-any-return]


class _Margin(Loss):
    def __init__(
        self, margin: float = 0.0, size_average: Old = None, reduce: Old = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = number(margin, "margin")


class HingeEmbeddingLoss(_Margin):
    """The distance ``input`` for a target of 1, max(0, margin - input) for -1."""

    def __init__(
        self, margin: float = 1.0, size_average: Old = None, reduce: Old = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)  # type: ignore[no-any-return]


class MarginRankingLoss(_Margin):
    """max(0, -target * (input1 - input2) + margin) for targets of 1 and -1."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(  # type: ignore[no-any-return]
            input1, input2, target, self.margin, reduction=self.reduction
        )


class CosineEmbeddingLoss(_Margin):
    """1 - cos(input1, input2) for a target of 1, max(0, cos - margin) for -1."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(  # type: ignore[no-any-return]
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MultiMarginLoss(WeightedLoss):
    """The sum over other classes j of max(0, margin - input[target] + input[j])^p / c.

    ``weight`` [c] scales each sample by its class. ArgumentError GT304 for a ``p`` other than 1 and 2, ShapeError GT107
    for a weight that is not [c].
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: Old = None,
        reduce: Old = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        check(p in (1, 2), "GT304", f"p={p} is not allowed", "expected 1 or 2", kind=ArgumentError)
        ndim = 1 if weight is None else aval_of(weight).ndim
        check(ndim == 1, "GT107", "weight must be [c]", f"expected 1 dimension, got {ndim}")
        self.p, self.margin = p, number(margin, "margin")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(  # type: ignore[no-any-return]
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(Loss):
    """The sum of max(0, 1 - input[i] + input[j]) / c over each target i and each class j that is none."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)  # type: ignore[no-any-return]


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The mean over the last dimension of the binary cross entropy of logits; ``weight`` broadcasts."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(  # type: ignore[no-any-return]
            input, target, self.weight, reduction=self.reduction
        )
