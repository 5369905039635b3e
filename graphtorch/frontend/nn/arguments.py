"""Checks of constructor arguments that the layers share."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.arguments import above, flag, number, one_of
from graphtorch.ir.ops.common import as_int

__all__ = ["above", "flag", "number", "one_of", "positive"]


def positive(value: Any, name: str) -> int:
    """``value`` as an int > 0; ArgumentTypeError GT301 or ArgumentError GT304 names the parameter."""
    number = as_int(value, name)
    check(number > 0, "GT304", f"{name}={value} is not allowed", f"expected {name} > 0", kind=ArgumentError)
    return number
