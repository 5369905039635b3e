"""Rows read and added to at computed indices: compiled against eager, over sizes that tasks divide in several ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.launch import launch_of
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.gather import selected
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.types import TensorType, int64
from graphtorch.nn import functional as F
from graphtorch.runtime import entry, executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, nest_of, random_array, reference
from tests.codegen.test_contract import HOST, poisoned, threads
from tests.codegen.test_rows import kernels

__all__ = ["threads"]  # a fixture
Shape = tuple[int, ...]
ADDED: dict[str, Any] = {"negative": False, "accumulate": True}

#: shape, dim, indices: a whole line of columns, a rest, one column, blocks of rows, loops outside of the rows
CASES: list[tuple[Shape, int, Shape]] = [
    ((50, 33), 0, (3, 7)),
    ((37, 272), 0, (300,)),
    ((300, 65), 0, (411,)),
    ((1000, 1), 0, (9001,)),
    ((4001, 3), 0, (2003,)),
    ((2, 3001, 5), 1, (1777,)),
    ((5, 7, 3), 2, (4, 11)),
    ((3, 17), 1, ()),
    ((5, 9), 0, (0,)),
]


def sources(shape: Shape, dim: int, index: Shape, dtype: Any = np.float32) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(4)
    at = rng.integers(0, shape[dim], index)
    at.flat[: at.size // 3] = shape[dim] - 1  # many of one
    rows = (*shape[:dim], *index, *shape[dim + 1 :])
    return rng.standard_normal(shape).astype(dtype), at, rng.standard_normal(rows).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32], ids=str)
@pytest.mark.parametrize(("shape", "dim", "index"), CASES, ids=str)
def test_index_add(
    shape: Shape, dim: int, index: Shape, dtype: Any, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terms are added in order, so that eager mode and every number of threads give the same bits."""
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    x, at, rows = sources(shape, dim, index, dtype)
    arguments = [gt.from_numpy(a) for a in (x, at.reshape(-1), rows.reshape(*shape[:dim], at.size, *shape[dim + 1 :]))]
    compiled = gt.compile(lambda x, at, rows: x.index_add(dim, at, rows))
    want = x.copy()
    np.add.at(want, (*(slice(None),) * dim, at), rows)
    for count in (1, 2, 3, 4):
        gt.set_num_threads(count)
        np.testing.assert_array_equal(compiled(*arguments).numpy(), want)


@pytest.mark.parametrize(("shape", "dim", "index"), CASES, ids=str)
def test_index_select(shape: Shape, dim: int, index: Shape, threads: None) -> None:
    x, at, _ = sources(shape, dim, index)
    compiled = gt.compile(lambda x, at: x.index_select(dim, at) * 2)
    for count in (1, 3):
        gt.set_num_threads(count)
        got = compiled(gt.from_numpy(x), gt.from_numpy(at.reshape(-1))).numpy()
        np.testing.assert_array_equal(got, 2 * np.take(x, at.reshape(-1), axis=dim))


#: shape, dimensions, shape of the index arrays, and those of them that count along one of its dimensions
PLACES: list[tuple[Shape, Shape, Shape, dict[int, int]]] = [
    ((50, 33), (0, 1), (211,), {}),
    ((7, 50, 130), (0, 1), (3, 17), {}),
    ((5, 40, 9), (0, 2), (61,), {}),
    ((64, 1001), (0, 1), (64,), {0: 0}),
    ((64, 1001), (0, 1), (64, 31), {0: 0}),
    ((3001, 24), (0, 1), (1500, 24), {1: 1}),
    ((9, 300, 11), (0, 1), (9, 77), {0: 0}),
    ((9, 300, 11), (0, 1, 2), (9, 77, 11), {0: 0, 2: 2}),
    ((300, 9, 11), (0, 1), (77, 9), {1: 1}),
    ((13, 29), (0, 1), (29, 13), {0: 1, 1: 0}),
    ((2, 3, 70_001), (2,), (40_003,), {}),
]


