"""What in-place ops do to autograd's history, as in torch: views and their bases share it.

A view knows its base and the view ops that lead from there. A write into any of them gives the *base* a new history
(`CopySlices` for a write through a view), and moves every view of it to one that goes through the base: a view
looks again when its history is next asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import numpy as np

from graphtorch.frontend import epoch
from graphtorch.frontend.autograd import Edge, GradNode, edge_of, is_grad_enabled
from graphtorch.frontend.op_node import OpNode, made_since
from graphtorch.ir import bind
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class Step(NamedTuple):
    """One view op on the way from a base to a view."""

    op: Op
    attrs: dict[str, Any]
    taken: TensorType
    made: TensorType


class View:
    """That a tensor views ``base``, through ``steps``. ``seen`` counts the changes of the base's history that the
    view's history knows of. ``several`` names the function of several results that it is one of. ``recorded`` is
    whether gradients were recorded when it was made."""

    __slots__ = ("_base", "recorded", "seen", "several", "steps")

    def __init__(self, base: Tensor, steps: tuple[Step, ...]) -> None:
        self._base, self.steps = base, steps
        self.seen, self.several, self.recorded = base._rebases, "", is_grad_enabled()

    @property
    def base(self) -> Tensor:
        """What is viewed; it may have become a view of what it was (`become`)."""
        base = self._base
        while base._was is not None:
            base = base._was
        return base

    def refresh(self, t: Tensor) -> None:
        """Give ``t``, whose view this is, the history that goes through its base as it is now."""
        if self.seen == self.base._rebases:
            return
        self.check("its base or another view of its base was changed in place")
        edge: Edge = edge_of(self.base)
        for step in self.steps:
            edge = OpNode.of_types(step.op, step.attrs, edge, step.taken, step.made), 0
        assert isinstance(edge, tuple)  # a view has a step
        self.seen = self.base._rebases
        moved(t, edge[0], 0)

    def check(self, what: str) -> None:
        """AutogradError GT504 for a view whose history cannot go through its base."""
        if self.several:
            raise AutogradError(
                "GT504",
                f"a view that is one of several results of {self.several} is used where {what}",
                ["take the view by itself, e.g. with narrow() or an index, or clone() it"],
            )
        if not self.recorded:
            raise AutogradError(
                "GT504",
                f"a view that was made under no_grad is used where {what}",
                ["make the view where gradients are recorded, or detach() it"],
            )


def viewing(view: Tensor, operand: Tensor, op: Op, attrs: dict[str, Any]) -> None:
    """Note that ``view`` is what the view op ``op`` made of ``operand``, whose memory it shares."""
    step = Step(op, attrs, operand.aval, view.aval)
    known = operand._view
    base = operand if known is None else known.base
    view._view = View(base, (step,) if known is None else (*known.steps, step))
    if known is not None:
        view._view.several, view._view.recorded = known.several, known.recorded and view._view.recorded
    if not view._requires_grad and step.made.dtype.is_floating_point:
        _note(base, view)


def _note(base: Tensor, view: Tensor) -> None:
    """Enter ``view`` among those that a write into ``base`` gives a history."""
    if base._views is None:
        base._views = []
    elif len(base._views) % _DUE == 0:
        base._views = [r for r in base._views if r() is not None]
    base._views.append(ref(view))


#: after so many views those that are gone are forgotten
_DUE = 64


def replaced(view: Tensor, t: Tensor) -> None:
    """``t`` has all that ``view`` had, and takes its place."""
    base = t._view.base if t._view is not None else None
    if base is not None and base._views is not None:
        base._views = [ref(t) if r() is view else r for r in base._views]


def become(t: Tensor, view: Tensor) -> None:
    """Make ``t`` what its view ``view`` is (unsqueeze_): what it was until now stays the base of its other views."""
    if t._view is None:
        was = t._alias()
        was._requires_grad, was._grad_fn, was._output_index = t._requires_grad, t._grad_fn, t._output_index
        was._rebases, was._views = t._rebases, t._views
        t._was = was
    t._data, t._storage, t._aval, t._view = view._data, view._storage, view._aval, view._view
    if view._grad_fn is not None:
        moved(t, view._grad_fn, view._output_index)


def check_leaf(target: Tensor) -> None:
    """AutogradError GT503 for writing into a leaf, or a view of one, while gradients are recorded."""
    base = target if target._view is None else target._view.base
    if not (base.is_leaf and base._requires_grad and is_grad_enabled()):
        return
    raise AutogradError(
        "GT503",
        f"{'a leaf' if base is target else 'a view of a leaf'} that requires grad cannot be changed in place while "
        "gradients are recorded",
        ["do it inside of `with gt.no_grad():`, or change a copy: x = x.clone()"],
    )


def check_writable(target: Tensor) -> None:
    """AutogradError GT503 or GT504 unless ``target`` can have another history."""
    check_leaf(target)
    if target._view is not None:
        target._view.check("it is changed in place")


def rebase(target: Tensor, source: Tensor, since: int | None) -> None:
    """``source`` is about to be written into ``target``: its history becomes that of the target.

    ``since`` is the mark before the in-place op computed ``source``, which nobody else has if its node is younger.
    """
    check_writable(target)
    edge = edge_of(source)
    if since is None or not isinstance(edge, tuple) or edge[0].order <= since:
        before = edge_of(target) if target._view is None else None  # CopySlices knows what a view's base was
        edge = CopyNode([edge, before], [source.aval]), 0
    else:
        for node in made_since(edge[0], since):
            node.keep(target)
    enter(target, edge)


def enter(target: Tensor, edge: Edge) -> None:
    """``target`` was written: its history is that of ``edge``, in its base for a view."""
    view = target._view
    base = target if view is None else view.base
    if base.is_leaf or not base._requires_grad:
        epoch.bump()  # programs that know it as a leaf look again
    base._rebases += 1
    if view is None:
        assert isinstance(edge, tuple)  # what was written has a history
        moved(target, *edge)
    else:
        moved(base, CopySlices(base, view.steps, edge), 0)
        view.refresh(target)
    for other in [r() for r in base._views or ()]:
        if other is not None and not other._requires_grad:
            other._requires_grad, other._grad_fn = True, _STALE
    base._views = None


def moved(t: Tensor, node: GradNode, index: int) -> None:
    """``t`` has the history of result ``index`` of ``node`` from now on."""
    before = t._grad_fn
    if before is not None and before.retained is not None and t._retains_grad:
        before.retained.pop(t._output_index, None)
        node.retained = {**(node.retained or {}), index: ref(t)}
    t._requires_grad, t._grad_fn, t._output_index = True, node, index


class _Stale(GradNode):
    """Stands for the history of a view that has not been asked for yet."""

    def __init__(self) -> None:
        super().__init__((), ())


_STALE = _Stale()


class CopyNode(GradNode):
    """copy_: all of the gradient goes to what was copied, and zeros to what was there before, as in torch."""

    @property
    def name(self) -> str:
        return "copy"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        from graphtorch.frontend.tensor import zeros_of

        return *grads, None if self.edges[1] is None else zeros_of(self.avals[0], grads)


class CopySlices(GradNode):
    """A write through a view: the gradient of what was written goes to the new value, the rest to the old base.

    After torch's node of that name (torch/csrc/autograd/functions/tensor.cpp).
    """

    def __init__(self, base: Tensor, steps: Sequence[Step], source: Edge) -> None:
        super().__init__([edge_of(base), source], [base.aval])
        self._steps = steps
        strides = base._array.strides
        self._order = sorted(range(base.ndim), key=lambda d: -strides[d])

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        (g,) = grads
        assert g is not None  # its only result
        kept = None if self.edges[0] is None else OPS["where"](self._written().to(g.device), 0, g)
        if self.edges[1] is None:
            return kept, None
        for step in self._steps:
            g = bind.bind(step.op, g, **step.attrs)
        return kept, g

    def _written(self) -> Tensor:
        """Where the view lies in the base: bool, in the base's own order of dimensions, so that reshapes are views."""
        from graphtorch.frontend.tensor import as_tensor_of

        sizes, back = [self.avals[0].shape[d] for d in self._order], np.argsort(self._order)
        numel = int(np.prod(sizes, dtype=np.int64))
        view = np.arange(numel).reshape(sizes).transpose(back)
        for step in self._steps:
            view = step.op.ref(view, **step.attrs)
        mask = np.zeros(numel, np.bool_)
        mask[view] = True
        mask = mask.reshape(sizes).transpose(back)
        return as_tensor_of(mask)
