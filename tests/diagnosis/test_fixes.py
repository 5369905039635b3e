"""What is offered as a fix: an edit that the user can make, that reads as it should, and that mends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
import graphtorch as torch
from graphtorch import nn
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.nn import functional as F

Spec = gt.TensorSpec


def i64(*shape: int) -> Any:
    return Spec(shape, gt.int64)


class Program(nn.Module):
    """A model with some layers, and a forward pass."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *args: Any) -> Any:
        return self._forward(self, *args)


def found(report: Any) -> list[tuple[str, str]]:
    return [(p.code, p.fix.split(" (test_fixes.py")[0]) for p in report.problems]


# ---- what is tried ---------------------------------------------------------------------------------


def test_one_value_per_channel_is_not_mended_by_what_leaves_it_so() -> None:
    """Trials keep no statistics; they must refuse to train on one value all the same."""
    rows = nn.Sequential(nn.Linear(40, 32), nn.BatchNorm1d(32), nn.Linear(32, 5))
    assert found(gt.check(rows, Spec((1, 40)))) == [("GT305", "")]
    images = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8))
    assert found(gt.check(images, Spec((1, 3, 3, 3)))) == [("GT305", "nn.Conv2d(3, 8, 3, stride=2, padding=1)")]


def test_norms_without_statistics_can_be_tried() -> None:
    net = nn.Sequential(nn.BatchNorm1d(6, track_running_stats=False), nn.Linear(7, 5), nn.Linear(4, 3))
    assert found(gt.check(net, Spec((2, 6)))) == [("GT109", "nn.Linear(6, 5)"), ("GT109", "nn.Linear(5, 3)")]


def test_an_edit_that_is_itself_refused_is_none() -> None:
    """`expand` to fewer dimensions, `transpose` of dimensions that are not there."""
    net = Program(lambda self, a, b: self.head(torch.cat([a, b], dim=1)), head=nn.Linear(24, 2))
    report = gt.check(net, Spec((6, 8, 1, 1)), Spec((6, 16)))
    assert found(report) == [("GT106", "torch.cat([a.flatten(1), b], dim=1)")]
    report = gt.check(net, Spec((6, 8)), Spec((6,)))
    assert found(report) == [("GT106", "torch.cat([a, b.unsqueeze(1)], dim=1)"), ("GT109", "nn.Linear(9, 2)")]


def test_layers_that_a_layer_has_made_are_not_edited() -> None:
    """`batch_first=False for "0.self_attn"` would let the mask pass, and is nothing that can be written."""
    net = Program(
        lambda self, x: self.layer(x, gt.zeros(6, 6)), layer=nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    )
    assert found(gt.check(net, Spec((6, 8, 32)))) in ([("GT103", "")], [("GT103", BATCH_SECOND)])


BATCH_SECOND = "nn.TransformerEncoderLayer(32, 4, 64, batch_first=False)"


def test_arguments_swapped_in_a_loop() -> None:
    sizes = [20, 64, 32, 10]
    net = nn.Sequential(*[nn.Linear(b, a) for a, b in itertools.pairwise(sizes)])
    assert found(gt.check(net, Spec((6, 20)))) == [("GT109", "nn.Linear(a, b)")]


def test_what_an_expression_held_is_looked_for_in_the_layer_itself_first() -> None:
    """Not in the one before it, where ``a`` was something else."""
    net = nn.Sequential(*[nn.Linear(b, a) for a, b in itertools.pairwise([20, 64, 32, 10])])
    assert Model([net]).variables(net[1]) == {"b": 32, "a": 64}


def test_a_recurrent_layer_whose_batch_comes_second() -> None:
    net = Program(lambda self, x: self.head(self.gru(x)[1].squeeze(0)), gru=nn.GRU(12, 40), head=nn.Linear(40, 3))
    report = gt.check(net, Spec((6, 15, 12)), loss=nn.CrossEntropyLoss(), targets=i64(6))
    assert found(report) == [("GT112", "nn.GRU(12, 40, batch_first=True)")]


PAIRS: list[tuple[Callable[..., Any], tuple[tuple[int, ...], ...], str]] = [
    (lambda w, x: w * x, ((6, 11), (6, 11, 24)), "w.unsqueeze(-1) * x"),
    (lambda x, w: x * w.sigmoid(), ((6, 16, 12, 13), (6, 16)), "x * w.sigmoid()[..., None, None]"),
    (lambda a, b: a >= b, ((1, 11), (6,)), "a >= b.unsqueeze(-1)"),
    (lambda x, m: x.masked_fill(m == 0, -1e9), ((6, 4, 5), (6, 4)), "x.masked_fill((m == 0).unsqueeze(-1), -1e9)"),
    (lambda x, m: x.masked_fill(m == 0, -1e9), ((6, 4, 5), (6, 5)), "x.masked_fill((m == 0).unsqueeze(1), -1e9)"),
    (lambda x, m: gt.maximum(x, m), ((6, 4, 1), (6, 4)), "gt.maximum(x.squeeze(-1), m)"),
    (lambda x: x - x.mean(dim=1), ((6, 4),), "x - x.mean(dim=1).unsqueeze(-1)"),
    (lambda x: x - x.mean(1).expand(6, 4), ((6, 4),), "x.mean(1, keepdim=True)"),
    (lambda w, x: w @ x, ((20, 32), (6, 20)), "x @ w"),
    (lambda q, a: q.gather(1, a.long()), ((6, 4), (6,)), "q.gather(1, a.long().unsqueeze(1))"),
]


