"""The plan of memory: kernels run in Python over the planned memory itself, against numpy over values of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.codegen.program import schedule_graph
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.in_place import may_overwrite, root
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.text import parse_graph
from graphtorch.runtime.interp import compile_kernel
from graphtorch.runtime.lending import Lender, lend
from graphtorch.runtime.packing import ORDERS, Span, _first_fit, _in_time, most_at_once, pack
from graphtorch.runtime.plan import Plan, plan_memory
from tests.codegen.test_contract import HOST
from tests.codegen.test_rows import ROWS
from tests.ir.graphs import arrays_for, graphs

F = gt.nn.functional
Array = np.ndarray[Any, Any]


class Memory:
    """The caller's arrays, outputs, and an arena full of nan, as a plan divides them."""

    def __init__(self, graph: Graph, plan: Plan, params: list[Array]) -> None:
        self.plan, self.params = plan, [p.copy() for p in params]
        self.outputs = [np.full(o.type.nbytes, 255, np.uint8) for o in graph.outputs]
        self.arena = np.full(plan.arena_bytes, 255, np.uint8)

    def of(self, value: Value) -> Array:
        place, size = self.plan.place(value), value.type.nbytes
        if place.kind == "param":
            return self.params[place.at].reshape(value.type.shape)
        in_arena = place.kind == "arena"
        memory, at = (self.arena, place.at) if in_arena else (self.outputs[place.at], place.offset)
        raw = memory[at : at + size]
        return raw.view(value.type.dtype.np).reshape(value.type.shape)


def run_planned(graph: Graph, params: list[Array], reverse: bool) -> tuple[list[Array], list[Array]]:
    """(outputs, parameters) after all kernels of an aliased graph."""
    memory = Memory(graph, plan_memory(graph), params)
    for launch in schedule_graph(graph, HOST):
        arrays = [
            memory.of(v).reshape(p.buffer.shape) for v, p in zip(launch.values, launch.kernel.params, strict=True)
        ]
        compile_kernel(launch.kernel)(*arrays, reverse=reverse)
    return [memory.of(o) for o in graph.outputs], memory.params


