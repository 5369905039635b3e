"""Where torch's autograd is lenient, and where it refuses: gradients of other dtypes and shapes, decorators."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, AutogradError, ShapeError


@pytest.mark.parametrize("dtype", [gt.float64, gt.float16, gt.int64])
def test_a_given_gradient_is_cast(dtype: Any) -> None:
    x = gt.ones(2, 3, requires_grad=True)
    given = gt.arange(6).view(2, 3).to(dtype)
    (x * 2).backward(given)
    assert x.grad is not None and x.grad.dtype == gt.float32
    assert x.grad.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert gt.autograd.grad(x * 3, x, given)[0].tolist() == [[0, 3, 6], [9, 12, 15]]
    with pytest.raises(ShapeError, match=r"GT103.*: the gradient has the shape of its tensor"):
        (x * 2).backward(given[0])


@pytest.mark.parametrize("decorate", [gt.no_grad, gt.inference_mode, lambda f: gt.no_grad()(f)])
def test_decorators_without_parentheses(decorate: Any) -> None:
    @decorate
    def double(x: Any) -> Any:
        """Twice."""
        return x * 2

    x = gt.ones(3, requires_grad=True)
    assert double(x).tolist() == [2, 2, 2] and not double(x).requires_grad
    assert double.__doc__ == "Twice." and gt.is_grad_enabled()


def test_enable_grad_without_parentheses() -> None:
    with gt.no_grad():
        assert gt.enable_grad(lambda x: x * 2)(gt.ones(3, requires_grad=True)).requires_grad
    with gt.inference_mode(False):
        assert gt.is_grad_enabled()


def _scaled(give: Any) -> Any:
    class Scaled(gt.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return give(g)

    return Scaled


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_functions_fit_their_arguments(compiled: bool) -> None:
    def gradient(give: Any) -> Any:
        function = _scaled(give)
        x = gt.ones(2, 3, requires_grad=True)

        def run(x: Any) -> Any:
            return gt.autograd.grad(function.apply(x).sum(), x)[0]

        return (gt.compile(run) if compiled else run)(x)

    assert gradient(lambda g: g.double() * 3).dtype == gt.float32
    assert gradient(lambda g: gt.stack([g, g])).tolist() == [[2] * 3] * 2
    for give in (lambda g: g[0], lambda g: g[:, :2]):
        with pytest.raises(ShapeError, match=r"GT103.* gave a gradient of another shape for argument 0"):
            gradient(give)
    with pytest.raises(AutogradError, match=r"GT508.* gave int for argument 0"):
        gradient(lambda g: 2)


def test_zeros_and_an_error_exclude_each_other() -> None:
    x, y = gt.ones(2, requires_grad=True), gt.ones(3, requires_grad=True)
    with pytest.raises(ArgumentError, match=r"GT304.*: materialize_grads=True and allow_unused=False"):
        gt.autograd.grad(x.sum(), [x, y], allow_unused=False, materialize_grads=True)
    assert gt.autograd.grad(x.sum(), [x, y], materialize_grads=True)[1].tolist() == [0, 0, 0]
