"""Edits of constructors of layers: another argument, in the user's own terms where they can be had."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from graphtorch.frontend.diagnosis.edits import Candidate, Constructed, Edit
from graphtorch.frontend.diagnosis.layers import (
    arguments_of,
    constructor_call,
    edited_constructor,
    is_layer,
    parameters_of,
    remade,
    written,
)
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.frontend.nn.module import Module

Shape = tuple[int, ...]

#: parameters that say what a layer takes: which sizes of the input they may be
TAKES = (
    "in_features", "in_channels", "num_features", "num_channels", "input_size", "embed_dim", "d_model",
    "num_parameters", "in1_features", "in2_features", "kdim", "vdim",
)  # fmt: skip
#: parameters that say what it gives, and how windows move over the input
GIVES = ("out_features", "out_channels", "hidden_size", "embedding_dim")
WINDOW = ("padding", "stride", "output_padding", "kernel_size", "dilation", "output_size")
_OTHER = ("groups", "num_groups", "num_heads", "start_dim", "dim", "batch_first")
#: of windows, the likeliest: a stride or a padding that was forgotten
_USUAL = ("padding", "stride", "output_padding")


def of_layer(model: Model, module: Module, shapes: list[Shape]) -> Iterator[Candidate]:
    """Other arguments for a layer that refuses what it is given."""
    yield from _swapped(model.made_with(module), shapes)
    for rank, names in ((1, TAKES), (2, ("normalized_shape",)), (3, _OTHER), (4, WINDOW)):
        for name in names:
            for value in values_for(module, name, shapes):
                yield from edited(model, module, name, value, rank, far=name in WINDOW)


def edited(model: Model, module: Module, name: str, value: Any, rank: float, far: bool = False) -> Iterator[Candidate]:
    """The constructor of ``module`` with another value for ``name``.

    Where one line constructs several layers, an edit of the line is one of all of them; that failing, it is said which
    layer needs the value. What a layer of the package has made for itself is no edit of the user's.
    """
    if constructor_call(module) is None and any(map(is_layer, model.ancestors(module)[:1])):
        return
    group, at = model.made_with(module), module._created_at
    several = len(group) > 1  # what mends one of them may break the others
    for text, values in _in_users_terms(model, group, name, value):
        yield Candidate(_maker(text, group, name, values), rank, at, far or several)
    rank += _oddness(module, name, value)
    text = edited_constructor(module, name, value)
    if not several:
        yield Candidate(_maker(text, group, name, [value]), rank, at, far, further=far and name in GIVES)
        return
    call, parameters = constructor_call(module), parameters_of(type(module))
    given = call.argument(name, parameters) if call is not None else None
    if call is not None and not call.starred and (given is None or isinstance(given, ast.Constant)):
        yield Candidate(_maker(text, group, name, [value] * len(group)), rank, at, far=True)
    alone = f'{name}={written(value)} for "{model.path(module)}"'
    yield Candidate(_maker(alone, group[:1], name, [value]), rank + 2, at, far)


def _maker(text: str, modules: Sequence[Module], name: str, values: Sequence[Any]) -> Callable[[], Edit | None]:
    def make() -> Edit | None:
        others = [remade(m, **{name: v}) for m, v in zip(modules, values, strict=True)]
        pairs = [(m, other) for m, other in zip(modules, others, strict=True) if other is not None]
        return Constructed(text, pairs) if len(pairs) == len(modules) else None

    return make


def _in_users_terms(model: Model, group: Sequence[Module], name: str, value: Any) -> Iterator[tuple[str, list[int]]]:
    """``4 * width`` where the user gave ``width``: an expression that held the value, or a multiple of one that did.

    With what it is for each layer of ``group``.
    """
    module = group[0]
    call, parameters = constructor_call(module), parameters_of(type(module))
    given = call.argument(name, parameters) if call is not None and not call.starred else None
    number = value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
    if call is None or not isinstance(number, int) or not (_has_names(given) if given is not None else len(group) > 1):
        return
    variables = [model.variables(m) for m in group]
    for text, factor in _expressions(variables[0], number):
        held = [v[text] for v in variables if text in v]
        if len(held) == len(group):
            written_so = f"{factor} * {text}" if factor != 1 else text
            yield call.with_argument(name, written_so, parameters), [factor * h for h in held]


def _expressions(variables: dict[str, int], number: int) -> Iterator[tuple[str, int]]:
    """Expressions and factors that give ``number``, plain ones first."""
    yield from ((text, 1) for text, held in variables.items() if held == number)
    names = [(text, held) for text, held in variables.items() if text.replace(".", "").isidentifier()]
    yield from ((text, k) for k in (2, 3, 4) for text, held in names if held * k == number)


def _has_names(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) for n in ast.walk(node))


def _swapped(group: Sequence[Module], shapes: list[Shape]) -> Iterator[Candidate]:
    """What the layers of one line take and what they give, the other way round."""
    module = group[0]
    now, call = arguments_of(module), constructor_call(module)
    for takes, gives in (("in_features", "out_features"), ("in_channels", "out_channels")):
        if call is None or call.starred or not {takes, gives} <= now.keys() or now[takes] == now[gives]:
            continue
        parameters = parameters_of(type(module))
        written_out = [call.argument(name, parameters) for name in (takes, gives)]
        if None in written_out or all(now[gives] not in s for s in shapes):
            continue
        texts = [call.text_of(node) for node in written_out if node is not None]
        swapped = call.with_argument(takes, texts[1], parameters, gives, texts[0])
        make = functools.partial(_swap, swapped, group, takes, gives)
        yield Candidate(make, 0, module._created_at, far=len(group) > 1)


def _swap(text: str, group: Sequence[Module], takes: str, gives: str) -> Edit | None:
    others = [remade(m, **{takes: getattr(m, gives), gives: getattr(m, takes)}) for m in group]
    pairs = [(m, other) for m, other in zip(group, others, strict=True) if other is not None]
    return Constructed(text, pairs) if len(pairs) == len(group) else None


def _oddness(module: Module, name: str, value: Any) -> int:
    """Padding by more than half of the window is hardly what was meant; nor are windows that change."""
    kernel = getattr(module, "kernel_size", 1)
    size = max(kernel) if isinstance(kernel, tuple) else kernel
    most = max(value) if isinstance(value, tuple) else value
    if name == "padding":
        return 4 if 2 * most > size else 0
    return 0 if name not in WINDOW or name in _USUAL else 1


# ---- which values -----------------------------------------------------------------------------------


def values_for(module: Module, name: str, shapes: list[Shape]) -> Iterator[Any]:
    """What a parameter might be, seeing the shapes that the layer is given; never what it is."""
    if name not in parameters_of(type(module)):
        return
    now = arguments_of(module).get(name)
    for value in dict.fromkeys(_proposed(name, now, shapes)):
        if value != now and not (isinstance(now, tuple) and (value,) * len(now) == now):
            yield value


def _proposed(name: str, now: Any, shapes: list[Shape]) -> Iterable[Any]:
    if name == "in_features":
        return [s[-1] for s in shapes[:1] if 0 < len(s) < 4 and s[-1]]  # images were to be flattened
    if name in TAKES:
        return [n for s in shapes for n in (*s[1:2], *s[:-2:-1], *s) if n > 0]
    if name == "normalized_shape":
        return [s[-k:] for s in shapes for k in (len(now), 1, 2, 3) if len(s) >= k > 0]
    if name in ("groups", "num_groups", "num_heads"):
        return [n for n in range(int(now), 0, -1) if any(size % n == 0 for s in shapes for size in s[1:])]
    if name in ("start_dim", "dim"):
        return [1, -1, 0, 2]
    if name == "batch_first":
        return [True, False]
    return _windows(name, now) if name in WINDOW else []


def _windows(name: str, now: Any) -> list[Any]:
    largest = max(now) if isinstance(now, tuple) else now
    if not isinstance(largest, int):
        return []
    less = list(range(largest - 1, -1 if name.endswith("padding") else 0, -1))
    if name == "padding":
        return [*range(largest + 1, largest + 5), *less]
    if name == "stride":
        return [*range(largest + 1, largest + 8), *less]
    if name == "output_padding":
        one = [tuple(int(i == at) for i in range(len(now))) for at in range(len(now))] if isinstance(now, tuple) else []
        return [largest + 1, *one, *less]
    return [*less, largest + 1] if name == "kernel_size" else less
