"""python -m graphtorch.opt."""

from __future__ import annotations

import io
import sys

import pytest

from graphtorch import opt
from graphtorch.ir.text import parse_graph, print_graph
from tests.ir.graphs import SAMPLE

DOUBLED = """\
graph @g(%x: f32[3]) -> (f32[3]) {
  %0: f32[3] = exp(%x)
  %1: f32[3] = exp(%x)
  %2: f32[3] = sin(%x)
  %3: f32[3] = add(%0, %1)
  return %3
}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "g.gt"
    path.write_text(DOUBLED)
    return str(path)


def test_no_passes_print_the_graph(file, capsys):
    assert opt.main([file]) == 0
    assert capsys.readouterr().out == DOUBLED


def test_passes(file, capsys):
    assert opt.main([file, "-p", "cse,dce"]) == 0
    assert capsys.readouterr().out == (
        "graph @g(%x: f32[3]) -> (f32[3]) {\n  %0: f32[3] = exp(%x)\n  %1: f32[3] = add(%0, %0)\n  return %1\n}\n"
    )


def test_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(SAMPLE))
    assert opt.main(["-"]) == 0
    assert capsys.readouterr().out == print_graph(parse_graph(SAMPLE))


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (DOUBLED.replace("sin", "sn"), [], "IRError GT802: there is no op 'sn'"),
        (DOUBLED, ["-p", "nothing"], "IRError GT810: there is no pass named 'nothing'"),
    ],
)
def test_errors_go_to_stderr(file, capsys, text, arguments, message):
    with open(file, "w") as out:
        out.write(text)
    assert opt.main([file, *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert file in captured.err or arguments


def test_a_missing_file(capsys):
    assert opt.main(["nowhere.gt"]) == 1
    assert "nowhere.gt" in capsys.readouterr().err


def test_stages_are_looked_up_when_asked_for(monkeypatch, file, capsys):
    monkeypatch.setitem(opt.STAGES, "kernels", "tests.ir.test_opt:fake_stage")
    assert opt.main([file, "--stage", "kernels"]) == 0
    assert capsys.readouterr().out == "4 nodes\n"


def fake_stage(graph):
    return f"{len(graph.nodes)} nodes"
