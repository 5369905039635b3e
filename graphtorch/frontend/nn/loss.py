"""Loss layers over classes, and the bases of all: the functions of the same meaning, with their settings kept.

``size_average`` and ``reduce`` are what torch had before ``reduction``: if either is given, they decide, with a
UserWarning.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.ops.common import as_int
from graphtorch.ir.ops.loss_common import reduction_of

Old = bool | None


class Loss(Module):
    """The base: ``reduction`` is "mean", "sum" or "none"."""

    #: what ``reduction`` may be beside these
    more: tuple[str, ...] = ()

    def __init__(self, size_average: Old = None, reduce: Old = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction, *self.more)


class WeightedLoss(Loss):
    """A loss with ``weight``, which is in the state_dict where it is given."""

    def __init__(
        self, weight: Tensor | None = None, size_average: Old = None, reduce: Old = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class _ClassLoss(WeightedLoss):
    """A loss over classes: ``weight`` [c] scales each class, targets of ``ignore_index`` do not count."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Old = None,
        ignore_index: int = -100,
        reduce: Old = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = as_int(ignore_index, "ignore_index")


class NLLLoss(_ClassLoss):
    """-input[target] for log-probabilities [n, c, ...] and int64 classes [n, ...].

    ``weight`` [c] scales each class, targets of ``ignore_index`` do not count.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(  # type: ignore[no-any-return]
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_ClassLoss):
    """Cross entropy of scores [n, c, ...] with int64 classes [n, ...], or with probabilities [n, c, ...].

    ``label_smoothing`` in [0, 1] mixes the target with the uniform distribution over the classes. ``weight`` [c] scales
    each class, targets of ``ignore_index`` do not count.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Old = None,
        ignore_index: int = -100,
        reduce: Old = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.label_smoothing = number(label_smoothing, "label_smoothing", 0, 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(  # type: ignore[no-any-return]
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCELoss(WeightedLoss):
    """Binary cross entropy of probabilities and targets in [0, 1]; ``weight`` broadcasts."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)  # type: ignore[no-any-return]


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross entropy of the sigmoid of logits; ``pos_weight`` scales what a target says yes to."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Old = None,
        reduce: Old = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(  # type: ignore[no-any-return]
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CTCLoss(Loss):
    """-log of the probability of each sample's labels, summed over all alignments; eager mode alone.

    ``blank`` is the class of no label; with ``zero_infinity`` labels that do not fit have loss and gradient 0.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = as_int(blank, "blank"), flag(zero_infinity, "zero_infinity")

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


class KLDivLoss(Loss):
    """target * (log(target) - input) for log-probabilities; ``reduction`` may be "batchmean" too."""

    more = ("batchmean",)

    def __init__(
        self, size_average: Old = None, reduce: Old = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = flag(log_target, "log_target")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(  # type: ignore[no-any-return]
            input, target, reduction=self.reduction, log_target=self.log_target
        )
