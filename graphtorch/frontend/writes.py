"""Writes in a trace: a storage takes another value, and so does the base of a view that is written (ADR 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from graphtorch.frontend import autograd
from graphtorch.frontend.aliases import Alias, Aliases, Step, repeats
from graphtorch.frontend.bodies import Body
from graphtorch.frontend.tensors.storage import address, elements_overlap
from graphtorch.ir.errors import AutogradError, ShapeError, TraceError
from graphtorch.ir.graph import Builder, Param, Value
from graphtorch.ir.loc import here
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.ops.common import lift
from graphtorch.ir.types import bool_

if TYPE_CHECKING:
    from graphtorch.frontend.asked import Questions
    from graphtorch.frontend.gradients import Gradients
    from graphtorch.frontend.tensor import Storage, Tensor


class Recording(Protocol):
    """What is needed of the tracer."""

    builder: Builder
    gradients: Gradients
    questions: Questions
    values: dict[Storage, Value]
    versions: dict[Storage, int]
    written: dict[Storage, Param]
    params: dict[Storage, Param]
    bodies: list[Body]

    def read(self, t: Tensor) -> Value: ...


class Writes:
    """Those of one trace, and the views that they reach."""

    def __init__(self, tracer: Recording, traced_node: autograd.GradNode) -> None:
        self._tracer, self._node = tracer, traced_node
        self.aliases = Aliases(tracer.questions)

    # ---- views ----

    def viewing(
        self, view: Tensor, operand: Tensor, op: Op, attrs: dict[str, Any], cut: bool, contiguous: bool = False
    ) -> None:
        """``view`` is what a view op, or contiguous(), made of ``operand``; ``cut``: gradients do not pass."""
        step = Step(op, attrs, operand.aval.shape, view, contiguous)
        alias = self.aliases.note(view, operand, step, lambda s: self._tracer.versions.get(s, 0), cut)
        alias.recorded = alias.recorded and autograd.is_grad_enabled()

    def value(self, t: Tensor) -> Value | None:
        """The value of a view at this point of the program; None for what is none."""
        tracer, storage = self._tracer, t._storage
        alias = self.aliases.known.get(storage)
        if alias is None:
            return None
        if self._is_new(alias) and (alias := self.aliases.of(storage)) is None:
            return tracer.values[storage]  # a copy shows what it was made of
        now = tracer.versions.get(alias.base._storage, 0)
        if now == alias.seen:
            return tracer.values[storage]
        self._check_history(alias)
        value = tracer.read(alias.base)
        followed = value in tracer.gradients.leaves or value in tracer.gradients.tracked
        if followed and alias.detached:
            value, followed = tracer.gradients.cut(value), False
        tracer.builder.locs = (here(),)
        for step in alias.steps:
            value = tracer.builder.bind(step.op, (value,), step.attrs)[0]
            if followed:
                tracer.gradients.tracked.add(value)
        tracer.values[storage], alias.seen = value, now
        return value

    def _is_new(self, alias: Alias) -> bool:
        """Whether its base was written since it was looked at."""
        return self._tracer.versions.get(alias.base._storage, 0) != alias.seen

    @staticmethod
    def _check_history(alias: Alias) -> None:
        if alias.broken and autograd.is_grad_enabled():
            raise AutogradError(
                "GT504",
                "a view that was made under no_grad is used where its base or another view of it was changed in place",
                ["make the view where gradients are recorded, or detach() it"],
            )

    # ---- writes ----

    def check(self, target: Tensor, name: str) -> None:
        """Refuse a write by ``name`` into ``target``, before anything else is done for it."""
        alias = self.aliases.of(target._storage)
        owner = target if alias is None else alias.base
        argument = self._tracer.gradients.arguments.get(id(owner))
        leaf = argument.is_leaf if argument else owner.is_leaf
        through = alias is None or not alias.detached
        if owner._requires_grad and leaf and through and autograd.is_grad_enabled() and not target._is_data:
            raise AutogradError(
                "GT503",
                f"{'a leaf' if alias is None else 'a view of a leaf'} that requires grad cannot be changed in place "
                "while gradients are recorded",
                ["do it inside of `with gt.no_grad():`, or change a copy: x = x.clone()"],
            )
        if alias is not None and repeats(alias):
            self._refuse_repeated(target, name)

    def _refuse_repeated(self, target: Tensor, name: str) -> NoReturn:
        """An element of the base shows more than once on the way to ``target``, though maybe not in it."""
        strides = self.aliases.strides(target)
        if strides is not None and elements_overlap(target.aval.shape, strides) and name not in ("fill_", "zero_"):
            raise ShapeError(
                "GT117",
                "a tensor whose elements share memory cannot be written in place",
                [f"got {target.aval}; clone() it first"],
            )
        raise TraceError(  # eager mode does it
            "GT604",
            f"{name} through a view whose elements share memory cannot be traced",
            ["write the tensor that it views"],
        )

    def write(self, target: Tensor, source: Tensor, replaces: bool) -> None:
        """target[...] = source, of equal shape and dtype; whether ``source`` ``replaces`` it, and is not made of it."""
        tracer = self._tracer
        alias = self.aliases.of(target._storage)
        owner = target if alias is None else alias.base
        if tracer.bodies and owner._storage not in tracer.bodies[-1].made:
            instead = (
                "build the result out of place, and make it a carry; draw random numbers outside, and pass them in"
            )
            raise tracer.bodies[-1].refuse(f"{target.aval}, which was not made there, is written in place", instead)
        recorded = autograd.is_grad_enabled() and target._requires_grad | source._requires_grad
        if recorded:
            self._check_recorded(target, owner, alias)
        tracer.builder.locs = (here(),)
        value, before = tracer.read(source), tracer.read(target)
        _check_whole(owner)
        self.aliases.check_contiguous(owner._storage)
        if alias is None:
            new = self._kept(value, before, recorded)
        else:
            base = tracer.values[owner._storage]
            kept = self._kept(value, before, recorded)
            new = self._kept(self._put(alias, base, kept, recorded), base, recorded)
            tracer.values[target._storage] = kept
        storage = owner._storage
        new = self._with_path(new, before if alias is None else base) if recorded and replaces else new
        tracer.values[storage] = new
        tracer.versions[storage] = tracer.versions.get(storage, 0) + 1
        if alias is not None:
            alias.seen = tracer.versions[storage]
        if owner._traced is None:
            tracer.written[storage] = tracer.params[storage]
        if recorded:
            self._rebase(owner, target)

    def _kept(self, value: Value, before: Value, recorded: bool) -> Value:
        """The value that is left where ``before`` was: outside of autograd it has the gradients' path of that."""
        return value if recorded else self._tracer.gradients.kept(value, before)

    def _with_path(self, new: Value, old: Value) -> Value:
        """``new``, with zeros for what ``old`` comes from where it does not depend on it: as eager mode has them."""
        gradients = self._tracer.gradients
        followed = old in gradients.leaves or old in gradients.tracked
        if not followed or new is old or (new.node is not None and old in new.node.operands):
            return new
        with self._tracer.builder:
            found: Value = OPS["where"](lift(False, bool_), old, new)
        gradients.tracked.add(found)
        return found

    def _put(self, alias: Alias, base: Value, value: Value, recorded: bool) -> Value:
        """The base after ``value`` was written through the view."""
        tracer, bases = self._tracer, [base]
        first = len(tracer.builder.graph.nodes)
        with tracer.builder:
            for step in alias.steps[:-1]:
                bases.append(tracer.builder.bind(step.op, (bases[-1],), step.attrs)[0])
            for step, inner in zip(reversed(alias.steps), reversed(bases), strict=True):
                value = step.op.put(inner, value, **step.attrs)
        if recorded:
            for node in tracer.builder.graph.nodes[first:]:
                tracer.gradients.tracked.update(r for r in node.results if r.type.dtype.is_floating_point)
        return value

    def _check_recorded(self, target: Tensor, owner: Tensor, alias: Alias | None) -> None:
        outside = owner._traced is None or id(owner) in self._tracer.gradients.arguments
        if outside:
            raise AutogradError(
                "GT509",
                "state and arguments cannot take a value that depends on gradients, nor lose one",
                ["detach it first: state.copy_(value.detach()), or build the result out of place"],
            )
        if alias is not None and (alias.several or not alias.recorded):
            what = f"one of several results of {alias.several}" if alias.several else "made under no_grad"
            raise AutogradError(
                "GT504", f"a view that is {what} is used where it is changed in place", ["take the view by itself"]
            )
        if target._is_data or (alias is not None and alias.detached):
            raise TraceError(
                "GT604",
                "what detach() or .data gave is written with a value that depends on gradients",
                ["write into a clone() of it, or build the result out of place"],
            )

    def _rebase(self, owner: Tensor, target: Tensor) -> None:
        """All that share the memory require gradients from now on."""
        for t in (owner, target, *self.aliases.tensors(owner._storage)):
            alias = self.aliases.known.get(t._storage)
            if t._is_data or (alias is not None and alias.detached):
                continue
            if alias is not None and not alias.recorded:
                alias.broken = True
            t._requires_grad, t._grad_fn = True, self._node

    # ---- tensors that change themselves ----

    def become(self, t: Tensor, view: Tensor, name: str) -> None:
        """``t`` is ``view`` of it from now on: unsqueeze_ and squeeze_ of what the program computes."""
        alias = self.aliases.known[view._storage]
        outside = t._traced is None or id(t) in self._tracer.gradients.arguments
        if outside or any(step.op is OPS["permute"] for step in alias.steps):
            raise TraceError(
                "GT602",
                f"{name} changes the shape of its tensor, which cannot be traced",
                [f"use y = x.{name[:-1]}()"],
            )
        if self.aliases.known.get(t._storage) is None:  # its other views have what it was as their base
            self._leave_base(t)
        t._storage, t._aval = view._storage, view._aval
        t._requires_grad, t._grad_fn = view._requires_grad, view._grad_fn

    def _leave_base(self, t: Tensor) -> None:
        was = t._alias()
        was._requires_grad, was._grad_fn = t._requires_grad, t._grad_fn
        for alias in self.aliases.known.values():
            if alias.base is t:
                alias.base = was


def _check_whole(owner: Tensor) -> None:
    """TraceError GT604 for a tensor of the outside that is a part of its storage."""
    if owner._traced is not None or covers(owner):
        return
    raise TraceError(
        "GT604",
        "a view that was made outside of the compiled function is written in place",
        ["take the view inside of the function, or write the tensor that it views"],
    )


def covers(t: Tensor) -> bool:
    """Whether a concrete tensor is its whole storage, in row-major order."""
    array, base = t._array, t._storage.array
    return (array is base and array.flags.c_contiguous) or (
        base is not None
        and array.flags.c_contiguous
        and array.size == base.size
        and address(array) == address(base)
        and array.shape == base.shape
    )
