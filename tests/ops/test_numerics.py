"""nan, infinities, signed zeros and ties: values and gradients as torch has them, eager and compiled.

The expected numbers were taken from torch 2.13; where torch is installed, they are taken again.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphtorch as gt

inf, nan = np.inf, np.nan
X = [-inf, -2.0, -0.0, 0.0, 1.0, inf, nan]


@dataclass(frozen=True)
class Case:
    """``function(lib, x)``, its values, and the gradient of their sum."""

    name: str
    function: Callable[[Any, Any], Any]
    x: list[Any]
    y: list[Any]
    grad: list[Any]


CASES = [
    Case("sqrt by power", lambda l, x: x**0.5, X, [nan, nan, -0.0, 0.0, 1.0, inf, nan], [nan, nan, -inf, inf, 0.5, 0.0, nan]),
    Case("rsqrt by power", lambda l, x: x**-0.5, X[3:], [inf, 1.0, 0.0, nan], [-inf, -0.5, -0.0, nan]),
    Case("square", lambda l, x: x**2, X, [inf, 4.0, 0.0, 0.0, 1.0, inf, nan], [-inf, -4.0, -0.0, 0.0, 2.0, inf, nan]),
    Case("power 0", lambda l, x: x**0, X, [1.0] * 7, [0.0] * 7),
    Case("relu", lambda l, x: x.relu(), X, [0, 0, 0, 0, 1, inf, nan], [0, 0, 0, 0, 1, 1, 1]),
    Case("sign", lambda l, x: x.sign(), X, [-1, -1, 0, 0, 1, 1, 0], [0] * 7),
    Case("abs", lambda l, x: x.abs(), X, [inf, 2, 0, 0, 1, inf, nan], [-1, -1, 0, 0, 1, 1, 0]),
    Case("clamp", lambda l, x: x.clamp(-1, 1), [*X, -1.0], [-1, -1, 0, 0, 1, 1, nan, -1], [0, 0, 1, 1, 1, 0, 0, 1]),
    Case("clamp crossed", lambda l, x: x.clamp(2, 1), X, [1, 1, 1, 1, 1, 1, nan], [0] * 7),
    Case("clamp below", lambda l, x: x.clamp(min=0.0), X, [0, 0, 0, 0, 1, inf, nan], [0, 0, 1, 1, 1, 1, 0]),
    Case("amax", lambda l, x: x.amax(1), [[1.0, nan, 2.0], [3.0, 3.0, 1.0]], [nan, 3], [[nan] * 3, [0.5, 0.5, 0]]),
    Case("std", lambda l, x: x.std(1), [[2.0, 2.0, 2.0], [1.0, 3.0, nan]], [0, nan], [[0, 0, 0], [nan, nan, nan]]),
    Case(
        "max_pool2d", lambda l, x: l.nn.functional.max_pool2d(x, 2),
        [[[[1.0, nan, 2.0, 2.0], [nan, 0.0, 2.0, 2.0]]]], [[[[nan, 2.0]]]], [[[[0, 0, 1, 0], [1, 0, 0, 0]]]],
    ),
    Case(
        "max_pool2d at the border", lambda l, x: l.nn.functional.max_pool2d(x, 3, 2, 1),
        [[[[-inf, -inf, 2.0, nan], [-inf, -inf, 2.0, nan]]]], [[[[-inf, nan]]]], [[[[1, 0, 0, 0], [0, 0, 0, 1]]]],
    ),
    Case("softmax", lambda l, x: l.softmax(x, 1), [[inf, 1.0], [-inf, -inf], [-inf, 0.0]], [[nan] * 2, [nan] * 2, [0, 1]], [[nan] * 2, [nan] * 2, [0, 0]]),
]  # fmt: skip


def run(lib: Any, case: Case, wrap: Callable[[Any], Any]) -> tuple[Any, Any]:
    x = lib.tensor(case.x).requires_grad_()
    y = wrap(lambda x: case.function(lib, x))(x)
    assert y.requires_grad
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("mode", ["eager", "compiled", "torch"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_special_values(case: Case, mode: str) -> None:
    if mode == "torch" and not importlib.util.find_spec("torch"):
        pytest.skip("torch is an optional oracle")
    lib = importlib.import_module("torch") if mode == "torch" else gt
    y, grad = run(lib, case, gt.compile if mode == "compiled" else lambda f: f)
    np.testing.assert_allclose(y, np.array(case.y, np.float32), rtol=1e-6)
    np.testing.assert_allclose(grad, np.array(case.grad, np.float32), rtol=1e-6)


def test_square_root_keeps_the_sign_of_zero() -> None:
    for f in (lambda x: x**0.5, gt.compile(lambda x: x**0.5)):
        assert np.signbit(f(gt.tensor([-0.0])).numpy()).tolist() == [True]


@pytest.mark.parametrize("target", [3, -1])
def test_targets_out_of_range_are_refused_in_eager_mode(target: int) -> None:
    scores, targets = gt.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]]), gt.tensor([0, target])
    with pytest.raises(IndexError, match=rf"GT302 in cross_entropy: index {target} is out of range\n(.*\n)*.*< 3"):
        gt.nn.functional.cross_entropy(scores, targets)
    ignored = gt.nn.functional.cross_entropy(scores, targets, ignore_index=target)
    assert ignored.item() == pytest.approx(gt.nn.functional.cross_entropy(scores[:1], targets[:1]).item())


@pytest.mark.parametrize(
    "settings", [{}, {"label_smoothing": 0.1}, {"reduction": "none"}, {"weight": gt.ones(3)}], ids=str
)
@pytest.mark.parametrize("target", [3, -1, -(2**63)])
def test_targets_out_of_range_make_a_compiled_loss_and_its_gradient_nan(target: int, settings: Any) -> None:
    """A program cannot stop; a loss of 0 would pass unseen."""
    scores = gt.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, -inf]], requires_grad=True)
    loss = gt.compile(lambda x, y: gt.nn.functional.cross_entropy(x, y, **settings))(scores, gt.tensor([0, target]))
    assert np.isnan(loss.detach().numpy()).tolist() == ([False, True] if loss.ndim else True)
    loss.sum().backward()
    assert np.isnan(scores.grad.numpy()[1]).all()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", [gt.float32, gt.float64])
def test_the_gradient_of_sinc_near_0(dtype: Any, compiled: bool) -> None:
    """By its series, in which nothing is subtracted from what is close to it: a (-1/3 + a^2/30 - a^4/840 ...) pi."""
    tiny = 2.0**-149 if dtype is gt.float32 else 2.0**-1074
    values = np.array([0.0, tiny, -tiny * 8, 1e-20, 1e-6, -1e-3, 0.05, 0.159, 0.16, -0.3])
    x = gt.tensor(values, dtype=dtype, requires_grad=True)

    def gradient() -> gt.Tensor:
        y = gt.sinc(x)
        y.sum().backward()
        return y.detach()

    y = (gt.compile(gradient) if compiled else gradient)()
    np.testing.assert_allclose(y.double().numpy(), np.sinc(x.detach().double().numpy()), rtol=4 * gt.finfo(dtype).eps)
    a = x.detach().double().numpy() * math.pi
    expected = sum(
        (-1) ** k * 2 * k * np.sign(a) * np.abs(a) ** (2 * k - 1) / math.factorial(2 * k + 1) for k in range(1, 14)
    )
    rtol = 64 * gt.finfo(dtype).eps
    np.testing.assert_allclose(x.grad.double().numpy(), expected * math.pi, rtol=rtol, atol=1e-37)
