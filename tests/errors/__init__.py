"""What tests of messages share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_LINE, _PLACE = re.compile(r"\btest_\w+\.py:\d+ +"), re.compile(r"\((test_\w+\.py):(\d+)\)")


def without_lines(error: Any) -> str:
    """The message less the user's lines, which must be there and lie in a test."""
    assert error.loc is not None
    assert "tests/" in error.loc.file, f"the user's line is said to be in {error.loc.file}:{error.loc.line}"
    error.loc = error.created = None
    return str(error)


def with_texts_of_lines(error: Any) -> str:
    """The message with the text of a user's line in the place of its number; lines must lie in a test of this folder."""
    text = str(error)
    assert _LINE.search(text), "no line of the user is shown"
    text = _LINE.sub("", text)  # their texts stand behind the numbers
    text = _PLACE.sub(lambda m: f"({(_HERE / m[1]).read_text().splitlines()[int(m[2]) - 1].strip()})", text)
    return re.sub(r" +<- constructed here", "  <- constructed here", text)
