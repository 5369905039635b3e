"""A traced program as the numeric contracts look at it: intervals, who wrote a node, and how to say where it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from graphtorch.frontend.diagnosis.interval import Interval, says_something
from graphtorch.frontend.diagnosis.intervals import Intervals
from graphtorch.frontend.diagnosis.problem import Site
from graphtorch.frontend.diagnosis.provenance import MOVES, root
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.loc import ScopeOwner

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer

#: what ops bring along: broadcasting, promotion, numbers
_BESIDE = MOVES | {"constant", "cast"}
_STEPS = 4


def _op_name(node: Node) -> str:
    return node.op.name


@dataclass
class Subject:
    """``graph`` before any pass, and what is known beside it.

    ``ranges``: (low, high) of parameters. ``callers``: for each node what tells the call of the user's that it was made
    by from others; without, lines do. ``owners``: the module that a node was made in. ``tracked``: the values
    that gradients flow through. ``names``: what the user calls a captured tensor. ``name_of``: the public function that
    a node is of.
    """

    graph: Graph
    ranges: Mapping[Value, tuple[float, float]] = field(default_factory=dict)
    callers: Mapping[Node, Hashable] = field(default_factory=dict)
    owners: Mapping[Node, ScopeOwner] = field(default_factory=dict)
    tracked: Collection[Value] = ()
    names: Mapping[Value, str] = field(default_factory=dict)
    name_of: Callable[[Node], str] = _op_name

    @cached_property
    def intervals(self) -> Intervals:
        return Intervals(self.ranges)

    @cached_property
    def uses(self) -> dict[Value, list[Node]]:
        return self.graph.uses()

    @cached_property
    def _made(self) -> dict[Hashable, set[str]]:
        """The ops of each call of the user's, less what they bring along."""
        made: dict[Hashable, set[str]] = {}
        for node in self.graph.nodes:
            if node.op.name not in _BESIDE:
                made.setdefault(self.caller(node), set()).add(node.op.name)
        return made

    def caller(self, node: Node) -> Hashable:
        """What stands for the call of the user's that made a node."""
        return self.callers.get(node) or node.locs

    def is_own(self, node: Node) -> bool:
        """Whether the user asked for this very op. What a layer or a loss is written with is none of it: those are made
        so that they hold."""
        return self._made.get(self.caller(node), set()) <= {node.op.name}

    def has_company(self, position: int) -> bool:
        """Whether the node at ``position`` stands beside another op of the same call: then it is not the user's own,
        and most are found so, before all nodes are looked through."""
        nodes = self.graph.nodes
        node, caller = nodes[position], self.caller(nodes[position])
        for steps in (range(position - 1, -1, -1), range(position + 1, len(nodes))):
            other = next((nodes[i] for i in steps if nodes[i].op.name not in _BESIDE), None)
            if other is not None and other.op is not node.op and self.caller(other) == caller:
                return True
        return False

    def interval(self, value: Value) -> Interval:
        return self.intervals.of(value)

    def says_something(self, value: Value) -> bool:
        """Whether more is known of ``value`` than its dtype tells."""
        return says_something(self.interval(value), value.type.dtype)

    def flows(self, value: Value) -> bool:
        """Whether gradients flow through ``value``."""
        return value in self.tracked

    # ---- words ----

    def site(self, node: Node, op: str = "") -> Site:
        owner = self.owners.get(node)
        return Site(node.locs[0] if node.locs else None, owner._created_at if owner else None, op or node.op.name)

    def title(self, param: Param) -> str:
        """What a parameter is called in messages."""
        if param.name.startswith("x"):
            return f"argument {param.name[1:]}"
        return self.names.get(param) or "a captured tensor"

    def operand(self, node: Node, position: int) -> str:
        """A line of an operand: its name, type and interval, and how it came to lie in there."""
        value = node.operands[position]
        steps = self._steps(value)
        origin = f"   (from {' -> '.join(steps)})" if steps else ""
        known = f" in {self.interval(value)}" if self.says_something(value) or value.type.dtype.itemsize == 1 else ""
        return f"{node.op.operand_names[position]} {value.type}{known}{origin}"

    def _steps(self, value: Value) -> list[str]:
        """The calls that ``value`` went through since a range, a few at most, with the intervals in between."""
        steps: list[str] = []
        at: Value | None = root(value, MOVES | {"cast"})
        while at is not None and len(steps) < _STEPS:
            name = self._step(at)
            if name:
                steps.append(f"{name} in {self.interval(at)}" if steps else name)
            at = self._source(at)
        return steps[::-1]

    def _step(self, value: Value) -> str:
        if isinstance(value, Param):
            return self.title(value) if self.says_something(value) or value.type.dtype.kind != "f" else ""
        assert value.node is not None  # it is no parameter
        return "" if value.node.op.name == "constant" else self.name_of(value.node)

    def _source(self, value: Value) -> Value | None:
        """What ``value`` has its bounds from: an operand of the call that made it of which something is known."""
        if value.node is None:
            return None
        caller, before = self.caller(value.node), list(value.node.operands)
        while before:
            operand = root(before.pop(0), MOVES | {"cast"})
            if operand.node is not None and self.caller(operand.node) == caller:
                before += operand.node.operands
            elif self.says_something(operand) and not _is_constant(operand):
                return operand
        return None


def names_of_captures(tracer: Tracer) -> dict[Value, str]:
    """The attributes of modules that tensors from outside are."""
    captures = {id(b.tensor): b.param for b in tracer.captures if b.tensor is not None}
    names: dict[Value, str] = {}
    for module in [called.module for called in tracer.notes.called.values()]:
        tables = (vars(module), module._buffers, module._parameters)
        found = {captures[id(v)]: f"self.{k}" for table in tables for k, v in table.items() if id(v) in captures}
        names |= {v: n for v, n in found.items() if v not in names}
    return names


def is_number(param: Param) -> bool:
    """Whether it is a Python number that the program fetches, such as a learning rate."""
    return param.role == "in" and not param.name.startswith("x")


def _is_constant(value: Value) -> bool:
    return value.node is not None and value.node.op.name == "constant"
