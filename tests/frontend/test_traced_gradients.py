"""autograd.grad, gradients of gradients and hooks inside of compiled functions: as eager mode, and as torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import AutogradError, TraceError
from graphtorch.ir.text import parse_graph


def _data(*shape: int, low: float = 0.2) -> Any:
    count = int(np.prod(shape))
    return (low + np.random.default_rng(count).random(shape)).astype(np.float32)


def both(f: Callable[[Any, Any, Any], Any], *, torch_too: bool = True) -> None:
    """``f(m, x, w)`` gives tensors: the same compiled, eager, and with torch; and so do x and w get gradients."""
    found = [_run(gt, f, wrap) for wrap in (lambda f: f, gt.compile)]
    if torch_too:
        found.append(_run(pytest.importorskip("torch"), f, lambda f: f))
    for other in found[1:]:
        assert len(other) == len(found[0])
        for a, b in zip(other, found[0], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def _run(m: Any, f: Callable[[Any, Any, Any], Any], wrap: Callable[[Any], Any]) -> list[Any]:
    x, w = (m.from_numpy(_data(*shape)).requires_grad_() for shape in ((2, 3), (3, 5)))
    out = wrap(lambda x, w: f(m, x, w))(x, w)
    out = list(out) if isinstance(out, tuple | list) else [out]
    return [None if t is None else t.detach().numpy() for t in (*out, x.grad, w.grad)]


# ---- autograd.grad ---------------------------------------------------------------------------------------


def test_gradients_as_values() -> None:
    both(lambda m, x, w: m.autograd.grad((x @ w).tanh().sum(), [x, w]))


def test_of_several_outputs_with_weights() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        y = x @ w
        return m.autograd.grad([y.exp(), x.sin()], (x, w), [m.ones(2, 5) * 0.5, m.full((2, 3), 2.0)])

    both(f)


def test_by_what_is_computed_and_by_what_that_is_computed_from() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        h = (x @ w).sigmoid()
        z = h * h
        return m.autograd.grad((z * h).sum(), [z, h, x, w])

    both(f)


def test_unused_inputs() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        gx, gw = m.autograd.grad(x.exp().sum(), [x, w], allow_unused=True, retain_graph=True)
        assert gw is None
        return gx, *m.autograd.grad((x * x).sum(), [x, w], materialize_grads=True)

    both(f)


def test_gradient_penalty() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        (g,) = m.autograd.grad((x @ w).tanh().sum(), [x], create_graph=True)
        loss = ((g.square().sum(1).sqrt() - 1) ** 2).mean()
        loss.backward()
        return loss

    both(f)


def test_third_derivatives() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        y = (x.sin() * x.exp()).sum()
        for _ in range(3):
            (g,) = m.autograd.grad(y, [x], create_graph=True)
            y = g.sum()
        return g, *m.autograd.grad(y, [x])

    both(f)


def test_gradients_of_gradients_joined_to_an_eager_loop() -> None:
    def run(wrap: Any) -> list[Any]:
        x, w = (gt.from_numpy(_data(*shape)).requires_grad_() for shape in ((2, 3), (3, 5)))

        def penalty(x: Any) -> Any:
            (g,) = gt.autograd.grad((x @ w).tanh().sum(), [x], create_graph=True)
            return g.square().sum(1)

        (wrap(penalty)(x * 2).sum() * 3).backward()
        return [x.grad.numpy(), w.grad.numpy()]

    np.testing.assert_allclose(
        *(np.concatenate([g.ravel() for g in run(wrap)]) for wrap in (lambda f: f, gt.compile)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_without_create_graph_gradients_have_none() -> None:
    @gt.compile
    def f(x: Any) -> Any:
        (g,) = gt.autograd.grad((x**3).sum(), [x])
        assert not g.requires_grad
        return (g * x).sum()

    x = gt.tensor([2.0], requires_grad=True)
    f(x).backward()
    assert x.grad.tolist() == [12.0]  # 3 x^2, which counts as a constant


def test_a_constant_gradient_does_not_require_gradients() -> None:
    def f(x: Any) -> Any:
        (g,) = gt.autograd.grad((x * 2).sum(), [x], create_graph=True)
        assert not g.requires_grad
        return g

    for wrap in (gt.compile, lambda f: f):
        assert wrap(f)(gt.ones(3, requires_grad=True)).tolist() == [2.0] * 3


def test_training_with_a_gradient_penalty() -> None:
    def run(wrap: Any) -> list[float]:
        gt.manual_seed(3)
        net = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 1))
        optimizer = optim.Adam(net.parameters(), lr=0.02)

        @wrap
        def step(x: Any) -> Any:
            x = x.detach().clone().requires_grad_()
            out = net(x)
            (g,) = gt.autograd.grad(out.sum(), [x], create_graph=True)
            loss = out.mean() + 10 * ((g.norm(dim=1) - 1) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        x = gt.from_numpy(_data(5, 3))
        return [step(x).item() for _ in range(6)]

    eager, compiled = run(lambda f: f), run(gt.compile)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4)
    assert len(set(eager)) == 6


def test_convolution_twice() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        image, kernel = x.reshape(1, 1, 2, 3), w[:2, :2].reshape(1, 1, 2, 2)
        out = m.nn.functional.conv2d(image, kernel).sigmoid()
        (g,) = m.autograd.grad(out.sum(), [image], create_graph=True)
        g.square().sum().backward()
        return g

    both(f)


def test_refusals_of_grad() -> None:
    def second(x: Any) -> Any:
        y = x.exp().sum()
        gt.autograd.grad(y, [x])
        return gt.autograd.grad(y, [x])

    def elsewhere(x: Any) -> Any:
        return gt.autograd.grad(x.exp().sum(), [gt.ones(2, requires_grad=True)])

    def constant(x: Any) -> Any:
        return gt.autograd.grad(x.exp().sum(), [gt.ones(2)])

    for f, text in ((second, "GT501"), (elsewhere, "GT506: no output depends on inputs"), (constant, "GT506: inputs")):
        for wrap in (gt.compile, lambda f: f):
            with pytest.raises(AutogradError, match=text):
                wrap(f)(gt.ones(3, requires_grad=True))


def test_in_a_scan_it_is_refused() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            return c, gt.autograd.grad((c * x).sum(), [c])[0]

        return gt.scan(step, x, gt.ones(4, 3))[1]

    with pytest.raises(TraceError, match="GT616"):
        gt.compile(f)(gt.ones(3, requires_grad=True))


# ---- backward with options -------------------------------------------------------------------------------


def test_backward_that_creates_a_graph() -> None:
    def run(wrap: Any) -> Any:
        w = gt.from_numpy(_data(3, 5)).requires_grad_()

        @wrap
        def f(x: Any) -> Any:
            loss = (x @ w).tanh().sum()
            loss.backward(create_graph=True)
            size = w.grad.square().sum()
            w.grad = None
            (loss + size).backward()
            return size

        return [f(gt.from_numpy(_data(2, 3))).detach().numpy(), w.grad.detach().numpy()]

    for a, b in zip(run(gt.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_backward_to_chosen_tensors() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        loss = (x @ w).tanh().sum()
        loss.backward(inputs=[w])
        return loss

    both(f)


# ---- hooks -----------------------------------------------------------------------------------------------


def test_hooks_change_gradients() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        h = (x @ w).tanh()
        early = h.exp().sum()
        h.register_hook(lambda g: g * 3)
        h.register_hook(lambda g: g + h.detach())  # of the whole gradient, after the first
        (h.square().sum() + early).backward()
        return h

    both(f)


def test_hooks_see_gradients() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        seen: list[Any] = []
        h = x @ w
        h.register_hook(seen.append)
        h.sigmoid().sum().backward()
        return seen[0]

    both(f)


def test_a_hook_that_was_removed_is_not_called() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        h = x @ w
        handle = h.register_hook(lambda g: g * 100)
        handle.remove()
        h.sum().backward()
        return h

    both(f)


def test_hooks_in_gradients_of_gradients() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        h = x @ w
        h.register_hook(lambda g: g * g)
        (g,) = m.autograd.grad(h.exp().sum(), [x], create_graph=True)
        g.sum().backward()
        return g

    both(f)


def test_hooks_of_leaves_that_the_function_makes() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        leaf = m.ones(3, 5).requires_grad_()
        leaf.register_hook(lambda g: g / 2)
        ((x @ (w * leaf)).sum()).backward()
        return leaf.grad

    both(f)


def test_hooks_of_an_argument_that_are_removed_again() -> None:
    def f(m: Any, x: Any, w: Any) -> Any:
        handle = x.register_hook(lambda g: g * 2)
        (x @ w).sum().backward()
        handle.remove()
        return x * 1

    both(f)


def test_hooks_from_outside() -> None:
    w = gt.ones(3, requires_grad=True)

    @gt.compile
    def step(x: Any) -> Any:
        w.grad = None
        (w * x).sum().backward()
        return w.grad * 1

    x = gt.tensor([1.0, 2.0, 3.0])
    assert step(x).tolist() == [1.0, 2.0, 3.0]
    handle = w.register_hook(lambda g: g * 10)
    assert step(x).tolist() == [10.0, 20.0, 30.0]
    assert "the hooks of a tensor" in str(step.explain())
    handle.remove()
    assert step(x).tolist() == [1.0, 2.0, 3.0]


def test_hooks_that_a_program_could_not_call_are_refused() -> None:
    w = gt.ones(3, requires_grad=True)

    def keeps(x: Any) -> Any:
        w.register_hook(lambda g: g * 2)
        (w * x).sum().backward()
        return x * 1

    def later(x: Any) -> Any:
        h = w * x
        h.register_hook(lambda g: g * 2)
        return h.sum()

    with pytest.raises(TraceError, match=r"(?s)GT602.*w\.register_hook\(lambda.*remove\(\) it"):
        gt.compile(keeps)(gt.ones(3))
    with pytest.raises(TraceError, match=r"GT602.*computed after the call"):
        gt.compile(later)(gt.ones(3))
    with gt.no_grad():
        assert gt.compile(lambda x: (w * x).sum())(gt.ones(3)).item() == 3.0


def test_a_hook_of_another_type_is_refused() -> None:
    def f(x: Any) -> Any:
        h = x * 2
        h.register_hook(lambda g: g.sum())
        h.sum().backward()
        return h

    for wrap in (gt.compile, lambda f: f):
        with pytest.raises(AutogradError, match="GT103: a hook must return a gradient of the same type"):
            wrap(f)(gt.ones(3, requires_grad=True))


def test_the_text_of_a_gradient_of_a_gradient_is_read_back() -> None:
    def f(x: Any) -> Any:
        (g,) = gt.autograd.grad(x.sin().sum(), [x], create_graph=True)
        g.sum().backward()
        return g

    graph = gt.trace(f, gt.ones(3, requires_grad=True))
    assert parse_graph(str(graph)) == graph
