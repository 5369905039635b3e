"""The op and the pass of CONTRIBUTING.md, put where the page says, in a copy of the package: they work, and tests pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def block(start: str) -> str:
    """The one block of Python that contains ``start``."""
    found = [b for b in BLOCKS if start in b]
    assert len(found) == 1, start
    return found[0]


def indented(start: str) -> str:
    """The block that is set off by four spaces and begins with ``start``."""
    found = re.search(rf"\n((?:    .*\n)*    {re.escape(start)}.*\n(?:    .*\n)*)", PAGE)
    assert found is not None, start
    return textwrap.dedent(found.group(1))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("graphtorch", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file.name} does not hold what the page shows:\n{before}"
    file.write_text(text.replace(before, after), encoding="utf-8")


def run_tests(directory: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    env = {**os.environ, "PYTHONPATH": str(directory)}
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_op() -> None:
    """It stands as the page shows it."""
    for file, shown in {
        "graphtorch/ir/ops/functions.py": [block("class Expm1")],
        "tests/ops/samples.py": [block('"expm1": unary()'), block('"expm1": [([t(2')],
        "tests/ops/formulas.py": [block("math.expm1")],
        "tests/golden/ops/refused.txt": [indented("DTypeError GT203 in expm1")],
    }.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        assert all(part in text for part in shown), file


def test_the_row(tmp_path: Path) -> None:
    imports = """
import numpy as np
import pytest
from graphtorch.ir.types import int64
from tests.ops import test_public
from tests.ops.public.table import ROWS, call, refuse, row, smooth
from tests.ops.samples import array, special

ROWS.clear()
"""
    tests = """
ROW = ROWS["gt.expm1"]


@pytest.mark.parametrize("call", ROW.calls)
def test_it(call):
    test_public.test_eager_is_the_formula(ROW, call)
    test_public.test_refusals("gt.expm1")
"""
    (tmp_path / "test_row.py").write_text(imports + block('"gt.expm1"') + tests, encoding="utf-8")
    assert "3 passed" in run_tests(ROOT, str(tmp_path / "test_row.py"))


def test_the_pass(copy: Path) -> None:
    (copy / "graphtorch/ir/passes/powers.py").write_text(block("class Powers"), encoding="utf-8")
    pipeline, line = copy / "graphtorch/ir/pipeline.py", block("SIMPLIFY: tuple")
    edit(pipeline, line.replace("Powers(), ", ""), line)
    edit(pipeline, "(Autodiff, Canonicalize", "(Autodiff, Powers, Canonicalize")
    dce = "from graphtorch.ir.passes.dce import Dce\n"
    edit(pipeline, dce, dce + "from graphtorch.ir.passes.powers import Powers\n")
    (copy / "tests/passes/test_powers.py").write_text(block("test_nothing_to_do_gives_the_same"), encoding="utf-8")
    (copy / "tests/golden/passes/powers.gt").write_text(indented("graph @g("), encoding="utf-8")
    assert "2 passed" in run_tests(copy, "tests/passes/test_powers.py")
    program = "import graphtorch as gt; f = gt.compile(lambda x: x ** 2); f(gt.ones(3)); print(f.stages[0]['powers'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=copy, capture_output=True, text=True, timeout=120)
    assert "mul(%arg0, %arg0)" in done.stdout or "= mul(" in done.stdout, done.stderr
