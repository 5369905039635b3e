"""Rows that are reduced several times by one kernel: against eager in float64, over odd sizes, both dtypes, nan and inf."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.codegen.emit_llvm import scratch_bytes
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.lower import lower_node
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.rows import Rows
from graphtorch.ir.text import parse_graph
from graphtorch.runtime import entry, executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.test_contract import HOST, poisoned, threads

__all__ = ["threads"]  # a fixture
F = nn.functional
Shape = tuple[int, ...]


def layer_norm(x: Any, dims: Any = -1) -> Any:
    centered = x - x.mean(dims, True)
    return centered * gt.rsqrt((centered * centered).mean(dims, True) + 1e-5)


def batch_norm(x: Any) -> Any:
    c = x.shape[1]
    mean, var = gt.full((c,), 0.25, dtype=x.dtype), gt.full((c,), 2.0, dtype=x.dtype)
    return F.batch_norm(x, mean, var, training=True), mean, var


ROWS: dict[str, tuple[Callable[..., Any], list[Shape]]] = {
    "softmax": (lambda x: F.softmax(x, -1), [(7, 33), (1, 5), (5, 3, 17), (3, 130), (65, 1), (2, 1025)]),
    "log_softmax": (lambda x: F.log_softmax(x, -1), [(7, 33), (11, 8)]),
    "softmax over rows apart": (lambda x: F.softmax(x, 1), [(3, 7, 5), (2, 5, 17), (2, 16, 3, 11), (3, 40, 1)]),
    "softmax over all": (lambda x: F.softmax(x.reshape(-1), 0), [(17,), (5, 7)]),
    "softmax over the first": (lambda x: F.softmax(x, 0), [(5, 19), (33, 8)]),
    "layer norm": (layer_norm, [(7, 33), (2, 3, 64), (9, 5)]),
    "layer norm of two dims": (lambda x: layer_norm(x, (1, 2)), [(7, 3, 11), (2, 5, 16)]),
    "layer norm of dims apart": (lambda x: layer_norm(x, (0, 2)), [(7, 3, 11), (4, 5, 16)]),
    "batch norm": (batch_norm, [(3, 5, 7, 2), (17, 3), (2, 8, 4, 4)]),
    "what is found and what is made of it": (
        lambda x: (gt.amax(x, -1), x - gt.amax(x, -1, True), gt.argmax(x, -1)),
        [(7, 33), (5, 4)],
    ),
    "elements stored beside their sum": (lambda x: ((y := gt.exp(x * 0.5)), y.sum(-1), y.mean()), [(9, 13), (3, 8)]),
    "a function kept, and read at another element": (
        lambda x: ((e := gt.exp(x)).transpose(-1, -2) / e.sum(-1, True), F.softmax(gt.tanh(x).transpose(-1, -2), -1)),
        [(7, 7), (3, 11, 11)],
    ),
    "two functions kept": (
        lambda x: (a := gt.exp(x)) / a.sum(-1, True) + (b := gt.tanh(x)) * b.sum(-1, True),
        [(7, 33), (3, 9)],
    ),
    "a sum of what a sum made": (
        lambda x: (y := x - x.sum(-1, True) * 0.1, (z := y * y.sum(-1, True)) - z.amax(-1, True)),
        [(7, 33), (3, 9)],
    ),
}


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64], ids=str)
@pytest.mark.parametrize(("name", "shape"), [(n, s) for n, (_, shapes) in ROWS.items() for s in shapes])
def test_rows(name: str, shape: Shape, dtype: Any, threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    data = np.random.default_rng(3).standard_normal(shape)
    for special in (None, np.nan, np.inf, -np.inf):
        if special is not None:
            data.flat[data.size // 2] = special
        check(ROWS[name][0], data, dtype)


def check(function: Callable[..., Any], data: Any, dtype: Any) -> None:
    """Compiled against eager in float64, and bit for bit on 1 to 3 threads."""
    want = flat(function(gt.from_numpy(data.copy())))
    compiled = gt.compile(function)
    runs = []
    for count in (1, 2, 3):
        gt.set_num_threads(count)
        runs.append(flat(compiled(gt.from_numpy(data.astype(dtype.np)))))
    for number, expected in enumerate(want):
        got = runs[0][number]
        assert all(np.array_equal(r[number], got, equal_nan=got.dtype.kind == "f") for r in runs[1:])
        tolerance = 1e-5 if dtype == gt.float32 else 1e-12
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


def flat(result: Any) -> list[Any]:
    return [t.detach().numpy() for t in (result if isinstance(result, tuple) else (result,))]


def kernels(function: Callable[..., Any], *shapes: Shape) -> list[str]:
    graph = run_passes(gt.trace(function, *(gt.zeros(*s) for s in shapes)), OPTIMIZE)
    return [" ".join(n.op.name for n in f.body.nodes) for f in graph.nodes if f.body is not None]


@pytest.mark.parametrize(
    ("function", "shape", "count"),
    [
        (lambda x: F.softmax(x, -1), (64, 40), 1),
        (layer_norm, (64, 40), 1),
        (batch_norm, (8, 24, 6, 6), 1),
        (lambda x: (x.sum(1), (x * x).sum(1)), (64, 40), 1),
        (lambda x: (x.sum(0), x.sum(1)), (64, 40), 2),
        (lambda x: F.softmax(x, -1), (2, 400_000), 4),
        (lambda x: F.softmax(x, 0), (4000, 50), 4),
        (lambda x: x - x.sum(1, True).permute(1, 0), (40, 40), 2),
        (lambda x: x - x.sum(0), (40, 40), 1),
        (lambda x: x.sum(1) - x, (40, 40), 2),
    ],
    ids=[
        "softmax", "layer norm", "batch norm", "two sums", "rows and columns", "too few rows", "rows too far apart",
        "other rows", "columns", "columns of sums of rows",
    ],
)  # fmt: skip
def test_how_many_kernels(function: Callable[..., Any], shape: Shape, count: int) -> None:
    assert len(kernels(function, shape)) == count
    check(function, np.random.default_rng(0).standard_normal(shape), gt.float32)


def test_a_loss_and_its_gradient_are_one_kernel_between_two_numbers() -> None:
    def step(x: Any, y: Any) -> Any:
        (leaf := x.detach()).requires_grad_()
        loss = F.cross_entropy(leaf, y)
        loss.backward()
        return loss, leaf.grad

    x, y = np.random.default_rng(0).standard_normal((64, 19)), np.random.default_rng(1).integers(0, 19, 64)
    want = step(gt.from_numpy(x), gt.from_numpy(y))
    compiled = gt.compile(step)
    got = compiled(gt.from_numpy(x.astype(np.float32)), gt.from_numpy(y))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert compiled.stats[0].kernels == 4  # how many targets count, the rows, the mean; and a copy for `.grad`


def test_running_statistics_are_written_in_place() -> None:
    norm = nn.BatchNorm2d(6)
    step = gt.compile(lambda x: norm(x))
    x = gt.randn(5, 6, 3, 7)
    with gt.no_grad():
        step(x)
    assert "clone" not in step.stages[0]["alias"]
    x = x.numpy().astype(np.float64)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * x.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * x.var((0, 2, 3), ddof=1), rtol=1e-5)


def test_what_is_read_again_is_not_written_in_place() -> None:
    """Elements are stored in the first pass and read in the second: not over what they were made of."""
    w = gt.randn(9, 13)
    before = w.numpy().copy()

    @gt.compile
    def f() -> Any:
        total = w.sum(1, True)
        out = w * total
        w.copy_(w + 1.0)
        return out

    np.testing.assert_allclose(f().numpy(), before * before.sum(1, keepdims=True), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(w.numpy(), before + 1)


def test_a_row_s_state_is_read_before_it_is_written() -> None:
    """Results of a row are computed, all of them, and then stored: one may lie where another is read from."""
    state = gt.randn(33)

    @gt.compile
    def f(x: Any) -> Any:
        mean = x.mean(0)
        before = state - 3.0
        state.copy_(state + mean)
        return before, before * mean, ((x - mean) * (x - mean)).sum(0)

    x, old = gt.randn(8, 33), state.numpy().copy()
    before, product, squares = f(x)
    a = x.numpy()
    np.testing.assert_array_equal(before.numpy(), old - np.float32(3))
    np.testing.assert_allclose(product.numpy(), (old - 3) * a.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squares.numpy(), ((a - a.mean(0)) ** 2).sum(0), rtol=1e-5)
    np.testing.assert_allclose(state.numpy(), old + a.mean(0), rtol=1e-6)


def test_what_is_cheap_is_computed_again_where_it_is_read() -> None:
    def f(x: Any, w: Any) -> Any:
        y = gt.tanh(x @ w)
        z = y * 2.0  # read by the sum alone: not to be stored by the product, which stores y
        return y, z.sum(0)

    names = kernels(f, (40, 30), (30, 50))
    assert [n.split()[-1] for n in names] == ["tanh", "reduce_sum"]
    assert "mul" in names[1]


def nest(function: Callable[..., Any], *shapes: Shape) -> tuple[Graph, Any]:
    graph = run_passes(gt.trace(function, *(gt.zeros(*s) for s in shapes)), OPTIMIZE)
    (node,) = (n for n in graph.nodes if n.body is not None)
    return graph, lower_node(node, "k").nest


@pytest.mark.parametrize("shape", [(3, 19), (3, 5, 11)])
def test_interpreted(shape: Shape) -> None:
    """The Kernel IR means the same to the interpreter, before and after it is legal."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    _, softmax = nest(lambda x: F.softmax(x, 1), shape)
    kernel = schedule_cpu(softmax, HOST)
    e = np.exp(x - x.max(1, keepdims=True))
    for k in (kernel, legalize(kernel)):
        out = np.full(x.size if k is not kernel else kernel.params[-1].buffer.shape, 113, np.float32)
        run_kernel(k, [x.reshape(k.params[0].buffer.shape), out])
        np.testing.assert_allclose(out.reshape(shape), e / e.sum(1, keepdims=True), rtol=1e-5)


