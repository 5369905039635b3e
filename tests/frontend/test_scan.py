"""gt.scan: eager against loops written out, compiled against eager, gradients against finite differences, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, ArgumentTypeError, ShapeError, TraceError
from graphtorch.frontend.control_flow import unbound
from graphtorch.frontend.tree import leaves, map_leaves
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Builder, Graph, rewrite
from graphtorch.ir.ops.common import lift
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.ops.reduce import reduce_sum
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, SIMPLIFY
from graphtorch.ir.text import parse_graph, print_graph
from graphtorch.ir.types import float64
from graphtorch.runtime import threads
from graphtorch.runtime.executable import Executable

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = threads.get_num_threads()
    yield
    gt.set_num_threads(before)


def normal(*shape: int, seed: int = 0) -> gt.Tensor:
    return gt.from_numpy(np.random.default_rng([seed, *shape]).standard_normal(shape))


def arrays(tree: Any) -> list[Array]:
    return [t.detach().numpy().copy() for t in leaves(tree) if t is not None]


def close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(arrays(found), arrays(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


class Cell(gt.nn.Module):
    """h' = tanh(x A + h B + b), and a y of another shape."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in (("a", (3, 7)), ("b", (7, 7)), ("bias", (7,))):
            setattr(self, name, gt.nn.Parameter(normal(*shape, seed=1) * 0.4))

    def forward(self, h: gt.Tensor, x: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        h = gt.tanh(x @ self.a + h @ self.b + self.bias)
        return h, h.sum(-1) * 2


def cell_by_numpy(cell: Cell, h: Array, x: Array, order: range) -> tuple[Array, Array]:
    a, b, bias = (p.detach().numpy() for p in (cell.a, cell.b, cell.bias))
    ys = np.zeros((len(x), *h.shape[:-1]))
    for t in order:
        h = np.tanh(x[t] @ a + h @ b + bias)
        ys[t] = h.sum(-1) * 2
    return h, ys


@pytest.mark.parametrize("length", [0, 1, 2, 17])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_cell_is_its_loop(length: int, reverse: bool, compiled: bool) -> None:
    cell, x, h = Cell(), normal(length, 5, 3), normal(5, 7)
    f = lambda h, x: gt.scan(cell, h, x, reverse=reverse)
    carry, ys = (gt.compile(f) if compiled else f)(h, x)
    order = range(length)[::-1] if reverse else range(length)
    wanted = cell_by_numpy(cell, h.numpy(), x.numpy(), order)
    for found, array in zip((carry, ys), wanted, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), array, rtol=1e-12, atol=1e-12)


def weighted(tree: Any) -> gt.Tensor:
    """A loss in which no two elements count alike."""
    total = gt.zeros((), dtype=gt.float64)
    for i, t in enumerate(t for t in leaves(tree) if t is not None and t.dtype.is_floating_point):
        total = total + (t * normal(*t.shape, seed=i + 5)).sum()
    return total


def nested(c: gt.Tensor, row: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
    """A scan over the columns of a slice, which reads the outer carry."""
    inner, each = gt.scan(lambda s, x: (s * 0.5 + x * c, s * x), c * 2, row, reverse=True)
    return gt.sin(inner), each


def dicts(carry: Any, x: Any) -> Any:
    """A tree of everything: counts, None, and a carry that moves on to another."""
    new = {"a": carry["b"], "b": (gt.sin(carry["a"]) + x["p"], None)[0], "n": carry["n"] + 1, "none": None}
    return new, [carry["a"] * x["q"], None, (carry["n"],)]


def test_the_gradient_of_the_slices_is_one_stack() -> None:
    x = normal(6, 3).requires_grad_()
    y = x * 2
    seen: list[Any] = []
    _, ys = gt.scan(lambda c, s: (seen.append(s) or c, s * s if len(seen) % 2 else s), normal(3), y)
    assert len({s.grad_fn for s in seen}) == 1 and seen[0].grad_fn.name == "unbind"
    ys.sum().backward()
    want = np.where(np.arange(6)[:, None] % 2, 2, 8 * x.detach().numpy())
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-12)
    (g,) = gt.autograd.grad(gt.scan(lambda c, s: (c + s**3, None), normal(3), x)[0].sum(), x, create_graph=True)
    np.testing.assert_allclose(gt.autograd.grad(g.sum(), x)[0].numpy(), 6 * x.detach().numpy(), rtol=1e-12)


