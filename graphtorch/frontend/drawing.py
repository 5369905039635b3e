"""Many random numbers in eager mode: the same bits as the op's `ref` gives, from a program of the compiler.

Philox in numpy takes 40 ns for a number, a program 2 ns; but the first program takes as long as ten million numbers of
its own. So whoever draws little never loads the compiler.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir import bind
from graphtorch.ir.ops.random import random_uniform
from graphtorch.ir.types import DType, float32

#: numbers of one draw below which the call of a program is not worth it
_FEW = 1 << 16
#: numbers that this process draws with numpy (0.2 s) before it compiles
_PATIENCE = 1 << 22
#: numbers of a step of Box and Muller: two arrays of them stay in the cache
_CHUNK = 1 << 14
_drawn = 0
_program: Any = None


def native(count: int, dtype: DType) -> bool:
    """Whether the next draw, of ``count`` numbers, is to be made by `uniform`: eager, float32, and worth it."""
    global _drawn
    if dtype != float32 or count < _FEW or not bind.is_default() or _watched():
        return False
    _drawn += count
    return _drawn > _PATIENCE


def _watched() -> bool:
    """Whether a trace looks at this thread, as it does where its interpreter is suspended."""
    watch = sys.modules.get("graphtorch.frontend.watch")
    return watch is not None and watch.active.recorder is not None


def uniform(state: Tensor, shape: tuple[int, ...]) -> Tensor:
    """float32, uniform in [0, 1), as `random_uniform` draws them from ``state``."""
    global _program
    if _program is None:
        from graphtorch.frontend.compile import compile  # which is heavy

        _program = compile(_fill, dynamic={"out": {0: "n"}})
    out = as_tensor_of(np.empty(shape, np.float32))
    _program(as_tensor_of(out.numpy().reshape(-1)), state.detach())
    return out


def _fill(out: Any, state: Any) -> None:
    out.copy_(bind.bind(random_uniform, state, shape=out.shape, dtype=float32))


def normal(radii: Tensor, angles: Tensor) -> Tensor:
    """Standard normal numbers in the place of ``radii``, of two uniform draws, which are both overwritten.

    What `graphtorch.randn` does with ops (Box and Muller, 1958), in the same order, piece by piece.
    """
    r, a = radii.numpy().reshape(-1), angles.numpy().reshape(-1)
    for first in range(0, r.size, _CHUNK):
        part, turn = r[first : first + _CHUNK], a[first : first + _CHUNK]
        np.subtract(np.float32(1), part, out=part)
        np.log(part, out=part)
        np.multiply(part, np.float32(-2), out=part)
        np.sqrt(part, out=part)
        np.multiply(turn, np.float32(2 * np.pi), out=turn)
        np.multiply(part, np.cos(turn, out=turn), out=part)
    return radii