def test_scratch_memory_has_room_for_every_lane() -> None:
    """What a row keeps lies in a vector loop where rows are side by side: one copy for each lane."""
    _, softmax = nest(lambda x: F.softmax(x, 1), (3, 30, 11))
    kernel = schedule_cpu(softmax, HOST)
    assert "alloc thread" in str(kernel)
    assert scratch_bytes(kernel) == scratch_bytes(legalize(kernel)) >= 11 * 30 * 4


def test_rows_know_which_arrays_have_one_number_each() -> None:
    rows = Rows((4, 4, 3), (1, 2))
    assert rows.has_each((4,)) and rows.has_each((4, 1, 1)) and not rows.has_each((4, 4))
    assert rows.spreads((4, 1, 1)) and not rows.spreads((4, 1)) and not rows.spreads((1, 4, 1))
    assert Rows((4, 4), (0,)).spreads((4,)) and not Rows((4, 4), (1,)).spreads((4,))
    assert Rows((5, 3), (1,)).dense and Rows((5, 3, 1), (1,)).dense and not Rows((5, 3), (0,)).dense


@pytest.mark.parametrize("options", [Fuse(rows=False), Fuse(recompute=False), Fuse(max_ops=3)], ids=repr)
def test_options_change_no_result(options: Fuse) -> None:
    from graphtorch.ir.pipeline import SIMPLIFY

    graph = run_passes(gt.trace(lambda x: (F.softmax(x, 1), layer_norm(x)), gt.zeros(6, 21)), SIMPLIFY)
    x = np.random.default_rng(0).standard_normal((6, 21)).astype(np.float32)
    results = [executable.Executable(run_passes(graph, (o,))).run([x]) for o in (Fuse(), options)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


COLUMNS = [(4097, 33), (512, 1024), (333, 1100), (40, 7), (5, 64, 129), (3, 100, 8), (128, 1), (4096, 96)]


@pytest.mark.parametrize("shape", COLUMNS)
@pytest.mark.parametrize("name", ["sum", "amax", "argmax"])
def test_columns(name: str, shape: Shape, threads: None) -> None:
    """Columns of neighbours are reduced side by side, in strips and in parts."""
    data = np.random.default_rng(0).standard_normal(shape)
    dim = len(shape) - 2
    want = {"sum": np.sum, "amax": np.max, "argmax": np.argmax}[name](data.astype(np.float32).astype(np.float64), dim)
    compiled = gt.compile(lambda x: getattr(x, name)(dim))
    runs = []
    for count in (1, 2, 3):
        gt.set_num_threads(count)
        runs.append(compiled(gt.from_numpy(data.astype(np.float32))).numpy())
    assert all(np.array_equal(r, runs[0]) for r in runs)
    np.testing.assert_allclose(runs[0], want, rtol=0, atol=3e-7 * np.abs(data).sum(dim).max())


# ---- random programs ------------------------------------------------------------------------------

#: of one number for each row: what is made of two of them
ROW = [
    lambda a, b: a + b,
    lambda a, b: a * 0.5 - b,
    lambda a, _: gt.exp(-gt.abs(a)),
    lambda a, _: gt.rsqrt(gt.abs(a) + 1),
]
#: of elements, the second of which may be a row's number
ELEMENT = [
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: gt.exp(-gt.abs(a - b)),
    lambda a, b: gt.tanh(a + b),
    lambda a, b: a / (gt.abs(b) + 1.0),
    lambda a, _: gt.relu(a),
    lambda a, b: gt.where(a > b, a, b * 0.3),
]
#: what a step appends to ("element" or "row"), the function, and the values it reads
Step = tuple[str, Callable[..., Any], list[tuple[str, int]]]


def random_steps(rng: random.Random, shape: Shape, dims: Shape) -> list[Step]:
    """Elementwise work, reductions over ``dims``, transposes."""
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape))
    count = {"element": 1, "row": 1}
    steps: list[Step] = []
    for _ in range(rng.randint(3, 12)):
        kind = rng.random()
        any_of = lambda *kinds: (chosen := rng.choice(kinds), rng.randrange(count[chosen]))
        if kind < 0.35:
            step = "row", reduction(rng, dims, kept), [any_of("element")]
        elif kind < 0.5:
            step = "row", rng.choice(ROW), [any_of("row"), any_of("row")]
        elif kind < 0.9:
            step = "element", rng.choice(ELEMENT), [any_of("element"), any_of("element", "row")]
        else:
            step = "element", transposition(rng, shape), [any_of("element")]
        count[step[0]] += 1
        steps.append(step)
    return steps


