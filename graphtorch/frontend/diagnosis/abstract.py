"""One run over shapes: no number is computed, no memory is taken, and a failure is a result like any other.

It is a trace without what a compiled program needs to be called again (guards), so it costs what Python costs. It can
be run as if the user had edited the model (edits.py).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import takewhile
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.diagnosis.called import Arguments, ModuleCall, types_in, weights_of
from graphtorch.frontend.diagnosis.edits import INPUTS, Edit, Point, at_call, at_function, at_module
from graphtorch.frontend.diagnosis.intercepting import intercepted
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.loc import Loc, Place, Scope, ScopeOwner, place, state
from graphtorch.ir.op import Op
from graphtorch.ir.types import defaults

#: what tells a call of the user's from others: the point in the code, and the module that runs
Caller = tuple[Place | None, ScopeOwner | None]


def caller() -> Caller:
    """The call of the user's that is running now."""
    return place(), state.scope.owner if state.scope else None


@dataclass(frozen=True)
class PublicCall:
    """A call of a public function or method, by the user (``direct``) or by a layer of the package.

    ``caller`` tells calls on one line apart.
    """

    number: int
    name: str
    arguments: Arguments
    loc: Loc
    direct: bool
    caller: Caller


class AbstractTracer(Tracer):
    """A tracer that remembers what was called, and by whom; outer calls come before those that they make."""

    diagnoses = True

    def __init__(self, name: str, edits: Sequence[Edit] = (), caller: Loc | None = None, quick: bool = False) -> None:
        super().__init__(name)
        self._quick = quick
        self.calls: list[ModuleCall] = []
        #: between which numbers the specs say that inputs lie
        self.ranges: dict[Value, tuple[float, float]] = {}
        self.public: list[PublicCall] = []
        #: the call of the user's that a node was made by, and the number of the call that was the last before
        self.callers: dict[Node, Caller] = {}
        self._last: dict[Node, int] = {}
        #: the module calls that a node was made in, the outermost first
        self.within: dict[Node, tuple[ModuleCall, ...]] = {}
        #: by the id of a module's scope: it, and the calls that are running in it
        self._entered: dict[int, tuple[Scope, tuple[ModuleCall, ...]]] = {}
        self._edits: dict[Point, list[Edit]] = {}
        for edit in edits:
            for point in edit.points:
                self._edits.setdefault(point, []).append(edit)
        #: the line that asked for the run, which calls no module itself
        self._caller = caller

    @property
    def _running(self) -> tuple[ModuleCall, ...]:
        """The calls that are running, the outermost first."""
        scope = state.scope
        while scope is not None and id(scope) not in self._entered:
            scope = scope.parent
        return self._entered[id(scope)][1] if scope else ()

    def calling(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        scope = state.scope
        assert scope is not None  # that of the module
        loc, parent = self.lines.here(), scope.parent.owner if scope.parent else None
        direct = _is_users(parent) and (self._caller is None or at_call(loc) != at_call(self._caller))
        edits = self._edits_at(at_module(module), *([at_call(loc)] if direct else []))
        args, kwargs = _edited(edits, (args, kwargs))
        running = self._running
        call = ModuleCall(
            number=len(self.calls),
            path=scope.path,
            module=module,
            parent=parent,
            depth=len(running),
            loc=loc,
            arguments=(args, kwargs),
            inputs=types_in((args, kwargs)),
            direct=direct,
            weights=weights_of(module),
        )
        self.calls.append(call)
        self.notes.entered(module, scope.path)
        forward = module.forward
        for edit in edits:
            forward = functools.partial(_instead, edit, forward)
        self._entered[id(scope)] = scope, (*running, call)
        return forward, args, kwargs

    def returning(self, out: Any) -> Any:
        call = self._running[-1]
        call.outputs, call.result, call.failed = types_in(out), out, False
        return out

    def called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """A public function is about to run: what it is to be given."""
        loc, owner, number = self.lines.here(), state.scope.owner if state.scope else None, len(self.public)
        if self._quick and name == "batch_norm" and _has_statistics(args):
            args = (*args[:5], False, *args[6:])
        direct = _is_users(owner)
        self.public.append(PublicCall(number, name, (args, kwargs), loc, direct, caller()))
        points = [("function", number), *([at_function(name, loc)] if direct else [])]
        return _edited(self._edits_at(*points), (args, kwargs))

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """What the program is given."""
        return _edited(self._edits_at(INPUTS), (args, kwargs))

    def _edits_at(self, *points: Point) -> list[Edit]:
        return [edit for point in points for edit in self._edits.get(point, ())] if self._edits else []

    def taking_back(self, undo: Callable[[], object]) -> None:
        self.assignments.on_failure.append(undo)

    def doubted(self, error: GraphTorchError) -> None:
        """`gt.check` lists it: nobody is warned."""
        self.notes.doubts.append(error)

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        results = super().bind(op, operands, attrs)
        node = self.read(results[0]).node if results else None
        if node is not None and node not in self._last:
            self._last[node] = len(self.public) - 1
            self.callers[node] = caller()
            self.within[node] = self._running
        return results

    def call_of(self, node: Node) -> PublicCall | None:
        """The call of a public function that made a node; those that it makes in its turn have the same caller."""
        last = self._last.get(node, -1)
        if last < 0 or self.public[last].caller != self.callers[node]:
            return None
        same = takewhile(lambda call: call.caller == self.public[last].caller, reversed(self.public[: last + 1]))
        return list(same)[-1]

    def name_of(self, node: Node) -> str:
        """The public function that made a node."""
        call = self.call_of(node)
        return node.op.name if call is None else call.name


class EditFails(Exception):
    """What an edit does is itself refused: the run says nothing of the program, and the edit mends nothing."""


def _edited(edits: Sequence[Edit], arguments: Arguments) -> Arguments:
    try:
        for edit in edits:
            arguments = edit.arguments(*arguments)
    except GraphTorchError as error:
        raise EditFails(str(error)) from error
    return arguments


def _has_statistics(args: tuple[Any, ...]) -> bool:
    """Whether `batch_norm` can run as if it did not train: it keeps statistics, and could train on what it is given."""
    if len(args) < 6 or args[1] is None or not isinstance(args[0], Tensor):
        return False
    shape = args[0].aval.shape
    return math.prod(shape[:1] + shape[2:]) != 1


def _instead(edit: Edit, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return edit.calling(forward, args, kwargs)


def _is_users(owner: ScopeOwner | None) -> bool:
    """Whether what runs in ``owner`` is the user's code; None is outside of any module."""
    return owner is None or not str(getattr(type(owner).forward, "__module__", "")).startswith("graphtorch.")  # type: ignore[attr-defined]


@dataclass
class Observation:
    """What a run showed. ``error`` is what ended it, if anything did; ``result`` is then None."""

    tracer: AbstractTracer
    result: Any
    error: GraphTorchError | None

    @property
    def calls(self) -> list[ModuleCall]:
        return self.tracer.calls

    @property
    def failed_call(self) -> ModuleCall | None:
        """The innermost module in which it failed."""
        return next((c for c in reversed(self.calls) if c.failed), None) if self.error else None

    @property
    def failed_function(self) -> PublicCall | None:
        """The call of the public function that failed."""
        error = self.error
        return next((c for c in reversed(self.tracer.public) if error and c.name == error.op), None)

    @property
    def progress(self) -> float:
        """How far it came, in calls that the user's code makes."""
        return float("inf") if self.error is None else len(self.calls) + sum(c.direct for c in self.tracer.public)


def observe(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    edits: Sequence[Edit] = (),
    caller: Loc | None = None,
    quick: bool = False,
) -> Observation:
    """Run ``target`` over the shapes of ``args`` and ``kwargs``, tensors or TensorSpecs at any depth.

    With ``edits`` it is run as if they had been made, and what it prints is not shown once more. What the run assigned
    to modules is taken back. ``caller`` is the line that asks for it, if that is the user's. A ``quick`` run is for
    shapes alone: batch norm keeps no statistics, most of what it costs. Only errors of graphtorch are results; others
    leave as they came, and `EditFails` does where an edit is refused.
    """
    tracer = AbstractTracer(name_of(target), edits, caller, quick)
    mode, dtype, scope = autograd.is_grad_enabled(), defaults.dtype, state.scope
    args, kwargs = stand_ins(tracer, (args, kwargs or {}))
    bind.push(tracer)
    try:
        with intercepted(), ExitStack() as stack:
            for edit in edits:
                stack.enter_context(edit.applied())
            if edits:
                stack.enter_context(redirect_stdout(StringIO()))
            args, kwargs = tracer.given(args, kwargs)
            return Observation(tracer, target(*args, **kwargs), None)
    except GraphTorchError as error:
        return Observation(tracer, None, error)
    finally:
        bind.pop()
        tracer.assignments.undo()
        autograd._mode.enabled, defaults.dtype, state.scope = mode, dtype, scope


def stand_ins(tracer: AbstractTracer, tree: Any) -> Any:
    """The nesting with an input of the trace for each tensor and spec; one that comes twice is one input."""
    made: dict[int, Tensor] = {}

    def stand_in(leaf: Any) -> Any:
        if isinstance(leaf, TensorSpec):
            found = tracer.add_input(leaf.type, len(tracer.inputs), None, leaf.requires_grad)
            if leaf.range is not None:
                tracer.ranges[tracer.values[found._storage]] = leaf.range
            return found
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in made:
            made[id(leaf)] = tracer.add_input(leaf.aval, len(tracer.inputs), leaf, leaf._requires_grad)
        return made[id(leaf)]

    return map_leaves(stand_in, tree)
