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
    "a quotient": (lambda x: ((x + 1) / (x + 4)).mul_(2), [6 / 25, 6]),
    "a part of a tensor_split": (lambda x: _after(x * 1, lambda h: h, lambda h: h.tensor_split(2)[0].mul_(2)), [2, 1]),
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


@HOW
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_from_before_a_recorded_write_follows_its_base(how: Any, view: Any) -> None:
    """h = 2 x at the end, and the view shows it."""
    x = leaf(1.0, -3.0)

    def f(x: gt.Tensor) -> gt.Tensor:
        h = x * 1
        y = view(h)
        h.mul_(2)
        return (y * y).sum()

    how(f)(x).backward()
    shown = view(gt.tensor([0, 1])).tolist()
    wanted = np.zeros(2)
    wanted[np.ravel(shown)] = (8 * x.detach().numpy())[np.ravel(shown)]
    np.testing.assert_allclose(x.grad.numpy(), wanted)


@HOW
def test_a_write_through_a_view_reaches_base_and_other_views(how: Any) -> None:
    x = leaf(1.0, -3.0, 2.0)

    def f(x: gt.Tensor) -> gt.Tensor:
        h = x * 1
        head, tail = h[:2], h[1:]
        head *= 3  # h = 3 x0, 3 x1, x2
        tail.pow_(2)  # h = 3 x0, 9 x1^2, x2^2
        return head.sum() + h.sum()

    y = how(f)(x)
    assert y.item() == 3 + 81 + (3 + 81 + 4)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), [6, 2 * 18 * -3, 4])


def test_a_view_of_what_began_without_gradients() -> None:
    w, x = leaf(1.0, 2.0, 3.0), gt.zeros(3)
    v, plain = x.view(3, 1), x.detach()
    x.copy_(w * 2)
    assert v.requires_grad and v.grad_fn.name == "reshape" and not plain.requires_grad
    (v * gt.tensor([[1.0], [2.0], [4.0]])).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2, 4, 8])
    np.testing.assert_array_equal(plain.numpy() + (plain * 1).numpy(), [4, 8, 12])


def test_a_leaf_that_takes_a_copy_gives_its_gradient_to_the_source() -> None:
    w, x = leaf(1.0, 2.0), gt.zeros(2)
    x.copy_(w)
    assert not x.is_leaf
    (x * x).sum().backward()
    assert x.grad is None
    np.testing.assert_array_equal(w.grad.numpy(), [2, 4])


def test_overwriting_cuts_the_gradient_and_leaves_the_flag() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3
    h[0] = 7.0
    h.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 3])
    h = x * 3
    h.zero_()
    assert h.requires_grad and h.grad_fn.name == "copy"


REFUSED: dict[str, tuple[Callable[[gt.Tensor], Any], str]] = {
    "a leaf": (lambda x: x.mul_(2), "GT503.*a leaf that requires grad"),
    "a view of a leaf": (lambda x: x[:1].mul_(2), "GT503.*a view of a leaf"),
    "a part of a split": (lambda x: (x * 1).split(1)[0].mul_(2), "GT504.*several results of split"),
    "a part of a chunk": (lambda x: (x * 1).chunk(2)[0].mul_(2), "GT504.*several results of chunk"),
    "a row of unbind": (lambda x: (x * 1).unbind(0)[0].mul_(2), "GT504.*several results of unbind"),
    "a view made under no_grad": (lambda x: _quiet_view(x * 1).mul_(x[:1]), "GT504.*made under no_grad"),
    "detach_ of a view": (lambda x: (x * 1)[:1].detach_(), "GT504.*detached in place"),
}


def _quiet_view(h: gt.Tensor) -> gt.Tensor:
    with gt.no_grad():
        return h[:1]


@pytest.mark.parametrize(("write", "match"), REFUSED.values(), ids=REFUSED)
@HOW
def test_what_torch_refuses(how: Any, write: Any, match: str) -> None:
    x = leaf(1.0, -3.0)
    with pytest.raises(AutogradError, match=f"(?s){match}"):
        how(write)(x)
    np.testing.assert_array_equal(x.detach().numpy(), [1, -3])


def test_a_part_of_a_split_may_be_written_where_nothing_is_recorded() -> None:
    x = gt.zeros(4)
    x.split(2)[1].add_(1)
    for row in x.reshape(2, 2):
        row += 1
    np.testing.assert_array_equal(x.numpy(), [1, 1, 2, 2])


def test_the_error_names_who_saved_and_who_wrote() -> None:
    y = leaf(1.0, -3.0).exp()
    y[:1].mul_(2)
    with pytest.raises(AutogradError) as caught:
        y.sum().backward()
    text = str(caught.value)
    assert "saved for the backward of exp" in text
    assert "saved by exp at test_in_place.py" in text.replace("tests/frontend/", "")
    assert "changed by mul_ at test_in_place.py" in text.replace("tests/frontend/", "")


def test_versions_are_shared_by_views_and_detach_but_not_by_data() -> None:
    h = leaf(1.0, 2.0) * 1
    view, detached, data = h[:1], h.detach(), h.data
    detached.mul_(3)
    assert (h._version, view._version, detached._version) == (1, 1, 1)
    data.mul_(3)
    data[0] = 5.0
    assert (h._version, view._version) == (1, 1)
    np.testing.assert_array_equal(h.detach().numpy(), [5, 18])


def test_what_was_saved_of_data_is_watched() -> None:
    w = leaf(1.0, 2.0)
    d = gt.ones(2).data
    y = (w * d).sum()
    d.mul_(2)
    with pytest.raises(AutogradError, match="GT502"):
        y.backward()


def test_a_tensor_that_is_unsqueezed_in_place_keeps_its_views() -> None:
    x = leaf(1.0, 2.0, 3.0)
    h = x * 2
    v = h[1:]
    h.unsqueeze_(0)
    h.mul_(5)
    assert tuple(h.shape) == (1, 3) and tuple(v.shape) == (2,)
    (v * v).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 400, 600])
