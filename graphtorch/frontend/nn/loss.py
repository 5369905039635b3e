"""Loss layers: the functions of the same meaning, with their settings kept."""

from __future__ import annotations

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import number, one_of
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.common import as_int


class _Loss(Module):
    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = one_of(reduction, "reduction", "none", "mean", "sum")


class _ClassLoss(_Loss):
    """A loss over classes: ``weight`` [c] scales each class, targets of ``ignore_index`` do not count."""

    def __init__(self, weight: Tensor | None, ignore_index: int, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = as_int(ignore_index, "ignore_index")


class MSELoss(_Loss):
    """The squared difference of input and target; ``reduction`` is "mean", "sum" or "none"."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)  # type: ignore[no-any-return]


class NLLLoss(_ClassLoss):
    """-input[target] for log-probabilities [n, c, ...] and int64 classes [n, ...]."""

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)  # type: ignore[no-any-return]


class CrossEntropyLoss(_ClassLoss):
    """Cross entropy of scores [n, c, ...] with int64 classes [n, ...], or with probabilities [n, c, ...].

    ``label_smoothing`` in [0, 1] mixes the target with the uniform distribution over the classes.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = number(label_smoothing, "label_smoothing", 0, 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(  # type: ignore[no-any-return]
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )
