"""Orders of elements in memory, as torch names them."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import ArgumentTypeError


class memory_format:
    """`contiguous_format`, row-major order, or `preserve_format`, that of another tensor; there are no others here."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"graphtorch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")


def check_format(given: Any) -> None:
    """ArgumentTypeError GT301 for what is no `memory_format`."""
    if not isinstance(given, memory_format):
        got = f"got {type(given).__name__} {given!r}"
        expected = f"expected {contiguous_format!r} or {preserve_format!r}"
        raise ArgumentTypeError("GT301", f"memory_format must be a memory format, {got}", [expected])


def preserves(given: Any) -> bool:
    """Whether a copy by this ``memory_format`` keeps the order that the other tensor has; None is `preserve_format`."""
    if given is None or given is preserve_format:
        return True
    check_format(given)
    return False
