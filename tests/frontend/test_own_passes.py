"""gt.compile(passes=...): passes and ops of users, and what of them the cache on disk must not know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentTypeError, IRError
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite
from graphtorch.ir.op import OPS, PUBLIC, register
from graphtorch.ir.ops.arithmetic import add, mul
from graphtorch.ir.ops.functions import FloatUnary


@dataclass(frozen=True)
class Swap:
    """A wrong transformation on purpose: each ``op`` becomes another op of two operands."""

    op: str = "add"
    to: Any = mul
    name: ClassVar[str] = "swap"

    def run(self, graph: Graph) -> Graph:
        def rule(node: Node, operands: tuple[Value, ...], _: Builder) -> list[Value] | None:
            return [self.to(*operands)] if node.op.name == self.op else None

        return rewrite(graph, rule)


def plus_seven(x: gt.Tensor) -> gt.Tensor:
    return x + 7


def test_a_pass_changes_the_program() -> None:
    x = gt.tensor([1.0, 2.0, 3.0])
    compiled = gt.compile(plus_seven, passes=[Swap()])
    assert compiled(x).tolist() == [7, 14, 21]
    stages = compiled.stages[0]
    assert "mul" in stages["swap"] and "add" in stages["trace"]
    assert list(stages).index("swap") == list(stages).index("dce") + 1


def test_passes_run_in_turn() -> None:
    compiled = gt.compile(passes=(Swap(), Swap("mul", add)))(plus_seven)
    assert compiled(gt.ones(3)).tolist() == [8, 8, 8]


def test_a_pass_sees_gradients() -> None:
    """The backward graph of a step, that of a module in an eager loop (its sum had a gradient when it became a product),
    and a body of a scan."""

    def step(x: gt.Tensor) -> gt.Tensor:
        x = x.detach().requires_grad_()
        (grad,) = gt.autograd.grad((x.exp() + x).sum(), x)
        return grad

    x = gt.tensor([0.5, -1.0])
    np.testing.assert_allclose(step(x).numpy(), np.exp(x.numpy()) + 1, rtol=1e-6)
    swapped = gt.compile(step, passes=[Swap()])(x)  # exp(x) times 1, or times exp(x)'s own factor: no sum is left
    np.testing.assert_allclose(swapped.numpy(), np.exp(x.numpy()), rtol=1e-6)

    layer = gt.compile(nn.Linear(3, 2), passes=[Swap()])
    with gt.no_grad():
        layer.bias.fill_(2.0)
    y = layer(gt.ones(1, 3))
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), 2 * layer.weight.detach().numpy().sum(1)[None], rtol=1e-5)
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.ones((2, 3)))

    scanned = gt.compile(lambda xs: gt.scan(lambda c, x: (c + x, c), gt.ones(2), xs)[0], passes=[Swap()])
    assert scanned(gt.full((3, 2), 2.0)).tolist() == [8, 8]


def test_frozen_programs_have_passes_too() -> None:
    layer = nn.Linear(3, 2)
    with gt.no_grad():
        layer.bias.fill_(3.0)
        expected = 3 * layer.weight.detach().numpy().sum(1)[None]
        found = gt.compile(layer, freeze=True, passes=[Swap()])(gt.ones(1, 3))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_what_the_cache_knows_is_not_what_a_pass_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path))
    x = gt.ones(5)
    for _ in range(2):
        assert gt.compile(plus_seven)(x)[0].item() == 8
        assert gt.compile(plus_seven, passes=[Swap()])(x)[0].item() == 7
        assert gt.compile(plus_seven, passes=[Swap("mul")])(x)[0].item() == 8


def test_an_op_of_a_user_is_not_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that is edited between two runs of a program is compiled anew, in bodies of loops too."""
    monkeypatch.setenv("GRAPHTORCH_CACHE_DIR", str(tmp_path))

    def run(factor: float) -> list[float]:
        class Times(FloatUnary):
            name = "times_of_a_test"

            def ref(self, x: Any) -> Any:
                return x * np.float32(factor)

            def vjp(self, g: Any, y: Any, _x: Any) -> Any:
                return g * factor

            def scalar(self, x: Any) -> Any:
                return x * factor

        try:
            times = register(Times())
            plain = gt.compile(lambda x: times(x))(gt.ones(3))
            looped = gt.compile(lambda x: gt.scan(lambda c, t: (times(c) + t, c), gt.ones(()), x)[0])(gt.zeros(2))
            return [plain[0].item(), looped.item()]
        finally:
            OPS.pop("times_of_a_test")
            for namespace in Times.surface:
                PUBLIC[namespace].pop("times_of_a_test")

    assert run(2.0) == [2, 4]
    assert run(3.0) == [3, 9]


class Broken:
    name = "broken"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, graph: Graph) -> Graph:
        nodes, outputs = list(graph.nodes), list(graph.outputs)
        if self.kind == "parameters":
            return Graph(graph.name, [], nodes, outputs, graph.updates)
        if self.kind == "outputs":
            return Graph(graph.name, graph.params, nodes, outputs * 2, graph.updates)
        if self.kind == "updates":
            return Graph(graph.name, graph.params, nodes, outputs, {})
        return Graph(graph.name, graph.params, nodes[1:], outputs, graph.updates)


@pytest.mark.parametrize("kind", ["parameters", "outputs", "updates"])
def test_a_pass_keeps_what_a_graph_takes_and_gives(kind: str) -> None:
    state = gt.zeros(3)

    def step(x: gt.Tensor) -> gt.Tensor:
        state.add_(x)
        return x * 2

    with pytest.raises(IRError, match=f"GT813: the pass 'broken' changed the {kind} of @step"):
        gt.compile(step, passes=[Broken(kind)])(gt.ones(3))


def test_a_pass_that_breaks_a_graph_is_named() -> None:
    with pytest.raises(IRError, match=r"GT803[\s\S]*after broken"):
        gt.compile(lambda x: x.exp() * 2, passes=[Broken("order")])(gt.ones(3))


class WithoutRun:
    name = "without"


@pytest.mark.parametrize("passes", [Swap(), [Swap], "cse", [WithoutRun()], [lambda graph: graph]])
def test_what_is_no_pass_is_refused(passes: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="GT301: passes must be a sequence of passes, got"):
        gt.compile(plus_seven, passes=passes)
