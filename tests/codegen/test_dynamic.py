"""Programs whose sizes are not known when they are compiled: one for all sizes, compared with numpy at many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch.codegen.kernel_sizes import kernel_at
from graphtorch.codegen.kernel_text import parse_kernel, same_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.names import names_in
from graphtorch.codegen.program import Launch, launches_of, schedule_graph
from graphtorch.codegen.target import host_target
from graphtorch.ir.dim import Guards, is_dynamic, recorded, symbol
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.sized import graph_at, type_at
from graphtorch.ir.types import TensorType
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.interp import run_kernel
from graphtorch.runtime.layouts import MOST_PLANS

Array = Any
#: sizes that stand for names in the traces below: no other size is a multiple of one
B, T = 67, 71
#: below a vector, between vectors and blocks, exactly so many, and many
SIZES = (2, 3, 7, 16, 17, 64, 67, 129, 1000)
NAMES = {B: symbol("B", B), T: symbol("T", T)}


def named(x: Any) -> Any:
    """``x`` with names in place of the sizes that stand for them, and of their multiples."""
    if isinstance(x, tuple):
        return tuple(map(named, x))
    if isinstance(x, bool) or not isinstance(x, int) or is_dynamic(x) or x == 0:
        return x
    found = next((n for n in NAMES if x % n == 0), None)
    return x if found is None else named(x // found) * NAMES[found]


def dynamic(graph: Graph) -> Graph:
    out, env = Graph(graph.name), dict[Value, Value]()
    for p in graph.params:
        env[p] = made = Param(p.name, TensorType(named(p.type.shape), p.type.dtype), p.role, p.label)
        out.params.append(made)
    for node in graph.nodes:
        types = [TensorType(named(r.type.shape), r.type.dtype) for r in node.results]
        attrs = {name: named(attr) for name, attr in node.attrs.items()}
        new = Node(node.op, [env[o] for o in node.operands], attrs, types, node.locs)
        out.nodes.append(new)
        env.update(zip(node.results, new.results, strict=True))
    out.outputs = [env[o] for o in graph.outputs]
    return out


def compiled(graph: Graph) -> tuple[Executable, list[str]]:
    """The program, and what its machine code asks of the sizes."""
    with recorded(Guards()):
        scheduled = run_passes(graph, OPTIMIZE)
    with recorded(Guards()) as guards:
        return Executable(scheduled), list(map(str, guards.asked))


def arrays_of(graph: Graph, rng: np.random.Generator) -> list[Array]:
    return [np.asarray(rng.standard_normal(p.type.shape), np.float32) for p in graph.params]


def check(f: Callable[..., Any], *shapes: tuple[int, ...], sizes: Sequence[int] = SIZES) -> Executable:
    """One program of ``f`` has numpy's results for every size, and no guard."""
    graph = dynamic(gt.trace(f, *map(gt.TensorSpec, shapes)))
    program, guards = compiled(graph)
    assert not guards
    rng = np.random.default_rng(0)
    for size in sizes:
        static = graph_at(graph, {"B": size, "T": size + 3})
        arrays = arrays_of(static, rng)
        for found, wanted in zip(program.run(arrays), evaluate(static, arrays)[0], strict=True):
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5 * max(1.0, np.abs(wanted).max(initial=0)))
    return program


# ---- elementwise, reductions, rows ----------------------------------------------------------------


@pytest.mark.parametrize("shapes", [[(B, 24), (B, 24)], [(B, 5), (5,)], [(24, B), (B,)], [(B,), (B,)], [(B, T), (T,)]])
def test_elements(shapes: list[tuple[int, ...]]) -> None:
    check(lambda x, y: (gt.relu(x * 2 + y).exp(), x - y), *shapes)


@pytest.mark.parametrize("shape", [(B,), (B, 33), (6, B), (6, B, 5), (B, 2000), (B, T)])
def test_sums_over_everything(shape: tuple[int, ...]) -> None:
    check(lambda x: (x.sum(), x.max()), shape)


@pytest.mark.parametrize("shape", [(B, 30), (30, B), (B, 1500), (B, T)])
def test_rows(shape: tuple[int, ...]) -> None:
    check(lambda x: (x.softmax(1), x.softmax(0), x.sum(0), x.sum(1)), shape)


def test_a_long_sum_is_in_blocks() -> None:
    """Of a number of terms that the code does not know: the error does not grow with it as that of a plain sum does."""
    graph = dynamic(gt.trace(lambda x: x.sum(), gt.TensorSpec((B,))))
    x = np.full(1_000_003, 0.1, np.float32)
    (found,) = compiled(graph)[0].run([x])
    assert abs(float(found) - x.astype(np.float64).sum()) < 10  # a plain one is off by 958


