"""What `gt.compile` takes, and what it does not."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.trace import name_of
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.passmanager import Pass

_NO_RESULT = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


def check_returns(target: Any) -> None:
    """ArgumentTypeError GT301 for generator and async functions, which give no result when they are called."""
    function = target.forward if isinstance(target, Module) else target
    for f in (function, inspect.getattr_static(type(function), "__call__", None)):  # the other one is an object's
        if any(is_one(f) for is_one in _NO_RESULT):
            raise ArgumentTypeError(
                "GT301",
                f"compile() does not take {name_of(target)}, a generator or async function",
                ["compile a function that returns its results, and call that one from it"],
            )


def ignored(codes: Any) -> frozenset[str]:
    """Codes of problems that are not to be told; ArgumentTypeError GT301 for what is no collection of codes."""
    if isinstance(codes, str) or not isinstance(codes, Collection) or not all(isinstance(c, str) for c in codes):
        raise ArgumentTypeError("GT301", f'ignore must be a collection of codes, such as {{"GT336"}}, got {codes!r}')
    return frozenset(codes)


def own_passes(passes: Any) -> tuple[Pass, ...]:
    """A user's passes; ArgumentTypeError GT301 for what is no sequence of objects with a name and a `run`."""
    found = tuple(passes) if isinstance(passes, Sequence) else None
    if found is None or not all(isinstance(getattr(p, "name", None), str) and callable(_run(p)) for p in found):
        facts = ["a pass has a name, a str, and run(graph) -> graph"]
        raise ArgumentTypeError("GT301", f"passes must be a sequence of passes, got {passes!r}", facts)
    return found


def _run(given: Any) -> Any:
    return None if isinstance(given, type) else getattr(given, "run", None)
