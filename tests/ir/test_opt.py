"""python -m graphtorch.opt."""

from __future__ import annotations

import io
import os
import subprocess
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


CONSTANT = """\
graph @g(%x: f32[]) -> (f32[]) {
  %0: f32[] = constant() {value=VALUE, dtype=f32}
  %1: f32[] = add(%x, %0)
  return %1
}
"""
SUM = """\
graph @g(%x: f32[3,4]) -> (f32[4]) {
  %0: f32[4] = reduce_sum(%x) {dims=[0.0]}
  return %0
}
"""
ONE_HOT = """\
graph @g(%x: i64[3]) -> (bool[3,4]) {
  %0: bool[3,4] = one_hot(%x) {dim=1.0, size=4, ignore=0}
  return %0
}
"""
GRADIENT = """\
graph @g(%x: f32[3]) -> (f32[3]) {
  %0: f32[] = reduce_sum(%x) {dims=[0]}
  %1: f32[] = constant() {value=1.0, dtype=f32}
  %2: f32[3] = gradient(%0, %1, %x)
  %3: f32[3] = exp(%2)
  %4: f32[3] = sin(%3)
  return %4
}
"""
DEEP = "graph @g(%x: f32[2]) -> (f32[2]) { %0: f32[2] = exp(%x) {a=" + "[" * 3000 + "]" * 3000 + "} return %0 }"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        *(
            (CONSTANT.replace("VALUE", value), [], "GT806: the attribute 'value' of constant has a wrong type")
            for value in ("f64", '"x"', "[1]", "[[]]")
        ),
        (SUM, ["-p", "autodiff,canonicalize"], "GT806: the attribute 'dims' of reduce_sum has a wrong type"),
        (ONE_HOT, [], "GT806: the attribute 'dim' of one_hot has a wrong type"),
        (DEEP, ["-p", "cse"], "GT801: brackets or graphs are nested too deeply"),
        (GRADIENT, ["-p", "fuse", "--stage", "kernels"], "GT812: the graph was fused before autodiff ran"),
        (GRADIENT, ["-p", "fuse", "--stage", "llvm"], "GT812: the graph was fused before autodiff ran"),
    ],
)
def test_what_no_pass_and_no_stage_can_take(file, capsys, text, arguments, message):
    with open(file, "w") as out:
        out.write(text)
    assert opt.main([file, *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"IRError {message}")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no such device")
def test_output_that_cannot_be_written(file):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "graphtorch.opt", file]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot write the output: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_file(capsys):
    assert opt.main(["nowhere.gt"]) == 1
    assert "nowhere.gt" in capsys.readouterr().err


def test_stages_are_looked_up_when_asked_for(monkeypatch, file, capsys):
    monkeypatch.setitem(opt.STAGES, "kernels", "tests.ir.test_opt:fake_stage")
    assert opt.main([file, "--stage", "kernels"]) == 0
    assert capsys.readouterr().out == "4 nodes\n"


def fake_stage(graph):
    return f"{len(graph.nodes)} nodes"


def test_passes_and_stages_of_sizes_that_are_not_known(tmp_path, capsys):
    file = tmp_path / "g.gt"
    file.write_text("""sizes B=67
graph @g(%x: f32[B,3]) -> (f32[B]) {
  %0: f32[B,3] = relu(%x)
  %1: f32[B,3] = relu(%x)
  %2: f32[B,3] = add(%0, %1)
  %3: f32[B] = reduce_sum(%2) {dims=[1]}
  return %3
}
""")
    assert opt.main([str(file), "-p", "cse,dce"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("sizes B=67\n") and text.count("relu") == 1
    assert opt.main([str(file), "-p", "cse,dce,fuse", "--stage", "llvm"]) == 0
    assert "define" in capsys.readouterr().out
