"""torch.backends, as far as kernels have a choice: whether products of float32 may be rounded to TF32 on a GPU.

    gt.backends.cuda.matmul.allow_tf32 = True     matrix products; False by default
    gt.backends.cudnn.allow_tf32 = False          convolutions; True by default

TF32 has float32's range and 10 bits of fraction; sums are float32's. Programs that are compiled later obey; nothing on
the CPU changes. `gt.set_float32_matmul_precision` sets the first by torch's names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphtorch.codegen.cuda_target import cuda_target, set_cuda_target
from graphtorch.ir.errors import ArgumentError, check

__all__ = ["cuda", "cudnn"]


class _Allowed:
    """A switch that is a field of the current `CudaTarget`."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> bool:
        return bool(getattr(cuda_target(), self.field))

    def __set__(self, instance: object, value: Any) -> None:
        check(
            isinstance(value, bool),
            "GT304",
            f"{self.name}={value!r} is not allowed",
            "expected True or False",
            kind=ArgumentError,
        )
        set_cuda_target(replace(cuda_target(), **{self.field: value}))


class _Matmul:
    """Products of matrices on a GPU."""

    allow_tf32 = _Allowed("tf32_matmul")


class _Cuda:
    """What has to do with GPUs but convolutions."""

    def __init__(self) -> None:
        self.matmul = _Matmul()


class _Cudnn:
    """Convolutions on a GPU. They are graphtorch's own, the same in every run: ``benchmark`` and ``deterministic`` are
    here for programs that set them, and change nothing."""

    allow_tf32 = _Allowed("tf32_conv")

    def __init__(self) -> None:
        self.benchmark = False
        self.deterministic = True


cuda = _Cuda()
cudnn = _Cudnn()
_PRECISIONS = ("highest", "high", "medium")
_medium = False


def set_float32_matmul_precision(precision: str) -> None:
    """Whether matrix products of float32 on a GPU are float32's ("highest", the default) or TF32's ("high", and
    "medium", which is no coarser here). ArgumentError GT304 for another name."""
    check(
        precision in _PRECISIONS,
        "GT304",
        f"precision={precision!r} is not allowed",
        f"expected one of {', '.join(map(repr, _PRECISIONS))}",
        kind=ArgumentError,
    )
    global _medium
    _medium = precision == "medium"
    cuda.matmul.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """What was set: by `set_float32_matmul_precision`, or by ``backends.cuda.matmul.allow_tf32``."""
    if not cuda.matmul.allow_tf32:
        return "highest"
    return "medium" if _medium else "high"
