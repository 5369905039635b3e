"""Intervals hold every number that a program can compute from numbers in the given ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.interval import Interval, fitted, full
from graphtorch.frontend.diagnosis.intervals import Intervals
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph
from graphtorch.nn import functional as F

SHAPE = (3, 5)

#: of one tensor [3,5]
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x,
    "exp": gt.exp,
    "exp2": gt.exp2,
    "expm1": gt.expm1,
    "log": gt.log,
    "log1p": gt.log1p,
    "log2": gt.log2,
    "log10": gt.log10,
    "sqrt": gt.sqrt,
    "rsqrt": gt.rsqrt,
    "sigmoid": gt.sigmoid,
    "tanh": gt.tanh,
    "relu": gt.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "hardswish": F.hardswish,
    "abs": gt.abs,
    "sign": gt.sign,
    "sin": gt.sin,
    "cos": gt.cos,
    "atan": gt.atan,
    "erf": gt.erf,
    "erfc": gt.erfc,
    "sinh": gt.sinh,
    "cosh": gt.cosh,
    "asinh": gt.asinh,
    "square": lambda x: x * x,
    "cube": lambda x: x**3,
    "fourth": lambda x: x**4,
    "root": lambda x: x**0.25,
    "inverse": lambda x: x**-1,
    "inverse square": lambda x: x**-2.5,
    "power of": lambda x: 2.5**x,
    "reciprocal": lambda x: 1 / x,
    "floor": gt.floor,
    "ceil": gt.ceil,
    "round": gt.round,
    "trunc": gt.trunc,
    "plus": lambda x: x + 0.7,
    "minus": lambda x: 1 - x,
    "times": lambda x: x * -3.3,
    "over": lambda x: x / 7,
    "floor_divide": lambda x: x // 2.5,
    "remainder": lambda x: x % 2.5,
    "clamp": lambda x: x.clamp(-0.5, 1.5),
    "clamp_min": lambda x: x.clamp(min=1e-6),
    "clamp_max": lambda x: x.clamp(max=0.25),
    "softmax": lambda x: gt.softmax(x, -1),
    "softmax 0": lambda x: gt.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "logsumexp": lambda x: x - gt.logsumexp(x, 1, keepdim=True),
    "layer_norm": lambda x: F.layer_norm(x, (5,)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "norm": lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-6),
    "shares": lambda x: x / x.sum(1, keepdim=True),
    "shares of all": lambda x: x / x.sum(),
    "below the greatest": lambda x: x - x.max(),
    "above the least": lambda x: x - x.amin(1, keepdim=True),
    "centered": lambda x: x - x.mean(0),
    "std": lambda x: x.std(1, keepdim=True) + x,
    "var": lambda x: x.var(0) + x * 0,
    "mean": lambda x: x.mean(1, keepdim=True).expand(3, 5),
    "prod": lambda x: x.prod(0).expand(3, 5),
    "cumsum": lambda x: x.cumsum(1),
    "amin": lambda x: x.amin(0, keepdim=True) + x,
    "flip": lambda x: x.flip(0),
    "turned": lambda x: x.t().reshape(3, 5),
    "parts": lambda x: gt.cat([x[:, 1:], x[:, :1]], 1),
    "zeros around": lambda x: F.pad(x, (1, 1))[:, 2:],
    "integers": lambda x: x.clamp(-9, 9).long().float(),
    "bytes": lambda x: (x.clamp(0, 1) * 255).to(gt.uint8).float(),
    "wrapped bytes": lambda x: ((x.clamp(0, 1) * 255).to(gt.uint8) * 3 - 9).float(),
    "where": lambda x: gt.where(x > 0, x, 1.0),
    "where not zero": lambda x: gt.where(x == 0, 1.0, x),
    "where both": lambda x: gt.where((x > -1) & (x < 1), x, 0.5),
    "where below": lambda x: gt.where(x < 0.5, x, 2.0),
    "half": lambda x: x.half().float(),
    "bfloat16": lambda x: x.bfloat16().float(),
    "double": lambda x: (x.double() / 3).float(),
    "argmax": lambda x: x.nan_to_num(0.0).argmax(1, keepdim=True).float() + x,
    "sorted": lambda x: x.sort(1)[0],
    "matmul": lambda x: (x @ x.t()) @ x,
}

#: of one tensor [4,4], where reductions that are broadcast along the wrong dimension have the right shape
SQUARE: dict[str, Callable[[Any], Any]] = {
    "least": lambda x: x - x.amin(1),
    "greatest": lambda x: x - x.amax(1),
    "greatest of columns": lambda x: x - x.amax(0),
    "turned": lambda x: x - x.amax(0, keepdim=True).t(),
    "at": lambda x: x - x.max(1)[0],
    "shares": lambda x: x / x.sum(1),
    "shares of columns": lambda x: x / x.sum(0),
    "other": lambda x: x / x.t().sum(1, keepdim=True),
}

#: of two
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": gt.maximum,
    "minimum": gt.minimum,
    "pow": lambda a, b: gt.sigmoid(a) ** b,
    "where": lambda a, b: gt.where(a < b, a, b),
    "where less": lambda a, b: gt.where(a >= b, b - a, a),
    "hypot": gt.hypot,
    "less": lambda a, b: (a < b).float(),
    "mse": lambda a, b: F.mse_loss(a, b) + a,
    "cosine": lambda a, b: F.cosine_similarity(a, b)[:, None] + a,
    "dot": lambda a, b: a @ b.t() @ b,
}

RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (0.5, 2.0), (-3.0, -0.25), (0.0, 255.0), (-1e-3, 1e-3), (90.0, 200.0),
          (-200.0, -90.0), (0.1, 0.1), (-2.0, 3.0)]  # fmt: skip

calls = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 30), st.just(0)),
    st.tuples(st.sampled_from(sorted(BINARY)).map(lambda n: "2 " + n), st.integers(0, 30), st.integers(0, 30)),
)


def _graph(function: Callable[..., Any], *specs: gt.TensorSpec) -> Graph:
    """As `gt.check` sees it."""
    seen = observe(function, specs)
    assert seen.error is None, seen.error
    graph = seen.tracer.graph
    graph.outputs = [seen.tracer.read(seen.result)]
    return graph


def _program(steps: list[tuple[str, int, int]]) -> Callable[..., Any]:
    def run(*inputs: Any) -> Any:
        made = list(inputs)
        for name, i, j in steps:
            a, b = made[-1 - i % len(made)], made[-1 - j % len(made)]
            made.append(BINARY[name[2:]](a, b) if name.startswith("2 ") else UNARY[name](a))
        return made[-1]

    return run


def _numbers(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Numbers of a range, its ends often among them."""
    found = rng.uniform(low, high, shape)
    ends = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 0.4, ends, found).astype(np.float32)


