"""Gradients in a trace: which values are leaves, what autograd follows, and `.grad` of every tensor.

`loss.backward()` becomes a `gradient` node over the leaves that the loss depends on. The gradients that it gives
are the `.grad` of those leaves from then on; those that are still set at the end are outputs of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from graphtorch.frontend import autograd
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.watch import unheard
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.graph import Builder, Node, Value
from graphtorch.ir.loc import Loc, Places, here
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.custom_gradient import paths
from graphtorch.ir.ops.gradient import gradient

Hook = Callable[[Tensor], Any]


class Recording(Protocol):
    """What is needed of the tracer."""

    builder: Builder
    lines: Places

    def read(self, t: Tensor) -> Value: ...
    def wrap(self, value: Value) -> Tensor: ...
    def located(self, t: Tensor, fetch: Callable[[Sequence[Tensor]], Any]) -> None: ...


@dataclass(frozen=True)
class Argument:
    """What a trace knows of the argument behind a stand-in."""

    position: int
    is_leaf: bool
    grad: Tensor | None


@dataclass(frozen=True)
class NewGrad:
    """What a call does to the `.grad` of ``leaf``: sets it to the program's next gradient, which is ``value``
    in the trace, or to None; an argument's may be added to what it had before (``adds``)."""

    leaf: Tensor
    value: Tensor | None
    adds: bool

    @property
    def made(self) -> bool:
        return self.value is not None


