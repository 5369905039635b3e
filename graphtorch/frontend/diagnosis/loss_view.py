"""A call of a loss as its rules see it: its arguments, what made them, and how a problem of it is said."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.diagnosis.dataflow import Made, depends, made_by
from graphtorch.frontend.diagnosis.layers import constructor_call, is_layer
from graphtorch.frontend.diagnosis.mending import layer_name, loss_call, place_of, with_setting
from graphtorch.frontend.diagnosis.problem import Problem, Severity, Site, finding
from graphtorch.frontend.diagnosis.source import Call, call_at
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.notes import LossCall
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.loc import ScopeOwner
from graphtorch.ir.op import describe


@dataclass
class View:
    """What is known of a trace: its graph, the values of parameters, the module that ran when a node was made, and
    the tensors or ranges behind parameters of the graph that may be looked at."""

    graph: Graph
    parameters: set[Value]
    owners: Mapping[Node, ScopeOwner]
    tensors: Mapping[Value, Tensor]
    ranges: Mapping[Value, tuple[float, float]]

    @functools.cached_property
    def uses(self) -> dict[Value, list[Node]]:
        return self.graph.uses()

    def layer(self, node: Node) -> Module | None:
        """The layer of the package that made ``node``; None where the user's own code called the op."""
        owner = self.owners.get(node)
        return owner if isinstance(owner, Module) and is_layer(owner) else None

    def named(self, made: Made) -> str:
        """`Softmax "2" (net.py:7)`, or `softmax (net.py:40)` where no layer made it."""
        layer, loc = self.layer(made.node), made.node.locs[0] if made.node.locs else None
        if layer is None or loc is None:
            return ("a layer" if made.kind == "layer" else made.kind) + place_of(loc)
        return layer_name(layer, loc.path)

    def call(self, made: Made) -> Call | None:
        """The user's line that constructed the layer, or that called the function, by which ``made`` was made."""
        layer = self.layer(made.node)
        if layer is not None:
            return constructor_call(layer)
        return call_at(made.node.locs[0], made.kind) if made.node.locs else None


@dataclass(frozen=True)
class LossView:
    """A call of a loss, in a trace."""

    call: LossCall
    view: View

    @property
    def name(self) -> str:
        return self.call.name

    @property
    def reduction(self) -> str:
        return str(self.call.arguments.get("reduction", "mean"))

    @property
    def input(self) -> Value:
        return self.call.values["input"]

    @property
    def target(self) -> Value:
        return self.call.values["target"]

    @functools.cached_property
    def input_made(self) -> Made | None:
        return made_by(self.input, self.view.parameters)

    @functools.cached_property
    def target_made(self) -> Made | None:
        return made_by(self.target, self.view.parameters)

    @property
    def classes(self) -> int:
        """How many there are: the size of dimension 1 of scores [n, c, ...], or of scores [c]."""
        shape = self.input.type.shape
        return shape[1] if len(shape) > 1 else shape[0]

    def trained(self, value: Value) -> bool:
        """Whether it is computed from parameters, frozen ones too."""
        return depends(value, self.view.parameters)

    @functools.cached_property
    def _written(self) -> Call | None:
        """The user's call."""
        return loss_call(self.call.loc, self.name)

    @property
    def _by_module(self) -> bool:
        """Whether a loss module was called, and not the function."""
        return self._written is not None and self._written.name != self.name

    def as_other(self, module: str, function: str) -> str:
        """How it reads with another loss of the same arguments: the constructor of the module, or the call."""
        if self._by_module:
            return with_setting(self.call.created, {}, module)
        return "" if self._written is None else self._written.renamed(function)

    def with_setting(self, name: str, text: str) -> str:
        """How it reads with a setting of the loss, a keyword argument."""
        call = self._written
        if call is None:
            return ""
        if self._by_module:
            return with_setting(self.call.created, {name: text})
        return call.with_arguments(call.arguments, {**call.keywords, name: text})

    def problem(
        self,
        code: str,
        severity: Severity,
        message: str,
        facts: Sequence[str] = (),
        *,
        trail: Sequence[str] = (),
        fix: str = "",
    ) -> Problem:
        """A problem of this call."""
        site = Site(self.call.loc, self.call.created, self.name)
        found = finding(code, severity, message, facts, site=site, trail=trail, fix=fix)
        describe(found.error, self.name, self.tensors)
        return found

    @property
    def tensors(self) -> list[tuple[str, Any]]:
        return [(name, self.call.arguments[name]) for name in self.call.values]
