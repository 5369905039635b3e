"""gt.backends: torch's switches, names and defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.codegen.cuda_target import CudaTarget, cuda_target, set_cuda_target
from graphtorch.codegen.kernel_ir import walk
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.codegen.warp import Mma
from graphtorch.errors import ArgumentError
from tests.codegen.nests import f32, nest_of

CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    set_cuda_target(CudaTarget())


def uses_tensor_cores(name: str, *types: Any, **attrs: Any) -> bool:
    return any(isinstance(s, Mma) for s in walk(schedule_cuda(nest_of(name, *types, **attrs)).body))  # type: ignore[arg-type]


def test_the_defaults_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    assert gt.backends.cuda.matmul.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is False
    assert gt.backends.cudnn.allow_tf32 is torch.backends.cudnn.allow_tf32 is True
    assert gt.get_float32_matmul_precision() == torch.get_float32_matmul_precision() == "highest"


def test_switches_decide_what_kernels_are_scheduled_with() -> None:
    product = ("dot", f32(64, 32), f32(32, 48))
    conv = ("conv", f32(2, 16, 8, 8), f32(16, 16, 3, 3))
    assert (uses_tensor_cores(*product), uses_tensor_cores(*conv, **CONV)) == (False, True)
    gt.backends.cuda.matmul.allow_tf32, gt.backends.cudnn.allow_tf32 = True, False
    assert (uses_tensor_cores(*product), uses_tensor_cores(*conv, **CONV)) == (True, False)
    assert cuda_target() == CudaTarget(tf32_matmul=True, tf32_conv=False)


@pytest.mark.parametrize(("precision", "allowed"), [("highest", False), ("high", True), ("medium", True)])
def test_precisions_by_name(precision: str, allowed: bool) -> None:
    gt.set_float32_matmul_precision(precision)
    assert gt.backends.cuda.matmul.allow_tf32 is allowed
    assert gt.get_float32_matmul_precision() == precision


def test_what_is_no_switch_is_refused() -> None:
    with pytest.raises(ArgumentError, match="allow_tf32=1 is not allowed") as caught:
        gt.backends.cudnn.allow_tf32 = 1
    assert caught.value.code == "GT304"
    with pytest.raises(ArgumentError, match="precision='low' is not allowed"):
        gt.set_float32_matmul_precision("low")
