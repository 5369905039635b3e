"""The chapter on gradients."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch
from tests.course.oracle import as_torch, as_torch_compiled, numbers


@as_torch
def test_backward(torch: Any) -> Any:
    params = torch.tensor([1.0, 0.0], requires_grad=True)
    x = torch.tensor([0.5, 14.0, 15.0])
    before = params.grad is None
    loss = ((params[0] * x + params[1] - 3) ** 2).mean()
    loss.backward()
    return [before, loss, params.grad, loss.requires_grad, params.is_leaf, loss.is_leaf, x.requires_grad]


@as_torch
def test_gradients_accumulate_until_they_are_zeroed(torch: Any) -> Any:
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    seen = []
    for factor in (1.0, 10.0):
        (w * factor).sum().backward()
        seen.append(w.grad.clone())
    w.grad.zero_()
    (w**2).sum().backward()
    seen.append(w.grad)
    w.grad = None
    (w**3).sum().backward()
    return [seen, w.grad]


@as_torch
def test_no_grad(torch: Any) -> Any:
    w = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        inside = w * 2

    @torch.no_grad()
    def function(t: Any) -> Any:
        return t * 3

    with torch.set_grad_enabled(False):
        off = torch.is_grad_enabled()
    with torch.inference_mode():
        inferred = (w * 4).requires_grad
    with torch.no_grad(), torch.enable_grad():
        on = (w * 5).requires_grad
    return [inside.requires_grad, function(w).requires_grad, off, inferred, on, torch.is_grad_enabled()]


@as_torch
def test_an_update_by_hand(torch: Any) -> Any:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    for _ in range(3):
        if w.grad is not None:
            w.grad.zero_()
        (w**2).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
    return [w, w.grad]


@as_torch
def test_detach_and_data(torch: Any) -> Any:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    cut = y.detach()
    (cut * w).sum().backward()
    w.data -= w.grad
    with pytest.raises(RuntimeError):
        w.numpy()
    return [cut.requires_grad, cut, w, w.grad, w.detach().numpy(), cut.data_ptr() == y.data_ptr()]


@as_torch
def test_requires_grad_is_set_later(torch: Any) -> Any:
    w = torch.ones(3)
    w.requires_grad_()
    frozen = torch.ones(3, requires_grad=True)
    frozen.requires_grad = False
    (w * frozen).sum().backward()
    return [w.grad, frozen.grad, frozen.requires_grad]


@as_torch
def test_backward_twice_and_on_vectors(torch: Any) -> Any:
    w = torch.ones(3, requires_grad=True)
    loss = w.exp().sum()
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(RuntimeError):
        loss.backward()
    with pytest.raises(RuntimeError):
        (w * 2).backward()
    with pytest.raises(RuntimeError):
        torch.ones(1).backward()
    first = w.grad.clone()
    (w * 2).backward(torch.tensor([1.0, 2.0, 3.0]))
    return [first, w.grad]


@as_torch
def test_leaves_are_not_written_in_place(torch: Any) -> Any:
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError):
        w.add_(1)
    y = w.exp()
    y.add_(1)
    with pytest.raises(RuntimeError):
        y.sum().backward()
    return w


@as_torch_compiled
def test_gradients_of_gradients(torch: Any, compile: Any) -> Any:
    x = torch.from_numpy(numbers(3, 2))

    @compile
    def both(x: Any) -> Any:
        x = x.detach().requires_grad_()
        (first,) = torch.autograd.grad((x**4).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        return first.detach(), second

    return both(x)


@as_torch
def test_functions_of_autograd(torch: Any) -> Any:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    grads = torch.autograd.grad((x * y).sum(), [x, y])
    unused = torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)
    double = x.detach().double().requires_grad_()
    checked = torch.autograd.gradcheck(lambda t: (t.sin() * t).sum(), (double,))
    return [grads, unused[0], unused[1] is None, checked]


@as_torch_compiled
def test_jacobians_and_hessians(torch: Any, compile: Any) -> Any:
    derivatives = torch.autograd.functional
    x, y = torch.from_numpy(numbers(2, 3)), torch.from_numpy(numbers(3, seed=1))

    @compile
    def of_one(x: Any) -> Any:
        return derivatives.jacobian(lambda t: (t**2).sum(1), x), derivatives.hessian(lambda t: (t**3).prod(), x)

    @compile
    def of_two(x: Any, y: Any) -> Any:
        rows = derivatives.jacobian(lambda a, b: ((a @ b).exp(), b * 2), (x, y))
        return rows, derivatives.hessian(lambda a, b: ((a @ b) ** 3).sum(), (x, y))

    return [of_one(x), of_two(x, y)]


@as_torch
def test_products_with_jacobians(torch: Any) -> Any:
    derivatives = torch.autograd.functional
    x, y = torch.from_numpy(numbers(2, 3)), torch.from_numpy(numbers(3, seed=1))
    v, w = torch.from_numpy(numbers(2, seed=2)), torch.from_numpy(numbers(2, 3, seed=3))
    function, number = (lambda a, b: (a @ b).sin()), (lambda a: (a**3).sum() * a[0, 0])
    tracked = x.clone().requires_grad_()
    derivatives.jacobian(lambda a: a**3, tracked, create_graph=True).sum().backward()
    with pytest.raises(RuntimeError):
        derivatives.vjp(function, (x, y), y)
    with pytest.raises(RuntimeError):
        derivatives.hessian(lambda a: a**2, x)
    with pytest.raises(RuntimeError):
        derivatives.jacobian(lambda a, b: a * 2, (x, y), strict=True)
    return [
        derivatives.vjp(function, (x, y), v),
        derivatives.jvp(function, (x, y), (w, y)),
        derivatives.vhp(number, x, w),
        derivatives.hvp(number, x, w),
        derivatives.vjp(number, x),
        derivatives.jacobian(lambda a, b: a * 2, (x, y)),
        tracked.grad,
    ]


@as_torch_compiled
def test_a_function_of_ones_own(torch: Any, compile: Any) -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * 3 * x**2

    w = torch.from_numpy(numbers(4)).requires_grad_()

    @compile
    def step() -> Any:
        w.grad = None
        loss = Cube.apply(w).sum()
        loss.backward()
        return loss.detach()

    return [step(), w.grad]


@as_torch
def test_hooks_and_retained_gradients(torch: Any) -> Any:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []
    y = x * 3
    y.retain_grad()
    handle = y.register_hook(lambda g: seen.append(g.clone()))
    y.sum().backward()
    handle.remove()
    (x * 3).sum().backward()
    return [y.grad, x.grad, seen, y.grad_fn is None, x.grad_fn is None, y.is_leaf]


def test_the_jacobian_of_nothing() -> None:
    """torch fails here; its shape is that of any other."""
    found = graphtorch.autograd.functional.jacobian(lambda a: a[:0] * 2, graphtorch.ones(3, 5))
    assert found.shape == (0, 5, 3, 5)
