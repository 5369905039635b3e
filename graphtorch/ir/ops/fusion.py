"""The op that holds a fused group: its body is a graph over the group's inputs."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import IRError
from graphtorch.ir.op import Op, register
from graphtorch.ir.types import TensorType


class Fusion(Op):
    """Several nodes that become one kernel. ``kind`` is "loop", "reduce", "contract", "attention"; "bundle" of others.

    Made by the fuse and bundle passes alone: its types are those of its body's outputs, and it is differentiated
    and interpreted by way of its body.
    """

    name = "fusion"
    nondifferentiable = True

    def infer(self, *inputs: TensorType, kind: str) -> Any:
        raise IRError("GT808", "a fusion without a body has no types", ["build it with a body graph"])


fusion = register(Fusion())
