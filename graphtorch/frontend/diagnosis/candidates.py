"""Single edits that might mend a failure, the likeliest first; which of them do, an abstract run says (fixes.py).

Each family looks at one thing that users get wrong: the arguments of the layer that failed, what is done to its input
on the way, the arguments of the function that failed, and those of the layers that made the sizes in question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.abstract import ModuleCall, Observation
from graphtorch.frontend.diagnosis.edits import Candidate, Constructed, Given, first
from graphtorch.frontend.diagnosis.function_edits import of_earlier_functions, of_function
from graphtorch.frontend.diagnosis.layers import (
    arguments_of,
    constructor_text,
    edited_constructor,
    is_layer,
    parameters_of,
    remade,
)
from graphtorch.frontend.diagnosis.source import Call, call_at
from graphtorch.frontend.diagnosis.trail import blamed, steps_of
from graphtorch.frontend.nn.container import Sequential
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Node

Shape = tuple[int, ...]


#: parameters that say what a layer takes: which sizes of the input they may be
_TAKES = (
    "in_features", "in_channels", "num_features", "num_channels", "input_size", "embed_dim", "d_model",
    "num_parameters", "in1_features", "in2_features", "kdim", "vdim",
)  # fmt: skip
#: parameters that say what it gives, and how windows move over the input
_GIVES = ("out_features", "out_channels", "hidden_size", "embedding_dim")
_WINDOW = ("padding", "kernel_size", "stride", "dilation", "output_padding", "output_size")
_OTHER = ("groups", "num_groups", "num_heads", "start_dim", "dim", "batch_first")


def candidates(seen: Observation) -> Iterator[Candidate]:
    """Of a run that failed."""
    failed = seen.failed_call
    if failed is not None and is_layer(failed.module):
        yield from _before_layer(failed)
        yield from _of_layer(failed)
    function = seen.failed_function
    if function is not None and (failed is None or not is_layer(failed.module)):
        yield from of_function(function)
    yield from of_earlier_functions(seen)
    yield from _of_inputs(seen)
    yield from _of_makers(seen)


# ---- the layer that failed --------------------------------------------------------------------------


def _of_layer(call: ModuleCall) -> Iterator[Candidate]:
    """Other arguments of its constructor."""
    shapes = [t.shape for t in call.inputs]
    for rank, names in ((1, _TAKES), (2, ("normalized_shape",)), (3, _OTHER), (4, _WINDOW)):
        for name in names:
            for value in _values(call.module, name, shapes):
                yield from _constructed(call.module, name, value, rank)


def _constructed(module: Module, name: str, value: Any, rank: int) -> Iterator[Candidate]:
    other = remade(module, name, value)
    if other is not None:
        edit = Constructed(edited_constructor(module, name, value), module, other, name)
        yield Candidate(edit, rank + _oddness(module, name, value), module._created_at)


def _oddness(module: Module, name: str, value: Any) -> int:
    """Padding by more than half of the window is hardly what was meant."""
    kernel = getattr(module, "kernel_size", 1)
    size = max(kernel) if isinstance(kernel, tuple) else kernel
    return 4 if name == "padding" and 2 * value > size else 0


def _values(module: Module, name: str, shapes: list[Shape]) -> Iterator[Any]:
    """What a parameter might be, seeing the shapes that the layer is given; never what it is."""
    if name not in parameters_of(type(module)):
        return
    now = arguments_of(module).get(name)
    for value in dict.fromkeys(_proposed(name, now, shapes)):
        if value != now and not (isinstance(now, tuple) and (value,) * len(now) == now):
            yield value


def _proposed(name: str, now: Any, shapes: list[Shape]) -> Iterable[Any]:
    if name in _TAKES:
        return (
            [n for s in shapes for n in (*s[1:2], *s[:-2:-1], *s) if n > 0] if name != "in_features" else _last(shapes)
        )
    if name == "normalized_shape":
        return [s[-k:] for s in shapes for k in (len(now), 1, 2, 3) if len(s) >= k > 0]
    if name in ("groups", "num_groups", "num_heads"):
        return [n for n in range(int(now), 0, -1) if any(size % n == 0 for s in shapes for size in s[1:])]
    if name in ("start_dim", "dim"):
        return [1, -1, 0, 2]
    if name == "batch_first":
        return [True, False]
    if name in _WINDOW:
        return _windows(name, now)
    return []


def _last(shapes: list[Shape]) -> list[int]:
    return [s[-1] for s in shapes[:1] if s and s[-1]]


def _windows(name: str, now: Any) -> list[int]:
    largest = max(now) if isinstance(now, tuple) else now
    if not isinstance(largest, int):
        return []
    if name == "padding":
        return list(range(largest + 1, largest + 5)) + list(range(largest - 1, -1, -1))
    return list(range(largest - 1, 0, -1)) + ([largest + 1] if name in ("stride", "kernel_size") else [])


# ---- what is done to its input ----------------------------------------------------------------------


def _before_layer(call: ModuleCall) -> Iterator[Candidate]:
    """A step that is missing between the layer and what it is given."""
    given = next((a for a in (*call.arguments[0], *call.arguments[1].values())), None)
    if isinstance(given, tuple | list) and given and isinstance(given[0], Tensor):
        yield _inserted(call, lambda t: t[0], "{}[0]", "", 0)
    if not isinstance(given, Tensor):
        return
    module, shape = call.module, given.aval.shape
    wanted = [getattr(module, name, None) for name in _TAKES]
    if len(shape) > 2 and math.prod(shape[1:]) in wanted:
        yield _inserted(call, lambda t: t.flatten(1), "{}.flatten(1)", "nn.Flatten()", 0)
    if len(shape) == 4 and shape[3] in wanted and shape[1] not in wanted:
        yield _inserted(call, lambda t: t.permute(0, 3, 1, 2), "{}.permute(0, 3, 1, 2)", "", 0)
    if len(shape) == 3 and shape[2] in wanted and shape[1] not in wanted:
        yield _inserted(call, lambda t: t.transpose(1, 2), "{}.transpose(1, 2)", "", 0)
    if len(shape) > 1 and shape[-1] not in wanted and shape[-2] in wanted:
        yield _inserted(call, lambda t: t.transpose(-1, -2), "{}.transpose(-1, -2)", "", 2)
    yield _inserted(call, lambda t: t.unsqueeze(0), "{}.unsqueeze(0)", "", 6)


def _inserted(call: ModuleCall, change: Callable[[Any], Any], written: str, as_layer: str, rank: int) -> Candidate:
    source = None if isinstance(call.parent, Sequential) else call_at(call.loc)
    if source is not None and source.arguments:
        text = source.with_arguments([_wrapped(source, written), *source.arguments[1:]], source.keywords)
    elif as_layer:
        text = f"{as_layer} before {constructor_text(call.module)}"
    else:
        text = f"input{written.format('')} before {constructor_text(call.module)}"
    return Candidate(Given(text, ("layer", call.number), first(change)), rank, call.loc)


def _wrapped(source: Call, written: str) -> str:
    argument = source.arguments[0]
    return written.format(argument if argument.isidentifier() or argument.endswith(")") else f"({argument})")


# ---- what the model is given ------------------------------------------------------------------------


def _of_inputs(seen: Observation) -> Iterator[Candidate]:
    """Another layout of the first input: channels last, no batch."""
    inputs = seen.tracer.inputs
    if not inputs:
        return
    ndim = inputs[0].param.type.ndim
    changes: list[tuple[str, Callable[[Any], Any], int]] = [(".unsqueeze(0)", lambda t: t.unsqueeze(0), 5)]
    if ndim == 4:
        changes.insert(0, (".permute(0, 3, 1, 2)", lambda t: t.permute(0, 3, 1, 2), 0))
    if ndim == 3:
        changes.insert(0, (".permute(2, 0, 1)", lambda t: t.permute(2, 0, 1), 5))
        changes.insert(0, (".transpose(1, 2)", lambda t: t.transpose(1, 2), 5))
    for text, change, rank in changes:
        edit = Given(f"give the model input{text}", ("inputs", 0), _inner_first(change))
        yield Candidate(edit, rank)


def _inner_first(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A change of the first tensor of all arguments."""

    def changed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        out, done = [], False
        for a in args:
            hit = isinstance(a, Tensor) and not done
            out.append(change(a) if hit else a)
            done = done or hit
        return tuple(out), kwargs

    return changed


