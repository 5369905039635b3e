"""Fixes and trails where a failure happens: eager mode, `gt.trace` and `gt.compile` say what `gt.check` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ShapeError


class Net(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(features, 5)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.conv(x)
        return self.fc(x)  # type: ignore[no-any-return]


def ways(net: nn.Module) -> dict[str, Callable[[Any], Any]]:
    return {"eager": net, "trace": lambda x: gt.trace(net, x), "compile": gt.compile(net)}


@pytest.mark.parametrize("way", ["eager", "trace", "compile"])
def test_a_missing_step(way: str) -> None:
    net, x = Net(8 * 7 * 9), gt.zeros(2, 3, 9, 11)
    with pytest.raises(ShapeError) as error:
        ways(net)[way](x)
    assert error.value.fix == "self.fc(x.flatten(1))"
    (problem,) = gt.check(net, x).problems
    assert problem.fix == error.value.fix
    if way != "eager":
        assert error.value.trail == list(problem.trail) != []


@pytest.mark.parametrize("way", ["eager", "trace", "compile"])
def test_an_argument_of_the_constructor(way: str) -> None:
    with pytest.raises(ShapeError) as error:
        ways(Net(8))[way](gt.zeros(2, 4, 9, 11))
    assert error.value.fix == "nn.Conv2d(4, 8, 3)"


def test_user_code_does_not_run_again() -> None:
    runs = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            runs.append(len(runs))
            return self.fc(x)  # type: ignore[no-any-return]

    with pytest.raises(ShapeError, match=r"fix: nn.Linear\(5, 4\)"):
        Counting()(gt.zeros(2, 5))
    assert runs == [0]


def test_a_failure_leaves_the_layer_as_it_was() -> None:
    layer = nn.Linear(3, 4)
    before = dict(vars(layer)), layer.weight
    with pytest.raises(ShapeError):
        layer(gt.zeros(2, 5))
    assert dict(vars(layer)) == before[0]
    assert layer.weight is before[1]
    assert layer(gt.zeros(2, 3)).shape == (2, 4)


def test_arguments_that_forward_does_not_take() -> None:
    net = nn.Sequential(nn.Flatten())
    with pytest.raises(gt.errors.ArgumentTypeError, match="GT301") as error:
        net[0](gt.zeros(2, 3), 1)
    assert "Flatten.forward(): too many positional arguments" in str(error.value)
    assert isinstance(error.value, TypeError)
