"""Boxes of loops, the regions that they read, and the pieces that a stride leaves: in numbers, without any kernel."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Kernel, Param, loop, store
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.boxes import block, tiles, unflatten, whole
from graphtorch.codegen.schedule.outer_plan import tile_cycles
from graphtorch.codegen.schedule.regions import _turns, access, region
from graphtorch.codegen.schedule.residues import residues
from graphtorch.codegen.schedule.segments import segments, square_loops
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Var, binary, const, substitute
from graphtorch.ir.types import float32, int64
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, nest_of

extents = st.lists(st.integers(1, 11), min_size=1, max_size=3)


def loops_of(sizes: list[int]) -> tuple[Var, ...]:
    return tuple(Var(f"v{i}", int64, n) for i, n in enumerate(sizes))


def number(e: Expr) -> int:
    assert isinstance(e, Const)
    return int(e.value)


@given(extents, st.integers(1, 300))
def test_blocks_cover_every_index_once(sizes: list[int], target: int) -> None:
    vars = loops_of(sizes)
    box = block(vars, target)
    assert box.size <= max(target, 1)
    seen = []
    for b, p in itertools.product(range(box.blocks), range(box.size)):
        start, local = box.origin(const(b, int64)), box.at(const(p, int64))
        at = tuple(number(start[v]) + number(local[v]) for v in vars)
        if all(i < n for i, n in zip(at, sizes, strict=True)):
            seen.append(at)
    assert sorted(seen) == list(itertools.product(*map(range, sizes)))
    assert len(box.ragged) <= 1


@given(extents, st.integers(1, 32))
def test_tiles_cover_every_row_once_and_are_of_two_heights(sizes: list[int], most: int) -> None:
    box = whole(loops_of(sizes))
    cut = tiles(box, most)
    heights = [h for _, h in cut.heights]
    assert sum(count * height for count, height in cut.heights) == box.size
    assert len(heights) <= 2 and max(heights) <= most
    place = Buffer("seen", (box.size,), float32)

    def tile(row: Any, height: int) -> list[Any]:
        count = lambda i: store(place, (box.position(row(i)),), Load(place, (box.position(row(i)),)) + 1)
        return [loop("i", height, count)]

    kernel = Kernel("k", (Param(place, "inout"),), tuple(cut.run(tile)))
    seen = np.zeros(box.size, np.float32)
    run_kernel(kernel, [seen])
    np.testing.assert_array_equal(seen, 1)


@given(extents, st.integers(2, 32), st.integers(1, 4))
def test_tiles_that_pair_neighbours_of_the_outermost_loop_cover_every_row_once(
    sizes: list[int], most: int, vectors: int
) -> None:
    box = whole(loops_of(sizes))
    cycles = lambda height: tile_cycles(height, vectors)
    cut, plain = tiles(box, most, cycles), tiles(box, most)
    assert max(h for _, h in cut.heights) <= most
    cost = lambda t: sum(count * cycles(height) for count, height in t.heights)
    assert cost(cut) <= cost(plain)
    seen = np.zeros(box.size, np.float32)
    place = Buffer("seen", (box.size,), float32)

    def tile(row: Any, height: int) -> list[Any]:
        at = lambda i: (box.position(row(i)),)
        return [loop("i", height, lambda i: store(place, at(i), Load(place, at(i)) + 1))]

    run_kernel(Kernel("k", (Param(place, "inout"),), tuple(cut.run(tile))), [seen])
    np.testing.assert_array_equal(seen, 1)


def test_a_filter_of_three_by_three_has_tiles_of_six() -> None:
    """Two channels of three columns, rather than six and three."""
    cut = tiles(whole(loops_of([64, 3, 3])), 6, lambda height: tile_cycles(height, 2))
    assert cut.heights == [(96, 6)] and cut.times == 2
    assert [v.name for v in cut.together] == ["v0", "v2"]  # one row of the filter


@given(st.integers(0, 70), st.sampled_from([1, 2, 4, 8, 16]))
def test_vectors_that_may_meet_elements_twice(extent: int, lanes: int) -> None:
    found = list(segments(extent, lanes, twice=True))
    seen = [start + i for start, count, width in found for i in range(count * width)]
    assert set(seen) == set(range(extent)) and len(seen) == sum(c * w for _, c, w in found)
    assert len(found) <= 2 and all(width <= lanes for _, _, width in found)


@given(
    st.sampled_from(["lt", "le", "gt", "ge"]), st.integers(-3, 3), st.integers(-12, 12), st.integers(-9, 9),
    st.integers(1, 12),
)  # fmt: skip
def test_where_a_comparison_turns(fn: str, c: int, offset: int, other: int, extent: int) -> None:
    v = Var("v", int64, extent)
    e = binary(fn, v * c + offset, const(other, int64))
    answers = [number(substitute(e, {v: const(i, int64)})) for i in range(extent)]
    changes = {i for i in range(1, extent) if answers[i] != answers[i - 1]}
    assert _turns([e], v) == changes


@given(extents)
def test_unflatten_goes_beyond_the_end_in_the_first_loop(sizes: list[int]) -> None:
    vars = loops_of(sizes)
    total = int(np.prod(sizes))
    first = next((v for v in vars if v.extent != 1), None)
    at = unflatten(vars, const(total, int64))
    if first is not None:
        assert number(at[first]) == first.extent


def test_a_window_s_region_is_read_once_and_has_the_border_s_zeros() -> None:
    """x[2*o + k - 1] for o in a block of 3 from 2, k in 4: positions 3..10 of the operand."""
    x = Buffer("x", (9,), float32)
    o, k = Var("o", int64, 5), Var("k", int64, 4)
    at = o * 2 + k - 1
    read = access(Load(x, (at,), (at >= 0) & (at < 9)))
    assert [dict(a.coefficients) for a in read.axes] == [{o: 2, k: 1}]
    found = region("r", read, {o: 3, k: 4}, lambda n: n)
    assert found.buffer.shape == (8,)
    out = Buffer("out", (8,), float32)
    stmts = [
        Alloc(found.buffer, "thread"),
        *found.fill({o: const(2, int64), k: const(0, int64)}, (), 4),
        loop("i", 8, lambda i: store(out, (i,), Load(found.buffer, (i,)))),
    ]
    kernel = Kernel("k", (Param(x, "in"), Param(out, "out")), tuple(stmts))
    got = np.zeros(8, np.float32)
    run_kernel(kernel, [np.arange(9, dtype=np.float32), got])
    np.testing.assert_array_equal(got, [3, 4, 5, 6, 7, 8, 0, 0])


def test_common_factors_of_a_coordinate_are_not_part_of_its_region() -> None:
    x = Buffer("x", (40, 40), float32)
    o, c = Var("o", int64, 10), Var("c", int64, 40)
    read = access(Load(x, (o * 4 + 3, c)))
    assert read.shape({o: 10, c: 40}) == (10, 40)
    assert read.stride(o) == 160 and read.stride(c) == 1


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_residues_of_an_input_gradient(stride: int, dilation: int) -> None:
    """Together the pieces have every output once, and as many products as the convolution itself (borders aside)."""
    conv = {"stride": (stride, 1), "padding": (1, 0), "dilation": (dilation, 1), "groups": 1}
    size, kernel = (17, 6), (3, 2)
    rows = (17 + 2 - dilation * 2 - 1) // stride + 1
    nest = nest_of("conv_input_grad", f32(2, 5, rows, 5), f32(5, 3, *kernel), size=size, **conv)
    pieces = residues(nest)
    apart = stride if stride > 1 and np.gcd(stride, dilation) == 1 else 1
    assert len(pieces) == apart
    (y,) = (v for v in nest.vars if v.extent == 17)
    seen: list[int] = []
    for piece in pieces:
        (own,) = (v for v in piece.vars if v.name == y.name)
        seen += [number(substitute(piece.index[y], {own: const(i, int64)})) for i in range(own.extent or 0)]
    assert sorted(seen) == list(range(17))
    taps = [next(v for v in p.red_vars if v.name == "k1").extent or 0 for p in pieces]
    assert sum(taps) == 3


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (16, 16), (7, 33), (20, 5), (3, 64)])
@pytest.mark.parametrize("lanes", [1, 4, 8, 16])
@pytest.mark.parametrize("legal", [False, True], ids=["scheduled", "legalized"])
def test_squares_transpose(rows: int, columns: int, lanes: int, legal: bool) -> None:
    a, b = Buffer("a", (rows, columns), float32), Buffer("b", (columns, rows), float32)
    copy = lambda i, j: store(b, (j, i), Load(a, (i, j)))
    body = square_loops(Var("i", int64, rows), Var("j", int64, columns), lanes, copy)
    flat = Flatten()
    params = (Param(a, "in"), Param(b, "out"))
    kernel = Kernel("k", flat.params(params), flat.body(body))
    x = np.arange(rows * columns, dtype=np.float32)
    got = np.full(rows * columns, np.nan, np.float32)
    run_kernel(legalize(kernel) if legal else kernel, [x, got])
    np.testing.assert_array_equal(got.reshape(columns, rows), x.reshape(rows, columns).T)
