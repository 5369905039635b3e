"""Single edits of calls that join tensors: along another dimension, with one of them laid out otherwise."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphtorch.frontend.diagnosis.abstract import PublicCall
from graphtorch.frontend.diagnosis.changes import Changes, given_others, with_member
from graphtorch.frontend.diagnosis.source import Call, call_at
from graphtorch.frontend.diagnosis.steps import behind


def joined(call: PublicCall) -> Changes:
    """`cat` along another dimension; of a tensor that lies the other way, or that has to be expanded."""
    yield from along(call)
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is not None and not source.starred:
        yield from _members(source, *_joining(args, kwargs))


def _joining(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Sequence[Any], int]:
    """The tensors that `cat` is given, and along what."""
    return args[0] if args else kwargs.get("tensors", ()), args[1] if len(args) > 1 else kwargs.get("dim", 0)


def along(call: PublicCall) -> Changes:
    """`cat` along another dimension."""
    tensors, now = _joining(*call.arguments)
    source = call_at(call.loc, call.name)
    if source is None or source.starred:
        return
    keywords = {k: v for k, v in source.keywords.items() if k not in ("dim", "axis")}
    for dim in range(1, max((t.ndim for t in tensors), default=0)):
        text = source.with_arguments(source.arguments[:1], {**keywords, "dim": str(dim)})
        if dim != now:
            yield min(dim, 2), given_others(dim), text


def _members(source: Call, tensors: Sequence[Any], dim: int) -> Changes:
    """One of the tensors changed so that it fits the others."""
    listed = source.node.args[0] if source.node.args else None
    if not isinstance(listed, ast.List | ast.Tuple) or len(listed.elts) != len(tensors) or len(tensors) < 2:
        return
    for i, t in enumerate(tensors):
        i_other = 1 if i == 0 else 0
        element, base = listed.elts[i], source.text_of(listed.elts[i_other])
        for written, change in _fitted(t, tensors[i_other], base, dim):
            text = source.replacing(element, behind(source.text_of(element), written))
            yield 1, with_member(i, change), text


def _fitted(t: Any, other: Any, base: str, dim: int) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """What may make ``t`` fit ``other``, which ``base`` is written for, all but ``dim``; and how that reads."""
    if t.ndim < other.ndim:
        for at in range(1, t.ndim + 1):
            yield f".unsqueeze({at})", functools.partial(_unsqueezed_at, at)
    elif t.ndim > other.ndim > 1:
        yield f".flatten({other.ndim - 1})", functools.partial(_flat, other.ndim - 1)
    elif t.ndim == other.ndim:
        sizes = [n if d == dim else m for d, (n, m) in enumerate(zip(t.shape, other.shape, strict=True))]
        if t.ndim == 3:
            yield ".transpose(1, 2)", lambda t: t.transpose(1, 2)
        if all(n in (1, s) for n, s in zip(t.shape, sizes, strict=True)):
            kept = [
                f"{base}.shape[{d}]" if n != s else "-1" for d, (n, s) in enumerate(zip(t.shape, sizes, strict=True))
            ]
            yield f".expand({', '.join(kept)})", functools.partial(_expanded, sizes)


def _unsqueezed_at(dim: int, t: Any) -> Any:
    return t.unsqueeze(dim)


def _flat(start: int, t: Any) -> Any:
    return t.flatten(start)


def _expanded(sizes: Sequence[int], t: Any) -> Any:
    return t.expand(*sizes)
