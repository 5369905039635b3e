"""What can be said of a failure where it happens, in eager mode and in traces, without running user code again.

The fix is an edit of the layer that failed, or a step before it, tried on that layer alone over the types that it was
given; and for traces there is the trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation, observe
from graphtorch.frontend.diagnosis.constructors import of_layer
from graphtorch.frontend.diagnosis.edits import Candidate, Edit
from graphtorch.frontend.diagnosis.explain import fix_text, named
from graphtorch.frontend.diagnosis.layers import is_layer
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.frontend.diagnosis.source import public_name
from graphtorch.frontend.diagnosis.steps import before_layer, instead_of_layer
from graphtorch.frontend.diagnosis.trail import Step, Told, given_to, trail
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import map_leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node
from graphtorch.ir.loc import Scope, state

#: edits that are less likely than these are not offered where only one layer is looked at
_LIKELY = 2


def explain(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], error: GraphTorchError) -> None:
    """Give the error of a call of ``module``, which is running, a fix, where one is found."""
    scope = state.scope
    if error.fix or scope is None or error.path != scope.path or not is_layer(module):
        return
    if any(m._hooks for m in module.modules()):  # which are the user's code
        return
    args, kwargs = map_leaves(_spec, (args, kwargs))

    def run(edits: tuple[Edit, ...]) -> Observation:
        with bind.suspended():
            return observe(module, args, kwargs, edits)

    state.scope = scope.parent
    try:
        error.fix = _fix(run, _root(scope), error)
    except Exception:  # whatever cannot be tried is no fix; the error itself is what counts
        return
    finally:
        state.scope = scope


def _fix(run: Any, root: Module, error: GraphTorchError) -> str:
    seen = run(())
    if seen.error is None or seen.error.code != error.code or not seen.calls:
        return ""  # it failed for something that types do not show
    for candidate in sorted(_candidates(seen, Model([root])), key=lambda c: c.rank):
        edit = candidate.make() if candidate.rank <= _LIKELY and not candidate.far else None
        if edit is not None and run((edit,)).error is None:
            return fix_text(edit, candidate, error)
    return ""


def _candidates(seen: Observation, model: Model) -> Iterator[Candidate]:
    call = seen.calls[0]
    yield from before_layer(model, call, seen.calls)
    yield from instead_of_layer(model, call)
    shapes = [t.shape for t in call.inputs]
    channels_last = shapes and len(shapes[0]) > 2 and shapes[0][-1] == getattr(call.module, "in_channels", None)
    if not channels_last:
        yield from of_layer(model, call.module, shapes)


def _spec(leaf: Any) -> Any:
    return TensorSpec(leaf.aval.shape, leaf.dtype, leaf.requires_grad) if isinstance(leaf, Tensor) else leaf


def _root(scope: Scope) -> Any:
    """The outermost module that is running."""
    while scope.parent is not None:
        scope = scope.parent
    return scope.owner


def add_trail(tracer: Tracer, roots: Iterable[Module], error: GraphTorchError) -> None:
    """Give an error of a trace the trail of its sizes. ``roots`` are the modules that the trace came through."""
    owners = {path: m for root in roots for path, m in root.named_modules()}

    def told(step: Step, node: Node) -> Told:
        name = named(node, owners.get(node.locs[0].path) if node.locs else None, public_name(node))
        return name, given_to(node), step.value.type

    own = all(t._traced in (None, tracer) for _, t in error.tensors if isinstance(t, Tensor))
    if not error.trail and own:
        error.trail = trail(error, tracer.read, told)
