"""Names that a module looks up when they are first used are no change of what a trace has seen (with fresh processes)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import TraceError

PROGRAM = """
import graphtorch as gt

def named(x):
    g = gt
    return getattr(g, "cosh")(x)

class Holds:
    def __init__(self):
        self.gt = gt
    def __call__(self, x):
        return getattr(self.gt, "sinh")(x)

def inside(x):
    g = gt
    def f(x):
        return getattr(g, "erfinv")(x)
    return f(x)

def listed(x):
    return getattr({"gt": gt}["gt"], "DoubleTensor")(2) + x

for name in "cosh sinh erfinv DoubleTensor".split():
    assert name not in vars(gt), name
for f in (named, Holds(), inside, listed):
    compiled, x = gt.compile(f), gt.full((2,), 0.5)
    first, second = compiled(x), compiled(x)
    assert first.tolist() == second.tolist() == f(x).tolist()
    assert len(compiled.graphs) == 1
print("good")
"""


def test_the_first_use_of_a_name_by_another_name_of_the_module() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert found.stdout == "good\n", found.stderr


def test_a_name_that_is_replaced_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    @gt.compile
    def f(x: Any) -> Any:
        return getattr(gt, "sq" + "rt")(x)

    x = gt.tensor([4.0])
    assert f(x).tolist() == [2.0]
    monkeypatch.setattr(gt, "sqrt", lambda x: x * 10)
    assert f(x).tolist() == [40.0]


def test_a_name_that_is_replaced_before_its_first_use_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    name = ["sqrt"]

    @gt.compile
    def f(x: Any) -> Any:
        return getattr(gt, name[0])(x) if x.ndim else getattr(gt, "floor" + "_divide")(x, 2)

    monkeypatch.delitem(vars(gt), "floor_divide", raising=False)
    x = gt.tensor([4.0])
    assert f(x).tolist() == [2.0]
    graphs = len(f.graphs)
    monkeypatch.setattr(gt, "floor_divide", lambda x, y: x * 10)
    assert f(x).tolist() == [2.0]
    assert len(f.graphs) == graphs + 1


def test_a_name_that_nobody_promised_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    @gt.compile
    def f(x: Any) -> Any:
        return x * getattr(gt, "a_user_s", 1)

    x = gt.tensor([4.0])
    assert f(x).tolist() == [4.0]
    monkeypatch.setattr(gt, "a_user_s", 3, raising=False)
    assert f(x).tolist() == [12.0]


def test_a_function_that_replaces_a_name_is_refused() -> None:
    name = "sqrt"

    def f(x: Any) -> Any:
        setattr(gt, name, lambda x: x)
        return getattr(gt, name)(x)

    before = gt.sqrt
    try:
        with pytest.raises(TraceError, match=r"GT605[\s\S]*gt"):
            gt.compile(f)(gt.ones(2))
    finally:
        gt.sqrt = before


FINDER = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        return None if name in sys.modules else None
"""

WITH_A_FINDER = """
import sys
import finder
import graphtorch as gt

sys.meta_path.insert(0, finder.Finder())
assert "cond" not in vars(gt) and "graphtorch.frontend.branches" not in sys.modules
x = gt.ones(3)
compiled = gt.compile(lambda x: gt.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,)))
assert compiled(x).tolist() == [2.0, 2.0, 2.0]
print("good")
"""


def test_what_finds_modules_is_no_part_of_a_trace(tmp_path: Path) -> None:
    """As of an editable install, or of setuptools, which looks at sys.modules."""
    (tmp_path / "finder.py").write_text(FINDER)
    (tmp_path / "program.py").write_text(WITH_A_FINDER)
    found = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == "good\n", found.stderr
