"""Tests of tensors on a GPU. They run on a GPU where there is one (`pytest -m gpu`), and on the emulator in processes of
their own (test_emulated.py)."""

from __future__ import annotations

import os

import pytest

import graphtorch as gt

#: set in a process whose driver is the emulator's
EMULATED = "CUDA_EMULATOR_DEVICES" in os.environ

if EMULATED:
    from graphtorch.runtime import cuda_compile
    from tests import cuda_emulator

    cuda_emulator.replace_compiler()
    cuda_compile._compiler = lambda: "nvcc of the emulator"  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("gpu") is None:
        return
    if not gt.cuda.is_available():
        pytest.skip(f"no GPU: {gt.cuda.why_unavailable()}")
    gt.manual_seed(11)
    monkeypatch.setattr(gt.backends.cudnn, "allow_tf32", False)  # what is compared is float32's


@pytest.fixture
def second() -> gt.device:
    """A second device."""
    if gt.cuda.device_count() < 2:
        pytest.skip("one GPU alone")
    return gt.device("cuda:1")