@pytest.mark.parametrize(("shape", "dims", "index", "counts"), PLACES, ids=str)
def test_places(
    shape: Shape, dims: Shape, index: Shape, counts: dict[int, int], threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Index arrays for several dimensions, some of which count up as a batch does: all ways to write, in order."""
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    rng = np.random.default_rng(5)
    at = tuple(
        np.broadcast_to(np.arange(shape[d]).reshape([-1 if e == counts[d] else 1 for e in range(len(index))]), index)
        if d in counts
        else rng.integers(-shape[d], shape[d], index)
        for d in dims
    )
    x = rng.standard_normal(shape).astype(np.float32)
    rows = selected(shape, index, dims)
    values = rng.standard_normal(rows).astype(np.float32)
    arguments = [gt.from_numpy(a) for a in (x, values, *(a for d, a in zip(dims, at, strict=True) if d not in counts))]

    @gt.compile
    def run(x: Any, values: Any, *given: Any) -> Any:
        left = iter(given)
        where = [
            bind.bind(OPS["iota"], shape=index, dim=counts[d], dtype=int64) if d in counts else next(left) for d in dims
        ]
        attrs = {"dims": dims, "negative": True}
        return (
            bind.bind(OPS["index"], x, *where, **attrs),
            *(bind.bind(OPS["index_put"], x, values, *where, **attrs, accumulate=a) for a in (False, True)),
            *(bind.bind(OPS["index_reduce"], x, values, *where, **attrs, kind=k) for k in ("mul", "max", "min")),
        )

    attrs: dict[str, Any] = {"dims": dims, "negative": True}
    want = [
        *reference("index", x, *at, **attrs),
        *(reference("index_put", x, values, *at, **attrs, accumulate=a)[0] for a in (False, True)),
        *(reference("index_reduce", x, values, *at, **attrs, kind=k)[0] for k in ("mul", "max", "min")),
    ]
    for count in (1, 3):
        gt.set_num_threads(count)
        for got, expected in zip(run(*arguments), want, strict=True):
            np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize("wrong", [-1, 50, 2**62, -(2**63)])
def test_a_program_reads_and_writes_nothing_out_of_range(wrong: int) -> None:
    """The row is nan, and so is the gradient of the whole table; eager mode raises."""

    def step(at: Any, w: Any) -> Any:
        (leaf := w.detach()).requires_grad_()
        y = F.embedding(at, leaf)
        y.sum().backward()
        return y, leaf.grad

    at, w = np.array([[3, 7], [wrong, 3]]), gt.randn(50, 21)
    y, grad = (t.detach().numpy() for t in gt.compile(step)(gt.from_numpy(at), w))
    np.testing.assert_array_equal(y[0], w.numpy()[[3, 7]])
    assert np.isnan(y[1, 0]).all() and np.isnan(grad).all()
    np.testing.assert_array_equal(y[1, 1], w.numpy()[3])
    with pytest.raises(gt.errors.IndexRangeError, match="GT302"):
        step(gt.from_numpy(at), w)


def test_integers_have_no_nan() -> None:
    x, at = gt.from_numpy(np.arange(10).reshape(5, 2)), gt.from_numpy(np.array([4, 9]))
    np.testing.assert_array_equal(gt.compile(lambda x, at: x.index_select(0, at))(x, at).numpy(), [[8, 9], [0, 0]])
    got = gt.compile(lambda x, at: x.index_add(0, at, x[:2]))(x, at).numpy()
    np.testing.assert_array_equal(got, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 10]])


def test_a_table_without_rows() -> None:
    got = gt.compile(lambda x, at: x.index_select(0, at))(gt.zeros(0, 3), gt.from_numpy(np.array([0, 1])))
    assert got.shape == (2, 3) and np.isnan(got.numpy()).all()


def test_padding_gets_no_gradient() -> None:
    at, w = gt.from_numpy(np.array([1, 3, 3, 1, 0])), gt.randn(5, 7, requires_grad=True)

    @gt.compile
    def step(at: Any) -> Any:
        y = F.embedding(at, w, padding_idx=-2)
        (y * gt.tensor(np.inf)).sum().backward()
        grad, w.grad = w.grad, None
        return y, grad

    y, grad = step(at)
    np.testing.assert_array_equal(y.detach().numpy(), w.detach().numpy()[at.numpy()])
    assert (grad.numpy()[3] == 0).all() and np.isinf(grad.numpy()[[0, 1]]).all()


@pytest.mark.parametrize(("shape", "dim", "index"), [c for c in CASES if np.prod(c[0]) < 4000], ids=str)
def test_interpreted(shape: Shape, dim: int, index: Shape) -> None:
    """The Kernel IR means the same to the interpreter: for the CPU, legal, and by the threads of CUDA's blocks."""
    x, at, rows = sources(shape, dim, index)
    types = (f32(*shape), f32(*rows.shape), TensorType(index, int64))
    nest = nest_of("index_put", *types, **ADDED, dims=(dim,))
    cpu = schedule_cpu(nest, HOST)
    for kernel in (cpu, legalize(cpu), schedule_cuda(nest)):
        out = np.full(x.size, 113, np.float32)
        shapes = [p.buffer.shape for p in kernel.params[:3]]
        run_kernel(kernel, [*(a.reshape(s) for a, s in zip((x, rows, at), shapes, strict=True)), out])
        np.testing.assert_array_equal(out.reshape(shape), reference("index_put", x, rows, at, **ADDED, dims=(dim,))[0])


def test_cuda_has_a_thread_for_each_column_of_each_block_of_rows() -> None:
    nest = nest_of("index_put", f32(1000, 60), f32(40, 60), TensorType((40,), int64), **ADDED, dims=(0,))
    launch = launch_of(schedule_cuda(nest))
    assert launch is not None and launch.grid[0] * launch.block[0] >= 16_384


def test_mapped_gather() -> None:
    x, at = random_array(f32(9, 7)), np.array([[3, 8], [0, 3], [8, 1]])
    kernel = schedule_cuda(nest_of("index", f32(9, 7), TensorType((3, 2), int64), dims=(0,), negative=False))
    out = np.full(42, 113, np.float32)
    run_kernel(kernel, [x.reshape(-1), at.reshape(-1), out])
    np.testing.assert_array_equal(out.reshape(3, 2, 7), x[at])


def test_golden(golden: Any) -> None:
    nest = nest_of("index_put", f32(50, 72), f32(600, 72), TensorType((600,), int64), **ADDED, dims=(0,))
    golden("kernels/index_put.kernel", str(schedule_cpu(nest, HOST)))


# ---- what is one kernel ---------------------------------------------------------------------------


def norm_and_gradients(function: Any) -> Any:
    def run(x: Any, g: Any, *parameters: Any) -> Any:
        leaves = [t.detach().requires_grad_() for t in (x, *parameters)]
        y = function(*leaves)
        y.backward(g)
        return (y * 1, *(leaf.grad * 1 for leaf in leaves))  # so that no copy of a gradient is a kernel

    return run


LAYER_NORM = (lambda x, w, b: F.layer_norm(x, (40,), w, b)), (64, 40), (40,), (40,)
RMS_NORM = (lambda x, w: F.rms_norm(x, (40,), w)), (64, 40), (40,)
GROUP_NORM = (lambda x, w, b: F.group_norm(x, 3, w, b)), (16, 24, 7), (24,), (24,)


@pytest.mark.parametrize(
    ("function", "x", "parameters"), [(c[0], c[1], c[2:]) for c in (LAYER_NORM, RMS_NORM, GROUP_NORM)]
)
def test_norms_are_one_kernel(function: Any, x: Shape, parameters: tuple[Shape, ...]) -> None:
    """Forward is one; with backward behind it there is one more for each sum over rows."""
    forward = [k for k in kernels(function, x, *parameters) if k != "reshape"]
    assert len(forward) == 1
    both = [k for k in kernels(norm_and_gradients(function), x, x, *parameters) if "reduce_sum" in k]
    assert len(both) == 1 + len(parameters)


def test_a_gather_is_read_where_it_is_needed() -> None:
    """A token's embedding, what is added to it, and the layer norm of the sum are one kernel."""

    def f(at: Any, table: Any, places: Any) -> Any:
        return F.layer_norm(F.embedding(at, table) + places, (40,))

    graph = run_passes(gt.trace(f, gt.zeros(3, 16, dtype=gt.int64), gt.zeros(50, 40), gt.zeros(16, 40)), OPTIMIZE)
    (kernel,) = (n.body for n in graph.nodes if n.body is not None)
    names = [n.op.name for n in kernel.nodes]
    assert names.count("index") == 1 and names.count("reduce_sum") == 2