def test_a_slice_follows_a_write_into_its_tensor() -> None:
    y = normal(4, 3).requires_grad_() * 1

    def combine(c: gt.Tensor, s: gt.Tensor) -> Any:
        return c + s, None

    parts = unbound(y)
    y.mul_(3)
    (g,) = gt.autograd.grad(sum(p.sum() for p in parts), y)
    np.testing.assert_array_equal(g.numpy(), np.ones((4, 3)))
    (g,) = gt.autograd.grad(gt.scan(combine, normal(3), y)[0].sum(), y)
    np.testing.assert_array_equal(g.numpy(), np.ones((4, 3)))


#: name -> (combine_fn, init, xs)
CASES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "nested": (nested, normal(2), normal(5, 3, 2)),
    "dicts": (
        dicts,
        {"a": normal(3), "b": normal(3, seed=1), "n": gt.tensor(2), "none": None},
        {"p": normal(6, 3), "q": normal(6, 3, seed=2)},
    ),
    "swap": (lambda c, x: ((c[1], c[0]), c[0] * x), (normal(3), normal(3, seed=1)), normal(5, 3)),
    "same twice": (lambda c, x: ((h := gt.tanh(c + x)), (h, h, c)), normal(3), normal(5, 3)),
    "carry not read": (lambda c, x: (x * 2, x.sum()), normal(3), normal(5, 3)),
    "carry as it is": (lambda c, x: (c, c * x), normal(3), normal(5, 3)),
    "no carry": (lambda c, x: (c, gt.exp(x)), None, normal(4, 3)),
    "no ys": (lambda c, x: (c * gt.cos(x), None), normal(3), normal(4, 3)),
    "numbers": (lambda c, x: (gt.sin(c) + x, c), normal()[()], normal(7)),
}


def function_of(name: str) -> tuple[Callable[..., Any], list[Any]]:
    combine, init, xs = CASES[name]
    return lambda init, xs: gt.scan(combine, init, xs), [init, xs]


@pytest.mark.parametrize("name", CASES)
def test_compiled_is_eager(name: str) -> None:
    f, args = function_of(name)
    compiled = gt.compile(f)
    for count in (1, 3):
        gt.set_num_threads(count)
        close(compiled(*args), f(*args))


def leaf_gradients(f: Callable[..., Any], args: list[Any]) -> list[gt.Tensor]:
    """The gradients of `weighted` results for all floating leaves of the arguments."""
    tensors = [t for t in leaves(args) if t is not None and t.dtype.is_floating_point]
    fresh = {id(t): t.detach().clone().requires_grad_() for t in tensors}
    loss = weighted(f(*map_leaves(lambda t: fresh.get(id(t), t), args)))
    loss.backward()
    return [gt.zeros_like(t) if t.grad is None else t.grad for t in fresh.values()]


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_finite_differences(name: str) -> None:
    f, args = function_of(name)
    tensors = [t for t in leaves(args) if t is not None and t.dtype.is_floating_point]
    with gt.no_grad():
        wanted = [differences(lambda: float(weighted(f(*args))), t.numpy()) for t in tensors]
    for found in (leaf_gradients(f, args), leaf_gradients(gt.compile(f), args)):
        for g, array in zip(found, wanted, strict=True):
            np.testing.assert_allclose(g.numpy(), array, rtol=1e-6, atol=1e-6)


