"""Contractions whose results are reduced by the task that computes them: against float64, on every template.

`link` in a kernel's text means that the results exist in memory, `pooled` that they do not have to.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.stages import cuda_text
from graphtorch.ir import bind
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType, dtype_from_name
from graphtorch.runtime import entry, executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.test_contract import HOST, WIDTHS, Case, poisoned, threads
from tests.codegen.test_winograd import force

__all__ = ["threads"]  # a fixture
G = PUBLIC["gt"]
Make = Callable[..., Any]


def conv(x: Any, w: Any, padding: int | tuple[int, int] = 1, groups: int = 1, stride: int = 1) -> Any:
    pads = padding if isinstance(padding, tuple) else (padding, padding)
    attrs = {"stride": (stride, stride), "padding": pads, "dilation": (1, 1), "groups": groups}
    return bind.bind(OPS["conv"], x, w, **attrs)


def pool(x: Any, kernel: Any = 2, stride: Any = None, dilation: int = 1, ceil_mode: bool = False) -> tuple[Any, Any]:
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    stride = kernel if stride is None else stride
    window = {"kernel": kernel, "stride": stride, "padding": (0, 0), "dilation": (dilation, dilation)}
    return tuple(bind.bind(OPS["max_pool"], x, ceil_mode=ceil_mode, **window))  # type: ignore[return-value]


def compare(case: Case, monkeypatch: pytest.MonkeyPatch) -> str:
    """All outputs against float64, and bit for bit on 1 to 4 threads; the kernels' text."""
    outputs = case.function
    monkeypatch.setattr(executable, "host_target", lambda: case.target)
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    program = executable.Executable(run_passes(graph_of(case), OPTIMIZE))
    results = []
    for count in (1, 2, 3, 4):
        gt.set_num_threads(count)
        results.append(program.run(list(case.arrays)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"on other numbers of threads: {case.text}")
    wanted = outputs(*(gt.from_numpy(a.astype(np.float64)) for a in case.arrays))
    for got, want in zip(results[0], wanted, strict=True):
        agree(got, want.numpy(), case)
    return text_of(case)


def step_of(net: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def agree(got: np.ndarray, want: np.ndarray, case: Case) -> None:
    if got.dtype.kind == "i":
        np.testing.assert_array_equal(got, want, err_msg=case.text)
        return
    tolerance = (8e-6 if case.arrays[0].dtype == np.float32 else 4e-14) * max(1.0, float(np.abs(want).max(initial=0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, err_msg=case.text)


def graph_of(case: Case) -> Graph:
    graph = Graph("test")
    types = [TensorType(a.shape, dtype_from_name(a.dtype.name)) for a in case.arrays]
    graph.params = [Param(f"x{i}", t) for i, t in enumerate(types)]
    with Builder(graph):
        graph.outputs = list(case.function(*graph.params))
    return graph


def text_of(case: Case) -> str:
    nests = [k.nest for k in lower_graph(run_passes(graph_of(case), OPTIMIZE))]
    return "\n".join(str(schedule_cpu(n, case.target)) for n in nests)


def arrays(*shapes: tuple[int, ...], dtype: Any = np.float32) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(sum(map(len, shapes)) + shapes[0][0])
    return tuple(rng.standard_normal(s).astype(dtype) for s in shapes)


# ---- what is reduced block by block, and what is not ----

X, W = (3, 5, 20, 24), (19, 5, 3, 3)
TOGETHER: dict[str, tuple[Make, tuple[tuple[int, ...], ...]]] = {
    "pool": (lambda x, w: pool(conv(x, w))[:1], (X, W)),
    "pool with its indices": (lambda x, w: pool(conv(x, w)), (X, W)),
    "relu before, scale after": (lambda x, w: (pool(G["relu"](conv(x, w)))[0] * 0.5,), (X, W)),
    "bias": (lambda x, w, b: pool(conv(x, w) + b), (X, W, (19, 1, 1))),
    "residual": (lambda x, w, r: pool(conv(x, w) + r), (X, W, (3, 19, 20, 24))),
    "something of the windows' shape": (lambda x, w, r: (pool(conv(x, w))[0] * r,), (X, W, (3, 19, 10, 12))),
    "rectangles": (lambda x, w: pool(conv(x, w), (5, 3)), (X, W)),
    "gaps between windows": (lambda x, w: pool(conv(x, w), (2, 2), (4, 3)), (X, W)),
    "dilated windows": (lambda x, w: pool(conv(x, w), (2, 2), (4, 3), 2), (X, W)),
    "rows left over": (lambda x, w: pool(conv(x, w)), ((2, 5, 7, 9), W)),
    "a last block with one row": (lambda x, w: pool(conv(x, w)), ((1, 5, 191, 24), W)),
    "few columns": (lambda x, w: pool(conv(x, w)), (X, (2, 5, 3, 3))),
    "one window": (lambda x, w: pool(conv(x, w), (7, 9)), ((2, 5, 7, 9), W)),
    "the mean of a plane": (lambda x, w: (G["mean"](G["relu"](conv(x, w)), (2, 3)),), ((2, 5, 7, 9), W)),
    "the maximum of rows of a product": (lambda a, b: (G["amax"](G["matmul"](a, b), 1),), ((33, 17), (17, 65))),
    "the minimum of its columns": (lambda a, b: (G["amin"](G["matmul"](a, b), 0),), ((33, 17), (17, 65))),
    "the gradient of a convolution": (
        lambda g, w: pool(bind.bind(
            OPS["conv_input_grad"], g, w, size=(8, 12), stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1
        )), ((3, 19, 8, 12), (19, 13, 3, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize("name", TOGETHER)
def test_results_need_not_exist(name: str, winograd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = TOGETHER[name]
    machine = HOST
    if winograd:
        force(monkeypatch)
        machine = dataclasses.replace(HOST, winograd="always")
    text = compare(Case(name, function, arrays(*shapes), machine), monkeypatch)
    assert text.count("kernel @") == 1
    if not (winograd and name == "rectangles"):  # whose tiles and windows would leave two tasks
        assert "pooled" in text
        assert "link" not in text


def test_results_that_others_need_are_stored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(x: Any, w: Any) -> Any:
        y = G["relu"](conv(x, w))
        return (y, *pool(y))

    text = compare(Case("kept", function, arrays(X, W), HOST), monkeypatch)
    assert "pooled" in text
    assert text.count("kernel @") == 1


APART: dict[str, tuple[Make, tuple[tuple[int, ...], ...]]] = {
    "one column": (lambda x, w: pool(conv(x, w)), (X, (1, 5, 3, 3))),
    "one column, all of it": (lambda x, w: (G["mean"](conv(x, w), (1, 2, 3)),), ((4, 64, 8, 8), (1, 64, 3, 3))),
    "one row": (lambda x, w: (G["amax"](conv(x, w, 0), 1),), ((1, 64, 1, 1), (40, 64, 1, 1))),
    "long sums in parts": (lambda x, w: pool(conv(x, w, 2)), ((1, 64, 8, 8), (24, 64, 5, 5))),
    "nothing is summed": (lambda x, w: pool(conv(x, w)), ((3, 0, 20, 24), (19, 0, 3, 3))),
    "few tasks": (lambda x, w: (G["amax"](conv(x, w), (2, 3)),), ((1, 64, 16, 16), (64, 64, 3, 3))),
}


@pytest.mark.parametrize("name", APART)
def test_other_results_are_reduced_in_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = APART[name]
    text = compare(Case(name, function, arrays(*shapes), HOST), monkeypatch)
    assert "alloc global %link" in text
    assert "pooled" not in text


TWO: dict[str, tuple[Make, tuple[tuple[int, ...], ...]]] = {
    "overlapping windows": (lambda x, w: pool(conv(x, w), 3, (2, 2)), (X, W)),
    "windows beyond the end": (lambda x, w: pool(conv(x, w), 2, None, 1, True), ((2, 5, 7, 9), W)),
    "groups": (lambda x, w: pool(conv(x, w, 1, 2)), ((3, 6, 20, 24), (18, 3, 3, 3))),
    "a stride in an input gradient": (
        lambda g, w: pool(bind.bind(
            OPS["conv_input_grad"], g, w, size=(16, 12), stride=(2, 2), padding=(1, 1), dilation=(1, 1), groups=1
        )), ((3, 19, 8, 6), (19, 13, 3, 3)),
    ),
    "results that would be computed twice": (
        lambda x, w: (lambda y: (y, pool(y)[0]))(G["tanh"](conv(x, w))), (X, W),
    ),
    "a maximum beside the product": (
        lambda x, y, z: (lambda a: (G["matmul"](x, y) + a, G["amax"](a, 1)))(G["relu"](z)), ((33, 17), (17, 65), (33, 65)),
    ),
    "squares of what is an output": (
        lambda x, y: (lambda p: (p, G["sum"](p * p, 1)))(G["matmul"](x, y)), ((33, 17), (17, 65)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO)
def test_reductions_that_are_kernels_of_their_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = TWO[name]
    text = compare(Case(name, function, arrays(*shapes), HOST), monkeypatch)
    assert text.count("kernel @") == 2
    assert "link" not in text


def test_results_are_read_by_others_in_the_same_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they come before the pooling or after it."""

    def function(x: Any, w: Any) -> Any:
        y = conv(x, w)
        before = G["relu"](y)
        pooled, _ = pool(y)
        return before, pooled, y * 0.5, pooled * 2.0

    text = compare(Case("all", function, arrays(X, W), HOST), monkeypatch)
    assert text.count("kernel @") == 1


def test_a_training_step_keeps_a_mask_instead_of_activations() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 5))
    step = gt.compile(step_of(net, gt.optim.SGD(net.parameters(), lr=0.1)))
    step(gt.randn(2, 3, 8, 8), gt.tensor([1, 2]))
    (conv_kernel,) = [
        line for line in step.stages[0]["fuse"].splitlines() if 'kind="contract"' in line and "4,4]" in line
    ]
    stored = conv_kernel.split(" = fusion")[0]
    assert "bool[2,16,8,8]" in stored
    assert "f32[2,16,8,8]" not in stored


def test_state_is_written_in_place_where_it_is_pooled() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv2d(8, 16, 3, padding=1)
            self.register_buffer("h", gt.zeros(2, 16, 16, 16))

        def forward(self, x: Any) -> Any:
            h = G["relu"](self.c(x) + self.h)
            self.h.copy_(h)
            return nn.functional.max_pool2d(h, 2)

    cell, x = Cell(), gt.randn(2, 8, 16, 16)
    compiled = gt.compile(cell)
    with gt.no_grad():
        got = [compiled(x).numpy() for _ in range(3)]
        state = cell.h.numpy().copy()
        cell.h.copy_(gt.zeros(2, 16, 16, 16))
        want = [cell(x).numpy() for _ in range(3)]
    for a, b in zip([*got, state], [*want, cell.h.numpy()], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert "clone" not in compiled.stages[0]["alias"]


def test_products_of_constants_have_memory() -> None:
    """A phase that reads no parameter is not done once and for all unless there is memory that is kept."""
    compiled = gt.compile(lambda y: (gt.ones(8, 16) @ gt.ones(16, 32)).amax(1) + y)
    np.testing.assert_array_equal(compiled(gt.zeros(8)).numpy(), np.full(8, 16, np.float32))


def test_integers_are_no_contraction() -> None:
    x, y = gt.from_numpy(np.arange(33 * 17).reshape(33, 17) % 5), gt.from_numpy(np.arange(17 * 65).reshape(17, 65) % 3)
    compiled = gt.compile(lambda a, b: (a @ b).amax(1))
    np.testing.assert_array_equal(compiled(x, y).numpy(), (x.numpy() @ y.numpy()).max(1))
    assert "pooled" not in compiled.stages[0]["kernels"]


def test_blocks_that_are_ragged_along_two_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows so wide that a block cuts rows as well as columns."""
    machine = dataclasses.replace(HOST, l2=1 << 12)
    function = lambda x, w: pool(conv(x, w), (2, 3))
    for size in ((7, 400), (8, 401), (31, 211)):
        compare(Case(str(size), function, arrays((1, 2, *size), (64, 2, 3, 3)), machine), monkeypatch)


def test_rows_that_others_read_are_not_reduced_with_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their sum would save no memory, and could not write what the product reads in place."""

    def function(a: Any, b: Any) -> Any:
        y = G["matmul"](a, b)
        return y, G["sum"](y, 1)

    text = compare(Case("sum", function, arrays((33, 17), (17, 65)), HOST), monkeypatch)
    assert text.count("kernel @") == 2


def test_a_reduction_of_the_same_number_of_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of one element, and then a sum with what was before: no cycle, and no second reduction."""

    def function(x: Any, w: Any) -> Any:
        y = conv(x, w)
        return (y + pool(y, 1)[0],)

    compare(Case("1 by 1", function, arrays(X, W), HOST), monkeypatch)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(special: float) -> None:
    x, w = arrays(X, W)
    x[1, 2, 3, 4] = special
    function = lambda a, b: pool(conv(a, b))[0]
    got = gt.compile(function)(gt.from_numpy(x), gt.from_numpy(w)).numpy()
    with np.errstate(invalid="ignore"):
        want = function(gt.from_numpy(x), gt.from_numpy(w)).numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_a_training_step_of_convolutions_and_poolings() -> None:
    """Results are read by the gradient of relu as well, and indices by that of pooling."""

    def run(wrap: Any) -> list[Any]:
        gt.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 17, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(17, 9, 5, padding=2), nn.MaxPool2d(3),
            nn.Tanh(), nn.Flatten(), nn.Linear(9 * 4, 5),
        )  # fmt: skip
        step = wrap(step_of(net, gt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)))
        losses = [step(gt.randn(5, 3, 13, 14), gt.tensor([1, 2, 4, 0, 3])).item() for _ in range(6)]
        return [losses, *(p.detach().numpy() for p in net.parameters())]

    for a, b in zip(run(gt.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_tuning_measures_ways_that_cut_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphtorch.codegen.schedule.contract import count_ways

    (lowered,) = lower_graph(run_passes(graph_of(Case("", TOGETHER["pool"][0], arrays(X, W), HOST)), OPTIMIZE))
    count = count_ways(lowered.nest, HOST)
    assert count > 1
    texts = {str(schedule_cpu(lowered.nest, HOST, way)) for way in range(count)}
    assert len(texts) == count
    assert all("link" not in t for t in texts)


@pytest.mark.parametrize("name", ["pool with its indices", "rows left over"])
def test_the_kernel_means_the_same_to_the_interpreter(name: str) -> None:
    function, shapes = TOGETHER[name]
    case = Case(name, function, arrays(*shapes), HOST)
    (lowered,) = lower_graph(run_passes(graph_of(case), OPTIMIZE))
    kernel = schedule_cpu(lowered.nest, HOST)
    outs = [np.zeros(p.buffer.shape, p.buffer.dtype.np) for p in kernel.params if p.mode == "out"]
    run_kernel(kernel, [*(a.reshape(-1) for a in case.arrays), *outs])
    for got, want in zip(outs, function(*map(gt.from_numpy, case.arrays)), strict=True):
        agree(got.reshape(want.shape), want.numpy(), case)


def test_cuda_has_a_kernel_for_each_reduction() -> None:
    case = Case("", TOGETHER["pool"][0], arrays(X, W), HOST)
    assert cuda_text(graph_of(case)).count("__global__") == 2
    assert len(lower_graph(run_passes(graph_of(case), OPTIMIZE_CUDA))) == 2
    with pytest.raises(IRError, match=r"GT812: the graph was fused for the CPU\n  for CUDA the pass is fuse"):
        cuda_text(run_passes(graph_of(case), OPTIMIZE))


# ---- at random ----


def draw_case(seed: int) -> Case:
    draw = random.Random(seed)
    nbytes, registers = draw.choice(WIDTHS)
    caches = draw.choice((HOST.l1, 1 << 12)), draw.choice((HOST.l2, 1 << 16, 1 << 14))
    dtype = draw.choice((np.float32, np.float32, np.float64))
    batch, c, o = draw.choice((1, 2, 5)), draw.choice((1, 3, 8, 17, 90)), draw.choice((1, 4, 5, 16, 33, 70))
    kernel, padding = (draw.choice((1, 2, 3, 5)), draw.choice((1, 3, 4))), (draw.choice((0, 1)), draw.choice((0, 1)))
    size = draw.choice((6, 9, 16, 17, 40)), draw.choice((6, 8, 11, 24, 33))
    out = [n + 2 * p - k + 1 for n, k, p in zip(size, kernel, padding, strict=True)]
    window = tuple(draw.randint(1, min(4, n)) for n in out)
    apart = tuple(k + draw.choice((0, 0, 0, 1)) for k in window)
    stride = draw.choice((1, 1, 1, 2))
    before, after = draw.choice(("nothing", "relu", "residual")), draw.choice(("nothing", "half"))
    reduce = draw.choice(("pool", "pool", "pool", "indices", "sum", "max", "min", "row"))
    kept = draw.random() < 0.2

    def function(x: Any, w: Any, b: Any) -> Any:
        y = conv(x, w, padding, 1, stride) + b
        y = G["relu"](y) if before == "relu" else y * b + 0.5 if before == "residual" else y
        if reduce in ("pool", "indices"):
            found = pool(y, *fitting(y, window, apart))[: 1 + (reduce == "indices")]
        elif reduce == "row":
            found = (G["sum"](y, 1),)
        else:
            found = ({"sum": G["sum"], "max": G["amax"], "min": G["amin"]}[reduce](y, (2, 3)),)
        scaled = found[0] * 0.01 if reduce in ("sum", "row") else found[0]  # rounding is relative to what was added
        first = scaled * 0.5 - 0.25 if after == "half" else scaled
        return (first, *found[1:], *([y] if kept else []))

    text = f"{batch, c, o} {size} {kernel} {padding} {stride} {window} {apart} {before} {reduce} {after} {kept}"
    shapes = (batch, c, *size), (o, c, *kernel), (o, 1, 1)
    machine = dataclasses.replace(HOST, vector_bytes=nbytes, registers=registers, l1=caches[0], l2=caches[1])
    x, w, b = (np.random.default_rng(seed + i).standard_normal(s).astype(dtype) for i, s in enumerate(shapes))
    return Case(f"{text} {np.dtype(dtype)} {nbytes} bytes, caches {caches}", function, (x, w, b), machine)


def fitting(y: Any, window: tuple[int, ...], apart: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Windows no larger than what a stride has left of the image."""
    size = (y.type if hasattr(y, "type") and not isinstance(y, gt.Tensor) else y).shape[2:]
    return tuple(map(min, window, size)), apart


@pytest.mark.parametrize("seed", range(40))
def test_chains(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw_case(seed)
    if seed % 4 == 0:
        force(monkeypatch)
        case = dataclasses.replace(case, target=dataclasses.replace(case.target, winograd="always"))
    compare(case, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_chains(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        compare(draw_case(seed), monkeypatch)


def test_plans_of_windows_larger_than_a_task() -> None:
    """Steps larger than a block's room give blocks of one window, not of no rows."""
    from graphtorch.codegen.schedule.boxes import block
    from graphtorch.ir.expr import Var
    from graphtorch.ir.types import int64

    a, b = Var("a", int64, 12), Var("b", int64, 30)
    assert block((a, b), 8).sizes == (1, 6)
    assert block((a, b), 8, {b: 5}).sizes == (1, 5)
    assert block((a, b), 8, {b: 15}).sizes == (1, 15)
    assert block((a, b), 8, {a: 3, b: 15}).sizes == (3, 15)
    assert block((a, b), 64, {a: 4}).sizes == (4, 30)


@pytest.mark.parametrize("size", [(18, 20), (17, 19)])
def test_means_of_windows_join_their_convolution(size: tuple[int, int]) -> None:
    w, x = gt.randn(8, 3, 3, 3), gt.randn(2, 3, *size)
    compiled = gt.compile(lambda x: nn.functional.avg_pool2d(nn.functional.conv2d(x, w).relu(), 2))
    want = nn.functional.avg_pool2d(nn.functional.conv2d(x, w).relu(), 2)
    np.testing.assert_allclose(compiled(x).numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    assert "-> 1 kernels" in compiled.explain()
