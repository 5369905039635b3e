"""gt.compile(..., freeze=True): the same numbers, work on weights done once, and done again when they change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.frozen import split_frozen
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.fold import Fold
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import FREEZE
from graphtorch.ir.text import parse_graph


def net() -> nn.Sequential:
    gt.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 33, 3, padding=1),
        nn.BatchNorm2d(33),
        nn.ReLU(),
        nn.Conv2d(33, 17, (3, 5), padding=1, bias=False),
        nn.BatchNorm2d(17),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(17 * 8 * 7, 29),
    )
    for norm in (model[1], model[4]):
        norm.running_mean.copy_(gt.randn(norm.num_features))
        norm.running_var.copy_(gt.rand(norm.num_features) + 0.5)
    return model.eval()


def once_calls(compiled: Any) -> int:
    """How often the work on weights was done: by the program for it, and by the kernels' own part."""
    program = compiled._order[0]
    assert program.once is not None and program.forward._once is not None
    assert program.once.calls == program.forward._once.calls
    return int(program.once.calls)


CHANGES = {
    "a weight in place": lambda m: m[0].weight.mul_(1.5),
    "a weight's data": lambda m: setattr(m[7].bias, "data", gt.randn(29)),
    "a running mean": lambda m: m[4].running_mean.add_(1),
    "load_state_dict": lambda m: m.load_state_dict({k: v * 1.25 for k, v in m.state_dict().items()}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_weights_are_noticed(change: Any) -> None:
    model, x = net(), gt.randn(2, 3, 16, 16)
    compiled = gt.compile(model, freeze=True)
    with gt.no_grad():
        for _ in range(3):
            np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)
        assert once_calls(compiled) == 1
        before = model(x).numpy()
        change(model)
        want = model(x).numpy()
        assert not np.allclose(before, want, rtol=1e-3)
        for _ in range(2):
            np.testing.assert_allclose(compiled(x).numpy(), want, rtol=1e-4, atol=1e-5)
    assert once_calls(compiled) == 2
    assert len(compiled.stats) == 1


def test_a_replaced_weight_is_another_program() -> None:
    model, x = net(), gt.randn(2, 3, 16, 16)
    compiled = gt.compile(model, freeze=True)
    with gt.no_grad():
        compiled(x)
        model[7] = nn.Linear(17 * 8 * 7, 5)
        np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)
    assert len(compiled.stats) == 2


def test_batch_norm_is_in_the_weights() -> None:
    model = net()
    compiled = gt.compile(model, freeze=True)
    with gt.no_grad():
        compiled(gt.randn(2, 3, 16, 16))
    fused = compiled.stages[0]["fuse"]
    assert "rsqrt" not in fused and " mul(" not in fused
    assert "rsqrt" in compiled.stages[0]["once fuse"]


def test_weights_are_packed_once() -> None:
    """No kernel of a call copies a weight: each reads what was kept."""
    model = net()
    compiled = gt.compile(model, freeze=True)
    with gt.no_grad():
        compiled(gt.randn(64, 3, 16, 16))
    program = compiled._order[0].forward
    hoisted = {launch.kernel.name for launch in program._parts.once}
    assert len(hoisted) >= 2 and all(name.endswith("_once") for name in hoisted)
    for launch in program._parts.program:
        assert "%wp" not in str(launch.kernel)


