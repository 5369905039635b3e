"""Checks of arguments that are no tensors: numbers, flags, words. And what ``inplace`` means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int


def number(value: Any, name: str, low: float = float("-inf"), high: float = float("inf")) -> float:
    """``value`` as it is, a number in [low, high]; ArgumentTypeError GT301 or ArgumentError GT304."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError("GT301", f"{name} must be a number, got {type(value).__name__} {value!r}")
    wanted = f"{name} >= {low:g}" if high == float("inf") else f"a number in [{low:g}, {high:g}]"
    check(low <= value <= high, "GT304", f"{name}={value} is not allowed", f"expected {wanted}", kind=ArgumentError)
    return value


def above(value: Any, name: str, low: float) -> float:
    """``value`` as it is, a number > low; ArgumentTypeError GT301 or ArgumentError GT304."""
    number(value, name)
    check(value > low, "GT304", f"{name}={value} is not allowed", f"expected {name} > {low:g}", kind=ArgumentError)
    return value  # type: ignore[no-any-return]


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


def spared(input: Any, inplace: bool) -> Any:
    """What a formula reads whose gradient needs ``input``, which is to be written ``inplace``: a copy of it."""
    return input.clone() if flag(inplace, "inplace") and getattr(input, "requires_grad", False) else input


def placed(input: Any, out: Any, inplace: bool) -> Any:
    """``out``, written into ``input`` where ``inplace``; gradients go through ``out`` either way."""
    return input.copy_(out) if flag(inplace, "inplace") else out


#: what an argument of so many ints is called
_INTS = {1: "an int or a tuple of one", 2: "an int or a pair of ints", 3: "an int or three ints"}


def ints(value: Any, name: str, count: int, least: int) -> tuple[int, ...]:
    """An int or ``count`` ints, each >= ``least``, as a tuple; ArgumentError GT304 names the parameter."""
    given = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    out = tuple(as_int(v, name) for v in (given * count if len(given) == 1 else given))
    check(
        len(out) == count and all(v >= least for v in out),
        "GT304",
        f"{name}={value!r} is not allowed",
        f"expected {_INTS[count]}, each >= {least}" if count > 1 else f"expected {_INTS[count]}, >= {least}",
        kind=ArgumentError,
    )
    return out


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """`ints`, of which there are two."""
    a, b = ints(value, name, 2, least)
    return a, b


def given(args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> tuple[Any, ...]:
    """What came as ``f(2, 3)``, ``f((2, 3))`` or ``f(name=(2, 3))``; ArgumentTypeError GT301 for anything else."""
    if args and not kwargs:
        return args
    if kwargs.keys() == {name} and not args:
        return (kwargs[name],)
    check(not kwargs, "GT301", f"{', '.join(kwargs)}: no such argument", f"expected {name}", kind=ArgumentTypeError)
    check(bool(args), "GT301", f"{name} is missing", "expected ints", kind=ArgumentTypeError)
    return args
