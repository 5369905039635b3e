"""Tensors that a program captured and that changed since: what requires gradients, what is a leaf, shapes, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import ArgumentError, AutogradError, TraceError
from graphtorch.testing import assert_close


def close(a: Any, b: Any) -> None:
    assert_close(a, b, rtol=1e-5, atol=1e-6)


def both(make: Callable[[Callable[[Any], Any]], Any]) -> None:
    """``make(wrap)`` gives the same with and without compilation."""
    close(make(gt.compile), make(lambda f: f))


# ---- what requires gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("first", [False, True])
def test_freezing_and_unfreezing_reach_a_compiled_step(first: bool) -> None:
    def run(wrap: Any) -> Any:
        gt.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        optimizer = optim.SGD(net.parameters(), lr=0.1)

        def step(x: gt.Tensor) -> gt.Tensor:
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step, seen = wrap(step), []
        for needed in (first, not first, first):
            net[0].requires_grad_(needed)
            for _ in range(2):
                step(gt.ones(5, 3))
            seen.append([p.detach().clone() for p in net.parameters()])
            seen.append([p.grad is None for p in net.parameters()])
        return seen

    both(run)


def test_freezing_reaches_a_compiled_module_in_an_eager_loop() -> None:
    def run(wrap: Any) -> Any:
        gt.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        f, seen = wrap(net), []
        for needed in (True, False, True):
            net[0].requires_grad_(needed)
            net.zero_grad()
            f(gt.ones(5, 3)).sum().backward()
            seen.append([None if p.grad is None else p.grad.clone() for p in net.parameters()])
        return seen

    both(run)


def test_tensors_of_a_closure_that_come_to_require_gradients() -> None:
    def run(wrap: Any) -> Any:
        t = gt.ones(3)
        f = wrap(lambda x: x * t)
        out = [f(gt.full((3,), 2.0)).requires_grad]
        t.requires_grad_()
        f(gt.full((3,), 2.0)).sum().backward()
        return [*out, t.grad]

    both(run)


def test_a_captured_tensor_that_an_eager_write_made_a_result() -> None:
    def run(wrap: Any) -> Any:
        t, w = gt.ones(3), gt.full((3,), 2.0, requires_grad=True)
        f = wrap(lambda x: x * t)
        f(gt.ones(3))
        t.add_(w)
        f(gt.ones(3)).sum().backward()
        return w.grad

    both(run)


def test_python_that_looks_at_requires_grad() -> None:
    def run(wrap: Any) -> Any:
        t = gt.ones(3)
        f, out = wrap(lambda x: x * (2 if t.requires_grad else 3)), []
        for needed in (False, True, False):
            t.requires_grad_(needed)
            out.append(f(gt.ones(3)).detach())
        return out

    both(run)


def test_python_that_looks_at_shapes_and_dtypes() -> None:
    def run(wrap: Any) -> Any:
        t = gt.ones(3)
        f = wrap(lambda x: x * t.shape[0] + (1 if t.dtype == gt.float32 else 2))
        out = [f(gt.ones(2))]
        t.data = gt.ones(7)
        out.append(f(gt.ones(2)))
        t.data = gt.ones(7).double()
        return [*out, f(gt.ones(2))]

    both(run)


def test_captured_data_of_another_shape_is_another_program() -> None:
    t = gt.ones(3)
    f = gt.compile(lambda: t * 2)
    f()
    t.data = gt.ones(5)
    close(f(), gt.full((5,), 2.0))
    t.data = gt.ones(3)
    f()
    assert len(f.stats) == 2
    assert "the type or the device of f32[3]" in f.stats[1].reason


def test_requires_grad_cannot_be_switched_inside() -> None:
    t, x = gt.ones(3), gt.ones(3)
    for f in (lambda x: x * t.requires_grad_(), lambda x: x.requires_grad_() * 2):
        with pytest.raises(TraceError, match=r"GT610: requires_grad of a tensor from outside, f32\[3\]"):
            gt.compile(f)(x)
    assert not t.requires_grad
    close(gt.compile(lambda x: (x * 2).requires_grad_() * gt.ones(3).requires_grad_())(x).detach(), gt.full((3,), 2.0))
    a = np.ones(3, np.float32)
    close(gt.compile(lambda x: x * gt.from_numpy(a).requires_grad_())(x).detach(), gt.ones(3))


def test_data_cannot_be_replaced_inside() -> None:
    t, u = gt.ones(3), gt.zeros(3)

    def f(x: gt.Tensor) -> gt.Tensor:
        t.data = u
        return x * t

    with pytest.raises(TraceError, match="GT602"):
        gt.compile(f)(gt.ones(3))
    close(t, gt.ones(3))


# ---- memory ---------------------------------------------------------------------------------------------


def test_a_written_argument_that_is_a_captured_tensor() -> None:
    st = gt.ones(3)

    def f(x: gt.Tensor) -> gt.Tensor:
        x += 1
        return x + st

    g = gt.compile(f)
    close(g(gt.zeros(3)), gt.full((3,), 2.0))
    with pytest.raises(
        TraceError, match=r"GT607: argument 0, which the program writes in place, shares memory with c0"
    ):
        g(st)
    close(st, gt.ones(3))


@pytest.mark.parametrize("part", [lambda a: (a, a), lambda a: (a[:3], a[1:]), lambda a: (a[:2], a.reshape(2, 2)[0])])
def test_arguments_over_one_array(part: Any) -> None:
    def f(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        x += 1
        return x * 10 + y

    a, b = part(np.zeros(4, np.float32))
    with pytest.raises(TraceError, match="GT607: arguments share memory"):
        gt.compile(f)(gt.from_numpy(a), gt.from_numpy(b))
    close(gt.compile(lambda x, y: x + y)(gt.from_numpy(a), gt.from_numpy(b)), gt.from_numpy(a + b))


def test_disjoint_views_are_not_refused() -> None:
    def f(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        x += 1
        return x * 10 + y

    for part in (lambda b: (b[:2], b[2:]), lambda b: (b[:, 0], b[:, 1])):
        base = gt.zeros(4, 2)
        x, y = part(base)
        close(gt.compile(f)(x, y), gt.full(tuple(x.shape), 10.0))
        close((x, y), (x * 0 + 1, y * 0))
        close(base.sum(), gt.tensor(4.0))


def test_one_tensor_given_twice_is_one_tensor() -> None:
    def run(wrap: Any) -> Any:
        def f(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
            x += 1
            return x * 10 + y

        f, x = wrap(f), gt.zeros(3)
        return [f(x, gt.zeros(3)), f(x, x), f(gt.zeros(3), x), x]

    both(run)


def test_captured_tensors_over_one_array() -> None:
    def run(wrap: Any) -> Any:
        a = np.zeros(3, np.float32)
        s, t = gt.from_numpy(a), gt.from_numpy(a)

        def f() -> gt.Tensor:
            s.add_(1)
            return t * 10 + s

        f = wrap(f)
        return [f(), f(), gt.from_numpy(s.numpy()) + 0]

    both(run)


def test_captured_tensors_that_overlap_are_refused() -> None:
    a = np.zeros(4, np.float32)
    s, t = gt.from_numpy(a[:3]), gt.from_numpy(a[1:])

    def f() -> gt.Tensor:
        s.add_(1)
        return t * 10

    with pytest.raises(TraceError, match=r"GT607: c0 f32\[3\] and c1 f32\[3\] share memory"):
        gt.compile(f)()
    close(gt.compile(lambda: s + t)(), s + t)
    apart = gt.from_numpy(a[:2]), gt.from_numpy(a[2:])
    close(gt.compile(lambda: apart[0].add_(1) + apart[1])(), gt.ones(2))


# ---- gradients of what was computed outside -------------------------------------------------------------


def test_backward_inside_never_reaches_outside() -> None:
    p = gt.ones(2, requires_grad=True)

    def f(x: gt.Tensor) -> None:
        (x * 3).sum().backward()

    with pytest.raises(AutogradError, match=r"GT510: backward.. inside of a compiled function reaches argument 0"):
        gt.compile(f)(p * 2)
    h = p * 3
    with pytest.raises(AutogradError, match=r"GT510: .* reaches a tensor of the outside"):
        gt.compile(lambda x: (x * h).sum().backward())(gt.ones(2))
    with pytest.raises(AutogradError, match="GT510"):
        gt.compile(lambda loss: loss.backward())(h.sum())
    assert p.grad is None
    gt.compile(f)(p)
    close(p.grad, gt.full((2,), 3.0))


def test_a_captured_result_joins_eager_autograd() -> None:
    def run(wrap: Any) -> Any:
        q = gt.full((2,), 2.0, requires_grad=True)
        h = q * 3
        out = wrap(lambda x: x * h * h)(gt.ones(2))
        out.sum().backward()
        return q.grad, h.grad is None, out.detach()

    both(run)


def test_writes_do_not_change_the_history_of_arguments() -> None:
    w = gt.ones(2, requires_grad=True)

    def add(x: gt.Tensor) -> gt.Tensor:
        x += w
        return x * 2

    def overwrite(x: gt.Tensor) -> gt.Tensor:
        x.copy_(gt.ones(2))
        return x * 2

    for f, x in ((add, gt.ones(2)), (overwrite, w * 2)):
        with pytest.raises(AutogradError, match="GT509: state and arguments cannot take a value"):
            gt.compile(f)(x)


def test_the_gradient_of_an_argument_is_read_inside() -> None:
    def run(wrap: Any) -> Any:
        f = wrap(lambda x: x.detach() * (2 if x.grad is None else 3))
        x = gt.ones(2, requires_grad=True)
        out = [f(x)]
        x.sum().backward()
        return [*out, f(x), f(gt.ones(2, requires_grad=True))]

    both(run)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_the_gradient_of_an_argument_accumulates_inside(before: bool, clear: bool) -> None:
    def run(wrap: Any) -> Any:
        def f(x: gt.Tensor) -> Any:
            if clear and x.grad is not None:
                x.grad.zero_()
            (x * 2).sum().backward()
            first = x.grad
            (x * x).sum().backward()
            return first, x.grad

        f, x = wrap(f), gt.ones(2, requires_grad=True)
        if before:
            (x * 5).sum().backward()
        return [f(x), f(x), x.grad]

    both(run)


def test_a_gradient_written_in_place_is_the_same_tensor() -> None:
    x = gt.ones(2, requires_grad=True)
    (x * 5).sum().backward()
    grad = x.grad
    gt.compile(lambda x: x.grad.mul_(2) * 1)(x)
    assert x.grad is grad
    close(grad, gt.full((2,), 10.0))


def test_a_second_backward_inside_is_an_error() -> None:
    w = gt.ones(2, requires_grad=True)

    def twice(keep: bool, x: gt.Tensor) -> None:
        loss = (x * w * w).sum()
        loss.backward(retain_graph=keep)
        loss.backward()

    for wrap in (lambda f: f, gt.compile):
        w.grad = None
        with pytest.raises(AutogradError, match="GT501: the saved tensors of mul were freed"):
            wrap(twice)(False, gt.ones(2))
        wrap(twice)(True, gt.ones(2))

    def apart(x: gt.Tensor) -> Any:
        shared = x * 3
        (shared * w).sum().backward()
        (shared * w).sum().backward()
        (w + w).sum().backward()
        return w.grad

    w.grad = None
    want = apart(gt.ones(2))
    w.grad = None
    close(gt.compile(apart)(gt.ones(2)), want)


# ---- TensorSpec -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2.5, 2),), "GT301: shape must be an int, got float 2.5"),
        (((None, 2),), "GT301: shape must be an int, got NoneType None"),
        ((3,), "GT301: shape must be a sequence of ints, got int 3"),
        (((-1, 2),), r"GT304: shape=\[-1, 2\] is not allowed"),
        (((2,), "float32"), "GT301: dtype must be a dtype, got str 'float32'"),
    ],
)
def test_a_spec_is_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        gt.TensorSpec(*arguments)


def test_a_spec_takes_any_sequence_of_ints() -> None:
    assert gt.TensorSpec([np.int64(2), 3]).shape == (2, 3)
    assert gt.TensorSpec(gt.zeros(2, 3).shape).type == gt.zeros(2, 3).aval
