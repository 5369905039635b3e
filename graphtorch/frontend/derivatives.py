"""Backward in a trace, written out at once.

`loss.backward()` alone is one `gradient` node, which a pass expands (gradients.py). Where gradients have gradients
themselves, go to chosen tensors, or are looked at by hooks, the same formulas are written while the function runs, so
that what they give is a value as any other. Hooks are called where the gradient of their tensor is complete, as in
eager mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphtorch.frontend import autograd
from graphtorch.frontend.backward import call_hooks
from graphtorch.frontend.gradients import history
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import TraceError
from graphtorch.ir.graph import Value
from graphtorch.ir.passes.autodiff import between, gradients

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer


def backward(
    tracer: Tracer, root: Tensor, seed: Tensor, retain_graph: bool, create_graph: bool, inputs: Sequence[Tensor] | None
) -> None:
    """Add the gradients of ``root`` to those of the leaves that it depends on, or of ``inputs``.

    Of gradients that are still set when the program ends the numbers are left: their history is the program's.
    """
    known = tracer.gradients
    known.had_backward = True
    targets, _ = history(tracer.read(root), known.leaves)
    known.check_leaves(targets if inputs is None else [v for v in map(tracer.read, inputs) if v in targets])
    leaves = [known.leaves[v] for v in targets] if inputs is None else inputs
    found = grad(tracer, [root], [seed], retain_graph, create_graph, leaves)
    with autograd.set_grad_enabled(create_graph):
        for leaf, g in found.values():
            known.accumulate(leaf, g)


def grad(
    tracer: Tracer,
    roots: Sequence[Tensor],
    seeds: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[Tensor],
) -> dict[int, tuple[Tensor, Tensor]]:
    """``inputs`` with the gradients of the sum of ``roots``, weighted by ``seeds``, by id; less those without one."""
    if tracer.bodies:
        raise tracer.bodies[-1].refuse("a gradient is asked for", "ask for it outside, of what the loop gives")
    losses, starts, targets = (list(map(tracer.read, tensors)) for tensors in (roots, seeds, inputs))
    leaves, graph = tracer.gradients.leaves, tracer.graph
    nodes = between(graph, losses, set(targets), leaves)
    tracer.gradients.check_freed(nodes, retain_graph)

    def seen(value: Value, g: Value) -> Value:
        return _hooked(tracer, value, g, create_graph)

    tracer.builder.locs = (tracer.lines.here(),)
    with autograd.set_grad_enabled(create_graph):
        with tracer.builder as builder, builder.at(builder.locs):
            values = gradients(builder, losses, starts, targets, leaves, seen)
        return {
            id(t): (t, _tensor(tracer, g, create_graph)) for t, g in zip(inputs, values, strict=True) if g is not None
        }


def _tensor(tracer: Tracer, g: Value, create_graph: bool) -> Tensor:
    """A gradient as a tensor, which has gradients itself if they were asked for."""
    known = tracer.gradients
    followed = bool(history(g, known.leaves)[0])
    out = tracer.wrap(known.cut(g) if followed and not create_graph else g)
    if followed and create_graph:
        tracer.follow(out)
    return out


def _hooked(tracer: Tracer, value: Value, g: Value, create_graph: bool) -> Value:
    """``g`` after the hooks of the tensors that have ``value`` had their say."""
    hooks = tracer.gradients.hooks_on(value)
    if not hooks:
        return g
    bind.push(tracer)  # the user's code is not the builder's
    try:
        return tracer.read(call_hooks(dict(enumerate(hooks)), _tensor(tracer, g, create_graph)))
    finally:
        bind.pop()


def check_hooks(tracer: Tracer, outputs: Sequence[Tensor]) -> None:
    """TraceError GT602 for hooks that a program could not call: of what is there after it, or is computed after it."""
    known = tracer.gradients
    for hooks, loc in known.outside_hooks:
        if hooks:
            error = TraceError(
                "GT602",
                "register_hook() of an argument or of a tensor from outside, which keeps the hook, cannot be traced",
                ["register it outside of the function, or remove() it before the function returns"],
            )
            error.loc = loc or error.loc
            raise error
    for output in outputs if not known.had_backward else ():
        if output._requires_grad and known.is_hooked(tracer.read(output), outside=False):
            raise TraceError(
                "GT602",
                "register_hook() of a tensor whose gradient is computed after the call cannot be traced",
                ["call backward() inside of the compiled function, or register the hook on what it returns"],
            )
