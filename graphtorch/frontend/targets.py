"""What `gt.compile` takes, and what it does not."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.trace import name_of
from graphtorch.ir.errors import ArgumentTypeError

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
