"""Single edits of calls of functions: other sizes, a transposed operand, another dimension."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation, PublicCall
from graphtorch.frontend.diagnosis.changes import (
    Changes,
    as_first,
    given_others,
    last_two_swapped,
    with_dim,
)
from graphtorch.frontend.diagnosis.edits import Arguments, Candidate, Change, Given, at_function, ready
from graphtorch.frontend.diagnosis.joining_edits import along, joined
from graphtorch.frontend.diagnosis.pairing_edits import PAIRED, REDUCED, gathered, kept, paired, turned
from graphtorch.frontend.diagnosis.source import Call, call_at, operator_at
from graphtorch.frontend.diagnosis.steps import behind
from graphtorch.frontend.tensor import Tensor


def of_function(call: PublicCall) -> Iterator[Candidate]:
    """Other arguments of the function that failed."""
    if not call.direct:
        return
    for rank, change, text in (*_FUNCTIONS.get(call.name, _nothing)(call), *_dimension(call)):
        yield ready(Given(text, (at_function(call.name, call.loc),), change), rank, call.loc, far=rank > 1)


def of_earlier_functions(seen: Observation) -> Iterator[Candidate]:
    """Other arguments of functions that were called on the way."""
    done: set[Any] = set()
    for call in [c for c in reversed(seen.tracer.public[:-1]) if c.name in _EARLIER and c.direct][:_MOST]:
        point = at_function(call.name, call.loc)
        if point in done or call_at(call.loc, call.name) is None:
            continue
        done.add(point)
        for rank, change, text in _EARLIER[call.name](call):
            yield ready(Given(text, (point,), change), rank + 1, call.loc)


#: calls on the way that are looked at, from the failure backwards
_MOST = 12


def _nothing(call: PublicCall) -> Changes:
    return iter(())


def _arguments_of_method(call: PublicCall, source: Call) -> tuple[str, list[str]]:
    """What a method or a function is called on, and its other positional arguments, as written."""
    as_function = len(source.arguments) == len(call.arguments[0])
    return (source.arguments[0], source.arguments[1:]) if as_function else (source.receiver, source.arguments)


# ---- shapes -----------------------------------------------------------------------------------------


def _viewed(call: PublicCall) -> Changes:
    """`view` and `reshape`: sizes that hold what there is, the batch kept."""
    args, kwargs = call.arguments
    shape, sizes = args[0].aval.shape, args[1:]
    source = call_at(call.loc, call.name)
    if kwargs or not shape or not sizes or isinstance(sizes[0], tuple | list):
        return
    for changed in _fitting(shape, sizes):
        written = _written(source, sizes, changed)
        if written:
            yield 1, given_others(*changed), written


def _fitting(shape: tuple[int, ...], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """``sizes`` with one changed, or the last ones that are equal, so that they hold all elements of ``shape``."""
    total, batch = math.prod(shape), shape[0] if -1 in sizes else 1
    for position, size in reversed(list(enumerate(sizes))):
        rest = math.prod(n for i, n in enumerate(sizes) if i != position and n != -1)
        if size != -1 and rest and total % (rest * batch) == 0:
            yield (*sizes[:position], total // (rest * batch), *sizes[position + 1 :])
    equal = next((n for n in range(len(sizes), 1, -1) if len(set(sizes[-n:])) == 1), 0)
    rest = math.prod(n for n in sizes[: len(sizes) - equal] if n != -1) * batch
    if equal and rest and total % rest == 0:
        side = round((total // rest) ** (1 / equal))
        if side**equal * rest == total:
            yield (*sizes[: len(sizes) - equal], *(side,) * equal)


def _written(source: Call | None, old: Sequence[int], new: Sequence[int]) -> str:
    """The call with the sizes that have changed; "" where the user computed those, since then the mistake is there."""
    arguments = source.arguments if source is not None and not source.starred else None
    if source is None or arguments is None or len(arguments) != len(new):
        return ""
    for i, (was, now) in enumerate(zip(old, new, strict=True)):
        if was == now:
            continue
        if any(isinstance(n, ast.Name) for n in ast.walk(source.node.args[i])):
            return ""
        arguments[i] = str(now)
    return source.with_arguments(arguments, source.keywords)


def _flattened(call: PublicCall) -> Changes:
    """In the place of a `view` or a `flatten` that mixed the batch with the rest."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is None or source.starred or kwargs or not isinstance(args[0], Tensor) or args[0].ndim < 2:
        return
    if call.name == "flatten" and len(args) == 1:
        yield 0, given_others(1), source.with_arguments([*source.arguments, "1"], {})
    if call.name != "flatten":
        on, sizes = _arguments_of_method(call, source)
        yield from _swapped_sizes(call, source)
        kept = args[0].aval.shape[0]
        flat = (kept, math.prod(args[0].aval.shape[1:]))
        if len(sizes) == 2:
            text = f"{behind(on, '.flatten(1)')} in place of {source.text}"
            yield 1, given_others(*flat), text


def _swapped_sizes(call: PublicCall, source: Call) -> Changes:
    """The last two sizes, the other way round."""
    args, _ = call.arguments
    if len(source.arguments) > 2 and len(source.arguments) == len(args) - 1 and args[-1] != args[-2]:
        *ahead, last_but_one, last = source.arguments
        text = source.with_arguments([*ahead, last, last_but_one], source.keywords)
        yield 1, last_two_swapped, text


def _squeezed(call: PublicCall) -> Changes:
    """`squeeze` of all dimensions, the batch's too: of one alone."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is None or kwargs or len(args) != 1 or source.starred:
        return
    for dim in (d for d in range(1, args[0].ndim) if args[0].aval.shape[d] == 1):
        text = source.with_arguments([*source.arguments, str(dim)], {})
        yield 1, given_others(dim), text


def _unsqueezed(call: PublicCall) -> Changes:
    """`unsqueeze` at another dimension."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is None or kwargs or source.starred or not source.arguments:
        return
    for dim in (d for d in range(args[0].ndim + 1) if d != args[1]):
        text = source.with_arguments([*source.arguments[:-1], str(dim)], {})
        yield 1, given_others(dim), text


def _counted(call: PublicCall) -> Changes:
    """`arange` of another length: one that a tensor beside it has, which the run says."""
    args, _kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is None or source.starred or len(source.arguments) != 1 or not isinstance(args[0], int):
        return
    for length in range(args[0] - 1, max(args[0] // 2, 0), -1):
        text = source.with_arguments([str(length)], source.keywords)
        yield 2, as_first(length), text


# ---- products ---------------------------------------------------------------------------------------


def _product(call: PublicCall) -> Changes:
    """A matrix that lies the other way."""
    for rank, position in ((1, 1), (2, 0)):
        text = _operand_text(position, call)
        if len(call.arguments[0]) > 1 and text:
            yield rank, _transposed(position), text


def _multiplied(call: PublicCall) -> Changes:
    yield from _product(call)
    yield from turned(call)


def _transposed(position: int) -> Change:
    def change(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return tuple(t.mT if i == position and t.ndim > 1 else t for i, t in enumerate(args)), kwargs

    return change


def _operand_text(position: int, call: PublicCall) -> str:
    """The product with one operand transposed."""
    transposed = ".t()" if call.arguments[0][position].ndim == 2 else ".transpose(-2, -1)"
    sides = operator_at(call.loc, ast.MatMult)
    if sides is not None:
        left, right = (behind(s, transposed) if i == position else s for i, s in enumerate(sides))
        return f"{left} @ {right}"
    source = call_at(call.loc, call.name)
    if source is None or source.starred:
        return ""
    given = source.arguments
    if len(given) > 1:
        return source.with_arguments([behind(g, transposed) if i == position else g for i, g in enumerate(given)], {})
    other = behind(given[0], transposed) if position else given[0]
    return f"{source.receiver if position else behind(source.receiver, transposed)}.{source.name}({other})"


# ---- dimensions --------------------------------------------------------------------------------------


def _dimension(call: PublicCall) -> Changes:
    """A dimension that is out of range: the last one; that of classes."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    given = next((a for a in args if isinstance(a, Tensor)), None)
    if source is None or source.starred or given is None:
        return
    _on, rest = _arguments_of_method(call, source)
    for new in (1, -1) if given.ndim == 2 else (-1, 1):
        if isinstance(kwargs.get("dim"), int) and "dim" in source.keywords:
            text = source.with_arguments(source.arguments, {**source.keywords, "dim": str(new)})
            yield 1, with_dim(new), text
        elif len(args) == 2 and isinstance(args[1], int) and len(rest) == 1:
            text = source.with_arguments([*source.arguments[:-1], str(new)], source.keywords)
            yield 1, given_others(new), text


_FUNCTIONS: dict[str, Callable[[PublicCall], Changes]] = {
    "view": _viewed,
    "reshape": _viewed,
    "matmul": _multiplied,
    "mm": _product,
    "dot": _product,
    "bmm": _product,
    "cat": joined,
    "gather": gathered,
    **dict.fromkeys(PAIRED, paired),
}


def _reshaped(call: PublicCall) -> Changes:
    yield from _flattened(call)
    yield from _viewed(call)


_EARLIER: dict[str, Callable[[PublicCall], Changes]] = {
    "flatten": _flattened,
    "view": _reshaped,
    "reshape": _reshaped,
    "squeeze": _squeezed,
    "unsqueeze": _unsqueezed,
    "cat": along,
    "arange": _counted,
    **dict.fromkeys(REDUCED, kept),
}