def test_one_kernel_over_frozen_and_other_operands() -> None:
    """Products that read the same, of which one packs its weight once and the other at every call."""
    rng = np.random.default_rng(3)
    w, x = (rng.standard_normal((300, 300)).astype(np.float32) for _ in range(2))
    weight = gt.from_numpy(w)
    compiled = gt.compile(lambda x: (x @ weight, weight @ x), freeze=True)
    with gt.no_grad():
        for _ in range(2):
            left, right = compiled(gt.from_numpy(x))
            np.testing.assert_allclose(left.numpy(), x.astype(np.float64) @ w, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(right.numpy(), w.astype(np.float64) @ x, rtol=1e-3, atol=1e-3)


def test_gradients_are_refused() -> None:
    model, x = net(), gt.randn(2, 3, 16, 16)
    compiled = gt.compile(model, freeze=True)
    with pytest.raises(gt.errors.TraceError, match=r"GT614: Sequential was compiled with freeze=True"):
        compiled(x)
    with gt.no_grad():
        np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_a_function_that_captures_and_draws() -> None:
    """State that the program writes, such as the generator's, is not frozen."""
    w = gt.randn(7, 5)

    @gt.compile(freeze=True)
    def f(x: gt.Tensor) -> gt.Tensor:
        return x @ (w * 2).t() + gt.rand(7)

    x = gt.randn(3, 5)
    with gt.no_grad():
        gt.manual_seed(3)
        got = [f(x).numpy() for _ in range(2)]
        gt.manual_seed(3)
        for y in got:
            np.testing.assert_allclose(y, (x @ (w * 2).t() + gt.rand(7)).numpy(), rtol=1e-5, atol=1e-5)
    assert not np.array_equal(*got)


def test_nothing_to_compute_once() -> None:
    f = gt.compile(lambda x: x.exp(), freeze=True)
    x = gt.randn(5)
    np.testing.assert_allclose(f(x).numpy(), x.exp().numpy(), rtol=1e-6)


# ---- the cut, and fold ----


def frozen_graph(body: str, result: str = "%9") -> Graph:
    return parse_graph(
        "graph @g(%x: f32[2,3,9,7], %w: f32[5,3,3,3] frozen, %s: f32[5] frozen, %t: f32[5] frozen, %v: f32[5]) -> (f32[2,5,7,5]) {\n"
        "  %0: f32[2,5,7,5] = conv(%x, %w) {stride=[1,1], padding=[0,0], dilation=[1,1], groups=1}\n"
        "  %1: f32[5,1,1] = reshape(%s) {shape=[5,1,1]}\n"
        "  %2: f32[2,5,7,5] = broadcast_to(%1) {shape=[2,5,7,5]}\n"
        "  %3: f32[1,5,1,1] = reshape(%t) {shape=[1,5,1,1]}\n"
        "  %4: f32[2,5,7,5] = broadcast_to(%3) {shape=[2,5,7,5]}\n"
        "  %5: f32[5,1,1] = reshape(%v) {shape=[5,1,1]}\n"
        "  %6: f32[2,5,7,5] = broadcast_to(%5) {shape=[2,5,7,5]}\n"
        f"{body}\n  return {result}\n}}\n"
    )


FOLDED = {
    "scale": "%9: f32[2,5,7,5] = mul(%0, %2)",
    "scale on the left": "%9: f32[2,5,7,5] = mul(%2, %0)",
    "shift, scale, shift": "%7: f32[2,5,7,5] = sub(%0, %4) %8: f32[2,5,7,5] = mul(%7, %2) %9: f32[2,5,7,5] = add(%4, %8)",
    "scale twice": "%7: f32[2,5,7,5] = mul(%0, %2) %8: f32[2,5,7,5] = add(%7, %2) %9: f32[2,5,7,5] = mul(%8, %4)",
}
KEPT = {
    "a scale that is not frozen": "%9: f32[2,5,7,5] = mul(%0, %6)",
    "a difference from it": "%7: f32[2,5,7,5] = sub(%4, %0) %9: f32[2,5,7,5] = mul(%7, %2)",
    "a value that is read twice": "%7: f32[2,5,7,5] = mul(%0, %2) %9: f32[2,5,7,5] = add(%7, %0)",
    "a sum alone": "%9: f32[2,5,7,5] = add(%0, %2)",
}


def inputs(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(p.type.shape).astype(np.float32) for p in graph.params]


@pytest.mark.parametrize("text", FOLDED.values(), ids=FOLDED)
def test_fold_keeps_the_numbers(text: str) -> None:
    graph = frozen_graph(text)
    folded = run_passes(graph, FREEZE, verify_each=True)
    assert all(n.op.name != "mul" or n.result.type.shape != (2, 5, 7, 5) for n in folded.nodes)
    arrays = dict(zip((p.name for p in graph.params), inputs(graph), strict=True))
    kept = [arrays[p.name] for p in folded.params]
    ((want,), _), ((got,), _) = evaluate(graph, arrays), evaluate(folded, kept)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    parts = split_frozen(folded)
    once, _ = evaluate(parts.once, [kept[i] for i in parts.params])
    (again,), _ = evaluate(parts.graph, [*kept, *once])
    np.testing.assert_array_equal(again, got)
    assert all(n.op.name != "mul" for n in parts.graph.nodes)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_fold_leaves_what_is_no_chain_of_frozen_steps(text: str) -> None:
    graph = frozen_graph(text)
    assert Fold().run(graph) is graph
