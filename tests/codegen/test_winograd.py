"""Winograd convolution: its matrices in exact numbers; its kernels against float64, chosen whatever they cost."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.codegen.schedule import contract
from graphtorch.codegen.schedule.toom_cook import POINTS, short_convolution, transform
from graphtorch.ir import bind
from graphtorch.ir.expr import Const, Expr, const
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.types import float64
from graphtorch.runtime import executable
from tests.codegen.test_contract import HOST, WIDTHS, Case, compare, threads

__all__ = ["threads"]  # a fixture
SHORT = [(m, points + 1 - m) for points in POINTS for m in range(2, points)]
numbers = st.integers(-99, 99).map(Fraction)


def times(matrix: Any, vector: list[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize(("m", "r"), SHORT)
@given(st.data())
def test_short_convolutions_are_exact(m: int, r: int, data: st.DataObject) -> None:
    d = data.draw(st.lists(numbers, min_size=m + r - 1, max_size=m + r - 1))
    g = data.draw(st.lists(numbers, min_size=r, max_size=r))
    s = short_convolution(m, r)
    products = [a * b for a, b in zip(times(s.g, g), times(s.b, d), strict=True)]
    assert times(s.a, products) == [sum(d[i + j] * g[j] for j in range(r)) for i in range(m)]


@pytest.mark.parametrize(("m", "r"), SHORT)
def test_transforms_share_sums_and_keep_the_value(m: int, r: int) -> None:
    s = short_convolution(m, r)
    for matrix in (s.a, s.g, s.b):
        vector = [Fraction(3 * i * i - 7 * i + 2) for i in range(len(matrix[0]))]
        got = transform(matrix, [const(float(v), float64) for v in vector], evaluated)
        assert [number(e) for e in got] == pytest.approx([float(v) for v in times(matrix, vector)], rel=1e-14)


def evaluated(e: Expr) -> Expr:
    return const(number(e), float64)


def number(e: Any) -> float:
    if isinstance(e, Const):
        return float(e.value)
    a, b = number(e.a), number(e.b)
    return {"add": a + b, "sub": a - b, "mul": a * b}[e.fn]


# ---- kernels ----


def force(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Winograd wherever it is possible; the plans that were made."""
    plans: list[Any] = []
    every = contract.winograd_plans

    def cheap(*args: Any) -> Any:
        found = every(*args)
        plans.extend(found)
        return [dataclasses.replace(p, cost=p.cost * 1e-9) for p in found]

    monkeypatch.setattr(contract, "winograd_plans", cheap)
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")  # code is cached by graph and target
    allow(monkeypatch, True)
    return plans


