"""LLVM modules of kernels written by hand: what the emitter makes of single statements."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_llvm import emit_kernel
from graphtorch.codegen.emit_program import emit_program
from graphtorch.codegen.kernel_ir import For, Kernel, Param, loop, store
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.program import HEADER, Launch
from graphtorch.ir.expr import Buffer, Load, Var, const
from graphtorch.ir.types import float32, int64
from graphtorch.runtime import threads
from graphtorch.runtime.cpu import Machine, assembly, compile_object
from graphtorch.runtime.interp import run_kernel


def machine_code(kernel: Kernel) -> str:
    """Assembly; LLVM verifies the module on the way."""
    module = ll.Module("test")
    emit_kernel(module, legalize(kernel))
    return assembly(str(module))


def run_native(kernel: Kernel, arrays: list[np.ndarray]) -> None:
    names = tuple(p.buffer.name for p in kernel.params)
    text = emit_program([Launch(kernel, names)], lambda v: ("slot", names.index(v)), 0)
    machine = Machine(compile_object(text))
    sections, pool = np.zeros(1024, np.uint8), threads.pool()
    table = (ctypes.c_void_p * (HEADER + len(arrays)))(*[None] * HEADER, *(a.ctypes.data for a in arrays))
    table[3] = sections.ctypes.data + 64
    pool.start(pool.address, machine.address("program"), ctypes.addressof(table), 1, sections.ctypes.data)


def test_what_a_guarded_store_computes_is_not_known_after_it():
    x, y, z = (Buffer(n, (8,), float32) for n in "xyz")

    def element(i):
        half, value = i // 2, Load(x, (i,))
        return [store(y, (half,), value, where=value > 0.0), store(z, (half,), value)]

    kernel = Kernel("f", (Param(x, "in"), Param(y, "out"), Param(z, "out")), (loop("i", 8, element),))
    assert "f:" in machine_code(kernel)


def test_a_buffer_of_a_thread_does_not_last_from_one_loop_to_the_next():
    text = """kernel @f(%y: f32[8] out) {
      alloc SPACE %t: f32[8]
      par %i in 8 { store %t[%i], 1.0 }
      par %j in 8 { store %y[%j], load %t[%j] }
    }"""
    assert "gt_await" in machine_code(parse_kernel(text.replace("SPACE", "global")))
    with pytest.raises(ValueError, match="%t is a thread's own, and read in another phase: f"):
        machine_code(parse_kernel(text.replace("SPACE", "thread")))


def test_a_load_from_before_a_loop_is_not_reused_in_it_after_a_store():
    """One Load object before the loop and in it: what the loop stores, its later rounds have to see."""
    b, c = Buffer("b", (1,), float32), Buffer("c", (5,), float32)
    first = Load(b, (const(0, int64),))
    body = (
        store(c, (4,), first),
        loop("i", 4, lambda i: [store(c, (i,), first), store(b, (0,), first + 1.0)]),
    )
    kernel = Kernel("f", (Param(b, "inout"), Param(c, "out")), body)
    results = []
    x, y = np.zeros(1, np.float32), np.full(5, np.nan, np.float32)
    run_kernel(kernel, [x, y])
    results.append(y)
    x, y = np.zeros(1, np.float32), np.full(5, np.nan, np.float32)
    run_native(kernel, [x, y])
    results.append(y)
    for got in results:
        np.testing.assert_array_equal(got, [0, 1, 2, 3, 0])


def test_copies_of_an_unrolled_body_have_one_buffer():
    """Elements at fixed places and at places that loops give are of the same memory in each copy."""
    text = """kernel @f(%x: f32[12], %y: f32[12] out) {
      unroll %i in 3 {
        alloc local %t: f32[4]
        for %j in 4 { store %t[%j], load %x[((%i * 4) + %j)] }
        store %t[1], (load %t[1] + 100.0)
        store %y[((%i * 4) + 0)], load %t[3]
        store %y[((%i * 4) + 1)], load %t[1]
        for %k in 2 { store %y[(((%i * 4) + %k) + 2)], load %t[(%k * 2)] }
      }
    }"""
    x, y = np.arange(12, dtype=np.float32), np.full(12, np.nan, np.float32)
    run_native(parse_kernel(text), [x, y])
    rows = x.reshape(3, 4)
    want = np.stack([rows[:, 3], rows[:, 1] + 100, rows[:, 0], rows[:, 2]], 1)
    np.testing.assert_array_equal(y.reshape(3, 4), want)


def test_a_loop_variable_of_a_finished_loop_is_not_known():
    """Two loops over one variable, in a loop: what depends on it is not computed before the second."""
    x, y, z = (Buffer(n, (8,), float32) for n in "xyz")
    o, i = Var("o", int64, 2), Var("i", int64, 4)
    at = o * 4 + i
    inner = [
        For(i, const(4, int64), "for", (store(to, (at,), Load(x, (at,)) * by),)) for to, by in ((y, 1.0), (z, 2.0))
    ]
    outer = For(o, const(2, int64), "for", tuple(inner))
    arrays = [np.arange(8, dtype=np.float32), np.zeros(8, np.float32), np.zeros(8, np.float32)]
    run_native(Kernel("f", (Param(x, "in"), Param(y, "out"), Param(z, "out")), (outer,)), arrays)
    np.testing.assert_array_equal(arrays[1:], (arrays[0], 2 * arrays[0]))


def test_squares_that_are_not_dense_are_copied_element_by_element():
    """A square over a stride of 2: nothing to transpose in registers."""
    a, b = Buffer("a", (64,), float32), Buffer("b", (16,), float32)
    copy = lambda i, j: store(b, (j * 4 + i,), Load(a, (i * 2 + j * 16,)))
    kernel = Kernel(
        "f",
        (Param(a, "in"), Param(b, "out")),
        (loop("i", 4, lambda i: loop("j", 4, lambda j: copy(i, j), "vec"), "vec"),),
    )
    x = np.arange(64, dtype=np.float32)
    for k in (kernel, legalize(kernel)):
        got = np.full(16, np.nan, np.float32)
        run_kernel(k, [x, got])
        np.testing.assert_array_equal(got.reshape(4, 4), x[[[i * 2 + j * 16 for i in range(4)] for j in range(4)]])