@pytest.mark.parametrize(("program", "shapes", "fix"), PAIRS, ids=lambda p: p if isinstance(p, str) else "")
def test_tensors_that_are_paired(program: Callable[..., Any], shapes: Any, fix: str) -> None:
    assert [f for _, f in found(gt.check(program, *map(Spec, shapes)))][:1] == [fix]


def test_two_edits_where_no_single_one_helps() -> None:
    """A Flatten that is missing, before a layer of another size; both are re-checked together."""
    given: dict[str, Any] = {"loss": nn.CrossEntropyLoss(), "targets": i64(3)}
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(100, 10))
    report = gt.check(layers, Spec((3, 3, 7, 9)), **given)
    assert found(report) == [("GT109", "nn.Flatten() before nn.Linear(100, 10) and nn.Linear(280, 10)")]
    net = Program(lambda self, x: self.fc(self.conv(x)), conv=nn.Conv2d(3, 8, 3), fc=nn.Linear(100, 10))
    report = gt.check(net, Spec((3, 3, 7, 9)), **given)
    assert found(report) == [("GT109", "self.fc(self.conv(x).flatten(1)) and nn.Linear(280, 10)")]
    report = gt.check(net, Spec((5, 3, 7, 9)), **given)  # the loss fails then: nothing is known to mend
    assert found(report) == [("GT109", "")]


def test_sizes_that_agree_with_the_batch_by_chance() -> None:
    """`nn.Linear(4, 6)` would run: six outputs broadcast against the labels of six samples."""
    report = gt.check(nn.Linear(4, 10), Spec((6, 4)), loss=nn.MSELoss(), targets=i64(6))
    assert found(report) == [("GT101", "")]


# ---- how it reads ----------------------------------------------------------------------------------


def test_the_call_of_a_module_and_not_that_of_a_method_of_its_result() -> None:
    net = Program(lambda self, x: self.fc(x).view(-1, 5).relu(), fc=nn.Linear(16, 5))
    assert found(gt.check(net, Spec((6, 16, 1, 1)))) == [("GT109", "self.fc(x.flatten(1))")]
    net = Program(lambda self, x: self.fc(self.a(x) + self.b(x)), fc=nn.Linear(16, 5), a=nn.ReLU(), b=nn.Tanh())
    assert found(gt.check(net, Spec((6, 16, 1, 1)))) == [("GT109", "self.fc((self.a(x) + self.b(x)).flatten(1))")]
    net = Program(lambda self, x: (lambda layer: layer(x).view(-1, 5))(self.fc), fc=nn.Linear(16, 5))
    assert found(gt.check(net, Spec((6, 16, 1, 1)))) == [("GT109", "layer(x.flatten(1))")]


@pytest.mark.parametrize(
    ("last", "fix"),
    [
        (lambda self, x: torch.sigmoid(self.fc(x)), "self.fc(x) in place of torch.sigmoid(self.fc(x))"),
        (lambda self, x: F.sigmoid(self.fc(x)), "self.fc(x) in place of F.sigmoid(self.fc(x))"),
        (lambda self, x: self.fc(x).sigmoid(), "self.fc(x) in place of self.fc(x).sigmoid()"),
    ],
)
def test_an_activation_that_is_to_go(last: Callable[..., Any], fix: str) -> None:
    net = Program(last, fc=nn.Linear(4, 1))
    report = gt.check(net, Spec((6, 4)), loss=nn.BCEWithLogitsLoss(), targets=Spec((6, 1)))
    assert found(report) == [("GT321", fix)]


# ---- a loss that nothing can be trained by ---------------------------------------------------------


def test_a_loss_that_no_gradient_comes_from() -> None:
    net = Program(lambda self, x: self.fc(x).detach(), fc=nn.Linear(4, 3))
    (problem,) = gt.check(net, Spec((6, 4)), loss=nn.CrossEntropyLoss(), targets=i64(6)).problems
    assert problem.code == "GT506"
    assert "the path from fc.weight, fc.bias to it ends in detach() at test_fixes.py" in str(problem)


def test_what_is_not_to_be_trained_may_have_a_loss() -> None:
    net = Program(lambda self, x: self.fc(x), fc=nn.Linear(4, 3).requires_grad_(False))
    given: dict[str, Any] = {"loss": nn.CrossEntropyLoss(), "targets": i64(6)}
    assert not gt.check(net, Spec((6, 4)), **given).problems
    with gt.no_grad():
        assert not gt.check(nn.Linear(4, 3), Spec((6, 4)), **given).problems


def test_a_loss_of_each_sample() -> None:
    net, loss = nn.Linear(4, 3), nn.CrossEntropyLoss(reduction="none")
    assert not gt.check(net, Spec((6, 4)), loss=loss, targets=i64(6)).problems
    sgd = gt.optim.SGD(net.parameters(), lr=0.1)
    report = gt.check(net, Spec((6, 4)), loss=loss, targets=i64(6), optimizer=sgd)
    assert [p.code for p in report.problems] == ["GT113"]
