"""Convolutions whose outputs, kernels or residues have size 1: each of the three ops on every template, in poisoned memory.

A loop of one index is in no operand, and a stride may leave pieces without any loop: what is written for the common
case must still write every output.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from graphtorch.nn import functional as F
from tests.codegen.test_contract import HOST, Case, compare, threads
from tests.codegen.test_winograd import force

MACHINE = dataclasses.replace(HOST, winograd="always")

__all__ = ["threads"]  # a fixture


def draw_case(seed: int) -> Case:
    draw = random.Random(seed)
    rank, groups = draw.choice((1, 2, 2)), draw.choice((1, 1, 2, 4))
    c, o = groups * draw.choice((1, 4, 16, 32)), groups * draw.choice((1, 4, 17, 64))
    kernel = tuple(draw.choice((1, 2, 3, 4, 5)) for _ in range(rank))
    conv: dict[str, Any] = {
        "stride": tuple(draw.choice((1, 1, 2, 3, 4)) for _ in range(rank)),
        "padding": tuple(draw.choice((0, 1, 2)) for _ in range(rank)),
        "dilation": tuple(draw.choice((1, 1, 2)) for _ in range(rank)),
        "groups": groups,
    }
    out = tuple(draw.choice((1, 1, 2, 5)) for _ in range(rank))
    spans = zip(out, kernel, conv["stride"], conv["padding"], conv["dilation"], strict=True)
    size = tuple(max(1, (n - 1) * s + d * (k - 1) + 1 - 2 * p) for n, k, s, p, d in spans)
    spans = zip(size, kernel, conv["stride"], conv["padding"], conv["dilation"], strict=True)
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    batch = draw.choice((1, 4))
    x, w, g = (batch, c, *size), (o, c // groups, *kernel), (batch, o, *out)
    kind = draw.choice(("conv", "conv_input_grad", "conv_weight_grad"))
    shapes, attrs = {
        "conv": ((x, w), {}),
        "conv_input_grad": ((g, w), {"size": size}),
        "conv_weight_grad": ((g, x), {"kernel": kernel}),
    }[kind]
    rng = np.random.default_rng(seed)
    arrays = tuple(rng.standard_normal(s).astype(np.float32) for s in shapes)
    function = lambda a, b: bind.bind(OPS[kind], a, b, **attrs, **conv)
    return Case(f"{kind} {x} {w} {conv}", function, arrays, MACHINE)


@pytest.mark.parametrize("seed", range(40))
def test_small_sizes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        force(monkeypatch)
    compare(draw_case(seed), monkeypatch)


@pytest.mark.parametrize(
    ("x", "w", "stride", "padding", "groups"),
    [((1, 1, 9, 7), (64, 1, 5, 3), (4, 1), (0, 0), 1), ((4, 4, 10, 3), (16, 1, 2, 4), (2, 1), (0, 1), 4)],
)
def test_a_window_with_a_stride_is_no_channel(
    x: Any, w: Any, stride: Any, padding: Any, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel: what is left of the sum is the filter's rows, which move along the image with the output's."""
    force(monkeypatch)
    conv = {"stride": stride, "padding": padding, "dilation": (1, 1), "groups": groups}
    arrays = tuple(np.random.default_rng(len(s)).standard_normal(s).astype(np.float32) for s in (x, w))
    compare(Case(f"{x} {w}", lambda a, b: bind.bind(OPS["conv"], a, b, **conv), arrays, MACHINE), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_small_sizes(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch)
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        compare(draw_case(seed), monkeypatch)


def test_the_input_gradient_of_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its height's coordinate stands in a condition alone, so windows come in another order than in memory."""
    plans = force(monkeypatch)
    rng = np.random.default_rng(0)
    arrays = tuple(rng.standard_normal(s).astype(np.float32) for s in ((4, 64, 1, 24), (64, 32, 3, 3)))
    conv = {"stride": (1, 1), "padding": (0, 1), "dilation": (1, 1), "groups": 1}
    function = lambda a, b: bind.bind(OPS["conv_input_grad"], a, b, size=(3, 24), **conv)
    compare(Case("one row", function, arrays, MACHINE), monkeypatch)
    assert plans


def test_residues_without_a_loop_are_written() -> None:
    x, w = gt.randn(1, 16, 1, 1), gt.randn(16, 1, 3, 3)
    want = F.conv_transpose2d(x, w, stride=2).numpy()
    compiled = gt.compile(lambda x, w: F.conv_transpose2d(x, w, stride=2))
    for _ in range(20):
        poison = np.full((1, 1, 3, 3), 1e9, np.float32)
        del poison  # the outputs are likely to lie where this was
        np.testing.assert_allclose(compiled(x, w).numpy(), want, rtol=1e-4, atol=1e-5)


def test_an_operand_that_is_one_number() -> None:
    s, w = gt.randn(1), gt.randn(17, 64)
    got = gt.compile(lambda s, w: s.expand(1, 17) @ w)(s, w)
    np.testing.assert_allclose(got.numpy(), (s.expand(1, 17) @ w).numpy(), rtol=1e-4, atol=1e-5)
