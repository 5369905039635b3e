"""The tests of this folder on the emulator: real pycuda, whose driver runs kernels on the CPU. A process for each file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cuda_emulator

HERE = Path(__file__).parent
FILES = sorted(
    p.name
    for p in HERE.glob("test_*.py")
    if "pytest.mark.gpu" in p.read_text(encoding="utf-8") and p.name != Path(__file__).name
)


@pytest.mark.parametrize("name", FILES)
def test_the_tests_of(name: str, tmp_path: Path) -> None:
    reason = cuda_emulator.available() or cuda_emulator.pycuda_missing()
    if reason:
        pytest.skip(reason)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        str(HERE / name),
        "-o",
        f"cache_dir={tmp_path}",
        "-m",
        "gpu and not slow",
    ]
    env = cuda_emulator.environment(devices=2, memory=1 << 30) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=HERE.parent.parent)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert " passed" in done.stdout and " failed" not in done.stdout
