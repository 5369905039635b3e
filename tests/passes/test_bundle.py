"""Kernels that do not wait for each other are one: what is put together, where it stands, and that nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.codegen.launch import launch_of
from graphtorch.codegen.lower import lower_node
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.passes.bundle import Bundle
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, OPTIMIZE_CUDA
from graphtorch.ir.text import parse_graph
from graphtorch.ir.verify import verify
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.test_contract import threads

__all__ = ["threads"]  # a fixture

#: sizes that vectors and chunks divide, and odd ones: large ones that threads share, one of nothing, numbers
SHAPES = [(130, 70), (640, 1024), (11,), (5, 1), (1, 33), (0, 3), (257, 41), (513,)]
RULES: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, fused=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, maximize=True, foreach=True),
    "groups": lambda p: optim.AdamW([{"params": p[:3]}, {"params": p[3:], "lr": 0.03, "weight_decay": 0.0}]),
}


class Run:
    """Parameters and an optimizer, whose step may be compiled; gradients are given."""

    def __init__(self, rule: str, clip: float | None, compiled: bool) -> None:
        rng = np.random.default_rng(1)
        self.params = [nn.Parameter(gt.tensor(rng.standard_normal(s).astype(np.float32))) for s in SHAPES]
        self.optimizer = RULES[rule](self.params)
        self.clip = clip
        self.step = gt.compile(self._step) if compiled else self._step

    def _step(self, *grads: Any) -> Any:
        for p, g in zip(self.params, grads, strict=True):
            p.grad = g * 2
        norm = None if self.clip is None else nn.utils.clip_grad_norm_(self.params, self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def steps(self, count: int) -> None:
        rng = np.random.default_rng(2)
        for _ in range(count):
            self.norm = self.step(*(gt.tensor(rng.standard_normal(s).astype(np.float32)) for s in SHAPES))

    def state(self) -> list[Any]:
        return [p.detach().numpy().copy() for p in self.params]

    @property
    def graph(self) -> Graph:
        return parse_graph(self.step.stages[0]["alias"])  # type: ignore[attr-defined]


def bundles(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.attrs.get("kind") == "bundle"]


@pytest.mark.parametrize("clip", [None, 1.5, 1e6])
@pytest.mark.parametrize("rule", RULES)
def test_steps_are_those_of_eager_mode(rule: str, clip: float | None, threads: None) -> None:
    eager = Run(rule, clip, compiled=False)
    eager.steps(20)
    found = []
    for count in (1, 2, 3):
        gt.set_num_threads(count)
        compiled = Run(rule, clip, compiled=True)
        compiled.steps(20)
        found.append(compiled.state())
        for a, b in zip(compiled.state(), eager.state(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.torch
@pytest.mark.parametrize("rule", RULES)
def test_steps_are_those_of_torch(rule: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    ours = Run(rule, 1.5, compiled=True)
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in ours.state()]
    made = ours.optimizer
    groups, at = [], 0
    for group in made.param_groups:
        options = {k: v for k, v in group.items() if k not in ("params", "decoupled_weight_decay")}
        if options.get("fused") or options.get("foreach"):
            options |= {"fused": None, "foreach": None}
        groups.append({"params": theirs[at : at + len(group["params"])], **options})
        at += len(group["params"])
    optimizer = getattr(torch.optim, type(made).__name__)(groups)
    ours.steps(20)
    rng = np.random.default_rng(2)
    for _ in range(20):
        for q in theirs:
            q.grad = torch.tensor(rng.standard_normal(tuple(q.shape)).astype(np.float32)) * 2
        norm = torch.nn.utils.clip_grad_norm_(theirs, 1.5)
        optimizer.step()
    np.testing.assert_allclose(ours.norm.numpy(), norm.numpy(), rtol=1e-5)
    for a, b in zip(ours.state(), theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "clip", "kernels"),
    [
        ("sgd", None, 1),
        ("nesterov", None, 1),
        ("adamw", None, 2),
        ("sgd", 1.5, 3),
        ("adamw", 1.5, 4),
        ("groups", 1.5, 4),
    ],
)
def test_how_many_kernels(rule: str, clip: float | None, kernels: int) -> None:
    """The updates are one kernel; so are counts of steps, and squares of gradients, whose sum is another."""
    run = Run(rule, clip, compiled=True)
    run.steps(1)
    assert len([n for n in run.graph.nodes if n.op.name == "fusion"]) == kernels
    meetings = kernels + (clip is not None)  # parts of a long sum are put together after all threads have met
    assert run.step.stats[0].kernels == meetings  # type: ignore[attr-defined]
    assert "clone" not in [n.op.name for n in run.graph.nodes], "state is written in place"


def test_clipped_gradients_are_in_no_memory() -> None:
    """The factor stands in the update: it gives the parameters, and nothing of the gradients' shapes beside them."""
    run = Run("sgd", 1.5, compiled=True)
    run.steps(1)
    update = bundles(run.graph)[-1]
    assert sorted(r.type.shape for r in update.results) == sorted(SHAPES)


