"""train_fashion_mnist.py --device: on a GPU, which is the emulator's here, and where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import cuda_emulator

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "train_fashion_mnist.py"
#: the example on the emulator, which compiles for itself, and leaves out the comparison with eager mode
EMULATED = """
import runpy, sys
from graphtorch.runtime import cuda_compile
from tests import cuda_emulator
cuda_emulator.replace_compiler()
cuda_compile._compiler = lambda: "nvcc of the emulator"
sys.path.insert(0, "examples")
import train_fashion_mnist
train_fashion_mnist.compare = lambda *_: None
train_fashion_mnist.main()
"""


@pytest.fixture
def few(tmp_path: Path) -> list[str]:
    """Arguments: 12 images to train on, in batches of 4, and 6 to test."""
    rng = np.random.default_rng(0)
    parts = {}
    for split, count in (("train", 12), ("test", 6)):
        parts[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        parts[f"{split}_labels"] = rng.integers(0, 10, count, np.uint8)
    np.savez(tmp_path / "few.npz", **parts)
    return ["--data", str(tmp_path / "few.npz"), "--epochs", "1", "--batch-size", "4"]


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def without_gpu() -> dict[str, str]:
    return {**os.environ, "CUDA_VISIBLE_DEVICES": ""}


def losses(text: str) -> list[str]:
    return re.findall(r" loss (\d\.\d{4}) ", text)


def test_it_trains_on_a_gpu_as_on_the_cpu(few: list[str]) -> None:
    reason = cuda_emulator.available() or cuda_emulator.pycuda_missing()
    if reason:
        pytest.skip(reason)
    done = run(["-c", EMULATED, *few, "--device", "auto"], cuda_emulator.environment(memory=1 << 30))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "device: cuda" in done.stdout and "kernels of one program" in done.stdout
    host = run([str(EXAMPLE), *few], without_gpu())
    assert host.returncode == 0, host.stderr[-3000:]
    got, want = (np.array(losses(d.stdout), float) for d in (done, host))
    assert len(got) == len(want) == 1
    np.testing.assert_allclose(got, want, rtol=2e-3)  # TF32's convolutions


def test_without_a_gpu_auto_goes_on_and_cuda_ends(few: list[str]) -> None:
    env = without_gpu()
    done = run([str(EXAMPLE), *few, "--epochs", "0", "--eager", "--device", "auto"], env)
    if "device: cuda" in done.stdout:
        pytest.skip("there is a GPU")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "device: cpu, for there is no GPU: " in done.stdout
    refused = run([str(EXAMPLE), *few, "--device", "cuda"], env)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "--device cuda: there is no GPU to train on: " in refused.stderr and "--device auto" in refused.stderr
