"""Edits of what goes into a layer and what comes out of it: a step that is missing, a layer that is one too many."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.called import ModuleCall
from graphtorch.frontend.diagnosis.constructors import TAKES
from graphtorch.frontend.diagnosis.edits import INPUTS, Candidate, Given, Replaced, at_call, at_module, first, ready
from graphtorch.frontend.diagnosis.layers import constructor_call, constructor_text
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.frontend.diagnosis.source import Call, module_call_at
from graphtorch.frontend.diagnosis.written import tied
from graphtorch.frontend.nn.container import ModuleList, Sequential
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.types import int64

#: a step that is missing: what it does, how it is written behind an expression, the layer that does it, its rank
Step = tuple[Callable[[Any], Any], str, str, int]


def _written(call: ModuleCall) -> Call | None:
    """The user's call of a module; None where a layer of the package calls it."""
    return module_call_at(call.loc, call.path.rpartition(".")[2]) if call.direct else None


# ---- before a layer ---------------------------------------------------------------------------------


def before_layer(model: Model, call: ModuleCall, calls: Sequence[ModuleCall]) -> Iterator[Candidate]:
    """A step that is missing between a layer and what it is given. ``calls`` are all of the run."""
    args, kwargs = call.arguments
    given = next((a for a in (*args, *kwargs.values())), None)
    if isinstance(given, tuple | list) and given and isinstance(given[0], Tensor):
        yield from _inserted(model, call, calls, (lambda t: t[0], "[0]", "", 0))
    if not isinstance(given, Tensor):
        return
    if len(args) > 1:
        yield from _fewer(call)
    for step in (*_flattening(call.module, given), *_other_steps(call.module, given)):
        yield from _inserted(model, call, calls, step)


def flattened(model: Model, call: ModuleCall, calls: Sequence[ModuleCall]) -> Iterator[Candidate]:
    """All but the batch made one dimension."""
    given = next(iter(call.arguments[0]), None)
    if isinstance(given, Tensor) and given.ndim > 2:
        yield from _inserted(model, call, calls, (functools.partial(_flat, 1), ".flatten(1)", "nn.Flatten()", 0))


def _wanted(module: Module) -> list[Any]:
    return [getattr(module, name, None) for name in TAKES]


def _flattening(module: Module, t: Tensor) -> Iterator[Step]:
    shape, wanted = t.aval.shape, _wanted(module)
    for start in range(1, len(shape) - 1):
        if math.prod(shape[start:]) in wanted:
            layer = "nn.Flatten()" if start == 1 else f"nn.Flatten({start})"
            yield functools.partial(_flat, start), f".flatten({start})", layer, 0
    channels = getattr(module, "in_channels", None)
    ndim = _dims(module)
    if len(shape) == 2 and channels and ndim > 3:
        side = round((shape[1] / channels) ** (1 / (ndim - 2)))
        sizes = (channels, *(side,) * (ndim - 2))
        if math.prod(sizes) == shape[1]:
            written = ", ".join(map(str, sizes))
            yield (lambda t: t.view(-1, *sizes)), f".view(-1, {written})", "", 0


def _flat(start: int, t: Any) -> Any:
    return t.flatten(start)


def _dims(module: Module) -> int:
    """How many dimensions the input of a convolution has; 0 of other layers."""
    last = type(module).__name__[-2:]
    return int(last[0]) + 2 if last in ("1d", "2d", "3d") else 0


def _other_steps(module: Module, t: Tensor) -> Iterator[Step]:
    shape, wanted = t.aval.shape, _wanted(module)
    if not t.dtype.is_floating_point and any(p.dtype.is_floating_point for p in module.parameters(False)):
        yield (lambda t: t.float()), ".float()", "", 0
    if t.dtype.is_floating_point:
        yield (lambda t: t.to(int64)), ".long()", "", 1
    if len(shape) == 4 and shape[3] in wanted and shape[1] not in wanted:
        yield (lambda t: t.permute(0, 3, 1, 2)), ".permute(0, 3, 1, 2)", "", 0
    if len(shape) == 3 and shape[2] in wanted and shape[1] not in wanted:
        yield (lambda t: t.transpose(1, 2)), ".transpose(1, 2)", "", 0
    if len(shape) == _dims(module) - 1 and 1 in wanted and shape[0] not in wanted:
        yield (lambda t: t.unsqueeze(1)), ".unsqueeze(1)", "", 0
    if len(shape) > 1 and shape[-1] not in wanted and shape[-2] in wanted:
        yield (lambda t: t.transpose(-1, -2)), ".transpose(-1, -2)", "", 3
    yield (lambda t: t.unsqueeze(0)), ".unsqueeze(0)", "", 6


def _inserted(model: Model, call: ModuleCall, calls: Sequence[ModuleCall], step: Step) -> Iterator[Candidate]:
    change, written, layer, rank = step
    call = _outermost(call, calls)
    source = _written(call)
    if source is not None and source.arguments and not source.starred:
        text = source.with_arguments([behind(source.arguments[0], written), *source.arguments[1:]], source.keywords)
        yield ready(Given(text, (at_call(call.loc),), first(change)), rank, call.loc, far=rank > 3)
    elif layer and isinstance(call.parent, Sequential):
        text = f"{layer} before {constructor_text(call.module)}"
        points = tuple(map(at_module, model.made_with(call.module)))
        yield ready(Given(text, points, first(change)), rank, call.module._created_at)


