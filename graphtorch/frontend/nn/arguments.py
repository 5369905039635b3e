"""Checks of constructor arguments that the layers share."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.arguments import above, flag, number, one_of
from graphtorch.ir.ops.common import as_int

__all__ = ["above", "at_least", "flag", "nonzero", "number", "one_of", "positive"]


def positive(value: Any, name: str) -> int:
    """``value`` as an int > 0; ArgumentTypeError GT301 or ArgumentError GT304 names the parameter."""
    found = as_int(value, name)
    check(found > 0, "GT304", f"{name}={value} is not allowed", f"expected {name} > 0", kind=ArgumentError)
    return found


def at_least(value: Any, name: str, least: int) -> int:
    """``value`` as an int >= ``least``; ArgumentTypeError GT301 or ArgumentError GT304 names the parameter."""
    found = as_int(value, name)
    check(found >= least, "GT304", f"{name}={value} is not allowed", f"expected {name} >= {least}", kind=ArgumentError)
    return found


def nonzero(value: Any, name: str) -> float:
    """``value`` as it is, a number other than 0; ArgumentTypeError GT301 or ArgumentError GT304."""
    found = number(value, name)
    check(found != 0, "GT304", f"{name}={value} is not allowed", f"expected {name} other than 0", kind=ArgumentError)
    return found
