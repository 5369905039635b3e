"""The chapter on losses: each with the arguments that it expects, in its three reductions, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import graphtorch
from tests.course.oracle import as_torch, numbers, quietly, same


def scores(torch: Any, *shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(numbers(*shape, seed=seed)).requires_grad_()


def signs(torch: Any, *shape: int) -> Any:
    return torch.from_numpy(numbers(*shape, seed=5)).sign()


#: class of nn -> its options, and (torch -> arguments, the first of which has gradients)
LOSSES: dict[str, tuple[str, dict[str, Any], Callable[[Any], Sequence[Any]]]] = {
    "MSELoss": ("MSELoss", {}, lambda t: (scores(t, 3, 5), scores(t, 3, 5, seed=1).detach())),
    "L1Loss": ("L1Loss", {}, lambda t: (scores(t, 3, 5), t.zeros(3, 5))),
    "SmoothL1Loss": ("SmoothL1Loss", {"beta": 0.5}, lambda t: (scores(t, 3, 5), t.zeros(3, 5))),
    "HuberLoss": ("HuberLoss", {"delta": 0.7}, lambda t: (scores(t, 3, 5), t.zeros(3, 5))),
    "CrossEntropyLoss of classes": ("CrossEntropyLoss", {}, lambda t: (scores(t, 3, 5), t.tensor([4, 0, 2]))),
    "CrossEntropyLoss of probabilities": (
        "CrossEntropyLoss",
        {},
        lambda t: (scores(t, 3, 5), t.softmax(scores(t, 3, 5, seed=1).detach(), 1)),
    ),
    "CrossEntropyLoss, smooth": (
        "CrossEntropyLoss",
        {"label_smoothing": 0.1, "ignore_index": 0},
        lambda t: (scores(t, 3, 5), t.tensor([4, 0, 2])),
    ),
    "CrossEntropyLoss of pixels": (
        "CrossEntropyLoss",
        {},
        lambda t: (scores(t, 2, 5, 3, 4), t.arange(24).reshape(2, 3, 4) % 5),
    ),
    "NLLLoss": ("NLLLoss", {}, lambda t: (scores(t, 3, 5).log_softmax(1), t.tensor([4, 0, 2]))),
    "BCELoss": ("BCELoss", {}, lambda t: (scores(t, 3, 2).sigmoid(), t.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))),
    "BCEWithLogitsLoss": ("BCEWithLogitsLoss", {}, lambda t: (scores(t, 3, 2), (signs(t, 3, 2) + 1) / 2)),
    "KLDivLoss": (
        "KLDivLoss",
        {},
        lambda t: (scores(t, 3, 5).log_softmax(1), scores(t, 3, 5, seed=1).softmax(1).detach()),
    ),
    "HingeEmbeddingLoss": ("HingeEmbeddingLoss", {}, lambda t: (scores(t, 3, 5), signs(t, 3, 5))),
    "MarginRankingLoss": (
        "MarginRankingLoss",
        {"margin": 0.2},
        lambda t: (scores(t, 5), scores(t, 5, seed=1), signs(t, 5)),
    ),
    "CosineEmbeddingLoss": (
        "CosineEmbeddingLoss",
        {},
        lambda t: (scores(t, 3, 5), scores(t, 3, 5, seed=1), signs(t, 3)),
    ),
    "TripletMarginLoss": (
        "TripletMarginLoss",
        {},
        lambda t: (scores(t, 3, 5), scores(t, 3, 5, seed=1), scores(t, 3, 5, seed=2)),
    ),
    "SoftMarginLoss": ("SoftMarginLoss", {}, lambda t: (scores(t, 3, 5), signs(t, 3, 5))),
    "MultiMarginLoss": ("MultiMarginLoss", {}, lambda t: (scores(t, 3, 5), t.tensor([4, 0, 2]))),
    "MultiLabelSoftMarginLoss": ("MultiLabelSoftMarginLoss", {}, lambda t: (scores(t, 3, 2), (signs(t, 3, 2) + 1) / 2)),
    "PoissonNLLLoss": ("PoissonNLLLoss", {}, lambda t: (scores(t, 3, 5), t.arange(15.0).reshape(3, 5))),
    "GaussianNLLLoss": ("GaussianNLLLoss", {}, lambda t: (scores(t, 3, 5), t.zeros(3, 5), t.full((3, 5), 0.5))),
    "CTCLoss": (
        "CTCLoss",
        {},
        lambda t: (
            scores(t, 7, 2, 5).log_softmax(2),
            t.tensor([[1, 2, 2], [4, 3, 1]]),
            t.tensor([7, 6]),
            t.tensor([3, 2]),
        ),
    ),
}


def runs(torch: Any, name: str, reduction: str) -> Any:
    kind, options, make = LOSSES[name]
    first, *rest = make(torch)
    first.retain_grad()
    criterion = getattr(torch.nn, kind)(reduction=reduction, **options)
    loss = criterion(first, *rest)
    loss.sum().backward()
    return [loss, first.grad, repr(criterion)]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # of KLDivLoss, as torch warns
@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    same(runs(graphtorch, name, reduction), quietly(lambda module: runs(module, name, reduction), torch), name)


@as_torch
def test_classes_that_count_differently(torch: Any) -> Any:
    weight, target = torch.tensor([1.0, 2.0, 0.5, 0.0, 3.0]), torch.tensor([4, 0, 2])
    x = scores(torch, 3, 5)
    F = torch.nn.functional
    return [
        torch.nn.CrossEntropyLoss(weight=weight)(x, target),
        torch.nn.NLLLoss(weight)(x.log_softmax(1), target),
        torch.nn.BCEWithLogitsLoss(pos_weight=weight)(x, torch.ones(3, 5)),
        F.cross_entropy(x, target, weight=weight, reduction="sum"),
        F.nll_loss(F.log_softmax(x, dim=1), target),
        F.binary_cross_entropy_with_logits(x, torch.zeros(3, 5)),
        F.mse_loss(x, torch.zeros(3, 5)),
        F.l1_loss(x, torch.zeros(3, 5)),
        F.kl_div(x.log_softmax(1), x.softmax(1).detach(), reduction="batchmean"),
    ]


@as_torch
def test_cross_entropy_is_its_parts(torch: Any) -> Any:
    x, target = scores(torch, 4, 3), torch.tensor([0, 2, 1, 1])
    parts = torch.nn.NLLLoss()(torch.nn.LogSoftmax(dim=1)(x), target)
    whole = torch.nn.CrossEntropyLoss()(x, target)
    by_hand = -torch.log_softmax(x, 1).gather(1, target[:, None]).mean()
    return [whole, bool(torch.isclose(parts, whole)), bool(torch.isclose(by_hand, whole))]


@as_torch
def test_arguments_of_the_wrong_kind(torch: Any) -> Any:
    """What torch refuses is refused, by a class of Python's exceptions that torch's is of."""
    nn = torch.nn
    refused: list[tuple[type[Exception], Callable[[], Any]]] = [
        (RuntimeError, lambda: nn.CrossEntropyLoss()(torch.ones(3, 5), torch.ones(3))),
        (ValueError, lambda: nn.CrossEntropyLoss()(torch.ones(3, 5), torch.ones(4, dtype=torch.int64))),
        (RuntimeError, lambda: nn.NLLLoss()(torch.ones(3, 5), torch.ones(3))),
        (ValueError, lambda: nn.BCELoss()(torch.ones(3, 1), torch.ones(3))),
        (ValueError, lambda: nn.BCEWithLogitsLoss()(torch.ones(3, 1), torch.ones(3))),
        (RuntimeError, lambda: nn.MSELoss()(torch.ones(3, 4), torch.ones(3, 5))),
        (IndexError, lambda: nn.CrossEntropyLoss()(torch.ones(3, 5), torch.tensor([0, 5, 1]))),
    ]
    for expected, call in refused:
        with pytest.raises(expected):
            call()