def reduction(rng: random.Random, dims: Shape, kept: Shape) -> Callable[..., Any]:
    name, keepdim = rng.choice(["sum", "mean", "amax", "amin"]), rng.random() < 0.6
    return lambda a: getattr(a, name)(dims, keepdim).reshape(kept)


def transposition(rng: random.Random, shape: Shape) -> Callable[..., Any]:
    """Two dimensions of one size change places, where there are such."""
    pairs = [(i, j) for i in range(len(shape)) for j in range(i) if shape[i] == shape[j]]
    pair = rng.choice(pairs) if pairs else None
    return lambda a: a.transpose(*pair) if pair else a * 0.5


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(s, marks=pytest.mark.slow) for s in range(12, 200))])
def test_random_programs(seed: int, threads: None) -> None:
    rng = random.Random(seed)
    shape = tuple(rng.choice([1, 2, 3, 5, 8, 11, 17, 33]) for _ in range(rng.choice([1, 2, 2, 3, 4])))
    dims = tuple(sorted(rng.sample(range(len(shape)), rng.randint(1, len(shape)))))
    steps = random_steps(rng, shape, dims)
    returned = rng.sample(range(len(steps)), min(len(steps), 3))

    def program(x: Any, w: Any) -> Any:
        values, made = {"element": [x], "row": [w]}, []
        for kind, function, operands in steps:
            made.append(function(*(values[of][number] for of, number in operands)))
            values[kind].append(made[-1])
        return tuple(made[i] for i in returned)

    data = np.random.default_rng(seed)
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape))
    x, w = (gt.from_numpy(data.standard_normal(s)) for s in (shape, kept))
    gt.set_num_threads(rng.choice([1, 2, 3]))
    for got, want in zip(gt.compile(program)(x, w), program(x, w), strict=True):
        scale = np.abs(want.numpy()).max(initial=1.0)
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-10 * scale)


