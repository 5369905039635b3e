"""LLVM reads what the builder writes, and means the same."""

from __future__ import annotations

import ctypes
import math
import struct

import pytest

from graphtorch.codegen import llvm_text as ll
from graphtorch.runtime.cpu import Machine, compile_object

I1, I8, I64 = map(ll.integer, (1, 8, 64))


def compiled(result: ll.Type, args: list[ll.Type], native: type, *takes: type) -> tuple[ll.Module, ll.Builder, object]:
    """A module, a builder in its function ``f``, and what runs the function once it is written."""
    module = ll.Module("test")
    function = ll.Function(module, "f", result, args)
    builder = ll.Builder(function, function.block("entry"))

    def run(*values: float) -> float:
        machine = Machine(compile_object(str(module)))
        return ctypes.CFUNCTYPE(native, *takes)(machine.address("f"))(*values)  # type: ignore[no-any-return]

    return module, builder, run


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -0.1, 1e-45, 3e38, math.inf, -math.inf, math.nan, 1 / 3])
@pytest.mark.parametrize(
    ("kind", "native", "code"), [(ll.FLOAT, ctypes.c_float, "f"), (ll.DOUBLE, ctypes.c_double, "d")]
)
def test_numbers_keep_their_bits(x: float, kind: ll.Type, native: type, code: str) -> None:
    _, b, run = compiled(kind, [], native)
    b.give(ll.Constant(kind, x))
    assert struct.pack(code, run()) == struct.pack(code, x)  # type: ignore[operator]


@pytest.mark.parametrize("items", [[7, 7, 7, 7], [0, 0, 0, 0], [3, -5, 11, 2], [-1, 0, -1, 0]])
def test_vectors_of_constants_and_lanes(items: list[int]) -> None:
    _, b, run = compiled(I64, [I64], ctypes.c_int64, ctypes.c_int64)
    kind = ll.vector(I64, 4)
    given = b.splat(b.function.args[0], 4)
    total = b.binary("add", given, ll.Constant(kind, [ll.Constant(I64, i) for i in items]))
    turned = b.shuffle(total, ll.poison(kind), [3, 1, 0, 2])
    parts = [b.binary("mul", b.extract(turned, lane), ll.Constant(I64, 10**lane)) for lane in range(4)]
    b.give(b.binary("add", b.binary("add", parts[0], parts[1]), b.binary("add", parts[2], parts[3])))
    order = [items[i] + 20 for i in (3, 1, 0, 2)]
    assert run(20) == sum(n * 10**lane for lane, n in enumerate(order))  # type: ignore[operator]


def test_branches_loops_and_memory() -> None:
    """The sum of the odd numbers below n, kept in memory."""
    _, b, run = compiled(I64, [I64], ctypes.c_int64, ctypes.c_int64)
    cell = b.gep(b.alloca(ll.array(I64, 3), 16), ll.Constant(I64, 0), ll.Constant(I64, 2), inbounds=True)
    b.store(ll.Constant(I64, 0), cell)
    head, loop, done = b.block, b.function.block("loop"), b.function.block("done")
    b.branch_if(b.compare("icmp slt", ll.Constant(I64, 0), b.function.args[0]), loop, done)
    b.block = loop
    i = b.phi(I64)
    i.add(ll.Constant(I64, 0), head)
    with b.when(b.convert("trunc", i, I1)):
        b.store(b.binary("add", b.load(cell), i), cell)
    following = b.binary("add", i, ll.Constant(I64, 1))
    i.add(following, b.block)
    b.branch_if(b.compare("icmp slt", following, b.function.args[0]), loop, done)
    b.block = done
    b.give(b.load(cell))
    assert [run(n) for n in (0, 1, 2, 9)] == [0, 0, 1, 16]  # type: ignore[operator]


def test_complements_negatives_tables_and_calls() -> None:
    module, b, run = compiled(ll.DOUBLE, [ll.DOUBLE, I64], ctypes.c_double, ctypes.c_double, ctypes.c_int64)
    x, at = b.function.args
    numbers = ll.Constant(ll.array(ll.DOUBLE, 3), [ll.Constant(ll.DOUBLE, n) for n in (0.5, -3.0, 8.0)])
    table = module.constant("numbers", numbers)
    assert module.constant("numbers", numbers) is table
    index = b.select(b.complement(b.compare("icmp slt", at, ll.Constant(I64, 3))), ll.Constant(I64, 0), at)
    number = b.load(b.gep(table, ll.Constant(I64, 0), index, inbounds=True))
    root = b.call(module.declare("llvm.sqrt.f64", ll.DOUBLE, [ll.DOUBLE]), [b.negative(x)])
    b.give(b.binary("fmul", root, number))
    assert [run(-4.0, at) for at in (0, 1, 2, 3)] == [1.0, -6.0, 16.0, 1.0]  # type: ignore[operator]