# ---- the layers that made the sizes -----------------------------------------------------------------

#: how many of them, from the failure backwards
_MAKERS = 8


def _of_makers(seen: Observation) -> Iterator[Candidate]:
    """Other arguments of the constructors of layers that the trail leads through; first those that gave the tensors."""
    assert seen.error is not None
    wanted = sorted({n for _, t in seen.error.tensors for n in t.aval.shape})
    for rank, modules in ((6, _givers(seen)), (7, _makers(seen))):
        for module in modules[:_MAKERS]:
            for name in parameters_of(type(module)):
                values = wanted if name in _GIVES else _values(module, name, []) if name in _WINDOW else ()
                for value in values:
                    yield from _constructed(module, name, value, rank)


def _givers(seen: Observation) -> list[Module]:
    """The layers that the operands of the failed call come from."""
    assert seen.error is not None
    nodes = [seen.tracer.read(t).node for _, t in seen.error.tensors if t._traced is not None]
    return _layers(seen, nodes)


def _makers(seen: Observation) -> list[Module]:
    """The layers that made the sizes in question."""
    assert seen.error is not None
    return _layers(seen, [s.node for t, d in blamed(seen.error) for s in steps_of(seen.tracer.read(t), d)])


def _layers(seen: Observation, nodes: Iterable[Node | None]) -> list[Module]:
    owners = (seen.tracer.owners.get(node) for node in nodes if node is not None)
    return list({id(o): o for o in owners if isinstance(o, Module) and is_layer(o)}.values())
