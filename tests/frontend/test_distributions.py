"""Random numbers of given distributions: their moments, the same stream eager and compiled, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import GraphTorchError

MANY = 200_003


def numbers(draw: Callable[[], Any]) -> Any:
    gt.manual_seed(7)
    return draw().numpy()


def moments(x: Any, mean: float, std: float) -> None:
    """Within five standard errors."""
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() - std) < 5 * std / math.sqrt(x.size)


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64])
def test_normal(dtype: Any) -> None:
    moments(numbers(lambda: gt.normal(2.5, 0.5, (MANY,), dtype=dtype)), 2.5, 0.5)
    mean, std = gt.zeros(MANY, dtype=dtype) - 3, gt.full((1,), 2.0, dtype=dtype)
    x = numbers(lambda: gt.normal(mean, std))
    assert x.dtype == dtype.np
    moments(x, -3, 2)
    moments(numbers(lambda: gt.normal(mean)), -3, 1)
    moments(numbers(lambda: gt.normal(std=std.expand(MANY))), 0, 2)
    assert not numbers(lambda: gt.normal(1.5, 0.0, (3,))).std()


def test_normal_tails() -> None:
    """Of a normal distribution 4.55 % are beyond two standard deviations, 0.27 % beyond three."""
    x = np.abs(numbers(lambda: gt.normal(0.0, 1.0, size=(MANY,))))
    for bound, share in ((2, 0.0455), (3, 0.0027)):
        assert abs((x > bound).mean() - share) < 5 * math.sqrt(share / MANY)


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bernoulli(p: float, dtype: Any) -> None:
    for draw in (
        lambda: gt.bernoulli(gt.full((MANY,), p, dtype=dtype)),
        lambda: gt.zeros(MANY, dtype=dtype).bernoulli(p),
    ):
        x = numbers(draw)
        assert x.dtype == dtype.np
        assert set(np.unique(x)) <= {0, 1}
        assert abs(x.mean() - p) <= 5 * math.sqrt(p * (1 - p) / MANY)
    assert gt.zeros(3, dtype=gt.int64).bernoulli(1.0).tolist() == [1, 1, 1]


def test_what_follows_another_tensor() -> None:
    x = gt.zeros(3, 5, dtype=gt.float64)
    for like, of in ((gt.rand_like, gt.rand), (gt.randn_like, gt.randn)):
        np.testing.assert_array_equal(
            numbers(lambda like=like: like(x)), numbers(lambda of=of: of(3, 5, dtype=gt.float64))
        )
        assert like(x, dtype=gt.float32).dtype == gt.float32
        assert like(x, requires_grad=True).requires_grad
    ints = numbers(lambda: gt.randint_like(gt.zeros(MANY), 7))
    assert ints.dtype == np.float32
    assert set(np.unique(ints)) == set(range(7))
    assert set(np.unique(numbers(lambda: gt.randint_like(x, -2, 3, dtype=gt.int64)))) <= set(range(-2, 3))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(replacement: bool) -> None:
    weights = gt.tensor([0.0, 1.0, 3.0, 4.0, 0.0, 2.0])
    first = numbers(lambda: gt.multinomial(weights.expand(50_001, 6), 3, replacement))
    assert first.shape == (50_001, 3)
    assert first.dtype == np.int64
    assert not np.isin(first, [0, 4]).any()
    share = np.bincount(first[:, 0], minlength=6) / len(first)
    np.testing.assert_allclose(share, weights.numpy() / 10, atol=5 * math.sqrt(0.25 / len(first)))
    repeats = sum(len(set(row)) < 3 for row in first.tolist())
    assert bool(repeats) == replacement
    assert gt.multinomial(weights, 4).shape == (4,)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: gt.normal(x, 2.0), lambda x: gt.normal(1.0, 2.0, (3, 5)), lambda x: gt.bernoulli(x * 0 + 0.5),
        lambda x: gt.rand_like(x), lambda x: gt.randn_like(x), lambda x: gt.randint_like(x, 9),
        lambda x: gt.multinomial(x.abs() + 1, 2), lambda x: gt.multinomial(x.abs() + 1, 9, True),
        lambda x: gt.randperm(17), lambda x: gt.randperm(7, dtype=gt.int16),
    ],
)  # fmt: skip
def test_compiled_draws_are_the_eager_ones(draw: Callable[[Any], Any]) -> None:
    x, compiled = gt.arange(35, dtype=gt.float32).reshape(5, 7), gt.compile(draw)
    eager = numbers(lambda: gt.stack([draw(x), draw(x)]))
    gt.manual_seed(7)
    np.testing.assert_allclose(gt.stack([compiled(x), compiled(x)]).numpy(), eager, rtol=1e-5, atol=1e-6)


def test_permutations() -> None:
    gt.manual_seed(5)
    first, second = gt.randperm(997), gt.randperm(997)
    assert first.dtype == gt.int64
    for found in (first, second):
        np.testing.assert_array_equal(np.sort(found.numpy()), np.arange(997))
    assert (first != second).sum().item() > 900
    gt.manual_seed(5)
    np.testing.assert_array_equal(gt.randperm(997).numpy(), first.numpy())
    assert gt.randperm(0).shape == (0,)


def test_no_gradient_goes_into_what_is_drawn() -> None:
    assert not gt.normal(gt.zeros(4, requires_grad=True), 1.0).requires_grad
    assert not gt.full((4,), 0.5, requires_grad=True).bernoulli().requires_grad
    assert gt.normal(0.0, 1.0, (3,), requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (lambda: gt.normal(0.0, -1.0, (3,)), "std=-1.0"), (lambda: gt.normal(0.0, 1.0), "size"),
        (lambda: gt.normal(gt.zeros(3), 1.0, (3,)), "size"), (lambda: gt.normal(gt.zeros(3, dtype=gt.int64)), "mean or std"),
        (lambda: gt.normal(gt.zeros(3), gt.ones(2)), "broadcast"), (lambda: gt.bernoulli(gt.zeros(3, dtype=gt.int64)), "input"),
        (lambda: gt.zeros(3).bernoulli(1.5), "p=1.5"), (lambda: gt.multinomial(gt.ones(3), 4), "num_samples=4"),
        (lambda: gt.multinomial(gt.ones(3), 0), "num_samples=0"), (lambda: gt.multinomial(gt.ones(2, 3, 5), 1), "dimensions"),
        (lambda: gt.multinomial(gt.zeros(3), 1), "weights"), (lambda: gt.multinomial(-gt.ones(3), 1), "weights"),
        (lambda: gt.randint_like(gt.zeros(3), 5, 5), "high"), (lambda: gt.rand_like(3), "tensor"),
        (lambda: gt.randperm(-1), "n=-1"),
    ],
)  # fmt: skip
def test_refusals(draw: Callable[[], Any], text: str) -> None:
    with pytest.raises(GraphTorchError, match=text):
        draw()
