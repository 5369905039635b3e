"""`graphtorch explain` says what docs/errors.md says."""

from __future__ import annotations

import dataclasses
import importlib
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from graphtorch.__main__ import main
from graphtorch.explain import explanation, near, titled
from graphtorch.ir.codes import CODES, Code

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (GT\d{3})\n\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def out(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("`", ""))


@pytest.mark.parametrize("code", CODES)
def test_it_prints_what_the_page_says(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, section = out(capsys, "explain", code), SECTIONS[code]
    blocks = re.findall(r"```(?:python)?\n(.*?)\n```", section, re.DOTALL)
    assert [textwrap.indent(block, "    ") in text for block in blocks] == [True] * (0 if CODES[code].unshown else 3)
    (kinds, prose), known = re.findall(r"\(([\w,\s]+)\)\. (.*?)\n\n", section, re.DOTALL)[0], CODES[code]
    severity = "" if known.severity == "error" else f"({known.severity})"
    assert words(text).startswith(words(f"{code} ({kinds}): {known.title} {severity} {prose}"))


@pytest.mark.parametrize("code", CODES)
def test_it_fits_in_100_columns_less_the_message(code: str) -> None:
    text = explanation(CODES[code])
    own = re.sub(r"\nMessage:\n.*?\nFixed:", "", text, flags=re.DOTALL)
    assert max(map(len, own.splitlines())) <= 104  # a program of 100, indented


def test_the_listing(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "explain")
    assert re.findall(r"^  (GT\d{3})  \S", text, re.MULTILINE) == list(CODES)
    assert max(map(len, text.splitlines())) <= 100
    assert "\n  GT302  a dimension or an index is out of range\n" in text and "`" not in text
    assert text.startswith("ShapeError: shapes that do not fit\n  GT101  ")


@pytest.mark.parametrize("asked", ["GT102", "gt102", "102", " GT102 "])
def test_ways_to_write_a_code(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert out(capsys, "explain", asked) == explanation(CODES["GT102"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["explain", "GT615"], "graphtorch explain: there is no code GT615; near it: GT614, GT616, GT613"),
        (["explain", "999"], "graphtorch explain: there is no code GT999; near it: GT920, GT913, GT912"),
        (["explain", "shape"], "graphtorch explain: expected a code such as GT102, got 'shape'"),
        (["explain", "GT１０２"], "graphtorch explain: expected a code such as GT102, got 'GT１０２'"),
        (["explain", "GT101", "GT102"], "graphtorch: unrecognized arguments: GT102"),
        (["explain", "--all"], "graphtorch: unrecognized arguments: --all"),
        (["explian"], "graphtorch: argument command: invalid choice: 'explian'"),
        ([], "graphtorch: the following arguments are required: command"),
    ],
)
def test_wrong_arguments(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    captured = capsys.readouterr()
    assert stopped.value.code == 2 and captured.out == ""
    assert captured.err.startswith(said) and captured.err.count("\n") == 1


def test_near_codes_are_of_the_same_hundred_where_there_are_some() -> None:
    assert near("GT310")[0] == "GT308" and all(code.startswith("GT3") for code in near("GT399"))
    assert near("GT001") == ["GT101", "GT102", "GT103"]


def test_a_severity_that_is_no_error_is_shown() -> None:
    code = dataclasses.replace(CODES["GT101"], severity="warning")
    assert titled(code) == "sizes do not broadcast (warning)"
    assert explanation(code).startswith("GT101 (ShapeError): sizes do not broadcast (warning)\n")
    assert titled(CODES["GT101"]) == "sizes do not broadcast"


def test_a_code_without_a_program_says_why() -> None:
    code = Code("GT101", ("ShapeError",), "t", "a.", "", "", unshown="it needs a moon")
    assert explanation(code) == "GT101 (ShapeError): t\n\na.\n\nThere is no example: it needs a moon.\n"


def test_the_command_is_installed_and_is_the_module() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, name = scripts["graphtorch"].split(":")
    assert getattr(importlib.import_module(module), name) is main
    command = [sys.executable, "-m", "graphtorch", "explain", "GT102"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == explanation(CODES["GT102"]) and done.stderr == ""
