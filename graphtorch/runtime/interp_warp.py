"""What a warp does at once: copies that land at a wait, fragments of matrices, and products of them.

A lane that comes to such a statement yields (number, function, registers...); when all 32 stand at the same one, the
function is given the registers of each lane, and they go on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from graphtorch.codegen.warp import A_REGISTERS, B_REGISTERS, C_VALUES, COLUMNS, DEPTH, ROWS, WARP, Precision
from graphtorch.codegen.warp import a_place as a_at
from graphtorch.codegen.warp import b_place as b_at
from graphtorch.codegen.warp import c_place as c_at
from graphtorch.ir.types import BY_SHORT

Array = np.ndarray[Any, np.dtype[Any]]


class Copies:
    """Copies of one thread that are under way, in groups."""

    def __init__(self) -> None:
        self.groups: list[list[tuple[Array, Any, Any]]] = []
        self.open: list[tuple[Array, Any, Any]] = []

    def add(self, array: Array, at: Any, value: Any) -> None:
        self.open.append((array, at, value))

    def commit(self) -> None:
        self.groups.append(self.open)
        self.open = []

    def wait(self, count: int) -> None:
        """All groups but the last ``count`` land."""
        done, self.groups = self.groups[: len(self.groups) - count], self.groups[max(0, len(self.groups) - count) :]
        for array, at, value in (c for group in done for c in group):
            array[at] = value


def run_warps(threads: Sequence[Generator[Any]], places: list[Any], reverse: bool) -> list[Any]:
    """Where each thread stands, once no whole warp stands at a statement of its own."""
    count = len(threads)
    for start in range(0, count, WARP):
        lanes = list(range(start, min(start + WARP, count)))
        _run_warp(threads, places, [count - 1 - n for n in lanes] if reverse else lanes)
    return places


def _run_warp(threads: Sequence[Generator[Any]], places: list[Any], lanes: list[int]) -> None:
    while len(lanes) == WARP and all(isinstance(places[n], tuple) for n in lanes):
        number, work = places[lanes[0]][:2]
        if any(places[n][0] != number for n in lanes):
            return
        work([places[n][2:] for n in lanes])
        for n in lanes:
            places[n] = next(threads[n], None)


# ---- statements ------------------------------------------------------------------------------------


def fragment(transposed: bool, lanes: Sequence[tuple[Array, Array]]) -> None:
    rows = np.stack([source for _, source in lanes]).view(np.uint16).reshape(4, 8, 8)
    for lane, (to, _) in enumerate(lanes):
        g, t = lane // 4, lane % 4
        pairs = rows[:, 2 * t : 2 * t + 2, g] if transposed else rows[:, g, 2 * t : 2 * t + 2]
        to[:] = np.ascontiguousarray(pairs).view(to.dtype)[:, 0]


def mma(kind: Precision, lanes: Sequence[tuple[Array, Array, Array]]) -> None:
    """c += a @ b, each sum in float64 and rounded once: hardware's order is its own."""
    a, b, c = (_gathered(kind, side, [regs[n] for regs in lanes]) for n, side in ((1, "a"), (2, "b"), (0, "c")))
    found = (c.astype(np.float64) + a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    at_row, at_column = _places(kind, "c")
    for lane, (to, _, _) in enumerate(lanes):
        to[:] = found[at_row[lane], at_column[lane]]


def _gathered(kind: Precision, side: str, registers: Sequence[Array]) -> Array:
    """The matrix of all lanes' registers."""
    values = np.stack(registers)
    if side != "c":
        values = tf32(values) if kind == "tf32" else values.view(BY_SHORT[kind].np)
    shape = {"a": (ROWS, DEPTH[kind]), "b": (DEPTH[kind], COLUMNS), "c": (ROWS, COLUMNS)}[side]
    out = np.empty(shape, values.dtype)
    out[_places(kind, side)] = values
    return out


@cache
def _places(kind: Precision, side: str) -> tuple[Array, Array]:
    """(rows, columns) in the matrix of each lane's elements, in the order of its registers."""
    halves = 1 if kind == "tf32" else 2
    if side == "c":
        found = [[c_at(v, lane) for v in range(C_VALUES)] for lane in range(WARP)]
    else:
        place, count = (a_at, A_REGISTERS) if side == "a" else (b_at, B_REGISTERS)
        found = [[place(kind, r, h, lane) for r in range(count) for h in range(halves)] for lane in range(WARP)]
    both = np.array(found)
    return both[..., 0], both[..., 1]


def tf32(x: Array) -> Array:
    """Rounded to 10 bits of fraction, ties away from 0; nan and infinity stay."""
    bits = x.view(np.uint32)
    kept = ((bits.astype(np.uint64) + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(x), kept, x)


HELPERS: dict[str, Callable[..., None]] = {
    "_fragment": partial(fragment, False), "_fragment_t": partial(fragment, True),
    "_mma_tf32": partial(mma, "tf32"), "_mma_bf16": partial(mma, "bf16"), "_mma_f16": partial(mma, "f16"),
}  # fmt: skip
