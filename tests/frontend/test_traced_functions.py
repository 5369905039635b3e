"""autograd.Function inside of compiled functions: its backward is a part of the program, or of that of an eager loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.autograd import Function
from graphtorch.errors import AutogradError, ShapeError, TraceError
from graphtorch.ir.text import parse_graph


class Cube(Function):
    """x^3 w, with half its gradient, so that nobody could have guessed it; and |x|, and the signs."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, power: int) -> Any:
        ctx.power = power
        y, size, signs = x**power * w, x.abs(), x > 0
        ctx.save_for_backward(x, w, y)
        ctx.mark_non_differentiable(signs)
        return y, size, signs

    @staticmethod
    def backward(ctx: Any, gy: Any, gs: Any, _: Any) -> Any:
        x, _w, y = ctx.saved_tensors
        gx = gy * y * ctx.power / x / 2 + gs * x.sign()
        return gx, (gy * x**ctx.power / 2 if ctx.needs_input_grad[1] else None), None


class Through(Function):
    """Rounding, whose gradient passes."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


def _tensors(*needs: bool) -> list[Any]:
    rng = np.random.default_rng(5)
    made = [gt.from_numpy((0.3 + rng.random(shape)).astype(np.float32)) for shape in ((2, 3), (2, 3))]
    return [t.requires_grad_() if need else t for t, need in zip(made, needs, strict=True)]


def same(f: Any, *needs: bool, backward: bool = True) -> None:
    """``f(x, w)`` gives a scalar: the same eager and compiled, with backward inside and outside."""
    results = []
    for wrap, inside in ((lambda f: f, False), (gt.compile, False), (gt.compile, True)):
        x, w = _tensors(*needs)

        def step(x: Any, w: Any, inside: bool = inside) -> Any:
            out = f(x, w)
            if inside:
                out.backward()
            return out

        out = wrap(step)(x, w)
        if not inside:
            out.backward()
        results.append([None if t is None else t.detach().numpy() for t in (out, x.grad, w.grad)])
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-5)


def _loss(x: Any, w: Any) -> Any:
    y, size, signs = Cube.apply(x.exp(), w, 3)
    return (y * 2 + size.sin() + signs).sum()


@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True)], ids=str)
def test_compiled_as_eager(needs: tuple[bool, bool]) -> None:
    same(_loss, *needs)


def test_one_output_alone_is_used() -> None:
    same(lambda x, w: Cube.apply(x, w, 3)[1].sum() + w.sum(), True, True)


def test_gradients_of_its_gradients() -> None:
    def penalty(x: Any, w: Any) -> Any:
        (g,) = gt.autograd.grad(_loss(x, w), [x], create_graph=True)
        return g.square().sum()

    same(penalty, True, True)


def test_straight_through() -> None:
    same(lambda x, w: (Through.apply(x * 5) * w).sum(), True, True)
    same(lambda x, w: Through.apply(Through.apply(x * 5) * w).sum(), True, True)


def test_in_a_compiled_module_of_an_eager_loop() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            return Through.apply(self.lin(x) * 3)

    def run(wrap: Any) -> list[Any]:
        gt.manual_seed(1)
        net = Net()
        called, x = wrap(net), gt.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3)).requires_grad_()
        called(x).square().sum().backward()
        return [x.grad.numpy(), net.lin.weight.grad.numpy(), net.lin.bias.grad.numpy()]

    for a, b in zip(run(gt.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_saved_parameter_gets_no_gradient_by_being_saved() -> None:
    w = gt.ones(3, requires_grad=True)

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(w)
            return x * w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    def step(x: Any) -> Any:
        Scaled.apply(x).sum().backward()
        return x * 1

    for wrap in (lambda f: f, gt.compile):
        x = gt.full((3,), 2.0, requires_grad=True)
        wrap(step)(x)
        assert x.grad.tolist() == [1.0] * 3
        assert w.grad is None


def test_nothing_is_traced_where_nothing_is_recorded() -> None:
    class Never(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise RuntimeError("backward is not asked for")

    f = gt.compile(Never.apply)
    assert f(gt.ones(2)).tolist() == [2.0, 2.0]
    with gt.no_grad():
        assert f(gt.ones(2, requires_grad=True)).tolist() == [2.0, 2.0]


def test_what_backward_reads_is_guarded() -> None:
    factor = [2.0]

    class Scaled(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * factor[0]

    f = gt.compile(lambda x: Scaled.apply(x).sum())
    for wanted in (2.0, 5.0, 2.0):
        factor[0] = wanted
        x = gt.ones(2, requires_grad=True)
        f(x).backward()
        assert x.grad.tolist() == [wanted] * 2


def test_the_text_is_read_back() -> None:
    graph = gt.trace(_loss, *_tensors(True, True))
    assert "custom_gradient" in str(graph)
    assert parse_graph(str(graph)) == graph


def test_what_cannot_be_traced_is_refused() -> None:
    class Numbers(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return gt.from_numpy(g.numpy() * 2)

    with pytest.raises(TraceError, match=r"(?s)GT602: the backward of Numbers cannot be traced.*g\.numpy\(\)"):
        gt.compile(Numbers.apply)(gt.ones(2, requires_grad=True))

    class Sparse(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return a

    with pytest.raises(TraceError, match=r"GT602: the backward of Sparse.*set_materialize_grads\(False\)"):
        gt.compile(Sparse.apply)(gt.ones(2, requires_grad=True))


def test_in_a_scan_it_is_refused() -> None:
    def f(x: Any) -> Any:
        return gt.scan(lambda c, x: (c, Through.apply(c * x)), x, gt.ones(4, 3))[1].sum()

    with pytest.raises(TraceError, match=r"GT616.*Through.apply\(\)"):
        gt.compile(f)(gt.ones(3, requires_grad=True))


def test_gradients_that_do_not_fit() -> None:
    def of(result: Any) -> Any:
        class Wrong(Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 2

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return result(g)

        return gt.compile(lambda x: Wrong.apply(x))

    x = gt.ones(2, requires_grad=True)
    with pytest.raises(AutogradError, match="GT508: backward of Wrong gave 2 gradients"):
        of(lambda g: (g, g))(x)
    with pytest.raises(ShapeError, match="GT103: backward of Wrong gave a gradient of another shape for argument 0"):
        of(lambda g: g.sum())(x)
    with pytest.raises(AutogradError, match="GT508: backward of Wrong gave float for argument 0"):
        of(lambda g: 1.0)(x)