class Gradients:
    """The gradients of one trace."""

    def __init__(self, tracer: Recording) -> None:
        self._tracer = tracer
        #: of the program itself: leaves are not in bodies
        self._root = tracer.builder
        self.arguments: dict[int, Argument] = {}
        #: the leaf that a value is read from, the values of further leaves of one storage, what is computed from leaves
        self.leaves: dict[Value, Tensor] = {}
        self._twins: dict[tuple[Value, int], Value] = {}
        self.tracked: set[Value] = set()
        self._detached: dict[Value, Value] = {}
        #: gradients that were set or added to, by the id of their leaf
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        #: what arguments had before the call, where the function looked; those whose entry in _grads is the sum
        self._before: dict[int, Tensor | None] = {}
        self._absolute: set[int] = set()
        #: whether a gradient was None, of tensors from outside and of arguments by position
        self.seen: dict[int, tuple[Tensor, bool]] = {}
        self.seen_of_arguments: dict[int, bool] = {}
        self._freed: set[Node] = set()
        self.had_backward = False
        #: what `register_hook` was given, by the value of its tensor; those of tensors that stay, and where
        self._hooks: dict[Value, dict[int, Hook]] = {}
        self.outside_hooks: list[tuple[dict[int, Hook], Loc]] = []

    # ---- what autograd follows ----

    def leaf(self, value: Value, t: Tensor) -> Value:
        """The value through which ``t``, and no other leaf of the same storage, gets its gradient."""
        owner = self.leaves.setdefault(value, t)
        if owner is t:
            return value
        key = value, id(t)
        if key not in self._twins:
            twin = self._root.bind(OPS["clone"], (value,), {})[0]
            self._twins[key], self.leaves[twin] = twin, t
        return self._twins[key]

    def path(self, value: Value, operand: Tensor, recording: bool) -> Value:
        """The value, cut off where autograd does not follow: no_grad, frozen leaves, `.data`."""
        if recording and operand._requires_grad:
            return value
        followed = value in self.leaves or value in self.tracked or operand._is_data
        return self.cut(value) if operand._requires_grad or followed else value

    def cut(self, value: Value) -> Value:
        """The value with no path for gradients: what runs under no_grad does not depend on parameters."""
        if value not in self._detached:
            self._detached[value] = self._tracer.builder.bind(OPS["detach"], (value,), {})[0]
        return self._detached[value]

    @contextmanager
    def in_body(self) -> Iterator[None]:
        """While a body is traced: what is cut there is cut in its graph alone."""
        before, self._detached = self._detached, {}
        try:
            yield
        finally:
            self._detached = before

    def kept(self, value: Value, before: Value) -> Value:
        """``value``, written outside of autograd over ``before``: its numbers, with the path for gradients of that."""
        if before not in self.tracked or before is value:
            return value
        made = self._tracer.builder.bind(OPS["overwrite"], (value, before), {})[0]
        self.tracked.add(made)
        return made

    def check_write(self, target: Tensor, source: Tensor) -> None:
        """AutogradError GT503 or GT509 for a write that autograd could not follow."""
        argument = self.arguments.get(id(target))
        if target._requires_grad and (argument.is_leaf if argument else target.is_leaf):
            raise AutogradError(
                "GT503",
                "a leaf that requires grad cannot be changed in place while gradients are recorded",
                ["do it inside of `with gt.no_grad():`, or change a copy: x = x.clone()"],
            )
        outside = target._traced is None or argument is not None
        if outside and (source._requires_grad or target._requires_grad):
            raise AutogradError(
                "GT509",
                "state and arguments cannot take a value that depends on gradients, nor lose one",
                ["detach it first: state.copy_(value.detach()), or build the result out of place"],
            )

    # ---- backward ----

    @unheard
    def backward(self, root: Tensor, seed: Tensor, retain_graph: bool) -> None:
        """Add the gradients of ``root`` to those of the leaves that it depends on."""
        self.had_backward = True
        loss, start = self._tracer.read(root), self._tracer.read(seed)
        targets, nodes = history(loss, self.leaves)
        self.check_leaves(targets)
        self.check_freed(nodes, retain_graph)
        if not targets:
            return
        self._tracer.builder.locs = (self._tracer.lines.here(),)
        with autograd.no_grad():
            found = self._tracer.builder.bind(gradient, (loss, start, *targets), {})
            for target, g in zip(targets, found, strict=True):
                self.accumulate(self.leaves[target], self._tracer.wrap(g))

    def check_leaves(self, targets: Sequence[Value]) -> None:
        """AutogradError GT510 for a target that is no leaf of eager mode."""
        for target in targets:
            leaf = self.leaves[target]
            argument = self.arguments.get(id(leaf))
            if not (argument.is_leaf if argument else leaf.is_leaf):
                raise _reaches_outside(leaf, argument)

    def check_freed(self, nodes: set[Node], retain_graph: bool) -> None:
        """AutogradError GT501 for nodes that an earlier backward went through; this one is such, unless it retains."""
        saving = {n for n in nodes if autograd.saves(n.op) and not self.tracked.isdisjoint(n.results)}
        gone = saving & self._freed
        if gone:
            raise autograd.freed(next(n.op.name for n in nodes if n in gone))
        if not retain_graph:
            self._freed |= saving

    def accumulate(self, leaf: Tensor, new: Tensor) -> None:
        if id(leaf) not in self.arguments:
            have = self.get(leaf)
        elif id(leaf) in self._grads:
            have = self._grads[id(leaf)][1]
        else:  # the call adds the gradient to what there was, unless the function has looked at that
            have = self._before.get(id(leaf))
            if id(leaf) in self._before:
                self._absolute.add(id(leaf))
        self._grads[id(leaf)] = leaf, new if have is None else have + new

    # ---- hooks ----

    def hooks_of(self, t: Tensor) -> dict[int, Hook]:
        """Where `register_hook` puts the hooks of ``t``."""
        found = self._hooks.setdefault(self._tracer.read(t), {})
        if t._traced is None or id(t) in self.arguments:
            self.outside_hooks.append((found, here()))
        return found

    def hooks_on(self, value: Value) -> list[Hook]:
        """The hooks of the tensors that have ``value``, in order; of a leaf from outside those from outside first."""
        before = self.leaves[value]._hooks if value in self.leaves else None
        return [*(before or {}).values(), *self._hooks.get(value, {}).values()]

    def is_hooked(self, root: Value, outside: bool = True) -> bool:
        """Whether a hook looks at what backward from ``root`` computes; also one that a leaf had before, or not."""
        targets, nodes = history(root, self.leaves)
        made = (v for v, hooks in self._hooks.items() if hooks and (v in targets or v.node in nodes))
        return any(made) or (outside and any(map(self.hooks_on, targets)))

    # ---- .grad ----

    def get(self, t: Tensor) -> Tensor | None:
        """`t.grad` at this point of the program."""
        argument = self.arguments.get(id(t))
        if argument is not None:
            return self._of_argument(t, argument)
        if id(t) in self._grads:
            return self._grads[id(t)][1]
        have = t._grad
        self.seen.setdefault(id(t), (t, have is None))
        if have is not None:
            self._tracer.located(have, lambda _: t._grad)
        return have

    def _of_argument(self, t: Tensor, argument: Argument) -> Tensor | None:
        key, at = id(t), argument.position
        if key in self._absolute:
            return self._grads[key][1]
        self.seen_of_arguments[at] = argument.grad is None
        self._before[key] = have = argument.grad
        if have is not None:
            self._tracer.located(have, lambda tensors: tensors[at]._grad)
        if key not in self._grads:
            return have
        added = self._grads[key][1]
        assert added is not None  # only set() makes it None, and then it is absolute
        with autograd.no_grad():
            self._grads[key] = t, added if have is None else have + added
        self._absolute.add(key)
        return self._grads[key][1]

    def set(self, t: Tensor, grad: Tensor | None) -> None:
        """`t.grad = grad`."""
        self._grads[id(t)] = t, grad
        self._absolute.add(id(t))

    def finish(self) -> list[NewGrad]:
        """What is done to the gradients. Arguments last: they may be parameters too."""
        out = [self._new(leaf, grad) for leaf, grad in self._grads.values()]
        return sorted(filter(None, out), key=lambda new: id(new.leaf) in self.arguments)

    def _new(self, leaf: Tensor, grad: Tensor | None) -> NewGrad | None:
        argument = self.arguments.get(id(leaf))
        before = argument.grad if argument else leaf._grad
        if grad is not None and grad is before:
            return None
        return NewGrad(leaf, grad, argument is not None and id(leaf) not in self._absolute)


def _reaches_outside(leaf: Tensor, argument: Argument | None) -> AutogradError:
    what = f"argument {argument.position}" if argument else "a tensor of the outside"
    return AutogradError(
        "GT510",
        f"backward() inside of a compiled function reaches {what} that was computed before the call",
        [
            f"{leaf.aval}; the gradients of what it was computed from would be lost",
            "compute it inside of the function, call backward() outside, or pass x.detach()",
        ],
    )


def history(root: Value, leaves: dict[Value, Tensor]) -> tuple[list[Value], set[Node]]:
    """What backward from ``root`` reaches: the leaves, in the order they were first read, and the nodes between."""
    found: set[Value] = set()
    nodes: set[Node] = set()
    stack = [root]
    while stack:
        value = stack.pop()
        if value in leaves:
            found.add(value)
        elif value.node is not None and value.node not in nodes and not value.node.op.nondifferentiable:
            nodes.add(value.node)
            stack += paths(value.node)
    return [v for v in leaves if v in found], nodes
