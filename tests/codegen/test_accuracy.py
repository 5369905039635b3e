"""Long sums in generated code: against float64, in units of the sum of absolute values. A plain loop fails these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.schedule.cuda import schedule_cuda
from tests.codegen.nests import nest_of, reference, run_op_kernel, type_of

#: a plain float32 loop over as many terms is off by 3e-5 to 2e-3
BOUND = 1e-6


def positive(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(len(shape)).random(shape).astype(np.float32)


def relative_error(function: Callable[[Any], Any], x: np.ndarray[Any, Any]) -> float:
    """The greatest relative error of the compiled function on ``x``; numpy in float64 says what is right."""
    got = gt.compile(function)(gt.from_numpy(x)).numpy().astype(np.float64)
    want = np.asarray(function(gt.from_numpy(x.astype(np.float64))))
    return float(np.max(np.abs(got - want) / np.abs(want)))


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda t: t.sum(), np.full(3 * 2**20 + 7, 0.1, np.float32)),
        (lambda t: t.mean(0), positive(300_007, 3)),
        (lambda t: t.sum(1), positive(5, 70_001)),
        (lambda t: t.sum(1), positive(7, 33_333, 5)),
        (lambda t: t.sum((0, 2, 3)), positive(41, 5, 33, 29)),
        (lambda t: (t + 10).var((0, 2, 3)), positive(41, 5, 33, 29)),
        (lambda t: t.square().sum(0), positive(65_537)),
    ],
    ids=["all", "first", "last", "middle", "channels", "variance", "fused"],
)
def test_long_reductions(function: Callable[[Any], Any], x: np.ndarray[Any, Any]) -> None:
    assert relative_error(function, x) < BOUND


@pytest.mark.parametrize("transposed", [False, True], ids=["outer", "inner"])
def test_long_products(transposed: bool) -> None:
    a, b = positive(33, 3 * 2**15), positive(3 * 2**15, 17)
    right = gt.from_numpy(np.ascontiguousarray(b.T)).T if transposed else gt.from_numpy(b)
    got = gt.compile(lambda x, y: x @ y)(gt.from_numpy(a), right).numpy().astype(np.float64)
    want = a.astype(np.float64) @ b.astype(np.float64)
    assert np.max(np.abs(got - want) / want) < BOUND


def test_the_gradient_of_a_convolution_s_weight() -> None:
    x, weight = positive(16, 3, 64, 64), positive(5, 3, 3, 3)

    def gradient(dtype: Any, wrap: Any) -> np.ndarray[Any, Any]:
        w = gt.from_numpy(weight.astype(dtype)).requires_grad_()
        wrap(lambda x: gt.nn.functional.conv2d(x, w, padding=1).sum().backward())(gt.from_numpy(x.astype(dtype)))
        return w.grad.numpy()

    got, want = gradient(np.float32, gt.compile), gradient(np.float64, lambda f: f)
    assert np.max(np.abs(got - want) / want) < BOUND


@pytest.mark.parametrize(
    ("name", "shapes", "attrs"),
    [
        ("reduce_sum", [(2**17 + 7,)], {"dims": (0,)}),
        ("reduce_sum", [(1031, 4099)], {"dims": (0,)}),
        ("dot", [(5, 1027), (1027, 3)], {}),
    ],
    ids=["block", "thread", "product"],
)
def test_long_sums_in_cuda_kernels(name: str, shapes: list[tuple[int, ...]], attrs: dict[str, Any]) -> None:
    arrays = [np.full(shape, 0.1, np.float32) for shape in shapes]
    kernel = schedule_cuda(nest_of(name, *map(type_of, arrays), **attrs))
    (got,) = run_op_kernel(kernel, *arrays)
    (want,) = reference(name, *(a.astype(np.float64) for a in arrays), **attrs)
    assert np.max(np.abs(got.astype(np.float64).ravel() - want.ravel()) / want.ravel()) < BOUND