def _check(graph: Graph, ranges: list[tuple[float, float]], arrays: list[np.ndarray]) -> None:
    intervals = Intervals(dict(zip(graph.params, ranges, strict=True)))
    values = [r for n in graph.nodes for r in n.results]
    graph.outputs = list(values)
    found, _ = evaluate(graph, arrays)
    for value, array in zip(values, found, strict=True):
        _holds(intervals.of(value), array.astype(np.float64), value)


def _holds(x: Interval, array: np.ndarray, value: Any) -> None:
    numbers = array[~np.isnan(array)]
    assert x.nan or numbers.size == array.size, (value, x)
    assert np.all((numbers >= x.low) & (numbers <= x.high)), (value, x, numbers)
    assert not x.nonzero or np.all(numbers != 0), (value, x, numbers)
    finite = numbers[np.isfinite(numbers)]
    assert not x.whole or np.all(finite == np.floor(finite)), (value, x, numbers)


@settings(max_examples=150)
@given(
    steps=st.lists(calls, min_size=1, max_size=9),
    ranges=st.tuples(st.sampled_from(RANGES), st.sampled_from(RANGES)),
    seed=st.integers(0, 2**31),
)
def test_numbers_lie_in_their_intervals(
    steps: list[tuple[str, int, int]], ranges: tuple[tuple[float, float], ...], seed: int
) -> None:
    graph = _graph(_program(steps), gt.TensorSpec(SHAPE), gt.TensorSpec(SHAPE))
    rng = np.random.default_rng(seed)
    for _ in range(3):
        _check(graph, list(ranges), [_numbers(rng, *r) for r in ranges])


@pytest.mark.parametrize("bounds", RANGES)
@pytest.mark.parametrize("name", sorted(UNARY))
def test_each_function(name: str, bounds: tuple[float, float]) -> None:
    graph = _graph(UNARY[name], gt.TensorSpec(SHAPE))
    rng = np.random.default_rng(7)
    for _ in range(3):
        _check(graph, [bounds], [_numbers(rng, *bounds)])


@pytest.mark.parametrize("bounds", RANGES)
@pytest.mark.parametrize("name", sorted(SQUARE))
def test_reductions_of_square_tensors(name: str, bounds: tuple[float, float]) -> None:
    graph = _graph(SQUARE[name], gt.TensorSpec((4, 4)))
    rng = np.random.default_rng(11)
    for _ in range(20):
        _check(graph, [bounds], [_numbers(rng, *bounds, (4, 4))])


# ---- intervals are as narrow as they are meant to be ------------------------------------------------


