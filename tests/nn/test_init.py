"""Initialisation by shape, and what is cut off: against torch where nothing is drawn, else by what it has to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import TraceError
from graphtorch.nn import init


@pytest.mark.parametrize(("shape", "groups"), [((6, 2, 3, 5), 2), ((3, 4, 2), 1), ((4, 3, 1, 3, 2), 4)])
def test_dirac_is_torchs(shape: tuple[int, ...], groups: int) -> None:
    weight = nn.Parameter(gt.ones(*shape))
    assert init.dirac_(weight, groups) is weight and weight.requires_grad
    assert weight.tolist() == torch.nn.init.dirac_(torch.ones(shape), groups).tolist()


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64])
@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (5, 2, 4), (4, 4), (0, 3), (1, 1)])
def test_orthogonal(shape: tuple[int, ...], dtype: Any) -> None:
    weight = init.orthogonal_(gt.zeros(*shape, dtype=dtype), gain=3).detach().numpy()
    flat = (weight / 3).reshape(shape[0], math.prod(shape[1:]))
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-6 if dtype is gt.float32 else 1e-13)


def test_orthogonal_matrices_are_drawn_uniformly() -> None:
    gt.manual_seed(3)
    signs = [init.orthogonal_(gt.zeros(2, 2))[0, 0].item() for _ in range(400)]
    assert abs(np.mean(signs)) < 4 * math.sqrt(0.5 / 400)  # of a QR as it comes they are all negative
    assert np.mean(np.square(signs)) == pytest.approx(0.5, abs=4 * math.sqrt(0.125 / 400))


@pytest.mark.parametrize(("shape", "sparsity", "zeros"), [((10, 7), 0.35, 4), ((3, 5), 0.1, 1), ((4, 2), 1.0, 4)])
def test_sparse(shape: tuple[int, int], sparsity: float, zeros: int) -> None:
    gt.manual_seed(1)
    found = init.sparse_(gt.ones(*shape), sparsity, std=0.2).numpy()
    assert ((found == 0).sum(0) == zeros).all() and np.abs(found).max() < 1
    if zeros < shape[0]:
        assert len({tuple(column) for column in (found == 0).T}) > 1  # not the same rows in each column


@pytest.mark.parametrize(("mean", "std", "a", "b"), [(0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.0, 1.2), (0.0, 1.0, 1.5, 4.0)])
def test_what_is_cut_off_is_normal_in_between(mean: float, std: float, a: float, b: float) -> None:
    gt.manual_seed(7)
    drawn = np.sort(init.trunc_normal_(gt.zeros(4001), mean, std, a, b).double().numpy())
    assert a <= drawn[0] and drawn[-1] <= b
    below = np.array([0.5 * (1 + math.erf((x - mean) / std / math.sqrt(2))) for x in (a, b, *drawn)])
    expected = (below[2:] - below[0]) / (below[1] - below[0])
    steps = np.arange(1, 4002) / 4001
    assert np.abs(expected - steps).max() < 1.95 / math.sqrt(4001)  # Kolmogorov and Smirnov, at 0.1 %


def test_what_is_drawn_by_ops_is_drawn_in_programs() -> None:
    def fill() -> Any:
        gt.manual_seed(5)
        return init.trunc_normal_(gt.zeros(7, 3), 1.0), init.sparse_(gt.zeros(7, 3), 0.5), init.dirac_(gt.ones(3, 2, 3))

    for found, expected in zip(gt.compile(fill)(), fill(), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)
    with pytest.raises(TraceError, match="GT601"):
        gt.compile(lambda: init.orthogonal_(gt.zeros(3, 3)))()


def test_nothing_is_drawn_where_weights_are_to_be_loaded() -> None:
    class Drawn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, fill in FILLS.items():
                self.register_buffer(name, fill(gt.full((4, 4), 9.0)))
            self.register_buffer("dirac", init.dirac_(gt.full((4, 4, 3), 9.0)))

    assert all(bool((b == 9).all()) for b in nn.utils.skip_init(Drawn).buffers())
    assert not any(bool((b == 9).all()) for b in Drawn().buffers())


FILLS: dict[str, Callable[[Any], Any]] = {
    "eye": init.eye_,
    "orthogonal": init.orthogonal_,
    "sparse": lambda w: init.sparse_(w, 0.5),
    "trunc_normal": init.trunc_normal_,
}


@pytest.mark.parametrize(("fill", "text"), [
    (lambda: init.dirac_(gt.zeros(3, 3)), "GT107: dirac_ does not take f32.3,3"),
    (lambda: init.dirac_(gt.zeros(3, 3, 3), groups=2), "GT304: groups=2 is not allowed"),
    (lambda: init.sparse_(gt.zeros(3), 0.5), "GT107: sparse_ does not take f32.3"),
    (lambda: init.orthogonal_(gt.zeros(3)), "GT107: orthogonal_ needs a weight"),
    (lambda: init.trunc_normal_(gt.zeros(3), std=0), "GT304: std=0, a=-2.0, b=2.0 are not allowed"),
    (lambda: init.trunc_normal_(gt.zeros(3), a=2, b=-2), "GT304: std=1.0, a=2, b=-2 are not allowed"),
])  # fmt: skip
def test_refusals(fill: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fill()


def test_fans_by_the_name_that_layers_of_ones_own_use() -> None:
    assert init._calculate_fan_in_and_fan_out(gt.zeros(3, 4, 5)) == (20, 15)
