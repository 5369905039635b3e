"""Intervals hold every number that a program can compute from numbers in the given ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.frontend.diagnosis.interval import Interval
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


def _program(steps: list[tuple[str, int, int]]) -> Callable[..., Any]:
    def run(*inputs: Any) -> Any:
        made = list(inputs)
        for name, i, j in steps:
            a, b = made[-1 - i % len(made)], made[-1 - j % len(made)]
            made.append(BINARY[name[2:]](a, b) if name.startswith("2 ") else UNARY[name](a))
        return made[-1]

    return run


def _numbers(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Numbers of a range, its ends often among them."""
    found = rng.uniform(low, high, SHAPE)
    ends = rng.choice([low, high], SHAPE)
    return np.where(rng.random(SHAPE) < 0.4, ends, found).astype(np.float32)


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
    graph = gt.trace(_program(steps), gt.TensorSpec(SHAPE), gt.TensorSpec(SHAPE))
    rng = np.random.default_rng(seed)
    for _ in range(3):
        _check(graph, list(ranges), [_numbers(rng, *r) for r in ranges])


@pytest.mark.parametrize("bounds", RANGES)
@pytest.mark.parametrize("name", sorted(UNARY))
def test_each_function(name: str, bounds: tuple[float, float]) -> None:
    graph = gt.trace(UNARY[name], gt.TensorSpec(SHAPE))
    rng = np.random.default_rng(7)
    for _ in range(3):
        _check(graph, [bounds], [_numbers(rng, *bounds)])
