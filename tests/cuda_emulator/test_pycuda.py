"""Real pycuda on the fake driver, in a process of its own: memory, streams, events, modules, launches, graphs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cuda_emulator

WHY_NOT = cuda_emulator.available() or cuda_emulator.pycuda_missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


def symbols(path: Path, *options: str) -> set[str]:
    told = subprocess.run(["nm", "-D", *options, str(path)], capture_output=True, text=True, check=True).stdout
    return {name for line in told.splitlines() if (name := line.split()[-1]).startswith("cu")}


def test_pycuda_works() -> None:
    settings = {"devices": 2, "arch": "sm_80", "memory": 1 << 20, "orders": "forward,reverse"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.cuda_emulator.with_pycuda"],
        env=cuda_emulator.environment(**settings), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["devices", "calls", "copies", "events", "pools", "graphs", "failures"]


def test_all_that_pycuda_links_is_there() -> None:
    spec = importlib.util.find_spec("pycuda")
    assert spec is not None and spec.submodule_search_locations
    (extension,) = Path(spec.submodule_search_locations[0]).glob("_driver*.so")
    wanted = symbols(extension, "--undefined-only")
    assert len(wanted) > 100
    assert wanted <= symbols(cuda_emulator.library_path(), "--defined-only")
