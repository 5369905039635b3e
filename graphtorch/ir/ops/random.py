"""Random numbers from Philox4x32-10, a counter-based generator: the same numbers on every target (ADR 17).

The state is int64[2] = (seed, stream). Element i of a draw is word i % 4 of the block with counter (i // 4, stream)
under the key seed; every draw moves on to the next stream. The words of a block are made in graphtorch/ir/expr/draw.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import check
from graphtorch.ir.expr import WORDS, Compute, Draw, Expr, Source, compute
from graphtorch.ir.expr.draw import MULTIPLIERS, ROUNDS, WEYL
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import Shape, check_sizes, require_float
from graphtorch.ir.types import DType, TensorType, float32, int64

Array = Any


class Uniform(Op):
    """Uniform in [0, 1), 24 bits in float32 and 32 in float64, from the state (seed, stream)."""

    name = "random_uniform"
    nondifferentiable = True

    def infer(self, state: TensorType, *, shape: Shape, dtype: DType) -> TensorType:
        check(
            state == TensorType((2,), int64),
            "GT103",
            "the state of a generator is int64[2]",
            f"got {state}",
        )
        check_sizes(shape, "shape")
        require_float(TensorType(shape, dtype), "a draw")
        return TensorType(shape, dtype)

    def ref(self, state: Array, *, shape: Shape, dtype: DType) -> Array:
        count = int(np.prod(shape, dtype=np.int64))
        words = philox(int(state[0]), int(state[1]), -(-count // WORDS)).reshape(-1)[:count].reshape(shape)
        if dtype == float32:
            return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        return words.astype(np.float64) * 2.0**-32

    def lower(self, state: Source, *, shape: Shape, dtype: DType) -> Compute:
        def body(*i: Expr) -> Expr:
            word = Draw(state[0], state[1], expr.flat_index(shape, i))
            if dtype == float32:
                return expr.cast(expr.binary("shr", word, 8), float32) * 2.0**-24
            return expr.cast(word, dtype) * 2.0**-32

        return compute(shape, dtype, body)


random_uniform = register(Uniform())


#: so many blocks are made faster by Python's numbers, one by one: 10 us a block, 100 us a call of numpy's for all
_FEW = 4


def philox(seed: int, stream: int, blocks: int) -> Array:
    """``blocks`` Philox4x32-10 outputs, uint32[blocks, 4]: counters (0..blocks-1, stream), key seed."""
    seed, stream = seed % 2**64, stream % 2**64
    if blocks <= _FEW:
        return np.array([_block(seed, stream, i) for i in range(blocks)], np.uint32).reshape(blocks, WORDS)
    low = np.uint64(0xFFFFFFFF)
    index = np.arange(blocks, dtype=np.uint64)
    c0, c1 = index & low, index >> np.uint64(32)
    c2 = np.full(blocks, stream & 0xFFFFFFFF, np.uint64)
    c3 = np.full(blocks, stream >> 32, np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(ROUNDS):
        p0, p1 = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & low,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & low,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1).astype(np.uint32)


def _block(seed: int, stream: int, index: int) -> tuple[int, int, int, int]:
    """One output of `philox`."""
    low = 0xFFFFFFFF
    c0, c1, c2, c3, k0, k1 = index, 0, stream & low, stream >> 32, seed & low, seed >> 32
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & low, (p0 >> 32) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + WEYL[0]) & low, (k1 + WEYL[1]) & low
    return c0, c1, c2, c3