def _of(function: Callable[..., Any], *bounds: tuple[float, float], dtype: Any = gt.float32) -> Interval:
    graph = _graph(function, *(gt.TensorSpec(SHAPE, dtype) for _ in bounds))
    return Intervals(dict(zip(graph.params, bounds, strict=True))).of(graph.outputs[0])


@pytest.mark.parametrize(
    ("function", "bounds", "low", "high"),
    [
        (lambda x: x + 1, (0, 1), 1, 2),
        (lambda x: 1 - x, (0, 1), 0, 1),
        (lambda x: x * x, (-2, 1), 0, 4),
        (lambda x: x * x.clone(), (-2, 1), 0, 4),
        (lambda x: x * (x + 0), (-2, 1), -2, 4),
        (lambda x: x**2, (-2, 1), 0, 4),
        (lambda x: x.abs(), (-2, 1), 0, 2),
        (lambda x: x / 4, (-2, 1), -0.5, 0.25),
        (lambda x: 1 / x, (2, 4), 0.25, 0.5),
        (lambda x: x.sum(1), (0, 1), 0, 5),
        (lambda x: x.clamp(-1, 0.5), (-2, 1), -1, 0.5),
        (lambda x: x.clamp(min=0), (-2, -1), 0, 0),
        (lambda x: gt.where(x > 0, x, 3), (-2, 1), 0, 3),
        (lambda x: gt.softmax(x, -1), (-500, 500), 0, 1),
        (lambda x: (255 * x).to(gt.uint8), (0, 1), 0, 255),
        (lambda x: (256 * x).to(gt.uint8), (0, 1), 0, 255),
        (lambda x: x.t().reshape(5, 3)[1:], (-2, 1), -2, 1),
        (lambda x: x - x.amax(1, keepdim=True), (-2, 1), -3, 0),
        (lambda x: x.var(1), (-1, 1), 0, 5),
        (lambda x: (x > 0).sum(), (-2, 1), 0, 15),
        (lambda x: x @ x.t(), (0, 1), 0, 5),
        (lambda x: gt.relu(x), (-2, 1), 0, 1),
    ],
)
def test_bounds(function: Callable[[Any], Any], bounds: tuple[float, float], low: float, high: float) -> None:
    found = _of(function, bounds)
    assert low - abs(low) * 2e-6 <= found.low <= low and high <= found.high <= high + abs(high) * 2e-6


def test_nothing_is_known_of_what_has_no_range() -> None:
    graph = _graph(lambda x: gt.relu(x) - x, gt.TensorSpec(SHAPE))
    found = Intervals({}).of(graph.outputs[0])
    assert (found.low, found.high, found.nan) == (-math.inf, math.inf, True)


def test_what_is_never_zero() -> None:
    assert not _of(gt.exp, (-500, 0)).nonzero and _of(gt.exp, (-500, 0)).vanishing
    assert _of(lambda x: gt.where(x == 0, 1.0, x), (-1, 1)).nonzero
    assert _of(lambda x: gt.where(x > 0, x, 1.0), (-1, 1)).nonzero
    assert not _of(lambda x: gt.where(x >= 0, x, 1.0), (-1, 1)).nonzero
    assert _of(lambda x: F.softplus(x) ** 2, (-500, 0)).vanishing
    assert not _of(lambda x: x * x, (-1, 1)).vanishing


@pytest.mark.parametrize("dtype", [gt.float32, gt.float16, gt.bfloat16])
@pytest.mark.parametrize("value", [0.1, -0.1, 1 / 3, 1e-45, -1e-45, 1e-39, 2049.0, 65519.0, 3e38, 1e39, 2**53 + 1])
def test_bounds_are_rounded_outwards(value: float, dtype: gt.dtype) -> None:
    found = fitted(Interval(value, value), dtype)
    assert found.low <= value <= found.high
    with np.errstate(all="ignore"):
        kept = gt.tensor([value], dtype=gt.float64).to(dtype).to(gt.float64).item()
    assert found.low <= kept <= found.high or (abs(value) < 1e-38 and found.low <= 0 <= found.high)


def test_a_constant_is_what_its_dtype_makes_of_it() -> None:
    found = _of(lambda x: x * 0 + 0.1, (1, 1))
    assert found.low == found.high == float(np.float32(0.1))
    assert _of(lambda x: x * 0 + 1e39, (1, 1)).high == math.inf


def test_integers_wrap() -> None:
    assert fitted(Interval(-1, 3), gt.uint8) == full(gt.uint8)
    assert fitted(Interval(0, 255), gt.uint8) == Interval(0, 255, whole=True)
    assert fitted(Interval(0, 2**63), gt.int64) == full(gt.int64)
