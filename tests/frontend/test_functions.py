"""Functions with a backward of their own, in all that torch's contexts do; eager beside torch, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import AutogradError, TraceError

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
BOTH = pytest.mark.parametrize("lib", [gt, torch], ids=["graphtorch", "torch"])


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values), requires_grad=True)


def product(lib: Any) -> Any:
    class Product(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(x: Any, y: Any, scale: float) -> Any:
            return x * y * scale, x > y

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            x, y, ctx.scale = inputs
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(x, y, output[0])

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            _, y, out = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False, False)
            return g * y * ctx.scale + 0 * out, None, None

    return Product


@BOTH
def test_a_context_that_is_set_up_beside_forward(lib: Any) -> None:
    x, y = leaf(lib, 2.0, -3.0), lib.tensor([0.5, 4.0])
    out, greater = product(lib).apply(x, y, 2.0)
    assert out.tolist() == [2, -24] and greater.tolist() == [True, False]
    assert out.requires_grad and not greater.requires_grad
    out.sum().backward()
    assert x.grad.tolist() == [1, 8]
    assert not product(lib).apply(x.detach(), y, 2.0)[0].requires_grad


def test_it_compiles() -> None:
    def step(x: Any, y: Any) -> Any:
        out, greater = product(gt).apply(x, y, 2.0)
        out.square().sum().backward()
        return out, greater, x.grad

    results = []
    for f in (step, gt.compile(step)):
        results.append([t.tolist() for t in f(leaf(gt, 2.0, -3.0), gt.tensor([0.5, 4.0]))])
    assert results[0] == results[1]


def doubled(lib: Any) -> Any:
    class Doubled(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    return Doubled


@BOTH
def test_an_input_that_is_changed_in_place(lib: Any) -> None:
    x = leaf(lib, 1.0, 3.0)
    y = x * x
    before = y[:1]
    z = doubled(lib).apply(y)
    assert z is y and y.tolist() == [2, 18]
    (z * lib.tensor([1.0, 10.0])).sum().backward(retain_graph=True)
    assert x.grad.tolist() == [4, 120]
    x.grad = None
    before.sum().backward()  # a view of what was changed has its history
    assert x.grad.tolist() == [4, 0]


@BOTH
def test_a_view_that_is_changed_in_place(lib: Any) -> None:
    x = leaf(lib, 1.0, 3.0, 5.0)
    y = x * x
    doubled(lib).apply(y[1:])
    assert y.tolist() == [1, 18, 50]
    y.sum().backward()
    assert x.grad.tolist() == [2, 12, 20]


@BOTH
def test_a_leaf_that_is_changed_in_place_is_refused(lib: Any) -> None:
    with pytest.raises(RuntimeError):
        doubled(lib).apply(leaf(lib, 1.0))
    assert doubled(lib).apply(lib.ones(2)).tolist() == [2, 2]


@BOTH
def test_what_is_changed_has_to_be_given_out(lib: Any) -> None:
    class Lost(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(RuntimeError, match="GT508: Lost marks an input" if lib is gt else "marked as dirty"):
        Lost.apply(leaf(lib, 1.0) * 1)


def test_changes_in_place_are_refused_in_a_program() -> None:
    with pytest.raises(TraceError, match=r"GT602.*mark_dirty\(\) of Doubled cannot be traced"):
        gt.compile(lambda x: doubled(gt).apply(x * 1).sum())(leaf(gt, 1.0))


@BOTH
def test_gradients_that_nobody_gave(lib: Any) -> None:
    seen = []

    class Two(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, materialize: bool) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            seen.append(None if b is None else b.tolist())
            return a * 2, None

    for materialize in (True, False):
        Two.apply(leaf(lib, 1.0), materialize)[0].sum().backward()
    assert seen == [[0.0], None]


@BOTH
def test_once_differentiable(lib: Any) -> None:
    class Square(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @lib.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * x * 2

    x, weight = leaf(lib, 3.0, -1.0), leaf(lib, 2.0, 5.0)
    Square.apply(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [6, -2])
    (g,) = lib.autograd.grad((Square.apply(x) * weight).sum(), x, create_graph=True)
    assert g.tolist() == [12, -10]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_a_forward_that_is_missing() -> None:
    class Empty(gt.autograd.Function):
        pass

    with pytest.raises(NotImplementedError, match="needs a static method forward"):
        Empty.apply(gt.ones(2))
    assert issubclass(AutogradError, RuntimeError)
