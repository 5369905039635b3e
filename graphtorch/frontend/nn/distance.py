"""Layers of distances between vectors, and of the losses that compare them."""

from __future__ import annotations

from collections.abc import Callable

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import above, flag, number
from graphtorch.frontend.nn.loss import Loss, Old
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.common import as_int

Distance = Callable[[Tensor, Tensor], Tensor]


class CosineSimilarity(Module):
    """The product of two tensors along ``dim``, over the product of their norms, each at least ``eps``."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = as_int(dim, "dim"), number(eps, "eps")

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)  # type: ignore[no-any-return]


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps = number(p, "p"), number(eps, "eps")
        self.keepdim = flag(keepdim, "keepdim")

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)  # type: ignore[no-any-return]


class TripletMarginLoss(Loss):
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative)).

    ArgumentError GT304 for margin <= 0.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Old = None,
        reduce: Old = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin, self.swap = above(margin, "margin", 0), flag(swap, "swap")
        self.p, self.eps = number(p, "p"), number(eps, "eps")

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(  # type: ignore[no-any-return]
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` with any function of two tensors. ArgumentError GT304 for margin <= 0."""

    def __init__(
        self,
        *,
        distance_function: Distance | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = above(margin, "margin", 0), flag(swap, "swap")

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(  # type: ignore[no-any-return]
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
