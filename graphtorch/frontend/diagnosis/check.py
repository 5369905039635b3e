"""`gt.check`: everything that is wrong with a model, its loss and its training, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from graphtorch.frontend.autograd import is_grad_enabled
from graphtorch.frontend.diagnosis.abstract import Observation, observe
from graphtorch.frontend.diagnosis.contracts import training_problems_of
from graphtorch.frontend.diagnosis.edits import Edit
from graphtorch.frontend.diagnosis.explain import failures
from graphtorch.frontend.diagnosis.float64 import without_those_told
from graphtorch.frontend.diagnosis.lookups import lookup_problems
from graphtorch.frontend.diagnosis.losses import loss_problems
from graphtorch.frontend.diagnosis.numeric import problems_of
from graphtorch.frontend.diagnosis.problem import Problem, order
from graphtorch.frontend.diagnosis.report import Report
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.loc import here


def check(
    target: Callable[..., Any],
    *inputs: Any,
    loss: Callable[..., Any] | None = None,
    targets: Any = None,
    optimizer: Any = None,
    ignore: Collection[str] = (),
    **kwargs: Any,
) -> Report:
    """Find what is wrong with a model or a function, without running it, and how to mend it.

    ``target`` is called as ``target(*inputs, **kwargs)`` over shapes: ``inputs`` are `TensorSpec`s or tensors, whose
    numbers are not looked at. With ``loss`` (a module or a function), ``loss(output, targets)`` is checked too, and its
    backward pass; a tuple of ``targets`` is several arguments. ``optimizer`` (or a list of them) is to train the model.
    A function that holds a whole training step can be given as it is, as to `gt.compile`.

    The Python code of the model runs at least once, and once for each edit that is tried where something fails; what it
    assigns to modules is taken back. No weights are made, and nothing is computed.

    Returns a `Report`, which is true where there is nothing to mend: ``print(report)``, ``report.problems``,
    ``report.table()``. Problems whose code is in ``ignore`` are left out. ArgumentTypeError GT301 for a ``target`` or a
    ``loss`` that cannot be called or is a class, ``targets`` without a ``loss``, and what is no optimizer.

        >>> import graphtorch as gt
        >>> net = gt.nn.Sequential(gt.nn.Flatten(), gt.nn.Linear(3072, 10))
        >>> bool(gt.check(net, gt.TensorSpec((64, 3, 32, 32))))
        True
    """
    optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer] * (optimizer is not None)
    _check_arguments(target, loss, targets, optimizers, ignore)
    program = _program(target, loss, bool(optimizers))
    given, caller = (inputs, kwargs, _as_tuple(targets)), here()

    def run(edits: Sequence[Edit], quick: bool = False) -> Observation:
        return observe(program, given, {}, edits, caller, quick)

    errors, seen = failures(run)
    problems = [*map(Problem, errors), *loss_problems(seen.tracer, numbers=True, ranges=seen.tracer.ranges)]
    problems += lookup_problems(seen)
    problems += without_those_told(problems_of(seen), errors)
    if not errors:  # layers that stand in for the user's have parameters of their own
        models = [("", target)] if isinstance(target, Module) else None
        problems += training_problems_of(seen.tracer, models, optimizers)
    shown = [p for p in order(problems) if p.code not in ignore]
    return Report(name_of(target), shown, seen.calls, target if isinstance(target, Module) else None)


def _program(target: Callable[..., Any], loss: Callable[..., Any] | None, trained: bool) -> Callable[..., Any]:
    """What is run: forward, and with a loss that and backward; ``trained`` says that an optimizer waits for it."""

    def program(inputs: tuple[Any, ...], kwargs: dict[str, Any], targets: tuple[Any, ...]) -> Any:
        out = target(*inputs, **kwargs)
        if loss is None:
            return out
        value = loss(out, *targets)
        if isinstance(value, Tensor) and _is_root(value, target, trained):
            value.backward()
        return value

    program.__name__ = name_of(target)
    return program


def _is_root(value: Tensor, target: Any, trained: bool) -> bool:
    """Whether the backward pass begins at what the loss gives.

    Losses of each sample are reduced by whoever wants them, unless they are to train as they are. What requires no
    gradient is refused where parameters of the model do: something has cut it off.
    """
    if value.ndim and not trained:
        return False
    parameters = target.parameters() if isinstance(target, Module) else ()
    return value.requires_grad or (is_grad_enabled() and any(p.requires_grad for p in parameters))


def _as_tuple(targets: Any) -> tuple[Any, ...]:
    if targets is None:
        return ()
    return targets if isinstance(targets, tuple) else (targets,)


def _check_arguments(target: Any, loss: Any, targets: Any, optimizers: Sequence[Any], ignore: Any) -> None:
    for name, value in (("target", target), ("loss", loss)):
        if not callable(value) and not (name == "loss" and value is None):
            kind = type(value).__name__
            raise ArgumentTypeError("GT301", f"{name} must be a module or a function, got {kind} {value!r}")
        if isinstance(value, type) and issubclass(value, Module):
            text = f"{name} must be a module or a function, got the class {value.__name__}"
            raise ArgumentTypeError("GT301", text, [f"construct it first: {value.__name__}(...)"])
    if isinstance(target, TensorSpec | Tensor):
        raise ArgumentTypeError("GT301", "target must be a module or a function, got a tensor")
    if loss is None and targets is not None:
        raise ArgumentTypeError("GT301", "loss must be given where targets are, got None")
    for optimizer in optimizers:
        if not isinstance(optimizer, Optimizer):
            kind = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else type(optimizer).__name__
            raise ArgumentTypeError("GT301", f"optimizer must be an optimizer or a list of them, got {kind}")
    if isinstance(ignore, str) or not all(isinstance(code, str) for code in ignore):
        raise ArgumentTypeError("GT301", f'ignore must be a collection of codes such as {{"GT320"}}, got {ignore!r}')