def test_nan_stays() -> None:
    graph = dynamic(gt.trace(lambda x: (x.amax(1), gt.relu(x)), gt.TensorSpec((B, T))))
    x = np.zeros((5, 9), np.float32)
    x[3, 8] = np.nan
    top, relu = compiled(graph)[0].run([x])
    assert np.isnan(top).tolist() == [False, False, False, True, False]
    assert np.isnan(relu).sum() == 1


# ---- contractions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("k, n", [(40, 24), (41, 23), (784, 256)])
def test_rows_of_a_product(k: int, n: int) -> None:
    check(lambda x, w, b: gt.relu(x @ w.t() + b), (B, k), (n, k), (n,))


@pytest.mark.parametrize("m, n", [(30, 50), (256, 300)])
def test_what_a_product_sums_over(m: int, n: int) -> None:
    check(lambda g, x: g.t() @ x, (B, m), (B, n))


def test_columns_of_a_product() -> None:
    check(lambda x, y: x @ y, (40, 30), (30, B))


def test_all_of_a_product() -> None:
    check(lambda x, y: (x @ y.t(), y.t() @ y, x.t() @ x), (B, 20), (T, 20))
    check(lambda x, y: x @ y, (B, T), (T, 20))
    check(lambda x, y: x @ y, (30, T), (T, B))


def test_a_batch_of_products() -> None:
    check(lambda x, y: x @ y, (B, 20, 30), (B, 30, 25), sizes=(2, 3, 17, 64))


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(stride: int) -> None:
    sizes = (2, 3, 16, 17, 64)
    check(lambda x, w, b: gt.relu(F.conv2d(x, w, b, stride, 1)), (B, 3, 8, 9), (16, 3, 3, 3), (16,), sizes=sizes)


