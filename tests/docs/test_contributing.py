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


def test_the_op(copy: Path) -> None:
    functions = copy / "graphtorch/ir/ops/functions.py"
    functions.write_text(functions.read_text(encoding="utf-8") + "\n\n" + block("class Expm1"), encoding="utf-8")
    for row in (block(", unary())"), block("**alike(")):
        edit(copy / "tests/ops/samples.py", row.replace('"expm1", ', ""), row)
    table = "FORMULAS: dict[str, Callable[..., Any]] = {\n"
    edit(copy / "tests/ops/formulas.py", table, table + block("math.expm1"))
    run_tests(copy, "tests/ops/test_meta.py", "--update-golden")
    assert indented("DTypeError GT203 in expm1") in (copy / "tests/golden/ops/refused.txt").read_text(encoding="utf-8")
    assert "passed" in run_tests(copy, "tests/ops", "-k", "expm1 or test_meta or formula")


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
