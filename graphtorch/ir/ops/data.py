"""Results whose shapes depend on numbers: eager mode alone has them."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import TraceError
from graphtorch.ir.ops.common import aval_of
from graphtorch.ir.ops.elementwise import Array


def numbers(x: Any, what: str, *instead: str) -> Array:
    """The numbers of ``x``; a TraceError GT601 while tracing, whose facts say what to write ``instead``."""
    aval_of(x)
    if bind.current().tracing:
        message = f"the shape of {what} depends on the numbers of a tensor, which a compiled program has to know before"
        raise TraceError("GT601", message, instead)
    return bind.current().data(x, what)


def made(array: Array) -> Any:
    """A tensor that holds ``array``."""
    return bind.current().array(array)