def test_backward_of_a_norm_between_products_reads_what_is_there_already() -> None:
    """The product before it stores its gradient and one factor of the weight's: products with the weight, which the rows'
    kernel needs twice, are computed there, a step away from what is in memory."""
    norm, layer = nn.LayerNorm(40), nn.Linear(40, 24)

    @gt.compile
    def step(x: Any) -> Any:
        (leaf := x.detach()).requires_grad_()
        y = layer(norm(leaf * 2))
        (y * y).sum().backward()
        grads = leaf.grad, norm.weight.grad, norm.bias.grad, layer.weight.grad
        for p in (*norm.parameters(), *layer.parameters()):
            p.grad = None
        return grads

    x = gt.randn(64, 40)
    got = [t.detach().numpy() for t in step(x)]
    graph = run_passes(parse_graph(step.stages[0]["trace"]), OPTIMIZE)
    stored = [r for n in graph.nodes if n.attrs.get("kind") == "contract" for r in n.results]
    assert [r.type.shape for r in stored].count((64, 40)) == 2
    (leaf := gt.tensor(x.numpy().astype(np.float64))).requires_grad_()
    w, b, v, c = (
        gt.tensor(p.detach().numpy().astype(np.float64)).requires_grad_()
        for p in (*norm.parameters(), *layer.parameters())
    )
    y = F.linear(F.layer_norm(leaf * 2, (40,), w, b), v, c)
    (y * y).sum().backward()
    for a, wanted in zip(got, (leaf, w, b, v), strict=True):
        np.testing.assert_allclose(a, wanted.grad.numpy(), rtol=1e-4, atol=1e-4)