def check(graph: Graph, params: list[Array], tolerance: float) -> None:
    """The planned program gives what the graph gives over values that share no memory."""
    names = [p.name for p in graph.params]
    want, states = evaluate(graph, dict(zip(names, params, strict=True)))
    for reverse in (False, True):
        outputs, state = run_planned(graph, params, reverse)
        for a, b in zip(outputs, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        for name, before, after in zip(names, params, state, strict=True):
            np.testing.assert_allclose(after, states.get(name, before), rtol=tolerance, atol=tolerance)


@settings(max_examples=60)
@given(graphs())
def test_any_program_in_its_planned_memory(graph: Graph) -> None:
    assume(all(node.body is None for node in graph.nodes))
    with np.errstate(all="ignore"):
        scheduled = run_passes(graph, OPTIMIZE)
        check(scheduled, arrays_for(scheduled), 1e-5)


def optimized(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Graph:
    return run_passes(gt.trace(function, *(gt.TensorSpec(s, gt.float64) for s in shapes)), OPTIMIZE)


def shared(graph: Graph) -> int:
    """How many values lie where another one was."""
    plan = plan_memory(graph)
    made = [r for n in graph.nodes if n.op is not reshape for r in n.results]
    ends = set(map(root, graph.results()))
    early = [v for v in made if v not in ends and plan.place(v).kind == "output"]
    return sum(len(b.values) - 1 for b in plan.blocks) + len(early)


@pytest.mark.parametrize("name", ROWS)
def test_rows_over_what_they_were_made_of(name: str) -> None:
    function, shapes = ROWS[name]
    rng = np.random.default_rng(5)
    for shape in shapes[:2]:
        sizes = shape, (shape[-1], shape[-1])
        graph = optimized(lambda x, w: function(x @ w), *sizes)
        check(graph, [rng.standard_normal(s) for s in sizes], 1e-9)


def turned(x: Any) -> Any:
    return x + x.t()


#: work on a product of 7 x 7, and whether its result may lie where the product was
WORK: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "softmax, stored in the last of three passes": (lambda x: F.softmax(x, -1), True),
    "softmax over rows apart": (lambda x: F.softmax(x, 0), True),
    "another element is read": (turned, False),
    "elements, and their transpose as rows": (lambda x: F.softmax(x, -1) + x.t(), False),
    "of another width": (lambda x: F.softmax(x, -1) < 0.5, False),
    "stored in the first pass, and read in the last": (
        lambda x: ((y := gt.exp(x)), x / y.sum(-1, True)),
        True,  # by the second result, which the last pass stores
    ),
}


@pytest.mark.parametrize("name", WORK)
def test_where_a_result_may_lie(name: str) -> None:
    function, allowed = WORK[name]
    graph = optimized(lambda x, w: function(gt.tanh(x @ w)), (7, 7), (7, 7))
    assert (shared(graph) > 0) is allowed, graph
    rng = np.random.default_rng(6)
    check(graph, [rng.standard_normal((7, 7)) for _ in range(2)], 1e-9)


RESIDUAL = """\
graph @g(%x: f32[5,7], %w: f32[7,7]) -> (f32[5,7]) {
  %0: f32[5,7] = exp(%x)
  %1: f32[5,7] = neg(%x)
  %2: f32[5,7] = fusion(%1, %w, %0) {kind="contract"} graph @body(%a: f32[5,7], %b: f32[7,7], %c: f32[5,7]) -> (f32[5,7]) {
    %0: f32[5,7] = dot(%a, %b)
    %1: f32[5,7] = add(%0, %c)
    return %1
  }
  return %2
}
"""


def test_a_product_lies_over_what_is_added_to_it_and_not_over_what_it_multiplies() -> None:
    graph = parse_graph(RESIDUAL)
    exp, neg, product = graph.nodes
    assert may_overwrite(product, exp.result, product.result)
    assert not may_overwrite(product, neg.result, product.result)
    plan = plan_memory(graph)
    assert plan.place(exp.result) == plan.place(product.result) != plan.place(neg.result)
    rng = np.random.default_rng(7)
    check(graph, [rng.standard_normal(s).astype(np.float32) for s in ((5, 7), (7, 7))], 1e-5)


EARLY = """\
graph @g(%x: f32[5,7]) -> (f32[5,7], f32[5]) {
  %0: f32[5,7] = neg(%x)
  %1: f32[5,7], %2: f32[5] = fusion(%0) {kind="reduce"} graph @body(%a: f32[5,7]) -> (f32[5,7], f32[5]) {
    %0: f32[5,7] = exp(%a)
    %1: f32[5] = reduce_sum(%0) {dims=[1]}
    %2: f32[5,1] = reshape(%1) {shape=[5,1]}
    %3: f32[5,7] = broadcast_to(%2) {shape=[5,7]}
    %4: f32[5,7] = mul(%a, %3)
    %5: f32[5] = reduce_max(%4) {dims=[1]}
    return %0, %5
  }
  return %1, %2
}
"""


def test_what_the_first_pass_stores_lies_not_where_the_second_reads() -> None:
    graph = parse_graph(EARLY)
    neg, rows = graph.nodes
    assert not may_overwrite(rows, neg.result, rows.result)
    check(graph, [np.random.default_rng(8).standard_normal((5, 7)).astype(np.float32)], 1e-5)


def test_what_is_read_later_stays() -> None:
    text = """\
graph @g(%x: f32[33]) -> (f32[33]) {
  %0: f32[33] = exp(%x)
  %1: f32[33] = neg(%0)
  %2: f32[33] = sin(%1)
  %3: f32[33] = add(%2, %0)
  return %3
}
"""
    graph = parse_graph(text)
    plan = plan_memory(graph)
    first, second, third, last = (n.result for n in graph.nodes)
    assert plan.place(second) == plan.place(third) != plan.place(first)
    assert plan.place(last).kind == "output"
    assert plan.arena_bytes == plan.least_bytes == 192  # of 132 bytes, the other lies in the output
    check(graph, [np.linspace(-3, 3, 33, dtype=np.float32)], 1e-5)


spans = st.builds(
    lambda size, begin, length: Span(64 * size, begin, begin + length),
    st.integers(1, 9), st.integers(0, 12), st.integers(0, 5),
)  # fmt: skip


@given(st.lists(spans, max_size=24))
def test_what_lives_at_the_same_time_does_not_overlap(found: list[Span]) -> None:
    ways = [_in_time(found), pack(found), *(_first_fit(found, order) for order in ORDERS)]
    most, when = most_at_once(found)
    at_each = [sum(s.size for s in found if s.begin <= t <= s.end) for t in range(20)]
    assert most == max(at_each) and (not found or at_each[when] == most)
    for offsets, total in ways:
        owner: dict[tuple[int, int], int] = {}
        for number, (s, offset) in enumerate(zip(found, offsets, strict=True)):
            assert 0 <= offset <= total - s.size and offset % 64 == 0
            for line in range(offset, offset + s.size, 64):
                for t in range(s.begin, s.end + 1):
                    assert owner.setdefault((line, t), number) == number
    assert pack(found)[1] == min(total for _, total in ways) >= most


def test_an_order_by_size_is_beaten_where_small_ones_live_long() -> None:
    """The classic case: first fit by size wastes what an order of time does not, and the other way round."""
    found = [Span(64, 0, 9), Span(128, 0, 1), Span(128, 2, 3), Span(192, 4, 5), Span(64, 2, 9)]
    assert pack(found)[1] == most_at_once(found)[0]


def test_what_dies_before_an_output_is_made_lies_in_it() -> None:
    """%1 and %2 are live at the peak; the outputs are made when they are dead, and have room for both of them."""
    text = """\
graph @g(%x: f32[45,33], %w: f32[33,70]) -> (f32[70,45], f32[], f32[2970,2]) {
  %0: f32[45,33] = exp(%x)
  %1: f32[45,33] = sin(%0)
  %2: f32[33,45] = permute(%0) {dims=[1,0]}
  %3: f32[33,33] = dot(%2, %1)
  %4: f32[33,70] = dot(%3, %w)
  %5: f32[45,70] = dot(%0, %w)
  %6: f32[70,45] = permute(%5) {dims=[1,0]}
  %7: f32[] = reduce_sum(%4) {dims=[0,1]}
  %8: f32[] = reduce_sum(%6) {dims=[0,1]}
  %9: f32[] = add(%7, %8)
  %10: f32[2970,2] = broadcast_to(%9) {shape=[2970,2]}
  return %6, %8, %10
}
"""
    graph = parse_graph(text)
    plan = plan_memory(graph)
    lent = {i: plan.place(n.result) for i, n in enumerate(graph.nodes[:6]) if plan.place(n.result).kind == "output"}
    assert len(lent) >= 3 and max(p.offset for p in lent.values()) > 0
    assert plan.arena_bytes < 45 * 33 * 4
    rng = np.random.default_rng(9)
    check(graph, [rng.standard_normal(s).astype(np.float32) for s in ((45, 33), (33, 70))], 1e-4)


@given(
    st.lists(spans, max_size=24),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), max_size=5),
    st.lists(st.booleans(), min_size=24, max_size=24),
)
def test_what_is_lent_is_free(found: list[Span], sizes: list[tuple[int, int]], movable: list[bool]) -> None:
    """No two spans have bytes of an output at the same time, none is there when that is written, and the most that is
    live in the arena is never more than without."""
    found = [Span(s.size * 64, s.begin, s.end) for s in found]
    lenders = [Lender(number, 64 * 64 * n, begin) for number, (n, begin) in enumerate(sizes)]
    lent = lend(found, lenders, movable[: len(found)])
    owner: dict[tuple[int, int, int], int] = {}
    for number, (output, offset) in lent.items():
        span, lender = found[number], lenders[output]
        assert movable[number] and 0 <= offset <= lender.nbytes - span.size and span.end < lender.begin
        for line in range(offset, offset + span.size, 64):
            for t in range(span.begin, span.end + 1):
                assert owner.setdefault((output, line, t), number) == number
    rest = [s for i, s in enumerate(found) if i not in lent]
    assert most_at_once(rest)[0] <= most_at_once(found)[0]
