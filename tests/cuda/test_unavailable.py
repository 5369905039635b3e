"""Where there is no GPU: nothing fails before a tensor is to be put on one, and then the reason is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

import graphtorch as gt
from graphtorch.errors import DeviceError
from graphtorch.runtime import cuda


@pytest.fixture(autouse=True)
def _none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "why_unavailable", lambda: "pycuda does not find the CUDA driver (libcuda.so.1)")
    monkeypatch.setattr(cuda, "_gpus", {})


def test_questions_are_answered() -> None:
    assert gt.cuda.is_available() is False and gt.cuda.device_count() == 0
    assert "libcuda" in gt.cuda.why_unavailable()
    gt.cuda.manual_seed(3)
    gt.cuda.manual_seed_all(3)
    gt.cuda.empty_cache()
    assert gt.cuda.current_device() == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda: gt.zeros(3, device="cuda"),
        lambda: gt.rand(3, device=gt.device("cuda", 1)),
        lambda: gt.tensor([1.0], device="cuda"),
        lambda: gt.ones(2).to("cuda"),
        lambda: gt.ones(2).cuda(),
        lambda: gt.ones(2).pin_memory(),
        lambda: gt.nn.Linear(2, 3).to("cuda:0"),
        lambda: gt.nn.Linear(2, 3, device="cuda"),
        lambda: gt.set_default_device("cuda"),
        lambda: gt.cuda.get_device_name(),
        lambda: gt.cuda.synchronize(),
    ],
)
def test_a_tensor_there_is_refused_with_the_reason(use: object) -> None:
    with pytest.raises(DeviceError, match=r"GT402.*\n(.*\n)*.*libcuda\.so\.1"):
        use()  # type: ignore[operator]
    assert gt.get_default_device() == gt.device("cpu")


def test_the_cpu_by_name_is_as_ever() -> None:
    x = gt.zeros(3, device="cpu")
    assert x.to("cpu") is x and x.cpu() is x and x.device == gt.device("cpu") and not x.is_cuda
    assert gt.rand(2, device="cpu", requires_grad=True).is_leaf
    assert not x.is_pinned()
    with pytest.raises(AttributeError, match="__cuda_array_interface__"):
        _ = x.__cuda_array_interface__


def test_graphtorch_is_imported_without_pycuda() -> None:
    code = "import sys, graphtorch as gt; gt.zeros(2) + 1; print([m for m in sys.modules if 'pycuda' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