def test_an_update_stays_in_the_product_that_makes_its_gradient() -> None:
    """That moves fewer bytes than a gradient in memory. What has no such product is in the bundle."""
    net = nn.Sequential(nn.Linear(24, 40), nn.Tanh(), nn.Linear(40, 12))
    tables = nn.ModuleList([nn.Embedding(50, 24), nn.Embedding(17, 24)])
    optimizer = optim.SGD([*net.parameters(), *tables.parameters()], lr=0.1)

    @gt.compile
    def step(at: Any) -> Any:
        y = net(tables[0](at) * tables[1](at))
        loss = (y * y).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step(gt.tensor(np.arange(33) % 17))
    graph = parse_graph(step.stages[0]["alias"])
    products = [
        n for n in graph.nodes if n.attrs.get("kind") == "contract" and n.results[0].type.shape in ((40, 24), (12, 40))
    ]
    assert len(products) == 2 and all(n.body and n.body.nodes[-1].op.name == "sub" for n in products)
    (bundle,) = bundles(graph)
    assert sorted(r.type.shape for r in bundle.results) == [(17, 24), (50, 24)]


TEXT = """\
graph @g(%x: f32[3,5], %w: f32[3,5] inout, %v: f32[7] inout, %n: f32[] inout, %m: f32[] inout, %y: f32[7]) -> (f32[7,1]) {
  %0: f32[3,5] = sub(%w, %x)
  %1: f32[] = neg(%n)
  %2: f32[] = exp(%m)
  %3: f32[7] = broadcast_to(%1) {shape=[7]}
  %4: f32[7] = mul(%v, %3)
  %5: f32[7,1] = reshape(%4) {shape=[7,1]}
  %6: f32[7] = mul(%y, %y)
  %7: f32[] = reduce_sum(%6) {dims=[0]}
  %8: f32[3,5] = mul(%x, %x)
  %9: f32[] = reduce_sum(%8) {dims=[0,1]}
  %10: f32[] = add(%7, %9)
  %11: f32[] = add(%10, %2)
  update %w <- %0
  update %v <- %4
  update %n <- %1
  update %m <- %11
  return %5
}
"""


def test_golden(golden: Any) -> None:
    graph = run_passes(parse_graph(TEXT), OPTIMIZE)
    golden("passes/bundle.gt", str(graph))


def test_bundles_keep_results_and_text() -> None:
    graph = parse_graph(TEXT)
    made = run_passes(graph, OPTIMIZE)
    verify(made)
    assert bundles(made) and parse_graph(str(made)) == made
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(p.type.shape).astype(np.float32) for p in graph.params]
    wanted, updates = evaluate(graph, arrays)
    for outputs, state in (evaluate(made, arrays), run_native(made, arrays)):
        np.testing.assert_allclose(outputs[0], wanted[0], rtol=1e-6)
        for name, value in updates.items():
            np.testing.assert_allclose(state[name], value, rtol=1e-6, err_msg=name)


def run_native(graph: Graph, arrays: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    own = [a.copy() for a in arrays]
    outputs = Executable(graph).run(own)
    return outputs, {p.name: a for p, a in zip(graph.params, own, strict=True) if p.role == "inout"}


def test_nothing_to_do_gives_the_same_object() -> None:
    graph = parse_graph("graph @g(%x: f32[3]) -> (f32[3]) { %0: f32[3] = exp(%x) return %0 }")
    assert Bundle().run(graph) is graph


def test_bundles_are_no_larger_than_asked_for() -> None:
    params = [gt.ones(n) for n in range(1, 8)]

    def step() -> None:
        for p in params:
            p.copy_(p * 2)

    graph = run_passes(gt.trace(step), OPTIMIZE_CUDA)
    assert len(bundles(graph)) == 1
    fused = run_passes(gt.trace(step), [p for p in OPTIMIZE if not isinstance(p, Bundle)])
    sizes = [len(b.results) for b in bundles(Bundle(most=6).run(fused))]
    assert sizes == [3, 3]


def test_state_that_another_kernel_of_the_bundle_reads_is_copied() -> None:
    """Loops of a bundle run at the same time: a swap cannot be done in place."""
    a, b = gt.randn(5, 3), gt.randn(5, 3)
    x, y = a.numpy().copy(), b.numpy().copy()

    @gt.compile
    def swap() -> None:
        old = a * 1
        a.copy_(b * 2)
        b.copy_(old * 3)

    for _ in range(2):
        swap()
        x, y = y * 2, x * 3
        np.testing.assert_array_equal(a.numpy(), x)
        np.testing.assert_array_equal(b.numpy(), y)


def test_one_grid_for_cuda() -> None:
    params = [gt.ones(*s) for s in ((300,), (7, 5), (2, 257))]

    def step() -> None:
        for i, p in enumerate(params):
            p.copy_(p * (i + 2))

    (node,) = bundles(run_passes(gt.trace(step), OPTIMIZE_CUDA))
    lowered = lower_node(node, "k")
    kernel = schedule_cuda(lowered.nest)  # type: ignore[arg-type]
    launch = launch_of(kernel)
    assert launch is not None and launch.grid == (2 + 1 + 3, 1, 1)
    arrays = [np.arange(o.type.numel, dtype=np.float32) for o in lowered.operands]
    outs = [np.full(r.type.numel, 113, np.float32) for r in lowered.results]
    run_kernel(kernel, [*arrays, *outs])
    for result, out in zip(lowered.results, outs, strict=True):
        factor = {300: 2, 35: 3, 514: 4}[result.type.numel]
        np.testing.assert_array_equal(out, np.arange(out.size, dtype=np.float32) * factor)
