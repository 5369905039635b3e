"""Contractions."""
from __future__ import annotations

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.target import Target


def schedule_contraction(nest: ReduceNest, target: Target) -> Kernel | None:
    return None
