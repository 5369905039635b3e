"""Checks of constructor arguments that the layers share."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int


def positive(value: Any, name: str) -> int:
    """``value`` as an int > 0; ArgumentTypeError GT301 or ArgumentError GT304 names the parameter."""
    number = as_int(value, name)
    check(number > 0, "GT304", f"{name}={value} is not allowed", f"expected {name} > 0", kind=ArgumentError)
    return number


def number(value: Any, name: str, low: float, high: float = float("inf")) -> float:
    """``value`` as it is, a number in [low, high]; ArgumentTypeError GT301 or ArgumentError GT304."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError("GT301", f"{name} must be a number, got {type(value).__name__} {value!r}")
    wanted = f"{name} >= {low:g}" if high == float("inf") else f"a number in [{low:g}, {high:g}]"
    check(low <= value <= high, "GT304", f"{name}={value} is not allowed", f"expected {wanted}", kind=ArgumentError)
    return value


def flag(value: Any, name: str) -> bool:
    """``value`` as it is, a bool; ArgumentTypeError GT301 catches what was passed in the wrong position."""
    if not isinstance(value, bool):
        raise ArgumentTypeError("GT301", f"{name} must be a bool, got {type(value).__name__} {value!r}")
    return value


def one_of(value: Any, name: str, *allowed: str) -> Any:
    """``value`` as it is, one of ``allowed``; ArgumentError GT304."""
    expected = "expected " + " or ".join(f'"{a}"' for a in allowed)
    check(value in allowed, "GT304", f"{name}={value!r} is not allowed", expected, kind=ArgumentError)
    return value
