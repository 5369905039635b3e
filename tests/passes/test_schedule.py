"""fuse, alias and autodiff on small programs: what they make, and that it means the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphtorch.ir import bind
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.passes.alias import Alias
from graphtorch.ir.passes.autodiff import Autodiff
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.text import parse_graph
from graphtorch.ir.types import TensorType, float64
from graphtorch.runtime.executable import Executable

GT = PUBLIC["gt"]


def kernels(graph: Graph) -> list[str]:
    """kind(op op ...) of every fusion."""
    out = []
    for node in graph.nodes:
        if node.op.name == "fusion":
            assert node.body is not None
            out.append(f"{node.attrs['kind']}({' '.join(n.op.name for n in node.body.nodes)})")
        elif node.op.name != "reshape":
            out.append(node.op.name)
    return out


FUSIONS = {
    "a chain is one kernel": (
        "graph @g(%x: f32[5,3]) -> (f32[5,3]) {\n  %0: f32[5,3] = exp(%x)\n  %1: f32[5,3] = relu(%0)\n  return %1\n}",
        ["loop(exp relu)"],
    ),
    "a value that is returned and used is stored once": (
        "graph @g(%x: f32[5]) -> (f32[5], f32[5]) {\n  %0: f32[5] = exp(%x)\n  %1: f32[5] = neg(%0)\n  return %0, %1\n}",
        ["loop(exp neg)"],
    ),
    "producers move into a reduction, and its epilogue follows": (
        "graph @g(%x: f32[5,3]) -> (f32[5]) {\n  %0: f32[5,3] = exp(%x)\n  %1: f32[5] = reduce_sum(%0) {dims=[1]}\n"
        "  %2: f32[5] = log(%1)\n  return %2\n}",
        ["reduce(exp reduce_sum log)"],
    ),
    "what depends on a row's sum is computed where the row is summed": (
        "graph @g(%x: f32[5,3]) -> (f32[5,3]) {\n  %0: f32[5,3] = exp(%x)\n  %1: f32[5] = reduce_sum(%0) {dims=[1]}\n"
        "  %2: f32[5,1] = reshape(%1) {shape=[5,1]}\n  %3: f32[5,3] = broadcast_to(%2) {shape=[5,3]}\n"
        "  %4: f32[5,3] = div(%0, %3)\n  return %4\n}",
        ["reduce(exp reduce_sum reshape broadcast_to div)"],
    ),
    "what depends on the sum of another row is not": (
        "graph @g(%x: f32[4,4]) -> (f32[4,4]) {\n  %0: f32[4,4] = exp(%x)\n  %1: f32[4] = reduce_sum(%0) {dims=[1]}\n"
        "  %2: f32[4,4] = broadcast_to(%1) {shape=[4,4]}\n  %3: f32[4,4] = div(%0, %2)\n  return %3\n}",
        ["reduce(exp reduce_sum)", "loop(broadcast_to div)"],
    ),
    "a contraction takes its epilogue, and cheap work on what it reads": (
        "graph @g(%x: f32[5,3], %y: f32[3,7]) -> (f32[5,7]) {\n  %0: f32[5,3] = relu(%x)\n"
        "  %1: f32[5,7] = dot(%0, %y)\n  %2: f32[5,7] = relu(%1)\n  return %2\n}",
        ["contract(relu dot relu)"],
    ),
    "a contraction computes no function of what it reads": (
        "graph @g(%x: f32[5,3], %y: f32[3,7]) -> (f32[5,7]) {\n  %0: f32[5,3] = exp(%x)\n"
        "  %1: f32[5,7] = dot(%0, %y)\n  return %1\n}",
        ["loop(exp)", "contract(dot)"],
    ),
    "no cycle through a reduction": (
        "graph @g(%x: f32[4,4]) -> (f32[4,4]) {\n  %0: f32[4,4] = exp(%x)\n  %1: f32[4,4] = permute(%0) {dims=[1,0]}\n"
        "  %2: f32[4,4] = add(%0, %1)\n  return %2\n}",
        ["loop(exp)", "loop(permute add)"],
    ),
}


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion(name: str) -> None:
    text, expected = FUSIONS[name]
    graph = parse_graph(text)
    fused = Fuse().run(graph)
    assert kernels(fused) == expected
    inputs = [np.random.default_rng(0).standard_normal(p.type.shape).astype(np.float32) for p in graph.params]
    want, _ = evaluate(graph, inputs)
    for got in (evaluate(fused, inputs)[0], Executable(Alias().run(fused)).run(inputs)):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


UPDATES = {
    "in place": ("  %0: f32[3] = add(%w, %x)\n  update %w <- %0\n  return %x\n", 1),
    "read afterwards": ("  %0: f32[3] = add(%w, %x)\n  %1: f32[3] = mul(%w, %0)\n  update %w <- %0\n  return %1\n", 0),
    "old value returned": ("  %0: f32[3] = add(%w, %x)\n  update %w <- %0\n  return %w\n", 2),
    "new value returned": ("  %0: f32[3] = add(%w, %x)\n  update %w <- %0\n  return %0\n", 1),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_are_safe_in_place(name: str) -> None:
    body, copies = UPDATES[name]
    graph = parse_graph(f'graph @g(%x: f32[3], %w: f32[3] inout "w") -> (f32[3]) {{\n{body}}}')
    made = Alias().run(Fuse().run(graph))
    if name != "in place":  # returning a parameter itself costs a copy everywhere
        assert sum(n.op.name == "clone" for n in made.nodes) == copies
    x, w = np.array([1, 2, 3], np.float32), np.array([10, 20, 30], np.float32)
    want, updates = evaluate(graph, [x, w.copy()])
    state = w.copy()
    (got,) = Executable(made).run([x, state])
    np.testing.assert_array_equal(got, want[0])
    np.testing.assert_array_equal(state, next(iter(updates.values())) if isinstance(updates, dict) else updates[0])


def test_two_states_that_change_places() -> None:
    graph = parse_graph(
        'graph @g(%a: f32[2] inout "a", %b: f32[2] inout "b") -> () {\n  update %a <- %b\n  update %b <- %a\n  return\n}'
    )
    a, b = np.array([1, 2], np.float32), np.array([3, 4], np.float32)
    Executable(Alias().run(Fuse().run(graph))).run([a, b])
    assert (a.tolist(), b.tolist()) == ([3, 4], [1, 2])


def gradient_graph(function: Callable, *shapes: tuple[int, ...]) -> Graph:
    graph = Graph("g", [Param(f"x{i}", TensorType(s, float64)) for i, s in enumerate(shapes)])
    with Builder(graph) as builder:
        loss = GT["sum"](function(*graph.params))
        seed = bind.bind(OPS["constant"], value=1.0, dtype=float64)
        graph.outputs = [loss, *builder.bind(gradient, (loss, seed, *graph.params), {})]
    return graph


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: GT["tanh"](GT["matmul"](x, y)), [(3, 5), (5, 2)]),
        (lambda x, y: GT["softmax"](x * y, 1), [(3, 5), (5,)]),
        (lambda x, y: GT["detach"](x) * y + x, [(7,), (7,)]),
        (lambda x, y: GT["exp"](x), [(4,), (3,)]),
    ],
    ids=["matmul", "softmax", "detach", "unused"],
)
def test_autodiff_against_finite_differences(function: Callable, shapes: list[tuple[int, ...]]) -> None:
    graph = gradient_graph(function, *shapes)
    expanded = Autodiff().run(graph)
    assert all(n.op is not gradient for n in expanded.nodes)
    rng = np.random.default_rng(1)
    inputs = [rng.standard_normal(s) for s in shapes]
    _, *grads = evaluate(expanded, inputs)[0]
    for number, grad in enumerate(grads):
        if shapes == [(7,), (7,)] and number == 0:
            np.testing.assert_allclose(grad, np.ones(7))  # only the path that is not detached
            continue
        for index in np.ndindex(*shapes[number]):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in inputs]
                moved[number][index] += step
                sides.append(evaluate(expanded, moved)[0][0])
            assert abs((sides[0] - sides[1]) / 2e-6 - grad[index]) < 1e-7
