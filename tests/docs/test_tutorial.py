"""The tutorial's programs, run from top to bottom, print what stands under them."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "tutorial.md"
#: a program, and what stands under it, if it prints anything
BLOCK = re.compile(r"```python\n(?P<source>.*?)```(?:\n\n```\n(?P<printed>.*?)```)?", re.DOTALL)


FILE = "tutorial.py"


def printed_by(page: str) -> list[str]:
    """What each program of the page prints; names go from one to the next, as if all were one file, tutorial.py."""
    names: dict[str, object] = {"__name__": "tutorial"}
    outputs, above = [], ""
    for block in BLOCK.finditer(page):
        out, whole = io.StringIO(), above + block["source"]
        linecache.cache[FILE] = (len(whole), None, whole.splitlines(True), FILE)
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * above.count("\n") + block["source"], FILE, "exec"), names)
        outputs.append(out.getvalue())
        above = whole
    return outputs


def steady(text: str) -> str:
    """Without what differs from run to run: seconds, and where the code came from."""
    return re.sub(r"in \d+\.\d+ s \((cold|from cache)\)", "in ... s", text)


def test_the_programs_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    outputs = [steady(text) for text in printed_by(page)]
    if request.config.getoption("--update-golden"):
        blocks = iter(outputs)
        PAGE.write_text(BLOCK.sub(lambda m: block_text(m["source"], next(blocks)), page), encoding="utf-8")
        return
    assert len(outputs) > 20
    expected = [block["printed"] or "" for block in BLOCK.finditer(page)]
    for source, got, wanted in zip(BLOCK.finditer(page), outputs, expected, strict=True):
        assert got == wanted, source["source"]


def block_text(source: str, printed: str) -> str:
    return f"```python\n{source}```" + (f"\n\n```\n{printed}```" if printed else "")
