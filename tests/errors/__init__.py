"""What tests of messages share."""

from __future__ import annotations

from typing import Any


def without_lines(error: Any) -> str:
    """The message less the user's lines, which must be there and lie in a test."""
    assert error.loc is not None
    assert "tests/" in error.loc.file, f"the user's line is said to be in {error.loc.file}:{error.loc.line}"
    error.loc = error.created = None
    return str(error)
