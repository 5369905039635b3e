"""What losses refuse: whole messages, the same from eager mode, traces, programs and `gt.check`, and fixes that work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError
from graphtorch.nn import functional as F
from tests.errors import with_texts_of_lines

Spec = gt.TensorSpec
X, LABELS, YES = Spec((6, 5)), Spec((6,), gt.int64), Spec((6, 7))


def tensors(*given: Any) -> list[gt.Tensor]:
    return [gt.from_numpy(np.zeros(g.shape, g.dtype.np)) if isinstance(g, Spec) else g for g in given]


class Head(nn.Module):
    """Scores and their loss, as a module within a module."""

    def __init__(self, *after: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.classify = nn.Sequential(nn.Linear(5, 7), *after)
        self.criterion = loss

    def forward(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        return self.criterion(self.classify(x), y)


class Swapped(Head):
    def forward(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        return self.criterion(y, self.classify(x))


class Net(nn.Module):
    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        return self.head(x, y)


criterion, layer = nn.CrossEntropyLoss(), nn.Linear(5, 7)


def swapped(x: Any, y: Any) -> Any:
    return F.cross_entropy(y, x)


def swapped_in_a_module(x: Any, y: Any) -> Any:
    return criterion(y, x * 2).mean()


def swapped_by_name(x: Any, y: Any) -> Any:
    return F.nll_loss(target=x.log_softmax(1), input=y)


def swapped_one_hot(x: Any, y: Any) -> Any:
    return F.cross_entropy(y, x)


def swapped_yes_or_no(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy_with_logits(y, x)


def swapped_in_a_step(x: Any, y: Any) -> Any:
    net = Net(Swapped(loss=nn.CrossEntropyLoss(label_smoothing=0.1)))
    net(x, y).backward()


def float_labels(x: Any, y: Any) -> Any:
    return criterion(x, y)


def short_labels(x: Any, y: Any) -> Any:
    return criterion(x, y.to(gt.int32))


def column_of_labels(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def column_of_floats(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y * 1)


def one_hot_labels(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def classes_last(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def flattened_labels(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def flattened_scores(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def other_samples(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y)


def weights_of_others(x: Any, y: Any) -> Any:
    return F.cross_entropy(layer(x), y, weight=gt.ones(5))


def yes_of_a_column(x: Any, y: Any) -> Any:
    return nn.BCEWithLogitsLoss()(x, y)


def yes_as_integers(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(x, y)


I64 = gt.int64
REFUSED: dict[Callable[..., Any], tuple[tuple[Any, ...], str]] = {
    swapped: (
        (Spec((6, 5)), LABELS),
        """ContractError GT320 in cross_entropy: the arguments of cross_entropy are swapped
  return F.cross_entropy(y, x)
  input  i64[6]
  target f32[6,5]
  expected scores [n, c, ...] first, and class labels [n, ...] second
  got labels i64[6] first, and scores f32[6,5] second
  fix: F.cross_entropy(x, y)""",
    ),
    swapped_in_a_module: (
        (Spec((6, 5)), LABELS),
        """ContractError GT320 in cross_entropy: the arguments of cross_entropy are swapped
  return criterion(y, x * 2).mean()
  criterion, layer = nn.CrossEntropyLoss(), nn.Linear(5, 7)  <- constructed here
  input  i64[6]
  target f32[6,5]   (from mul)
  expected scores [n, c, ...] first, and class labels [n, ...] second
  got labels i64[6] first, and scores f32[6,5] second
  fix: criterion(x * 2, y)""",
    ),
    swapped_by_name: (
        (Spec((6, 5)), LABELS),
        """ContractError GT320 in nll_loss: the arguments of nll_loss are swapped
  return F.nll_loss(target=x.log_softmax(1), input=y)
  target f32[6,5]   (from log_softmax)
  input  i64[6]
  expected log-probabilities [n, c, ...] first, and class labels [n, ...] second
  got labels i64[6] first, and log-probabilities f32[6,5] second
  fix: F.nll_loss(target=y, input=x.log_softmax(1))""",
    ),
    swapped_one_hot: (
        (Spec((6, 5)), Spec((6, 5), I64)),
        """ContractError GT320 in cross_entropy: the arguments of cross_entropy are swapped
  return F.cross_entropy(y, x)
  input  i64[6,5]
  target f32[6,5]
  expected scores [n, c, ...] first, and class labels [n, ...] second
  got labels i64[6,5] first, and scores f32[6,5] second
  fix: F.cross_entropy(x, y.argmax(1))""",
    ),
    swapped_yes_or_no: (
        (Spec((6,)), LABELS),
        """ContractError GT320 in binary_cross_entropy_with_logits: the arguments of binary_cross_entropy_with_logits are \