def differences(loss: Callable[[], float], x: Array, step: float = 1e-6) -> Array:
    """Central differences of a loss that reads ``x`` anew."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        high = loss()
        x[i] = kept - step
        out[i], x[i] = (high - loss()) / (2 * step), kept
    return out


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 6])
def test_parameters_from_outside_get_gradients(length: int, reverse: bool) -> None:
    cell, x, h = Cell(), normal(length, 5, 3), normal(5, 7)

    def loss() -> gt.Tensor:
        return weighted(gt.scan(cell, h, x, reverse=reverse))

    def step() -> list[gt.Tensor]:
        loss().backward()
        found = [p.grad for p in cell.parameters()]
        for p in cell.parameters():
            p.grad = None
        return [gt.zeros_like(p) if g is None else g for g, p in zip(found, cell.parameters(), strict=True)]

    eager = step()
    for p, g in zip(cell.parameters(), eager, strict=True):
        np.testing.assert_allclose(g.numpy(), differences(lambda: float(loss()), p.detach().numpy()), atol=1e-6)
    compiled = gt.compile(step)
    for count in (1, 2, 8):
        gt.set_num_threads(count)
        close(compiled(), eager)


def test_a_compiled_call_joins_the_tape_of_an_eager_loop() -> None:
    cell, x, h = Cell(), normal(4, 5, 3), normal(5, 7).requires_grad_()
    f = lambda h, x: gt.scan(cell, h, x)
    wanted = leaf_gradients(f, [h, x])
    close(leaf_gradients(gt.compile(f), [h, x]), wanted)


def with_gradients(graph: Graph) -> Graph:
    """A loss of the results of a scan, its gradient, the square of that, and the gradient of the square."""
    out = rewrite(graph, lambda *_: None)
    with Builder(out) as b:
        losses = [reduce_sum(o * o, dims=tuple(range(o.type.ndim))) for o in out.outputs]
        one = lift(1.0, float64)
        first = b.bind(gradient, (*losses, *[one] * len(losses), out.params[0]), {"losses": len(losses)})[0]
        square = reduce_sum(first * first, dims=(0,))
        out.outputs = [square, *b.bind(gradient, (square, one, *out.params), {})]
    return out


@pytest.mark.parametrize("length", [0, 1, 4])
def test_gradients_of_gradients(length: int) -> None:
    """The second `gradient` goes through the backward scan, whose own carries it has to stack."""
    f = lambda c, x: gt.scan(lambda c, x: (gt.sin(c) * x, c * c), c, x, reverse=True)
    given = [normal(3), normal(length, 3)]
    graph, arrays_ = with_gradients(gt.trace(f, *given)), [t.numpy() for t in given]
    for passes in (SIMPLIFY, OPTIMIZE):
        ready = run_passes(graph, passes, verify_each=True)
        _, *found = evaluate(ready, arrays_)[0]
        for array, g in zip(arrays_, found, strict=True):
            wanted = differences(lambda: float(evaluate(ready, arrays_)[0][0]), array)
            np.testing.assert_allclose(g, wanted, rtol=1e-5, atol=1e-6)
    for a, b in zip(Executable(ready).run(arrays_), evaluate(ready, arrays_)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_what_a_body_reads_of_its_trace_is_an_operand() -> None:
    w = normal(3).requires_grad_()

    def f(x: gt.Tensor, scale: gt.Tensor) -> Any:
        outside = gt.exp(w) * scale
        with gt.no_grad():
            frozen = w * 2
        loss = weighted(gt.scan(lambda c, x: (c * outside + x * frozen, c + w), gt.zeros(3, dtype=gt.float64), x))
        loss.backward()
        g, w.grad = w.grad, None
        return loss, g

    args = normal(5, 3), normal(3, seed=3)
    close(gt.compile(f)(*args), f(*args))


def test_no_grad_in_a_body_cuts_there_alone() -> None:
    def step(c: gt.Tensor, x: gt.Tensor) -> Any:
        with gt.no_grad():
            k = c * 3
        return gt.sin(c) + k * x, k

    f = lambda c, x: gt.scan(step, c, x)
    args = [normal(3), normal(5, 3)]
    close(leaf_gradients(gt.compile(f), args), leaf_gradients(f, args))


def test_slices_along_another_dimension_of_strided_operands() -> None:
    x = normal(7, 5, 3).permute(2, 0, 1)
    f = lambda c, x: gt.scan(lambda c, x: (c + x, c * x), c, x, dim=-1)
    c = normal(7, 3).t()
    wanted_c, ys = c.numpy(), []
    for t in range(5):
        ys.append(wanted_c * x.numpy()[..., t])
        wanted_c = wanted_c + x.numpy()[..., t]
    for g in (f, gt.compile(f)):
        carry, y = g(c, x)
        np.testing.assert_allclose(carry.numpy(), wanted_c, rtol=1e-12)
        np.testing.assert_allclose(y.numpy(), np.stack(ys), rtol=1e-12)


def test_nan_stays_where_it_came() -> None:
    x = normal(4, 3)
    x[2, 1] = float("nan")
    f = lambda c, x: gt.scan(lambda c, x: (c + x, gt.relu(x)), c, x)
    carry, ys = gt.compile(f)(gt.zeros(3, dtype=gt.float64), x)
    assert np.isnan(carry.numpy()).tolist() == [False, True, False]
    assert np.argwhere(np.isnan(ys.numpy())).tolist() == [[2, 1]]


def test_empty_elements() -> None:
    f = lambda c, x: gt.scan(lambda c, x: (c + x, c), c, x)
    carry, ys = gt.compile(f)(normal(0, 3), normal(4, 0, 3))
    assert (tuple(carry.shape), tuple(ys.shape)) == ((0, 3), (4, 0, 3))


def test_a_training_step_with_an_optimizer_and_state() -> None:
    def trained(compiled: bool) -> list[Array]:
        cell, x, hidden = Cell(), normal(6, 5, 3), gt.zeros(5, 7, dtype=gt.float64)
        optimizer = gt.optim.Adam(cell.parameters(), lr=0.05)

        def step(x: gt.Tensor) -> gt.Tensor:
            optimizer.zero_grad()
            h, ys = gt.scan(cell, hidden, x)
            loss = (ys**2).mean() + h.sum()
            loss.backward()
            optimizer.step()
            with gt.no_grad():
                hidden.copy_(h.detach())  # a last carry that becomes state
            return loss

        run = gt.compile(step) if compiled else step
        losses = [run(x) for _ in range(4)]
        return arrays([losses, hidden, *cell.parameters()])

    for found, wanted in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_the_graph_has_one_body_whatever_the_length() -> None:
    graphs = [gt.trace(lambda c, x: gt.scan(lambda c, x: (c + x, c), c, x), normal(3), normal(n, 3)) for n in (5, 500)]
    assert [len(g.nodes) for g in graphs] == [1, 1]
    assert len(graphs[0].nodes[0].body.nodes) == len(graphs[1].nodes[0].body.nodes) == 1


def test_golden(golden: Any) -> None:
    def f(w: gt.Tensor, c: gt.Tensor, x: gt.Tensor) -> Any:
        carry, ys = gt.scan(lambda c, x: ((h := gt.tanh(c * w + x)), h), c, x, reverse=True)
        loss = (ys * 2).sum()
        loss.backward()
        return loss, carry

    spec = lambda *shape: gt.TensorSpec(shape, gt.float32)
    graph = gt.trace(f, gt.TensorSpec((3,), gt.float32, requires_grad=True), spec(3), spec(4, 3))
    optimized = run_passes(graph, OPTIMIZE, verify_each=True)
    for g in (graph, optimized):
        assert parse_graph(print_graph(g)) == g
    golden("ir/scan.gt", print_graph(graph, locations=False) + print_graph(optimized, locations=False))


# ---- refusals ---------------------------------------------------------------------------------------


def both(f: Callable[..., Any], *args: Any) -> Iterator[Callable[[], Any]]:
    yield lambda: f(*args)
    yield lambda: gt.compile(f)(*args)


def refused(kind: type[Exception], match: str, combine: Callable[..., Any], init: Any, xs: Any, **more: Any) -> None:
    for call in both(lambda init, xs: gt.scan(combine, init, xs, **more), init, xs):
        with pytest.raises(kind, match=match) as error:
            call()
        assert "in scan: " in str(error.value)


def test_a_carry_keeps_its_type() -> None:
    refused(
        ShapeError,
        r"(?s)GT118 in scan: carry\[1\]\['h'\] changes its type.*test_scan.py:\d+ +for call in both.*"
        r"it was f64\[3\], and grows returns f64\[4\].*grows is defined at test_scan.py",
        grows, (normal(2), {"h": normal(3)}), normal(5, 4),
    )  # fmt: skip


def grows(carry: Any, x: gt.Tensor) -> Any:
    return (carry[0], {"h": x}), x


def test_a_carry_keeps_its_dtype() -> None:
    refused(ShapeError, r"it was i64\[\], and .* returns f64\[\]", lambda c, x: (c + x, x), gt.tensor(1), normal(3))


def test_a_carry_keeps_its_structure() -> None:
    refused(
        ShapeError,
        r"it was \(f64\[3\], None\), and .* returns \[f64\[3\], None\]",
        lambda c, x: ([*c], x),
        (normal(3), None),
        normal(2, 3),
    )


def test_a_step_returns_two() -> None:
    refused(
        ShapeError, r"(?s)returns a tuple of 3.*expected \(carry, y\)", lambda c, x: (c, x, x), normal(3), normal(2, 3)
    )
    refused(ShapeError, "returns Tensor", lambda c, x: c, normal(3), normal(2, 3))


def test_leaves_are_tensors() -> None:
    refused(ArgumentTypeError, "init holds float 1.0", lambda c, x: (c, x), (1.0,), normal(2, 3))
    refused(ArgumentTypeError, "xs holds int 3", lambda c, x: (c, x), None, [3])
    refused(
        ArgumentTypeError, "the y that combine_fn returns holds int 7", lambda c, x: (c, 7), normal(3), normal(2, 3)
    )


def test_xs_have_slices() -> None:
    refused(ArgumentError, "xs holds no tensor", lambda c, x: (c, c), normal(3), None)
    refused(ShapeError, "different numbers of slices", lambda c, x: (c, c), normal(3), (normal(2, 3), normal(4, 3)))
    refused(ShapeError, "no dimensions", lambda c, x: (c, c), normal(3), normal())
    refused(IndexError, "dim=2", lambda c, x: (c, c), normal(3), normal(2, 3), dim=2)


def refused_in_a_trace(match: str, combine: Callable[..., Any]) -> None:
    with pytest.raises(TraceError, match=f"GT616 in scan: .*{match}"):
        gt.compile(lambda c, x: gt.scan(combine, c, x))(normal(3), normal(2, 3))


def test_writes_in_a_body() -> None:
    outside = normal(3)

    def changes(target: Callable[[Any], gt.Tensor]) -> Callable[..., Any]:
        def step(c: gt.Tensor, x: gt.Tensor) -> Any:
            target((c, x)).add_(1.0)
            return c + x, x

        return step

    for target in (lambda _: outside, lambda cx: cx[0], lambda cx: cx[1]):
        refused_in_a_trace("is written in place", changes(target))
    refused_in_a_trace("is written in place", lambda c, x: (c + gt.rand(3, dtype=gt.float64), x))

    def own(c: gt.Tensor, x: gt.Tensor) -> Any:
        made = c * 2
        made += x
        return made, made

    f = lambda c, x: gt.scan(own, c, x)
    close(gt.compile(f)(normal(3), normal(4, 3)), f(normal(3), normal(4, 3)))

    def uses(c: gt.Tensor, x: gt.Tensor) -> Any:
        held: list[gt.Tensor] = []

        def step(c: gt.Tensor, x: gt.Tensor) -> Any:
            held.append(c + x)
            return c, x

        return gt.scan(step, c, x), held[0] * 2

    with pytest.raises(TraceError, match="GT616 in scan: a tensor that was made there is used outside of it"):
        gt.compile(uses)(normal(3), normal(2, 3))


def test_gradients_in_a_body() -> None:
    w = normal(3).requires_grad_()

    def backward(c: gt.Tensor, x: gt.Tensor) -> Any:
        (w * x).sum().backward()
        return c, x

    refused_in_a_trace(r"backward\(\) is called", backward)
    refused_in_a_trace("requires_grad of a tensor is changed", lambda c, x: (c, x.detach().requires_grad_()))
