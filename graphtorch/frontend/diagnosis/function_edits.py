"""Single edits of calls of functions: other sizes, a transposed operand, another dimension."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation, PublicCall
from graphtorch.frontend.diagnosis.edits import Candidate, Given, first
from graphtorch.frontend.diagnosis.source import call_at, operator_at
from graphtorch.frontend.tensor import Tensor


def of_function(call: PublicCall) -> Iterator[Candidate]:
    """Other arguments of the function that failed."""
    for rank, change, edit in _FUNCTIONS.get(call.name, _nothing)(call):
        text = edit(call)
        yield Candidate(Given(text, ("function", call.number), change), rank, call.loc)


#: rank, other arguments, and how that reads
Changes = Iterator[tuple[int, Callable[..., Any], Callable[[PublicCall], str]]]


def _nothing(call: PublicCall) -> Changes:
    return iter(())


def _viewed(call: PublicCall) -> Changes:
    """`view` and `reshape`: sizes that hold what there is, the batch kept."""
    args, kwargs = call.arguments
    shape, sizes = args[0].aval.shape, args[1:] if len(args) > 1 and not isinstance(args[1], tuple | list) else None
    if kwargs or sizes is None or not shape:
        return
    total = math.prod(shape)
    for position, size in reversed(list(enumerate(sizes))):
        rest = math.prod(n for i, n in enumerate(sizes) if i != position and n != -1)
        batch = shape[0] if -1 in sizes and size != -1 else 1
        if size == -1 or not rest or total % (rest * batch):
            continue
        value = total // (rest * batch)
        changed = [*sizes[:position], value, *sizes[position + 1 :]]
        text = functools.partial(_method_text, changed, position)
        yield 1, lambda args, kwargs, c=changed: ((args[0], *c), kwargs), text


def _method_text(values: list[int], position: int, call: PublicCall) -> str:
    source = call_at(call.loc, call.name)
    if source is None or source.starred or len(source.arguments) != len(values):
        return f"{call.name}({', '.join(map(str, values))})"
    arguments = source.arguments
    arguments[position] = str(values[position])
    return source.with_arguments(arguments, source.keywords)


def _product(_: PublicCall) -> Changes:
    """A matrix that lies the other way."""
    yield 1, _second_transposed, functools.partial(_operand_text, 1)
    yield 2, first(lambda t: t.mT), functools.partial(_operand_text, 0)


def _second_transposed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (args[0], args[1].mT, *args[2:]), kwargs


def _operand_text(position: int, call: PublicCall) -> str:
    """The product with one operand transposed."""
    transposed = ".T" if call.arguments[0][position].ndim == 2 else ".mT"
    sides = operator_at(call.loc, ast.MatMult)
    source = call_at(call.loc, call.name) if sides is None else None
    if sides is not None:
        left, right = (f"{s}{transposed}" if i == position else s for i, s in enumerate(sides))
        return f"{left} @ {right}"
    if source is None:
        return f"transpose the {('first', 'second')[position]} operand: {transposed}"
    given = source.arguments
    if len(given) > 1:
        return source.with_arguments([f"{g}{transposed}" if i == position else g for i, g in enumerate(given)], {})
    other = f"{given[0]}{transposed if position else ''}"
    return f"{source.receiver}{'' if position else transposed}.{source.name}({other})"


def _joined(call: PublicCall) -> Changes:
    """`cat` along another dimension."""
    args, kwargs = call.arguments
    tensors = args[0] if args else kwargs.get("tensors", ())
    for dim in range(max((t.ndim for t in tensors), default=0)):
        yield 1, lambda args, kwargs, d=dim: ((tensors, d), {}), functools.partial(_dim_text, dim)


def _dim_text(dim: int, call: PublicCall) -> str:
    source = call_at(call.loc, call.name)
    if source is None or source.starred:
        return f"{call.name}(..., dim={dim})"
    keywords = {k: v for k, v in source.keywords.items() if k not in ("dim", "axis")}
    return source.with_arguments(source.arguments[:1], {**keywords, "dim": str(dim)})


_FUNCTIONS: dict[str, Callable[[PublicCall], Changes]] = {
    "view": _viewed,
    "reshape": _viewed,
    "matmul": _product,
    "mm": _product,
    "dot": _product,
    "bmm": _product,
    "cat": _joined,
}


def of_earlier_functions(seen: Observation) -> Iterator[Candidate]:
    """A flatten that took the batch too."""
    for call in reversed(seen.tracer.public[:-1]):
        args, kwargs = call.arguments
        if call.name == "flatten" and len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            source = call_at(call.loc, "flatten")
            text = "flatten(x, 1)" if source is None else source.with_arguments([*source.arguments, "1"], {})
            yield Candidate(Given(text, ("function", call.number), _from_one), 0, call.loc)


def _from_one(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (args[0], 1), kwargs
