"""The engine of eager autograd: walks the tape from results to leaves, and to tensors that are asked for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.autocast_mode import suspended
from graphtorch.frontend.autograd import Edge, GradNode, edge_of, set_grad_enabled
from graphtorch.ir.errors import AutogradError

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor

Hooks = dict[int, Callable[["Tensor"], Any]]


def run(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> dict[Any, tuple[Tensor, Tensor]]:
    """Leaves (or, where given, ``inputs``) with their gradients, by id; inputs that nothing reaches are not in it.

    Nodes are visited in reverse order of recording. ``create_graph`` records what is computed. Nothing is accumulated:
    a failed backward changes no gradient of a leaf.
    """
    walk = _Walk(inputs)
    with set_grad_enabled(create_graph), suspended():
        for root, gradient in zip(roots, gradients, strict=True):
            walk.send(edge_of(root), gradient)
        while walk.heap:
            walk.visit(heapq.heappop(walk.heap)[1], retain_graph or create_graph)
        return walk.finish()


class _Walk:
    def __init__(self, inputs: Sequence[Tensor] | None) -> None:
        self.pending: dict[GradNode, list[Tensor | None]] = {}
        self.heap: list[tuple[int, GradNode]] = []
        self._leaves: dict[int, tuple[Tensor, Tensor]] = {}
        self._inputs = None if inputs is None else [(t, edge_of(t)) for t in inputs]
        self._asked = {e: t for t, e in self._inputs or () if isinstance(e, tuple)}
        self._found: dict[int, tuple[Tensor, Tensor]] = {}

    def send(self, edge: Edge, g: Tensor | None) -> None:
        """Add ``g`` to the gradient of what ``edge`` leads to."""
        if edge is None or g is None:
            return
        if not isinstance(edge, tuple):
            have = self._leaves.get(id(edge))
            self._leaves[id(edge)] = (edge, g if have is None else have[1] + g)
            return
        node, index = edge
        if node not in self.pending:
            self.pending[node] = [None] * len(node.avals)
            heapq.heappush(self.heap, (-node.order, node))
        have_g = self.pending[node][index]
        self.pending[node][index] = g if have_g is None else have_g + g

    def visit(self, node: GradNode, keep: bool) -> None:
        grads = self.pending.pop(node)
        for index, g in enumerate(grads):
            if g is not None:
                grads[index] = self._seen(node, index, g)
        if self._inputs is not None and not self._leads_on(node):
            return
        for edge, g in zip(node.edges, node.backward(grads), strict=True):
            self.send(edge, g)
        if not keep:
            node.release()

    def _seen(self, node: GradNode, index: int, g: Tensor) -> Tensor:
        """The gradient of a result is complete: ask its hooks, and hand it to whoever wants it."""
        if node.hooks is not None:
            g = call_hooks(node.hooks.get(index, {}), g)
        retained = node.retained.get(index) if node.retained is not None else None
        tensor = retained() if retained is not None else None
        if tensor is not None:
            tensor._grad = g if tensor._grad is None else tensor._grad + g
        asked = self._asked.get((node, index))
        if asked is not None:
            self._found[id(asked)] = asked, g
        return g

    def _leads_on(self, node: GradNode) -> bool:
        """Whether an input lies beyond ``node``."""
        if not hasattr(self, "_beyond"):
            self._beyond = _beyond(self._inputs or (), [node, *(n for _, n in self.heap)])
        return node in self._beyond

    def finish(self) -> dict[Any, tuple[Tensor, Tensor]]:
        leaves = {
            key: (leaf, call_hooks(leaf._hooks, g) if leaf._hooks else g) for key, (leaf, g) in self._leaves.items()
        }
        if self._inputs is None:
            return leaves
        return self._found | {id(t): leaves[id(t)] for t, _ in self._inputs if id(t) in leaves}


def _beyond(inputs: Sequence[tuple[Tensor, Edge]], roots: Sequence[GradNode]) -> set[GradNode]:
    """The nodes whose backward is needed: those on a path from a root to an input."""
    wanted = {id(e[0]) if isinstance(e, tuple) else id(e) for _, e in inputs if e is not None}
    order: list[GradNode] = []
    seen: set[GradNode] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            stack += [e[0] for e in node.edges if isinstance(e, tuple)]
    needed: set[GradNode] = set()
    for node in sorted(order, key=lambda n: n.order):  # operands first
        if any(_target(e) in wanted or (isinstance(e, tuple) and e[0] in needed) for e in node.edges):
            needed.add(node)
    return needed


def _target(edge: Edge) -> int:
    return id(edge[0]) if isinstance(edge, tuple) else id(edge)


def call_hooks(hooks: Hooks, g: Tensor) -> Tensor:
    """The gradient after each hook had its say; one that returns None leaves it."""
    for hook in tuple(hooks.values()):
        changed = hook(g)
        if changed is not None and getattr(changed, "aval", None) != g.aval:
            raise AutogradError(
                "GT103", "a hook must return a gradient of the same type", [f"expected {g.aval}, got {changed!r}"]
            )
        g = g if changed is None else changed
    return g
