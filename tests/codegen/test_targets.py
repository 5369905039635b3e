"""Register tiles on CPUs that need not be this one: the assembly of the innermost loop, emitted across.

Sums stay in registers (no access to the stack), and every multiply-add is one instruction on whole vectors, or two.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from graphtorch.codegen.emit_program import emit_program
from graphtorch.codegen.program import memory_sizes, schedule_graph
from graphtorch.codegen.target import Target, target_for
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.types import TensorType, float32
from graphtorch.runtime.cpu import assembly

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
TARGETS = {
    "nehalem": target_for(X86, "nehalem", {"sse4.2": True}),
    "haswell": target_for(X86, "haswell", {"avx2": True, "fma": True}),
    "skylake-avx512": target_for(X86, "skylake-avx512", {"avx512f": True, "avx512vl": True, "avx2": True, "fma": True}),
    "neoverse-n1": target_for(ARM, "neoverse-n1", {"neon": True}),
}
#: rows and vectors of the tile of a large product
TILES = {"nehalem": (4, 2), "haswell": (6, 2), "skylake-avx512": (12, 2), "neoverse-n1": (12, 2)}
#: the instruction that a sum is the last operand of, or the first on ARM
MULTIPLY_ADD = {X86: r"\b(?:vfmadd\w+|addps)\b", ARM: r"\bfmla\s+v\d+\.4s"}
WIDE = {16: r"%xmm|v\d", 32: "%ymm", 64: "%zmm"}
STACK = {X86: r"\(%rsp|\(%rbp", ARM: r"\[sp\b"}


def large_product() -> Graph:
    graph = Graph("product")
    graph.params = [Param(name, TensorType((384, 384), float32)) for name in "xy"]
    with Builder(graph):
        graph.outputs = [PUBLIC["gt"]["matmul"](*graph.params)]
    return run_passes(graph, OPTIMIZE)


def innermost(target: Target) -> str:
    """The basic block with most multiply-adds, up to its branch back."""
    launches = schedule_graph(large_product(), target)
    values: dict[Any, int] = {v: i for i, v in enumerate(dict.fromkeys(v for s in launches for v in s.values))}
    text = emit_program(launches, lambda v: ("slot", values[v]), memory_sizes(launches).scratch, target)
    text = assembly(text, target)
    blocks = re.split(r"\n(?=\.?L\w+:)", text)
    block = max(blocks, key=lambda b: len(re.findall(MULTIPLY_ADD[target.triple], b)))
    label = block.split(":")[0]
    return block[: block.rindex(label) + len(label)]


@pytest.mark.parametrize("name", TARGETS)
def test_sums_stay_in_registers(name: str) -> None:
    target = TARGETS[name]
    block = innermost(target)
    rows, vectors = TILES[name]
    products = [line for line in block.splitlines() if re.search(MULTIPLY_ADD[target.triple], line)]
    assert len(products) % (rows * vectors) == 0
    assert all(re.search(WIDE[target.vector_bytes], line) for line in products)
    steps = len(products) // (rows * vectors)
    sums = {line.split()[-1 if target.triple == X86 else 1] for line in products}
    assert len(sums) == rows * vectors or not target.fused  # there a sum goes to the register of the product
    assert not re.search(STACK[target.triple], block), block
    loads = [line for line in block.splitlines() if re.match(r"\s+(v?movups|vbroadcastss|movss|ld)", line)]
    assert len(loads) <= steps * (rows + vectors)