def allow(monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    monkeypatch.setattr(
        executable, "host_target", lambda: dataclasses.replace(HOST, winograd="always" if allowed else "never")
    )


def draw_case(seed: int) -> Case:
    draw = random.Random(seed)
    nbytes, registers = draw.choice(WIDTHS)
    caches = draw.choice((HOST.l1, 1 << 12)), draw.choice((HOST.l2, 1 << 18, 1 << 16))
    dtype = draw.choice((np.float32, np.float32, np.float64))
    rank, groups, batch = draw.choice((1, 2, 2, 2)), draw.choice((1, 1, 2)), draw.choice((1, 2, 5))
    c, o = groups * draw.choice((5, 7, 16, 17, 33)), groups * draw.choice((5, 16, 33, 64))
    kernel = tuple(draw.choice((1, 2, 3, 3, 4, 5)) for _ in range(rank - 1)) + (draw.choice((2, 3, 3, 5)),)
    size = tuple(draw.choice((6, 7, 12, 17, 29)) for _ in range(rank))
    one = (1,) * rank
    conv = {"stride": one, "padding": tuple(draw.choice((0, 1, 2)) for _ in range(rank)), "dilation": one}
    out = tuple(n + 2 * p - k + 1 for n, k, p in zip(size, kernel, conv["padding"], strict=True))
    kind = draw.choice(("conv", "conv_input_grad"))
    shapes, attrs = {
        "conv": ([(batch, c, *size), (o, c // groups, *kernel)], {}),
        "conv_input_grad": ([(batch, o, *out), (o, c // groups, *kernel)], {"size": size}),
    }[kind]
    arrays = tuple(np.random.default_rng(seed).standard_normal(s).astype(dtype) for s in shapes)
    layout = draw.choice(("dense", "channels last"))
    last = lambda a: np.ascontiguousarray(np.moveaxis(a, 1, -1)) if layout == "channels last" else a

    def function(a: Any, w: Any) -> Any:
        if layout == "channels last":
            a = G["permute"](a, (0, rank + 1, *range(1, rank + 1)))
        y = bind.bind(OPS[kind], a, w, groups=groups, **attrs, **conv)
        return G["relu"](y * 0.5 + 0.25)

    machine = dataclasses.replace(
        HOST, vector_bytes=nbytes, registers=registers, l1=caches[0], l2=caches[1], winograd="always"
    )
    text = f"{kind} {shapes} {conv} groups={groups} {layout} {np.dtype(dtype)} {nbytes} bytes, caches {caches}"
    return Case(text, function, (last(arrays[0]), arrays[1]), machine)


G = PUBLIC["gt"]


@pytest.mark.parametrize("seed", range(32))
def test_kernels(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = force(monkeypatch)
    compare(draw_case(seed), monkeypatch)
    assert plans


@pytest.mark.parametrize("padding", [(1, 0), (0, 2), (3, 1)])
def test_tiles_beyond_the_end_read_nothing(padding: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind the input in memory would be cancelled exactly in theory, and not in float32."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((1, 5, 12, 12), (33, 5, 4, 3)))
    memory = np.full(x.size + 8192, 1e15, np.float32)
    inside = memory[4096 : 4096 + x.size].reshape(x.shape)
    inside[...] = x
    conv = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}
    for nbytes, registers in WIDTHS:
        plans = force(monkeypatch)
        machine = dataclasses.replace(HOST, vector_bytes=nbytes, registers=registers, winograd="always")
        compare(Case("tails", lambda a, b: bind.bind(OPS["conv"], a, b, **conv), (inside, w), machine), monkeypatch)
        assert plans


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_kernels(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch)
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        compare(draw_case(seed), monkeypatch)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("kind", ["conv", "conv_input_grad"])
@pytest.mark.parametrize("operand", [0, 1])
def test_what_is_not_finite_reaches_the_outputs_that_read_it(
    kind: str, operand: int, special: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a direct convolution, for all the sums in a tile; and 3e38, which is finite, does not become infinite."""
    conv = {"stride": (1, 1), "padding": (1, 0), "dilation": (1, 1), "groups": 1}
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(s).astype(np.float32) for s in ((3, 19, 13, 11), (17, 19, 3, 5), (3, 17, 13, 7)))
    a, b = {"conv": (x, w), "conv_input_grad": (g, w)}[kind]
    (a, b)[operand][1, 4, 2, 0] = special
    attrs = {"conv": {}, "conv_input_grad": {"size": (13, 11)}}[kind]
    function: Callable[..., Any] = lambda p, q: bind.bind(OPS[kind], p, q, **attrs, **conv)
    allow(monkeypatch, False)
    direct = gt.compile(function)(gt.from_numpy(a), gt.from_numpy(b)).numpy()
    plans = force(monkeypatch)
    got = gt.compile(lambda p, q: function(p, q))(gt.from_numpy(a), gt.from_numpy(b)).numpy()
    assert plans
    assert np.isfinite(got).any() and not (abs(special) == np.inf and np.isfinite(got).all())
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(direct))
    np.testing.assert_allclose(got, direct, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "conv",
    [
        {"stride": (2, 2), "dilation": (1, 1)},
        {"stride": (1, 1), "dilation": (2, 2)},
    ],
)
def test_strides_and_dilations_are_not_windows(conv: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plans = force(monkeypatch)
    x, w = gt.randn(2, 16, 15, 15), gt.randn(32, 16, 3, 3)
    function = lambda a, b: bind.bind(OPS["conv"], a, b, padding=(1, 1), groups=1, **conv)
    got, want = gt.compile(function)(x, w), function(x, w)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)
    assert not plans


def test_frozen_weights_take_it_and_no_others() -> None:
    """Its rounding is relative to the largest number of a tile: for inference, and not for training."""
    x, layer = gt.randn(1, 64, 56, 56), gt.nn.Conv2d(64, 64, 3, padding=1)
    frozen, plain = gt.compile(layer, freeze=True), gt.compile(layer)
    with gt.no_grad():
        frozen(x), plain(x)
    assert "%tr in 6" in frozen.stages[0]["kernels"]
    assert "%tr in 6" not in plain.stages[0]["kernels"]
    outlier = x.clone().detach()
    outlier.numpy()[0, 0, 3, 3] = 1e8
    with gt.no_grad():
        np.testing.assert_array_equal(plain(outlier).numpy()[..., 8:], plain(x).numpy()[..., 8:])
        np.testing.assert_array_equal(plain(outlier).numpy()[..., 5, 5], plain(x).numpy()[..., 5, 5])
