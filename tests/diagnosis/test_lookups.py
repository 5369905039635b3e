"""Indices that are known to be out of range before anything is looked up."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn


def tokens(*shape: int, upto: int, least: int = 0) -> Any:
    return gt.TensorSpec(shape, gt.int64, range=(least, upto))


def net(count: int) -> nn.Module:
    return nn.Sequential(nn.Embedding(count, 5), nn.Linear(5, 3))


def test_a_vocabulary_larger_than_its_embedding() -> None:
    (problem,) = gt.check(net(900), tokens(6, 21, upto=999)).problems
    assert (problem.severity, problem.code, problem.path, problem.fix) == (
        "error",
        "GT302",
        "0",
        "nn.Embedding(1000, 5)",
    )
    assert str(problem).split("\n")[0] == 'IndexRangeError GT302 in embedding "0": index 999 is out of range'
    assert problem.error.facts == ["expected 0 <= index < 900", "got indices from 0 to 999"]
    assert len(problem.locations) == 2


@pytest.mark.parametrize(("count", "spec"), [
    (1000, tokens(6, 21, upto=999)), (1, tokens(4, upto=0)), (9, gt.TensorSpec((2, 3), gt.int64)),
    (3, tokens(0, 4, upto=999)),
])  # fmt: skip
def test_what_is_there_and_what_is_not_known(count: int, spec: Any) -> None:
    assert not gt.check(net(count), spec).problems


def test_negative_indices() -> None:
    (problem,) = gt.check(net(9), tokens(4, least=-1, upto=8)).problems
    assert (problem.code, problem.message, problem.fix) == ("GT302", "index -1 is out of range", "")


def test_more_positions_than_were_learned() -> None:
    positions = nn.Embedding(64, 5)
    assert not gt.check(lambda x: x + positions(gt.arange(x.shape[1])), gt.TensorSpec((2, 64, 5))).problems
    (problem,) = gt.check(lambda x: x + positions(gt.arange(x.shape[1])), gt.TensorSpec((2, 80, 5))).problems
    assert (problem.message, problem.fix) == ("index 79 is out of range", "nn.Embedding(80, 5)")
    (problem,) = gt.check(lambda x: x + positions(gt.arange(x.shape[1]) + 2), gt.TensorSpec((2, 63, 5))).problems
    assert problem.message == "index 64 is out of range"
    assert not gt.check(lambda x: x + positions(gt.arange(x.shape[1]).flip(0) % 8), gt.TensorSpec((2, 80, 5))).problems


def test_functions_that_look_up() -> None:
    action = tokens(6, 1, upto=4)
    (problem,) = gt.check(lambda q, a: q.gather(1, a), gt.TensorSpec((6, 4)), action).problems
    assert problem.code == "GT302" and "gather" in str(problem)
    assert not gt.check(lambda q, a: q.gather(1, a), gt.TensorSpec((6, 5)), action).problems


def test_what_a_transposed_convolution_gives_is_no_probability() -> None:
    net = nn.Sequential(nn.ConvTranspose2d(3, 1, 3))
    report = gt.check(net, gt.TensorSpec((2, 3, 5, 6)), loss=nn.BCELoss(), targets=gt.TensorSpec((2, 1, 7, 8)))
    assert [p.code for p in report.problems] == ["GT323"]
