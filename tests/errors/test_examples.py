"""The programs of the registry: each example brings forth its code and no other, and its mended form nothing."""

from __future__ import annotations

import linecache
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphtorch.errors import ShapeError
from graphtorch.ir.codes import CODES, Code
from graphtorch.ir.codes.running import Said, message, run

PAGE = (Path(__file__).parent.parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
SHOWN = [code for code in CODES.values() if not code.unshown]


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.code)
def test_example(code: Code) -> None:
    said = run(code.example)
    assert {s.code for s in said} - {""} == {code.code}
    for s in said:
        assert not s.code or (s.kind, s.severity) == (code.kinds[0], code.severity)
    assert f"```python\n{code.example}```\n\n```\n{message(code)}\n```\n\nFixed:\n\n```python\n{code.fixed}```" in PAGE


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.code)
def test_fixed(code: Code) -> None:
    assert run(code.fixed) == []


@pytest.mark.parametrize("code", [c for c in SHOWN if c.kinds[0] != "IRError"], ids=lambda code: code.code)
def test_the_message_shows_a_line_of_the_example(code: Code) -> None:
    lines = [line.strip() for line in code.example.splitlines()]
    shown = [line.split(None, 1)[1] for line in message(code).splitlines() if line.startswith("  example.py:")]
    assert shown and shown[0] in lines


# ---- the runner -----------------------------------------------------------------------------------------


def test_warnings_with_and_without_a_code_are_heard() -> None:
    said = run("""
import warnings
warnings.warn("warning GT331: w has no gradient", UserWarning)
warnings.warn("GT331 is not where this begins: x", UserWarning)
warnings.warn("not the first word: GT331", DeprecationWarning)
""")
    assert [(s.code, s.kind, s.severity) for s in said] == [
        ("GT331", "UserWarning", "warning"),
        ("GT331", "UserWarning", "warning"),
        ("", "DeprecationWarning", "warning"),
    ]
    assert said[0].text == "warning GT331: w has no gradient"


@dataclass
class Problem:
    code: str
    severity: str
    error: Exception

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: text"


@dataclass
class Report:
    problems: list[Problem]


def test_problems_of_a_report_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Problem("GT321", "note", ShapeError("GT321", "a")), Problem("GT102", "error", ShapeError("GT102", "b"))]
    monkeypatch.setattr("tests.errors.REPORT", Report(problems), raising=False)
    program = "from tests.errors import REPORT as report\nfrom graphtorch import zeros\nzeros(2) + zeros(3)"
    said = run(program)
    assert said[:2] == [
        Said("GT321", "ShapeError", "note", "note GT321: text"),
        Said("GT102", "ShapeError", "error", "error GT102: text"),
    ]
    assert [s.code for s in said[2:]] == ["GT101"]
    code = Code("GT102", ("ShapeError",), "", "", program, "")
    assert message(code) == "error GT102: text"


def test_a_program_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_TEST", "before")
    monkeypatch.setitem(linecache.cache, "example.py", (1, None, ["x"], "example.py"))
    filters = list(warnings.filters)
    program = (
        "import os, sys\nprint('here')\nos.environ['GRAPHTORCH_TEST'] = 'after'\nos.environ['GRAPHTORCH_NEW'] = '1'"
    )
    assert run(program) == []
    assert capsys.readouterr().out == ""
    assert os.environ["GRAPHTORCH_TEST"] == "before" and "GRAPHTORCH_NEW" not in os.environ
    assert linecache.cache["example.py"][2] == ["x"]
    assert warnings.filters == filters


def test_other_exceptions_go_through_and_nothing_is_left_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        run("import os\nos.environ['GRAPHTORCH_NEW'] = '1'\n1 / 0")
    assert "GRAPHTORCH_NEW" not in os.environ and "example.py" not in linecache.cache
