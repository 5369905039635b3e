"""What backward makes anew: which values, that they are the same, and that less is live at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.passes.rematerialize import Rematerialize
from graphtorch.ir.text import parse_graph
from graphtorch.ir.verify import verify
from graphtorch.runtime.plan import plan_memory
from tests.ir.graphs import arrays_for

EAGER = Rematerialize(least=0)

#: %1 is a norm of %x, of which %0 is a number for each row. The product %2 reads it, and %5 does after the peak, which
#: is at %7; the product %4 reads %x where it stores
TEXT = """\
graph @g(%x: f32[43,16], %g: f32[16] inout "g", %w: f32[16,33], %u: f32[33,16]) -> (f32[43,16], f32[16,33], f32[43,33]) {
  %0: f32[43,1], %1: f32[43,16] = fusion(%x, %g) {kind="reduce"} graph @body(%a: f32[43,16], %b: f32[16]) -> (f32[43,1], f32[43,16]) {
    %0: f32[43] = reduce_sum(%a) {dims=[1]}
    %1: f32[43,1] = reshape(%0) {shape=[43,1]}
    %2: f32[43,16] = broadcast_to(%1) {shape=[43,16]}
    %3: f32[43,16] = STEP(%a, %2)
    %4: f32[43,16] = broadcast_to(%b) {shape=[43,16]}
    %5: f32[43,16] = mul(%3, %4)
    return %1, %5
  }
  %2: f32[43,33] = dot(%1, %w)
  %7: f32[43,33] = neg(%2)
  %3: f32[43,33] = exp(%7)
WRITTEN
  %4: f32[43,16] = fusion(%3, %u, %x) {kind="contract"} graph @body(%a: f32[43,33], %b: f32[33,16], %c: f32[43,16]) -> (f32[43,16]) {
    %0: f32[43,16] = dot(%a, %b)
    %1: f32[43,16] = READ
    %2: f32[43,16] = mul(%0, %1)
    return %2
  }
  %5: f32[16,43] = permute(LATE) {dims=[1,0]}
  %6: f32[16,33] = dot(%5, %3)
  update %g <- %10
  return %4, %6, %3
}
"""
WRITTEN = "  %10: f32[16] = neg(%g)\n"


def text(step: str = "sub", read: str = "neg(%c)", late: str = "%1", early: str = "", after: str = WRITTEN) -> str:
    made = TEXT.replace("STEP", step).replace("READ", read).replace("LATE", late).replace("WRITTEN\n", early)
    return made.replace("  update %g", f"{after}  update %g")


def hosts(graph: Graph) -> list[Node]:
    """Products that store more than they did."""
    return [n for n in graph.nodes if n.attrs.get("kind") == "contract" and len(n.results) > 1]


def same(before: Graph, after: Graph) -> None:
    verify(after)
    arrays = {p.name: a for p, a in zip(before.params, arrays_for(before), strict=True)}
    for one, other in zip(evaluate(before, arrays), evaluate(after, arrays), strict=True):
        pairs = zip(one.values(), other.values()) if isinstance(one, dict) else zip(one, other)  # noqa: B905
        for a, b in pairs:
            np.testing.assert_array_equal(a, b)


def test_a_product_stores_again_what_forward_dropped(golden: Any) -> None:
    graph = parse_graph(text())
    made = EAGER.run(graph)
    (host,) = hosts(made)
    first = made.nodes[0].results[1]
    assert [n.op.name for n in made.uses()[first]] == ["dot"]
    assert host.results[1] in made.nodes[made.nodes.index(host) + 1].operands
    same(graph, made)
    golden("passes/rematerialize.gt", str(made))


REFUSED = {
    "a step is dear": text(step="pow"),
    "the product reads it at other elements": text(read="slice(%c) {start=[0,0],stop=[43,16],step=[1,1]}"),
    "state that it is made of is written before": text(early=WRITTEN, after=""),
    "a name from before the peak is read late": text(
        late="%11", early="", after=WRITTEN
    ).replace("  %2: f32[43,33] = dot", "  %11: f32[43,16] = reshape(%1) {shape=[43,16]}\n  %2: f32[43,33] = dot"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_stays_as_it_is(name: str) -> None:
    graph = parse_graph(REFUSED[name])
    assert EAGER.run(graph) is graph


def test_small_values_are_not_looked_at() -> None:
    graph = parse_graph(text())
    assert Rematerialize().run(graph) is graph


class Block(nn.Module):
    """What is saved for backward is the norm, and what surrounds GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 67), nn.Linear(67, width)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def test_the_norms_of_a_training_step() -> None:
    """Against eager training, with sizes at which values are looked at; and the arena is smaller by a norm a block."""

    def made() -> tuple[nn.Module, Any]:
        gt.manual_seed(3)
        net = nn.Sequential(Block(65), Block(65), Block(65), nn.LayerNorm(65))
        optimizer = optim.AdamW(net.parameters(), lr=0.01)

        def step(x: gt.Tensor) -> gt.Tensor:
            optimizer.zero_grad()
            loss = (net(x) ** 3).mean()
            loss.backward()
            optimizer.step()
            return loss

        return net, step

    (eager, by_hand), (net, step) = made(), made()
    compiled, rng = gt.compile(step), np.random.default_rng(4)
    for _ in range(3):
        x = gt.tensor(rng.standard_normal((257, 65)).astype(np.float32))
        gt.testing.assert_close(compiled(x), by_hand(x), rtol=1e-4, atol=1e-5)
    for p, q in zip(net.parameters(), eager.parameters(), strict=True):
        gt.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)
    stages = {
        name: parse_graph(str(graph)) for name, graph in compiled.stages[0].items() if name in ("bundle", "alias")
    }
    before, after = stages["bundle"], stages["alias"]
    assert sum(len(n.results) for n in hosts(after)) - sum(len(n.results) for n in hosts(before)) >= 2
    assert plan_memory(before).least_bytes - plan_memory(after).least_bytes >= 2 * 257 * 65 * 4
