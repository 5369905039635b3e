"""Writing in place, where gradients are recorded and where they are not: as torch, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import AutogradError

HOW = pytest.mark.parametrize("how", [lambda f: f, gt.compile], ids=["eager", "compiled"])


def leaf(*values: float) -> gt.Tensor:
    return gt.tensor(values, requires_grad=True)


def no_grad_write(h: gt.Tensor) -> None:
    with gt.no_grad():
        h.mul_(5)


WRITES: dict[str, Callable[[gt.Tensor], Any]] = {
    "under no_grad": no_grad_write,
    "through data": lambda h: h.data.mul_(5),
    "through data, twice": lambda h: (h.data.mul_(2.5), h.data.mul_(2)),
}


@HOW
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_autograd_does_not_see_keeps_the_path(how: Any, write: Any) -> None:
    """Values are 10 w; d(h*h)/dh = 2 h = 20 w, and h = 2 w as autograd knows it."""
    w = leaf(1.0, -3.0)

    def f() -> gt.Tensor:
        h = w * 2
        write(h)
        return (h * h).sum()

    how(f)().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [40, -120])


@HOW
def test_a_step_that_clamps_what_it_computed(how: Any) -> None:
    w, x = leaf(1.0, 2.0), gt.tensor([2.0, 0.5])
    optimizer = gt.optim.SGD([w], lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        h = w * x
        with gt.no_grad():
            h.clamp_(max=1.5)
        (h.sum() + (w * w).sum()).backward()
        optimizer.step()

    how(step)()
    np.testing.assert_allclose(w.detach().numpy(), [1 - 0.1 * (2 + 2), 2 - 0.1 * (0.5 + 4)], rtol=1e-6)


IN_PLACE: dict[str, tuple[Callable[[gt.Tensor], gt.Tensor], list[float]]] = {
    "mul_": (lambda x: (x * 2).mul_(3), [6, 6]),
    "imul": (lambda x: _imul(x * 2), [6, 6]),
    "pow_": (lambda x: (x * 3).pow_(2), [18, -54]),
    "relu_ of a power": (lambda x: ((x * 3) ** 2).relu_(), [18, -54]),
    "div_": (lambda x: (x * 2).div_(4), [0.5, 0.5]),
    "a factor that needs no gradient": (lambda x: x * gt.ones(2).mul_(3), [3, 3]),
}


def _imul(h: gt.Tensor) -> gt.Tensor:
    h *= 3
    return h


@HOW
@pytest.mark.parametrize(("function", "want"), IN_PLACE.values(), ids=IN_PLACE)
def test_what_backward_saved_and_does_not_need_may_change(how: Any, function: Any, want: list[float]) -> None:
    x = leaf(1.0, -3.0)
    how(function)(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-6)


STALE: dict[str, Callable[[gt.Tensor], gt.Tensor]] = {
    "the result of exp": lambda x: (x.exp()).mul_(2),
    "the other factor": lambda x: _after(x * 1, lambda h: h * h, lambda h: h.mul_(2)),
}


def _after(h: gt.Tensor, use: Any, change: Any) -> gt.Tensor:
    y = use(h)
    change(h)
    return y


@pytest.mark.parametrize("function", STALE.values(), ids=STALE)
def test_what_backward_needs_may_not_change(function: Any) -> None:
    y = function(leaf(1.0, -3.0)).sum()
    with pytest.raises(AutogradError, match="GT502"):
        y.backward()


def test_only_gradients_that_are_wanted_count() -> None:
    """The factor a was changed: it matters for b's gradient alone."""
    a, b = gt.tensor([2.0, 5.0]), leaf(1.0, 1.0)
    y = (a * b).sum()
    a.mul_(7)
    with pytest.raises(AutogradError, match="GT502"):
        y.backward()
    a, b = leaf(2.0, 5.0), gt.tensor([1.0, 3.0])
    y = (a * 1 * b).sum()
    with gt.no_grad():
        a.mul_(7)  # a * 1 is another tensor
    y.backward()
    np.testing.assert_array_equal(a.grad.numpy(), [1, 3])


VIEWS: dict[str, Callable[[gt.Tensor], gt.Tensor]] = {
    "an element": lambda h: h[0],
    "a reshape": lambda h: h.view(2, 1),
    "a view of a view": lambda h: h.view(2, 1)[1],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("use", [lambda v: v.sum(), lambda v: (v * 2).sum()], ids=["sum", "operand"])
def test_a_view_from_before_a_recorded_write_is_refused(view: Any, use: Any) -> None:
    x = leaf(1.0, -3.0)
    h = x * 1
    y = view(h)
    h.mul_(2)
    with pytest.raises(AutogradError, match=r"GT504.*taken before"):
        use(y).backward()
    use(view(h)).backward()
    assert x.grad.abs().sum().item() >= 2


def test_a_view_of_what_began_without_gradients() -> None:
    w, x = leaf(1.0, 2.0, 3.0), gt.zeros(3)
    v, plain = x.view(3, 1), x.detach()
    x.copy_(w * 2)
    with pytest.raises(AutogradError, match="GT504"):
        v.sum()
    np.testing.assert_array_equal(plain.numpy() + (plain * 1).numpy(), [4, 8, 12])
    with gt.no_grad():
        np.testing.assert_array_equal((v * 1).numpy(), [[2], [4], [6]])
    x.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2, 2, 2])


def test_a_scalar_view_is_refused_at_backward_too() -> None:
    x = leaf(1.0, -3.0)
    h = x * 1
    y = h[0]
    h.mul_(2)
    with pytest.raises(AutogradError, match="GT504"):
        y.backward()
