"""Elementwise work on an operand, done where a contraction stages it: against float64, on every template.

Most of it maps 0 to something else, so zeros around an image, or beyond the end of a block, must be zeros after it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.contract import count_ways
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.ir import bind
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType, dtype_from_name
from tests.codegen import test_contract as contract
from tests.codegen.test_contract import HOST, Case, G, compare, threads
from tests.codegen.test_small_sizes import draw_case as small_case
from tests.codegen.test_winograd import draw_case as winograd_case
from tests.codegen.test_winograd import force

__all__ = ["threads"]  # a fixture

WORK: dict[str, Callable[[Any], Any]] = {
    "scale and shift": lambda x: x * 0.5 + 0.25,
    "relu": lambda x: G["relu"](x - 0.5) + 1.0,
    "where": lambda x: G["where"](G["gt"](x, 0.0), x, x * 0.1 - 1.0),
    "the reciprocal of 1 and more": lambda x: 1.0 / (G["abs"](x) + 1.0),
}


def with_work(case: Case, seed: int) -> Case:
    """``case`` with elementwise work on the first, the second, or both operands."""
    draw = random.Random(seed)
    first, second = (WORK[draw.choice(sorted(WORK))] for _ in range(2))
    where = draw.choice(("x", "y", "both"))

    def function(x: Any, y: Any) -> Any:
        return case.function(first(x) if where != "y" else x, second(y) if where != "x" else y)

    return dataclasses.replace(case, function=function, text=f"work on {where} of {case.text}")


@pytest.mark.parametrize("seed", range(40))
def test_contractions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(with_work(contract.draw_case(seed), seed), monkeypatch)


@pytest.mark.parametrize("seed", range(20))
def test_small_sizes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        force(monkeypatch)
    compare(with_work(small_case(seed), seed), monkeypatch)


@pytest.mark.parametrize("seed", range(20))
def test_winograd(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch)
    compare(with_work(winograd_case(seed), seed), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2000 + 12 * block, 2012 + 12 * block):
        compare(with_work(contract.draw_case(seed), seed), monkeypatch)
    force(monkeypatch)
    for seed in range(2000 + 12 * block, 2012 + 12 * block):
        compare(with_work(small_case(seed), seed), monkeypatch)
        compare(with_work(winograd_case(seed), seed), monkeypatch)


def kernels(function: Callable[..., Any], *shapes: tuple[int, ...], passes: Any = OPTIMIZE) -> list[Any]:
    graph = Graph("test")
    graph.params = [Param(f"x{i}", TensorType(s, dtype_from_name("float32"))) for i, s in enumerate(shapes)]
    with Builder(graph):
        found = function(*graph.params)
        graph.outputs = list(found) if isinstance(found, tuple) else [found]
    return [k.nest for k in lower_graph(run_passes(graph, passes))]


def product(x: Any, y: Any) -> Any:
    return G["matmul"](x, y)


def test_work_that_one_contraction_reads_is_in_its_kernel() -> None:
    for work in WORK.values():
        (nest,) = kernels(lambda x, y, work=work: product(work(x), y), (33, 70), (70, 65))
        assert nest.contraction
        assert count_ways(nest, HOST) > 1
        assert "acc" in str(schedule_cpu(nest, HOST))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: (product(x + 1.0, y), x + 1.0),
        lambda x, y: (product(x + 1.0, y), product(x + 1.0, y * 0.5)),
        lambda x, y: product(G["exp"](x), y),
        lambda x, y: product(G["reshape"](G["sum"](x, 1), (33, 1)) * x, y),
    ],
    ids=["an output", "two readers", "a function", "a reduction"],
)
def test_other_work_is_done_once(function: Callable[..., Any]) -> None:
    assert len(kernels(function, (33, 70), (70, 65))) > 1


def test_cuda_stages_plain_reads() -> None:
    assert len(kernels(lambda x, y: product(x + 1.0, y), (33, 70), (70, 65), passes=OPTIMIZE_CUDA)) == 2


def test_a_product_of_a_cast_is_a_contraction() -> None:
    x = gt.from_numpy(np.arange(33 * 70, dtype=np.int32).reshape(33, 70) % 7)
    y = gt.randn(70, 65)
    compiled = gt.compile(lambda a, b: a.float() @ b)
    want = x.numpy().astype(np.float64) @ y.numpy().astype(np.float64)
    np.testing.assert_allclose(compiled(x, y).numpy(), want, rtol=0, atol=2e-4)
    assert "%acc" in compiled.stages[0]["kernels"]


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_nan_and_infinity_stay_where_they_are(special: float) -> None:
    """The zeros around an image are no results of the work."""
    conv = {"stride": (1, 1), "padding": (2, 2), "dilation": (1, 1), "groups": 1}
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((3, 7, 13, 11), (17, 7, 3, 3)))
    x[1, 4, 2, 0] = special
    function = lambda a, b: bind.bind(OPS["conv"], a * 0.5 + 1.0, b, **conv)
    got = gt.compile(function)(gt.from_numpy(x), gt.from_numpy(w)).numpy()
    with np.errstate(invalid="ignore"):
        want = function(gt.from_numpy(x), gt.from_numpy(w)).numpy()
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: gt.relu(x) @ gt.relu(y), [(33, 70), (70, 65)]),
        (lambda x, y: gt.relu(x).t() @ y, [(70, 33), (70, 65)]),
        (lambda x, y: gt.relu(x.t()) @ (y * 2.0), [(70, 33), (70, 65)]),
    ],
    ids=["both operands", "before a transpose", "after a transpose"],
)
def test_work_on_operands_is_no_kernel_of_its_own(function: Any, shapes: list[tuple[int, int]]) -> None:
    x, y = (gt.from_numpy(np.random.default_rng(i).standard_normal(s)) for i, s in enumerate(shapes))
    compiled = gt.compile(function)
    np.testing.assert_allclose(compiled(x, y).numpy(), function(x, y).numpy(), rtol=1e-10, atol=1e-10)
    assert compiled.stats[0].kernels == 1
