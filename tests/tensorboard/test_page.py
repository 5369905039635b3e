"""docs/tensorboard.md: its program runs, and its table has every method."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphtorch.utils.tensorboard import SummaryWriter
from tests.tensorboard import graph_of, values

PAGE = (Path(__file__).parents[2] / "docs" / "tensorboard.md").read_text(encoding="utf-8")


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert program is not None
    file = tmp_path / "program.py"
    file.write_text(program[1], encoding="utf-8")
    exec(compile(program[1], str(file), "exec"), {})
    folder = tmp_path / "runs" / "first"
    found = {value.tag for value in values(folder)}
    assert {"loss", "0.weight", "2.bias", "final loss"} <= found
    assert "Sequential/Tanh[1]/tanh" in graph_of(folder)


def test_the_table_has_every_method() -> None:
    table = "".join(line for line in PAGE.splitlines() if line.startswith("| `add_"))
    named = set(re.findall(r"`(add_\w+)`", table)) | {
        f"add_custom_scalars_{n}" for n in re.findall(r"`\.\.\._(\w+)`", table)
    }
    assert named == {name for name in dir(SummaryWriter) if name.startswith("add_")}
