"""What legalize makes of unrolled loops, on kernels written by hand."""

from __future__ import annotations

import numpy as np

from graphtorch.codegen.kernel_ir import For, Kernel, Let, Param, Store, loop, store
from graphtorch.codegen.legalize import legalize
from graphtorch.ir.expr import Binary, Buffer, Load, Splat, Var, const
from graphtorch.ir.types import float32, int64
from graphtorch.runtime.interp import run_kernel


def test_one_variable_in_an_unrolled_loop_and_then_in_a_plain_one() -> None:
    x, y, z = (Buffer(name, (5,), float32) for name in "xyz")
    k = Var("k", int64, 5)
    first = For(k, const(5, int64), "unroll", (store(y, (k,), Load(x, (k,)) * 2.0),))
    second = For(k, const(5, int64), "for", (store(z, (k,), Load(y, (k,)) + Load(x, (k,))),))
    kernel = Kernel("f", (Param(x, "in"), Param(y, "out"), Param(z, "out")), (first, second, first))
    data = np.arange(5, dtype=np.float32) - 2
    found = [np.zeros(5, np.float32) for _ in range(2)]
    run_kernel(legalize(kernel), [data, *found])
    np.testing.assert_array_equal(found[0], data * 2)
    np.testing.assert_array_equal(found[1], data * 3)


def test_copies_of_a_tile_share_their_operands() -> None:
    """3 x 2 products of vectors read 3 numbers and 2 vectors: as many loads, and as many splats, as there are."""
    x, y, out = Buffer("x", (3,), float32), Buffer("y", (2, 4), float32), Buffer("out", (3, 2, 4), float32)

    def product(i: Var, j: Var, lane: Var) -> Store:
        return store(out, (i, j, lane), Load(x, (i,)) * Load(y, (j, lane)))

    def tile(i: Var) -> For:
        return loop("j", 2, lambda j: loop("l", 4, lambda lane: product(i, j, lane), "vec"), "unroll")

    kernel = Kernel("f", (Param(x, "in"), Param(y, "in"), Param(out, "out")), (loop("i", 3, tile, "unroll"),))
    legal = legalize(kernel)
    values = [s.value for s in legal.body if isinstance(s, Store)]
    assert len(values) == 6 and all(isinstance(v, Binary) and isinstance(v.a, Splat) for v in values)
    assert len({id(v.a) for v in values}) == 3
    assert len({id(v.b) for v in values}) == 2
    a, b = np.arange(1, 4, dtype=np.float32), np.arange(8, dtype=np.float32)
    found = np.zeros(24, np.float32)
    run_kernel(legal, [a, b, found])
    np.testing.assert_array_equal(found.reshape(3, 8), np.outer(a, b))


def test_names_of_an_unrolled_body_are_those_of_the_copy() -> None:
    """Each copy reads the `let` of its own, also where the value is the same expression in all."""
    x, y = Buffer("x", (7,), float32), Buffer("y", (7,), float32)

    def body(i: Var) -> tuple[Let, Store, Store]:
        before = Var("before", float32)
        last = Load(x, (const(6, int64),))
        return Let(before, last), store(x, (const(6, int64),), last + 1.0), store(y, (i,), before * 1.0)

    kernel = Kernel("f", (Param(x, "inout"), Param(y, "out")), (loop("i", 3, body, "unroll"),))
    legal = legalize(kernel)
    assert len({s.var for s in legal.body if isinstance(s, Let)}) == 3
    numbers, found = np.zeros(7, np.float32), np.full(7, -1, np.float32)
    run_kernel(legal, [numbers, found])
    np.testing.assert_array_equal(found, [0, 1, 2, -1, -1, -1, -1])
