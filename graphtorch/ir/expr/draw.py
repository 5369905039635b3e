"""Random words as an expression, and Philox4x32-10, which makes four of them at a time (ADR 17).

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.ir.expr.core import Expr, binary, cast, const, select
from graphtorch.ir.types import uint32, uint64

#: what the halves of a counter are multiplied by, and what a key moves on by, in each of the rounds
MULTIPLIERS, WEYL, ROUNDS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 10
#: words of a block
WORDS = 4


class Draw(Expr):
    """Word ``position % 4``, uint32, of the block with counter (position // 4, stream) under the key ``seed``.

    All three are int64, and a position is not negative. It stands in what ops lower to; schedules write it out, as
    they see who else wants words of its block (codegen/schedule/draws.py).
    """

    __slots__ = ("position", "seed", "stream")

    def __init__(self, seed: Expr, stream: Expr, position: Expr) -> None:
        super().__init__(uint32)
        self.seed, self.stream, self.position = seed, stream, position


Key = tuple[Expr, Expr]


def philox_keys(seed: Expr) -> list[Key]:
    """What each round takes of the key; of each number the low 32 bits count."""
    k0 = cast(seed, uint64)
    k1 = binary("shr", k0, 32)
    keys = [(k0, k1)]
    for _ in range(ROUNDS - 1):
        k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
        keys.append((k0, k1))
    return keys


def philox_words(keys: Sequence[Key], stream: Expr, block: Expr) -> tuple[Expr, ...]:
    """The four words of a block: uint64, which holds a product of two words, and the low 32 bits count."""

    def low(x: Expr) -> Expr:
        return x & const(0xFFFFFFFF, uint64)

    def high(x: Expr) -> Expr:
        return binary("shr", x, 32)

    def xor(x: Expr, y: Expr, z: Expr) -> Expr:
        return binary("xor", binary("xor", x, y), z)

    c0, c2 = cast(block, uint64), cast(stream, uint64)
    c1, c3 = high(c0), high(c2)
    for k0, k1 in keys:
        p0, p1 = low(c0) * MULTIPLIERS[0], low(c2) * MULTIPLIERS[1]
        c0, c1, c2, c3 = xor(high(p1), c1, k0), p1, xor(high(p0), c3, k1), p0
    return c0, c1, c2, c3


def draw_word(draw: Draw) -> Expr:
    """The word by itself: its whole block is computed for it."""
    c0, c1, c2, c3 = philox_words(philox_keys(draw.seed), draw.stream, draw.position // WORDS)
    word = draw.position % WORDS
    return cast(select(word < 2, select(word.eq(0), c0, c1), select(word.eq(2), c2, c3)), uint32)
