"""The contract of losses: which argument is which, and what each is, by how it was computed and not by its name.

Codes GT320 to GT326. What cannot run is refused by the losses themselves (ir/ops/loss_contract.py); here is what runs,
and is hardly what was meant. The rules stand in loss_order.py, loss_activations.py and loss_numbers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from graphtorch.frontend.diagnosis.loss_activations import activation_problems
from graphtorch.frontend.diagnosis.loss_numbers import number_problems
from graphtorch.frontend.diagnosis.loss_order import order_problems
from graphtorch.frontend.diagnosis.loss_view import LossView, View
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tracer import Tracer
from graphtorch.ir.graph import Value

Rule = Callable[[LossView], Iterator[Problem]]
_RULES: tuple[Rule, ...] = (order_problems, activation_problems, number_problems)


def loss_problems(
    tracer: Tracer, *, numbers: bool = False, ranges: Mapping[Value, tuple[float, float]] | None = None
) -> list[Problem]:
    """What is wrong with the losses that a trace called, in the order of the calls; each is said once for a line.

    With ``numbers`` class labels that the trace was given, or found outside, are looked at: their numbers, or, for a
    parameter of the graph in ``ranges``, the smallest and the largest that they can be.
    """
    view = View(
        graph=tracer.graph,
        parameters=_parameters(tracer),
        owners=tracer.owners,
        tensors=_tensors(tracer) if numbers else {},
        ranges=ranges or {},
    )
    found = [Problem(error, "warning") for error in tracer.notes.doubts]
    for call in tracer.notes.losses:
        found += [problem for rule in _RULES for problem in rule(LossView(call, view))]
    return list({str(problem): problem for problem in found}.values())


def _parameters(tracer: Tracer) -> set[Value]:
    """The values of parameters, frozen ones too, and of whatever requires gradients."""
    outside = {b.param for b in tracer.captures if isinstance(b.tensor, Parameter) or _requires_grad(b.tensor)}
    return outside | set(tracer.gradients.leaves)


def _requires_grad(t: Tensor | None) -> bool:
    return t is not None and t._requires_grad


def _tensors(tracer: Tracer) -> dict[Value, Tensor]:
    """The tensors behind the parameters of the graph, where they have numbers."""
    given = {b.param: tracer.questions.actual(b.tensor) for b in tracer.inputs}
    outside = {b.param: b.tensor for b in tracer.captures}
    return {v: t for v, t in (*given.items(), *outside.items()) if t is not None and t._data is not None}
