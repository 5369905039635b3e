"""gt.cond and gt.while_loop: eager against Python, compiled against eager, gradients, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentTypeError, AutogradError, ShapeError, TraceError
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.text import parse_graph, print_graph
from graphtorch.runtime import threads
from tests.frontend.test_scan import close, differences, leaf_gradients, normal, weighted


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = threads.get_num_threads()
    yield
    gt.set_num_threads(before)


w = normal(3, seed=4)

CONDS: dict[str, Callable[..., Any]] = {
    "plain": lambda p, x, y: gt.cond(p, lambda x, y: x * y, lambda x, y: gt.sin(x) - y, (x, y)),
    "as they are": lambda p, x, y: gt.cond(p, lambda x, y: (x, y), lambda x, y: (y, x), (x, y)),
    "the same": lambda p, x, y: gt.cond(p, lambda x, y: x + y, lambda x, y: x + y, (x, y)),
    "captured": lambda p, x, y: gt.cond(p, lambda: {"a": x * w, "n": None}, lambda: {"a": gt.exp(y), "n": None}),
    "nested": lambda p, x, y: gt.cond(
        p, lambda x: gt.cond(x.sum() > 0, lambda: x * y, lambda: x * 3), lambda x: gt.cos(x), (x,)
    ),
    "around a scan": lambda p, x, y: gt.cond(
        p, lambda: gt.scan(lambda c, e: (c * e, c), x, gt.stack([y, x])), lambda: (y * 2, gt.stack([x, x]))
    ),
    "in a scan": lambda p, x, y: gt.scan(
        lambda c, e: (gt.cond(gt.logical_and(p, e[0] > 0), lambda: gt.tanh(c * e), lambda: c - e * y), c),
        x, gt.stack([y, -x, x, -y, y * 2]),
    ),
    "one result unread": lambda p, x, y: gt.cond(p, lambda: (x * y, x), lambda: (x - y, y * 2))[1],
    "nan in the other": lambda p, x, y: gt.cond(p, lambda: x * 2, lambda: gt.sqrt(x - x) * y),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDS)
def test_compiled_is_eager(name: str) -> None:
    f, compiled = CONDS[name], gt.compile(CONDS[name])
    for count in (1, 3):
        gt.set_num_threads(count)
        for seed in (0, 1):
            x, y = normal(3, seed=seed), normal(3, seed=seed + 2)
            for pred in (True, False, True):
                close(compiled(gt.tensor(pred), x, y), f(gt.tensor(pred), x, y))


@pytest.mark.parametrize("pred", [True, False])
@pytest.mark.parametrize("name", CONDS)
def test_gradients(name: str, pred: bool) -> None:
    f, x, y = CONDS[name], normal(3), normal(3, seed=2)
    g = lambda x, y: f(gt.tensor(pred), x, y)
    found = leaf_gradients(gt.compile(f), [gt.tensor(pred), x, y])
    close(found, leaf_gradients(g, [x, y]))
    if pred or name != "nan in the other":
        for array, got in zip((x.numpy(), y.numpy()), found, strict=True):
            wanted = differences(lambda: float(weighted(g(x, y))), array)
            np.testing.assert_allclose(got.numpy(), wanted, atol=1e-6)


def test_the_branch_that_is_not_taken_leaves_no_nan() -> None:
    """Its gradient is no number, and does not reach the sum, as it would by way of where()."""
    found = leaf_gradients(gt.compile(CONDS["nan in the other"]), [gt.tensor(True), normal(3), normal(3, seed=2)])
    assert all(np.isfinite(g.numpy()).all() for g in found)


def test_large_branches_between_loops_that_threads_share() -> None:
    a = normal(96, 96) * 0.1

    def f(x: gt.Tensor) -> Any:
        def step(c: gt.Tensor, x: gt.Tensor) -> Any:
            c = gt.tanh(c @ a + x)
            c = gt.cond(c.sum() > 0, lambda: c @ a - 1.0, lambda: gt.softmax(c, -1) + 0.1)
            return c, c.sum(0)

        return gt.scan(step, x[0], x)

    x = normal(40, 300, 96)
    compiled = gt.compile(f)
    gt.set_num_threads(1)
    wanted = compiled(x)
    close(wanted, f(x), 1e-9)
    for count in (2, 3, 5, 8):
        gt.set_num_threads(count)
        for _ in range(5):
            for found, alone in zip(compiled(x), wanted, strict=True):
                np.testing.assert_array_equal(found.numpy(), alone.numpy())


def collatz(n: gt.Tensor, steps: gt.Tensor) -> Any:
    def step(n: gt.Tensor, s: gt.Tensor) -> Any:
        half = n * 0.5
        return gt.where(half.to(gt.int64).to(gt.float64) == half, half, 3 * n + 1), s + 1

    return gt.while_loop(lambda n, _: n != 1, step, (n, steps))


@pytest.mark.parametrize(("start", "steps"), [(1, 0), (2, 1), (27, 111), (97, 118)])
def test_a_loop_that_tests_before_each_step(start: int, steps: int) -> None:
    for f in (collatz, gt.compile(collatz)):
        last, counted = f(gt.tensor(float(start), dtype=gt.float64), gt.tensor(0))
        assert (int(last), int(counted)) == (1, steps)


def newton(x: gt.Tensor, scale: gt.Tensor) -> Any:
    """A while loop over arrays, in trees, with a tensor from outside."""

    def step(carry: dict[str, Any], n: gt.Tensor) -> Any:
        r = carry["r"]
        return {"r": r - (r * r - x) / (2 * r), "none": None}, n + 1

    go = lambda carry, n: gt.logical_and(((carry["r"] * carry["r"] - x) ** 2).sum() > 1e-18 * scale, n < 50)
    return gt.while_loop(go, step, ({"r": x + 1, "none": None}, gt.tensor(0)))


def test_arrays_in_a_while_loop() -> None:
    compiled = gt.compile(newton)
    for count in (1, 3):
        gt.set_num_threads(count)
        for seed in range(3):
            x = normal(5, 7, seed=seed) ** 2 + 0.1
            carry, n = compiled(x, gt.tensor(1.0, dtype=gt.float64))
            np.testing.assert_allclose(carry["r"].numpy(), np.sqrt(x.numpy()), rtol=1e-8)
            assert carry["none"] is None
            close((carry, n), newton(x, gt.tensor(1.0, dtype=gt.float64)))


def test_a_while_loop_in_a_scan() -> None:
    f = lambda x: gt.scan(lambda c, n: collatz(n, c)[::-1], gt.tensor(0), x)
    x = gt.tensor([7.0, 1.0, 27.0, 6.0], dtype=gt.float64)
    for count in (1, 4):
        gt.set_num_threads(count)
        carry, ys = gt.compile(f)(x)
        assert int(carry) == 16 + 0 + 111 + 8
        assert ys.tolist() == [1, 1, 1, 1]


def test_a_while_loop_has_no_gradient_compiled() -> None:
    x = normal(3).requires_grad_()

    def f() -> Any:
        (c,) = gt.while_loop(lambda c: c.sum() < 10.0, lambda c: (c + x * x,), (x,))
        c.sum().backward()
        return x.grad

    with pytest.raises(AutogradError, match=r"(?s)GT508: while_loop has no gradient rule.*gt.while_loop\(lambda c"):
        gt.compile(f)()


def test_golden(golden: Any) -> None:
    def f(p: gt.Tensor, x: gt.Tensor) -> Any:
        y = gt.cond(p, lambda: x * 2, lambda: x)
        return gt.while_loop(lambda c: c.sum() > 1.0, lambda c: (c * 0.5,), (y,))

    graph = gt.trace(f, gt.TensorSpec((), gt.bool), gt.TensorSpec((3,)))
    optimized = run_passes(graph, OPTIMIZE, verify_each=True)
    for g in (graph, optimized):
        assert parse_graph(print_graph(g)) == g
        x = np.array([0.5, 2.0, 4.0], np.float32)
        np.testing.assert_allclose(evaluate(g, [np.array(True), x])[0][0], x * 2 / 16)
    golden("ir/branches.gt", print_graph(graph, locations=False) + print_graph(optimized, locations=False))


# ---- refusals ---------------------------------------------------------------------------------------


def refused(kind: type[Exception], match: str, f: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(kind, match=match):
        f(*args)


def test_branches_agree() -> None:
    f = lambda t, e: gt.compile(lambda p, x: gt.cond(p, t, e, (x,)))
    p, x = gt.tensor(True), normal(3)
    match = r"(?s)GT118 in cond: .*differs in its type.*true_fn gives f64\[3\], and false_fn gives f32\[3\]"
    refused(ShapeError, match, f(lambda x: x, lambda x: x.float()), p, x)
    refused(
        ShapeError,
        r"(?s)differs in its structure.*true_fn gives f64\[3\], and false_fn gives \(f64\[3\],\)",
        f(lambda x: x, lambda x: (x,)),
        p,
        x,
    )


@pytest.mark.parametrize("wrap", [lambda f: f, gt.compile])
def test_arguments(wrap: Callable[..., Any]) -> None:
    p, x = gt.tensor(True), normal(3)
    call = wrap(lambda p, o: gt.cond(p, lambda x: x, lambda x: x, o))
    refused(ArgumentTypeError, "operands must be a tuple or a list, got Tensor", call, p, x)
    refused(ArgumentTypeError, "operands holds float 1.0", call, p, (1.0,))
    refused(ShapeError, "pred has one element", call, x, (x,))
    refused(ArgumentTypeError, "pred must be a bool or a bool tensor, got str", call, "yes", (x,))
    assert call(True, (x,)).tolist() == x.tolist()
    loop = wrap(lambda c: gt.while_loop(lambda c: c.sum() < 9.0, lambda c: (c.float(),), c))
    refused(ArgumentTypeError, "carried_inputs must be a tuple or list, got Tensor", loop, x)
    refused(ShapeError, r"(?s)carry\[0\] changes its type.*it was f64\[3\], and <lambda> returns f32\[3\]", loop, (x,))
    refused(
        ShapeError,
        "body_fn returns float",
        wrap(lambda c: gt.while_loop(lambda c: c.sum() < 9.0, lambda c: 1.0, (c,))),
        x,
    )


def test_the_test_of_a_trace_is_a_tensor() -> None:
    loop = gt.compile(lambda c: gt.while_loop(lambda c: True, lambda c: (c,), (c,)))
    refused(ShapeError, "(?s)cond_fn returns a bool tensor of one element.*got bool", loop, normal(3))


def test_writes_in_a_branch() -> None:
    outside = normal(3)

    def f(p: gt.Tensor, x: gt.Tensor) -> gt.Tensor:
        return gt.cond(p, lambda: outside.add_(x), lambda: x)

    refused(TraceError, "GT616 in cond: .*is written in place", gt.compile(f), gt.tensor(True), normal(3))