def _outermost(call: ModuleCall, calls: Sequence[ModuleCall]) -> ModuleCall:
    """The call of the Sequential whose first layer it is, or of that which that one is the first of."""
    while not call.direct and call.number and calls[call.number - 1].module is call.parent:
        call = calls[call.number - 1]
    return call


def behind(expression: str, written: str) -> str:
    """A method or an index behind an expression, in parentheses where it needs them."""
    return f"{tied(expression)}{written}"


def _fewer(call: ModuleCall) -> Iterator[Candidate]:
    """The first argument alone."""
    source = _written(call)
    if source is not None and source.arguments and not source.starred:
        text = source.with_arguments(source.arguments[:1], {})
        yield ready(Given(text, (at_call(call.loc),), lambda args, _: (args[:1], {})), 0, call.loc)


# ---- in the place of a layer ------------------------------------------------------------------------


def instead_of_layer(model: Model, call: ModuleCall) -> Iterator[Candidate]:
    """A list of layers that is called; a pooling that is one too many."""
    source = constructor_call(call.module)
    if isinstance(call.module, ModuleList) and source is not None and len(source.arguments) == 1:
        text = f"nn.Sequential(*{source.arguments[0]}) in place of {source.text}"
        yield ready(Replaced(text, (at_module(call.module),), _each), 0, call.module._created_at)
    if "Pool" in type(call.module).__name__ and isinstance(call.parent, Sequential):
        group = model.made_with(call.module)
        what = f'{type(call.module).__name__} "{call.path}"' if len(group) > 1 else constructor_text(call.module)
        edit = Replaced(f"leave out {what}", (at_module(call.module),), lambda _, args, kwargs: args[0])
        yield ready(edit, 4, call.module._created_at)


def _each(_: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    forward: Any = getattr(_, "func", _)
    modules = getattr(forward, "__self__", ())
    (x,) = args
    for module in modules:
        x = module(x)
    return x


def after_modules(seen: Observation) -> Iterator[Candidate]:
    """The first of several results, where all of them were used as one tensor."""
    function = seen.failed_function
    given = [a for a in (function.arguments[0] if function else ()) if isinstance(a, tuple) and a]
    failed = seen.failed_call
    given += [a for a in (failed.arguments[0] if failed else ()) if isinstance(a, tuple) and a]
    for call in reversed(seen.calls):
        source = _written(call)
        if source is not None and any(call.result is a for a in given):
            edit = Replaced(f"{source.text}[0]", (at_call(call.loc),), _first_result)
            yield ready(edit, 0, call.loc)


def _first_result(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return forward(*args, **kwargs)[0]


# ---- what the program is given ----------------------------------------------------------------------


def of_inputs(seen: Observation) -> Iterator[Candidate]:
    """Another layout or dtype of the first input: channels last, no batch, bytes."""
    inputs = seen.tracer.inputs
    if not inputs:
        return
    given = inputs[0].param.type
    failed = seen.failed_call
    channels = getattr(failed.module, "in_channels", None) if failed is not None else None
    for text, change, rank in _layouts(given.ndim, channels, given.shape):
        edit = Given(f"give the model input{text}", (INPUTS,), _inner_first(change))
        yield ready(edit, rank, far=rank > 0)
    if not given.dtype.is_floating_point:
        edit = Given("give the model input.float()", (INPUTS,), _inner_first(lambda t: t.float()))
        yield ready(edit, 1, far=True)
    else:
        edit = Given("give the model input.long()", (INPUTS,), _inner_first(lambda t: t.to(int64)))
        yield ready(edit, 5, far=True)


def _layouts(ndim: int, channels: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[Any], Any], int]]:
    if ndim == 4:
        yield ".permute(0, 3, 1, 2)", lambda t: t.permute(0, 3, 1, 2), 0
    if ndim == 3:
        yield ".transpose(1, 2)", lambda t: t.transpose(1, 2), 5
        yield ".permute(2, 0, 1).unsqueeze(0)", lambda t: t.permute(2, 0, 1).unsqueeze(0), 5
    yield ".unsqueeze(0)", lambda t: t.unsqueeze(0), 4
    if ndim == 2:
        yield ".unsqueeze(1)", lambda t: t.unsqueeze(1), 4
        yield "[None, None]", lambda t: t.unsqueeze(0).unsqueeze(0), 4


def _inner_first(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A change of the first tensor of the arguments, which are nested: see `check`."""

    def changed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args and isinstance(args[0], tuple):
            return (changed(args[0], {})[0], *args[1:]), kwargs
        at = next((i for i, a in enumerate(args) if isinstance(a, Tensor)), None)
        if at is None:
            return args, kwargs
        return (*args[:at], change(args[at]), *args[at + 1 :]), kwargs

    return changed
