"""Calls of `autograd.Function` in a trace: their backward is traced too, when they are applied, into a body.

The node (ops/custom_gradient.py) serves whatever asks for the gradient later: backward in the program, or in an eager
loop around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.bodies import trace_body
from graphtorch.frontend.tensor import Tensor, zeros_of
from graphtorch.ir.errors import TraceError
from graphtorch.ir.ops.custom_gradient import append_custom

if TYPE_CHECKING:
    from graphtorch.frontend.custom_functions import Context, Function
    from graphtorch.frontend.tracer import Tracer


def attach(
    tracer: Tracer, cls: type[Function], ctx: Context, args: Sequence[Any], outputs: Sequence[Any]
) -> tuple[Any, ...]:
    """``outputs`` of ``cls.forward`` with gradients that ``cls.backward`` computes.

    TraceError GT602 where backward cannot be traced; AutogradError GT508 and ShapeError GT103 for what it gives.
    """
    constant = {id(t) for t in ctx._constant}
    tensors = [o for o in outputs if isinstance(o, Tensor)]
    followed = [o for o in tensors if id(o) not in constant and o.dtype.is_floating_point]
    if not followed:
        return tuple(outputs)
    if tracer.bodies:
        raise tracer.bodies[-1].refuse(f"{cls.__name__}.apply() is called", "apply it outside")
    if not ctx._materialize and len(tensors) > 1:
        raise _untraceable(cls, "set_materialize_grads(False) with several outputs", ["expected zeros in their place"])
    inputs: list[Any] = []
    saved = ctx._saved

    def call(given: Sequence[Tensor]) -> tuple[None, list[Tensor]]:
        grads, shown = (dict(zip(map(id, followed), part, strict=True)) for part in _halves(given))
        ctx._saved = tuple(shown.get(id(t), t) for t in saved)
        each = [grads[id(o)] if id(o) in grads else zeros_of(o.aval) for o in tensors]
        found = {i: g for i, g in enumerate(cls.gradients(ctx, each, len(args))) if g is not None}
        inputs.extend(args[i] for i in found if ctx.needs_input_grad[i])
        return None, [cls._fitted(i, g, args[i].aval) for i, g in found.items() if ctx.needs_input_grad[i]]

    try:
        traced = trace_body(
            tracer, cls.__name__, f"{cls.__name__}_backward", [o.aval for o in (*followed, *followed)], call
        )
    except TraceError as error:
        raise _untraceable(cls, error.message, error.facts, error) from error
    ctx._saved = saved
    tracer.builder.locs = (tracer.lines.here(),)
    values, passed = [tracer.read(o) for o in followed], tracer.operands(inputs, True)
    results = map(tracer.wrap, append_custom(tracer.builder, values, passed, traced.captured, traced.graph))
    made = {id(o): r for o, r in zip(followed, results, strict=True)}
    for r in made.values():
        tracer.follow(r)
    return tuple(made.get(id(o), o) for o in outputs)


def _halves(given: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return given[: len(given) // 2], given[len(given) // 2 :]


def _untraceable(cls: type[Function], what: str, facts: Sequence[str], at: TraceError | None = None) -> TraceError:
    """TraceError GT602, to be raised."""
    instead = f"the gradient of {cls.__name__} is traced when it is applied: compute it with ops"
    error = TraceError("GT602", f"the backward of {cls.__name__} cannot be traced: {what}", [*facts, instead])
    if at is not None:
        error.loc, error.path = at.loc, at.path
    return error