def test_pooling_of_a_convolution() -> None:
    sizes = (2, 3, 16, 17, 64)
    check(lambda x, w: F.max_pool2d(F.conv2d(x, w, None, 1, 1), 2), (B, 3, 8, 8), (16, 3, 3, 3), sizes=sizes)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool) -> None:
    def attend(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    shape = (B, 2, T, 12)
    check(attend, shape, shape, shape, sizes=(2, 5, 13, 61, 64, 126))


# ---- code and memory ------------------------------------------------------------------------------


def test_kernels_take_the_sizes_that_they_need() -> None:
    graph = dynamic(gt.trace(lambda x, y: (x.exp(), y.exp(), x @ y), gt.TensorSpec((B, 20)), gt.TensorSpec((20, T))))
    with recorded(Guards()):
        steps = schedule_graph(run_passes(graph, OPTIMIZE), host_target())
    found = {names_in(x.kernel) for x in launches_of(steps)}
    assert found == {("B",), ("T",), ("B", "T")}


KERNELS = {
    "elements": (lambda x, y: (x * 2 + y).exp(), (B, 5), (5,)),
    "rows": (lambda x: (x.softmax(1), x.sum(0)), (B, 30)),
    "columns": (lambda x: x.softmax(0), (30, B)),
    "sum": (lambda x: x.sum(), (B, T)),
    "product": (lambda x, w, b: gt.relu(x @ w.t() + b), (B, 41), (23, 41), (23,)),
    "long": (lambda g, x: g.t() @ x, (B, 9), (B, 12)),
    "batch": (lambda x, y: x @ y, (B, 6, T), (B, T, 9)),
    "conv": (lambda x, w: F.max_pool2d(F.conv2d(x, w, None, 1, 1), 2), (B, 3, 4, 4), (8, 3, 3, 3)),
    "scan": (lambda x: x.cumsum(0) + x.cumsum(1), (B, T)),
    "attention": (F.scaled_dot_product_attention, (B, T, 6), (B, T, 6), (B, T, 6)),
}


@pytest.fixture(params=KERNELS, scope="module")
def launches(request: pytest.FixtureRequest) -> tuple[Graph, list[Launch]]:
    """The scheduled graph of one of `KERNELS`, and its launches."""
    f, *shapes = KERNELS[request.param]
    with recorded(Guards()):
        graph = run_passes(dynamic(gt.trace(f, *map(gt.TensorSpec, shapes))), OPTIMIZE)
        return graph, list(launches_of(schedule_graph(graph, host_target())))


def test_text_is_lossless(launches: tuple[Graph, list[Launch]]) -> None:
    for launch in launches[1]:
        legal = [] if "attention" in launch.kernel.name else [legalize(launch.kernel)]  # that is long
        for kernel in (launch.kernel, *legal):
            text = str(kernel)
            assert text.startswith("sizes B=67")
            parsed = parse_kernel(text)
            assert str(parsed) == text
            assert same_kernel(parsed, kernel)


@pytest.mark.parametrize("size", [2, 3, 18])
def test_kernels_stay_inside_of_their_arrays(launches: tuple[Graph, list[Launch]], size: int) -> None:
    """By the interpreter, which checks every access and both orders of threads; with numpy's results."""
    graph, sizes = launches[0], {"B": size, "T": size + 1}
    static, rng = graph_at(graph, sizes), np.random.default_rng(3)
    arrays: dict[Value, Array] = dict(zip(graph.params, arrays_of(static, rng), strict=True))
    wanted = evaluate(static, list(arrays.values()))[0]

    def array(value: Value) -> Array:
        if value not in arrays:
            source = root(value)
            made = type_at(value.type, sizes)
            fresh = source is value
            arrays[value] = np.full(made.shape, 113, made.dtype.np) if fresh else array(source).reshape(made.shape)
        return arrays[value]

    for launch in launches[1]:
        run_kernel(kernel_at(launch.kernel, sizes), list(map(array, launch.values)))
    for output, one in zip(graph.outputs, wanted, strict=True):
        np.testing.assert_allclose(array(output), one, rtol=1e-4, atol=1e-5)


def test_a_static_program_takes_none() -> None:
    graph = gt.trace(lambda x: x.softmax(1), gt.TensorSpec((B, 20)))
    program = Executable(run_passes(graph, OPTIMIZE))
    assert program.names == () and program.layouts is None


def test_memory_is_planned_for_each_combination_of_sizes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphtorch.runtime import layouts

    planned: list[dict[str, int]] = []
    real = layouts.plan_memory
    monkeypatch.setattr(layouts, "plan_memory", lambda graph, sizes: (planned.append(sizes), real(graph, sizes))[1])
    graph = dynamic(gt.trace(lambda x, w, v: (x @ w).softmax(1) @ v, *map(gt.TensorSpec, [(B, 9), (9, 40), (40, 5)])))
    program, _ = compiled(graph)
    rng = np.random.default_rng(1)
    for size in (5, 300, 5, 300, 5):
        static = graph_at(graph, {"B": size})
        arrays = arrays_of(static, rng)
        np.testing.assert_allclose(program.run(arrays)[0], evaluate(static, arrays)[0][0], rtol=1e-4, atol=1e-5)
    assert planned == [{"B": B}, {"B": 5}, {"B": 300}]  # with an example first: what is in the arena at all
    for size in range(2, MOST_PLANS + 10):
        program.run(arrays_of(graph_at(graph, {"B": size}), rng))
    assert program.layouts is not None and program.layouts.count == MOST_PLANS


def test_threads_share_loops_whose_length_changes_from_call_to_call() -> None:
    """Chunks of a section are counted on from run to run: there are as many, whatever the size is."""
    before = gt.get_num_threads()
    try:
        for threads in (1, 2, 5):
            gt.set_num_threads(threads)
            check(lambda x, w: (x @ w).exp().softmax(1), (B, 64), (64, 48), sizes=(3, 900, 2, 33, 901, 5, 4, 1200))
    finally:
        gt.set_num_threads(before)


# ---- loops and branches ---------------------------------------------------------------------------


def _scan(x: Any) -> Any:
    return gt.scan(lambda h, a: (gt.tanh(h + a),) * 2, gt.zeros(x.shape[1], 8), x)


def _cond(x: Any) -> Any:
    return (gt.cond(x.sum() > 0, lambda a: (a * 2).softmax(2).sum(0), lambda a: a[0] - 1, (x,)),)


def _while(x: Any) -> Any:
    return gt.while_loop(
        lambda a, n: n < 3, lambda a, n: ((a * 2).softmax(2) - a.mean(1, keepdim=True), n + 1), (x, gt.tensor(0))
    )[:1]


@pytest.mark.parametrize("f", [_scan, _cond, _while])
def test_bodies(f: Callable[[Any], Any]) -> None:
    """Of loops and branches: their values are in the list of addresses, and move on by sizes that are not known."""
    compiled_f = gt.compile(f, dynamic={"x": {1: "B"}})
    for size, shift in ((3, 1), (40, -1), (2, -1), (300, 1)):
        x = gt.randn(5, size, 8) + shift
        for found, wanted in zip(compiled_f(x), f(x), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
    assert len(compiled_f.graphs) == 1
