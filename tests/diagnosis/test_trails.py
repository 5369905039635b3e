"""The trail of a size, and float64: said in the words of what the user called, and once for each cause."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ContractWarning, GraphTorchError
from graphtorch.nn import functional as F

Spec = gt.TensorSpec


def trail_of(function: Any, *inputs: Any) -> list[str]:
    (first, *_) = gt.check(function, *inputs).problems
    return [line.split(" (")[0] + line.partition(")")[2] for line in first.error.trail]


def test_a_function_is_said_with_what_it_was_given() -> None:
    """Not with what it was given inside: `adaptive_avg_pool2d` is a mean and a reshape, `cat` takes several."""
    pooled = lambda x, w: F.adaptive_avg_pool2d(x, 1) @ w
    assert trail_of(pooled, Spec((2, 5, 6, 7)), Spec((3, 2))) == [
        "size 1 made by adaptive_avg_pool2d: f32[2,5,1,1], of f32[2,5,6,7]",
    ]
    joined = lambda x, y, w: gt.cat([x, y], 1) @ w
    assert trail_of(joined, Spec((2, 5)), Spec((2, 6)), Spec((3, 2))) == [
        "size 11 made by cat: f32[2,11], of f32[2,5], f32[2,6]"
    ]


def test_a_layer_is_said_with_what_it_took_and_gave() -> None:
    """Recurrent layers turn their input; pixel shuffles take two steps."""
    net = nn.LSTM(5, 7, batch_first=True)
    assert trail_of(lambda x, w: net(x)[0] @ w, Spec((2, 4, 5)), Spec((3, 2))) == [
        "size 7 made by LSTM: f32[2,4,7], of f32[2,4,5]",
    ]
    shuffle = nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2), nn.Linear(3, 2))
    assert trail_of(shuffle, Spec((2, 3, 5, 6)))[:1] == [
        'size 12 made by PixelShuffle "1": f32[2,2,10,12], of f32[2,8,5,6]',
    ]


def test_operands_are_from_what_was_called() -> None:
    report = gt.check(lambda x: x.split(3, dim=1)[0] @ gt.zeros(4, 2), Spec((2, 6)))
    assert "input f32[2,3]   (from split)" in str(report)
    report = gt.check(lambda x: x[:, :3] @ gt.zeros(4, 2), Spec((2, 6)))
    assert "input f32[2,3]   (from indexing)" in str(report)


def test_buffers_of_layers_come_from_nowhere() -> None:
    (problem,) = gt.check(nn.BatchNorm1d(4), Spec((2, 5))).problems
    assert "running_mean f32[4]" in problem.error.operands


def test_a_program_that_is_compiled_names_public_functions_too() -> None:
    @gt.compile
    def product(x: gt.Tensor) -> Any:
        return F.adaptive_avg_pool2d(x, 1) @ gt.zeros(3, 2)

    @gt.compile
    def doubled(x: gt.Tensor) -> Any:
        return F.interpolate(x, scale_factor=2.0) @ gt.zeros(3, 2)

    with pytest.raises(GraphTorchError, match=r"size 1 made by adaptive_avg_pool2d \(test_trails"):
        product(gt.ones(2, 5, 6, 7))
    with pytest.raises(GraphTorchError, match=r"size 14 made by interpolate \(test_trails"):
        doubled(gt.ones(2, 5, 6, 7))


# ---- float64 ---------------------------------------------------------------------------------------


class Scaled(nn.Module):
    def __init__(self, before: bool) -> None:
        super().__init__()
        self.before, self.fc = before, nn.Linear(4, 3)
        self.register_buffer("scale", gt.tensor(np.ones(4 if before else 3)))

    def forward(self, x: gt.Tensor) -> Any:
        return self.fc(x * self.scale) if self.before else self.fc(x) * self.scale


def test_one_cause_is_one_problem() -> None:
    (problem,) = gt.check(Scaled(before=True), Spec((2, 4))).problems
    assert problem.code == "GT201"
    assert "self.scale is f64[4], as numpy's arrays are" in str(problem)
    (problem,) = gt.check(Scaled(before=False), Spec((2, 4))).problems
    assert problem.code == "GT346"


def test_another_cause_is_another_problem() -> None:
    net = nn.Sequential(Scaled(before=False), nn.Linear(3, 2))
    codes = [p.code for p in gt.check(lambda x, y: net(x) + y, Spec((2, 4)), Spec((2, 2), gt.float64)).problems]
    assert codes == ["GT201"]
    both = lambda x, y: Scaled(before=False)(x) + Scaled(before=True)(x) + y
    assert {p.code for p in gt.check(both, Spec((2, 4)), Spec((2, 3), gt.float64)).problems} == {"GT201", "GT346"}


def test_compiling_warns_of_it_as_check_does() -> None:
    net = Scaled(before=False)
    (checked,) = gt.check(net, Spec((2, 4))).problems
    with pytest.warns(ContractWarning, match="GT346 in mul") as caught:
        gt.compile(net)(gt.ones(2, 4))
    assert str(caught[0].message) == str(checked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gt.compile(net, ignore={"GT346"})(gt.ones(2, 4))
        gt.compile(lambda x, y: x + y)(gt.ones(2, 4), gt.ones(2, 4, dtype=gt.float64))  # no model
