"""Integer powers: they wrap as numpy's do, and agree with torch to negative exponents, eager and compiled."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError

DTYPES = ["int8", "int16", "int32", "int64", "uint8"]


def bases(dtype: str) -> np.ndarray:
    return np.random.default_rng(5).integers(0 if dtype == "uint8" else -5, 6, (7, 13)).astype(dtype)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, 7, 31, 63])
@pytest.mark.parametrize("dtype", DTYPES)
def test_known_exponents(dtype: str, exponent: int) -> None:
    x = bases(dtype)
    want = np.ones_like(x)
    for _ in range(exponent):
        want = want * x
    t = gt.from_numpy(x)
    np.testing.assert_array_equal((t**exponent).numpy(), want)
    np.testing.assert_array_equal(gt.compile(lambda t: t**exponent)(t).numpy(), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponents_that_are_data(dtype: str) -> None:
    x = bases(dtype)
    e = np.random.default_rng(6).integers(0 if dtype == "uint8" else -3, 80, x.shape).astype(dtype)
    want = np.array(
        [
            pow(int(a), int(b), 2**64) if b >= 0 else {1: 1, -1: 1 - 2 * (int(b) % 2)}.get(int(a), 0)
            for a, b in zip(x.ravel(), e.ravel(), strict=True)
        ],
        dtype=object,
    )
    want = np.array([int(v) % 2**64 for v in want], np.uint64).astype(dtype).reshape(x.shape)
    a, b = gt.from_numpy(x), gt.from_numpy(e)
    np.testing.assert_array_equal((a**b).numpy(), want)
    np.testing.assert_array_equal(gt.compile(lambda a, b: a**b)(a, b).numpy(), want)
    if importlib.util.find_spec("torch"):
        import torch

        np.testing.assert_array_equal((torch.from_numpy(x) ** torch.from_numpy(e)).numpy(), want)


def test_a_negative_exponent_of_integers_is_refused() -> None:
    with pytest.raises(ArgumentError, match="GT304 in pow: exponent=-1 is not allowed for integers"):
        gt.tensor([1, 2]) ** -1
    assert (gt.tensor([2, 4]) ** -1.0).tolist() == [0.5, 0.25]