swapped
  return F.binary_cross_entropy_with_logits(y, x)
  input  i64[6]
  target f32[6]
  expected logits first, and labels second
  got labels i64[6] first, and logits f32[6] second
  fix: F.binary_cross_entropy_with_logits(x, y.float())""",
    ),
    swapped_in_a_step: (
        (X, LABELS),
        """ContractError GT320 in cross_entropy "head.criterion": the arguments of cross_entropy are swapped
  return self.criterion(y, self.classify(x))
  net = Net(Swapped(loss=nn.CrossEntropyLoss(label_smoothing=0.1)))  <- constructed here
  input  i64[6]
  target f32[6,7]   (from linear "head.classify.0")
  expected scores [n, c, ...] first, and class labels [n, ...] second
  got labels i64[6] first, and scores f32[6,7] second
  fix: self.criterion(self.classify(x), y)""",
    ),
    float_labels: (
        (Spec((6, 5)), Spec((6,))),
        """DTypeError GT205 in cross_entropy: class targets must be int64
  return criterion(x, y)
  criterion, layer = nn.CrossEntropyLoss(), nn.Linear(5, 7)  <- constructed here
  input  f32[6,5]
  target f32[6]
  expected graphtorch.int64, got graphtorch.float32
  fix: criterion(x, y.long())""",
    ),
    short_labels: (
        (Spec((6, 5)), LABELS),
        """DTypeError GT205 in cross_entropy: class targets must be int64
  return criterion(x, y.to(gt.int32))
  criterion, layer = nn.CrossEntropyLoss(), nn.Linear(5, 7)  <- constructed here
  input  f32[6,5]
  target i32[6]   (from cast)
  expected graphtorch.int64, got graphtorch.int32
  fix: criterion(x, y.to(gt.int32).long())""",
    ),
    column_of_labels: (
        (Spec((6, 5)), Spec((6, 1), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[6,5]
  target i64[6,1]
  expected class indices [6] for scores [6, 5], got [6, 1]
  fix: F.cross_entropy(x, y.squeeze(1))""",
    ),
    column_of_floats: (
        (Spec((6, 5)), Spec((6, 1))),
        """DTypeError GT205 in cross_entropy: class targets must be int64
  return F.cross_entropy(x, y * 1)
  input  f32[6,5]
  target f32[6,1]   (from mul)
  expected graphtorch.int64, got graphtorch.float32
  expected class indices [6] for scores [6, 5], got [6, 1]
  fix: F.cross_entropy(x, (y * 1).squeeze(1).long())""",
    ),
    one_hot_labels: (
        (Spec((6, 5)), Spec((6, 5), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[6,5]
  target i64[6,5]
  expected class indices [6] for scores [6, 5], got [6, 5]
  one-hot labels are no class indices: argmax gives those
  fix: F.cross_entropy(x, y.argmax(1))""",
    ),
    classes_last: (
        (Spec((6, 3, 5)), Spec((6, 3), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[6,3,5]
  target i64[6,3]
  expected class indices [6, 5] for scores [6, 3, 5], got [6, 3]
  fix: F.cross_entropy(x.movedim(-1, 1), y)""",
    ),
    flattened_labels: (
        (Spec((6, 3, 5)), Spec((18,), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[6,3,5]
  target i64[18]
  expected class indices [6, 5] for scores [6, 3, 5], got [18]
  fix: F.cross_entropy(x.flatten(0, 1), y)""",
    ),
    flattened_scores: (
        (Spec((18, 5)), Spec((6, 3), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[18,5]
  target i64[6,3]
  expected class indices [18] for scores [18, 5], got [6, 3]
  fix: F.cross_entropy(x, y.flatten())""",
    ),
    other_samples: (
        (Spec((6, 5)), Spec((4,), I64)),
        """ShapeError GT112 in cross_entropy: targets do not match the input
  return F.cross_entropy(x, y)
  input  f32[6,5]
  target i64[4]
  expected class indices [6] for scores [6, 5], got [4]""",
    ),
    weights_of_others: (
        (X, LABELS),
        """ShapeError GT103 in cross_entropy: weight does not match the classes
  return F.cross_entropy(layer(x), y, weight=gt.ones(5))
  input  f32[6,7]   (from linear)
  target i64[6]
  weight f32[5]   (from ones)
  expected [7], got [5]""",
    ),
    yes_of_a_column: (
        (Spec((6, 1)), Spec((6,))),
        """ShapeError GT103 in binary_cross_entropy_with_logits: target does not match the input
  return nn.BCEWithLogitsLoss()(x, y)
  return nn.BCEWithLogitsLoss()(x, y)  <- constructed here
  input  f32[6,1]
  target f32[6]
  expected [6, 1], got [6]
  fix: nn.BCEWithLogitsLoss()(x.squeeze(1), y) or nn.BCEWithLogitsLoss()(x, y.unsqueeze(1))""",
    ),
    yes_as_integers: (
        (Spec((6, 1)), LABELS),
        """ShapeError GT103 in binary_cross_entropy: target does not match the input
  return F.binary_cross_entropy(x, y)
  input  f32[6,1]
  target i64[6]
  expected [6, 1], got [6]
  fix: F.binary_cross_entropy(x.squeeze(1), y.float()) or F.binary_cross_entropy(x, y.unsqueeze(1).float())""",
    ),
}


@pytest.mark.parametrize("program", REFUSED, ids=lambda p: p.__name__)
def test_what_is_refused_is_refused_in_one_text(program: Callable[..., Any]) -> None:
    given, expected = REFUSED[program]
    with pytest.raises(GraphTorchError) as eager:
        program(*tensors(*given))
    assert with_texts_of_lines(eager.value) == expected
    with pytest.raises(type(eager.value)) as traced:
        gt.trace(program, *given)
    with pytest.raises(type(eager.value)) as compiled:
        gt.compile(program)(*tensors(*given))
    assert with_texts_of_lines(traced.value) == with_texts_of_lines(compiled.value) == expected
    found = gt.check(program, *given).problems[0]
    found.error.trail.clear()  # a check says more
    assert with_texts_of_lines(found).startswith(expected)


MENDED = [program for program, (_, text) in REFUSED.items() if "  fix: " in text]


@pytest.mark.parametrize("program", MENDED, ids=lambda p: p.__name__)
def test_the_fix_mends_the_call(program: Callable[..., Any]) -> None:
    given, expected = REFUSED[program]
    _, _, fix = expected.partition("  fix: ")
    x, y = tensors(*given)
    net = Net(Swapped(loss=nn.CrossEntropyLoss()))
    for edited in fix.split(" or "):
        assert eval(edited, globals(), {"x": x, "y": y, "self": net.head}).ndim == 0


def swapped_and_more(x: Any, y: Any) -> Any:
    p = layer(x).softmax(1)
    return F.cross_entropy(y, p).mean()


def test_a_check_goes_on_as_if_the_call_were_mended() -> None:
    assert [p.code for p in gt.check(swapped_and_more, X, LABELS).problems] == ["GT320", "GT321", "GT325"]
    found = gt.check(nn.Linear(5, 7), X, loss=lambda out, y: criterion(out, y.squeeze(0)), targets=Spec((1, 6, 1), I64))
    assert [p.fix for p in found.problems] == ["criterion(out, y.squeeze(0).squeeze(1))"]
