"""LLVM modules of kernels written by hand: what the emitter makes of single statements."""

from __future__ import annotations

import llvmlite.ir as ll
import pytest

from graphtorch.codegen.emit_llvm import emit_kernel
from graphtorch.codegen.kernel_ir import Kernel, Param, loop, store
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.ir.expr import Buffer, Load
from graphtorch.ir.types import float32
from graphtorch.runtime.cpu import assembly


def machine_code(kernel: Kernel) -> str:
    """Assembly; LLVM verifies the module on the way."""
    module = ll.Module("test")
    emit_kernel(module, legalize(kernel)).linkage = "external"
    return assembly(str(module))


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
