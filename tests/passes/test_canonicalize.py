"""Every rule where it applies and where it must not; and that nothing changes what a graph computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from graphtorch.ir import bind
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.passes.canonicalize import RULES, Canonicalize
from graphtorch.ir.passes.dce import Dce
from graphtorch.ir.text import parse_graph
from graphtorch.ir.types import TensorType, bfloat16, bool_, float32, float64, int8, int32, int64, uint8
from graphtorch.ir.verify import verify
from tests.ir.graphs import arrays_for, build, f32, graphs

GT = PUBLIC["gt"]
i64 = lambda *shape: TensorType(shape, int64)
b8 = lambda *shape: TensorType(shape, bool_)


def op(name, *operands, **attrs):
    return bind.bind(OPS[name], *operands, **attrs)


def splat(value, t):
    return op("broadcast_to", op("constant", value=value, dtype=t.dtype), shape=t.shape)


def simplified(graph):
    """The lines of the body that are left, without the types."""
    out = Dce().run(Canonicalize().run(graph))
    verify(out)
    lines = str(out).splitlines()[1:-1]
    return [line.split(" = ")[-1].strip() for line in lines]


#: rule -> (function, operand types, what is left)
APPLIES = {
    "detach": (GT["detach"], [f32(3)], ["return %x0"]),
    "clone": (GT["clone"], [f32(3)], ["return %x0"]),
    "overwrite": (lambda x, y: op("overwrite", x, y), [f32(3), f32(3)], ["return %x0"]),
    "x + -0.0": (lambda x: x + splat(-0.0, x.type), [f32(3)], ["return %x0"]),
    "-0.0 + x": (lambda x: splat(-0.0, x.type) + x, [f32(3)], ["return %x0"]),
    "x + 0 of integers": (lambda x: x + 0, [i64(3)], ["return %x0"]),
    "x or False": (lambda x: GT["add"](x, False), [b8(3)], ["return %x0"]),
    "x - 0.0": (lambda x: x - 0.0, [f32(3)], ["return %x0"]),
    "x - 0 of integers": (lambda x: x - 0, [i64(3)], ["return %x0"]),
    "x * 1": (lambda x: x * 1, [f32(3)], ["return %x0"]),
    "1 * x of integers": (lambda x: 1 * x, [i64(3)], ["return %x0"]),
    "x and True": (lambda x: GT["mul"](x, True), [b8(3)], ["return %x0"]),
    "x * 0 of integers": (
        lambda x: x * 0, [i64(3)],
        ["constant() {value=0, dtype=i64}", "broadcast_to(%0) {shape=[3]}", "return %1"],
    ),
    "x and False": (
        lambda x: GT["mul"](x, False), [b8(3)],
        ["constant() {value=false, dtype=bool}", "broadcast_to(%0) {shape=[3]}", "return %1"],
    ),
    "x * -1": (lambda x: x * -1, [f32(3)], ["neg(%x0)", "return %0"]),
    "-1 * x of integers": (lambda x: -1 * x, [i64(3)], ["neg(%x0)", "return %0"]),
    "x * -1 twice": (lambda x: x * -1 * -1, [f32(3)], ["return %x0"]),
    "x / 1": (lambda x: x / 1, [f32(3)], ["return %x0"]),
    "neg(neg(x))": (lambda x: GT["neg"](GT["neg"](x)), [f32(3)], ["return %x0"]),
    "not not x": (lambda x: GT["logical_not"](GT["logical_not"](x)), [b8(3)], ["return %x0"]),
    "where(true, a, b)": (lambda a, b: GT["where"](splat(True, b8(3)), a, b), [f32(3), f32(3)], ["return %x0"]),
    "where(false, a, b)": (lambda a, b: GT["where"](splat(False, b8(3)), a, b), [f32(3), f32(3)], ["return %x1"]),
    "where(c, a, a)": (lambda c, a: GT["where"](c, a, a), [b8(3), f32(3)], ["return %x1"]),
    "cast to the same": (lambda x: op("cast", x, dtype=float32), [f32(3)], ["return %x0"]),
    "cast by way of a wider one": (
        lambda x: op("cast", op("cast", x, dtype=float64), dtype=float32), [f32(3)], ["return %x0"],
    ),
    "cast of cast": (
        lambda x: op("cast", op("cast", x, dtype=int32), dtype=float32), [TensorType((3,), int8)],
        ["cast(%x0) {dtype=f32}", "return %0"],
    ),
    "broadcast_to the same shape": (lambda x: op("broadcast_to", x, shape=(2, 3)), [f32(2, 3)], ["return %x0"]),
    "a number made a row, and then spread": (
        lambda x: op("broadcast_to", op("reshape", op("constant", value=2.0, dtype=float32), shape=(1, 1)), shape=(5, 3)),
        [f32(3)], ["constant() {value=2.0, dtype=f32}", "broadcast_to(%0) {shape=[5,3]}", "return %1"],
    ),
    "broadcast_to twice": (
        lambda x: op("broadcast_to", op("broadcast_to", x, shape=(2, 3)), shape=(5, 2, 3)), [f32(1, 3)],
        ["broadcast_to(%x0) {shape=[5,2,3]}", "return %0"],
    ),
    "reshape to the same shape": (lambda x: op("reshape", x, shape=(2, 3)), [f32(2, 3)], ["return %x0"]),
    "reshape twice": (
        lambda x: op("reshape", op("reshape", x, shape=(3, 2)), shape=(6,)), [f32(2, 3)],
        ["reshape(%x0) {shape=[6]}", "return %0"],
    ),
    "reshape there and back": (
        lambda x: op("reshape", op("reshape", x, shape=(6,)), shape=(2, 3)), [f32(2, 3)], ["return %x0"],
    ),
    "reshape of a constant": (
        lambda x: op("reshape", splat(2.0, f32(2, 3)), shape=(6,)), [f32(1)],
        ["constant() {value=2.0, dtype=f32}", "broadcast_to(%0) {shape=[6]}", "return %1"],
    ),
    "permute by the identity": (lambda x: op("permute", x, dims=(0, 1)), [f32(2, 3)], ["return %x0"]),
    "permute twice": (
        lambda x: op("permute", op("permute", x, dims=(1, 2, 0)), dims=(0, 2, 1)), [f32(2, 3, 5)],
        ["permute(%x0) {dims=[1,0,2]}", "return %0"],
    ),
    "transpose twice": (lambda x: GT["t"](GT["t"](x)), [f32(2, 3)], ["return %x0"]),
    "permute of a constant": (
        lambda x: op("permute", splat(2.0, f32(2, 3)), dims=(1, 0)), [f32(1)],
        ["constant() {value=2.0, dtype=f32}", "broadcast_to(%0) {shape=[3,2]}", "return %1"],
    ),
    "slice of everything": (lambda x: op("slice", x, start=(0, 0), stop=(2, 3), step=(1, 1)), [f32(2, 3)],
        ["return %x0"]),
    "slice of a slice": (
        lambda x: op("slice", op("slice", x, start=(1,), stop=(15,), step=(2,)), start=(1,), stop=(7,), step=(3,)),
        [f32(17)],
        ["slice(%x0) {start=[3], stop=[10], step=[6]}", "return %0"],
    ),
    "empty slice of a slice": (
        lambda x: op("slice", op("slice", x, start=(1,), stop=(9,), step=(3,)), start=(3,), stop=(3,), step=(1,)),
        [f32(9)],
        ["slice(%x0) {start=[0], stop=[0], step=[1]}", "return %0"],
    ),
    "slice of a constant": (
        lambda x: op("slice", splat(2.0, f32(5)), start=(1,), stop=(3,), step=(1,)), [f32(1)],
        ["constant() {value=2.0, dtype=f32}", "broadcast_to(%0) {shape=[2]}", "return %1"],
    ),
    "pad by nothing": (lambda x: op("pad", x, low=(0,), high=(0,), interior=(0,)), [f32(3)], ["return %x0"]),
    "pad between the elements of one": (lambda x: op("pad", x, low=(0,), high=(0,), interior=(4,)), [f32(1)],
        ["return %x0"]),
    "pad of pad": (
        lambda x: op("pad", op("pad", x, low=(1,), high=(2,), interior=(3,)), low=(4,), high=(5,), interior=(0,)),
        [f32(3)],
        ["pad(%x0) {low=[5], high=[7], interior=[3]}", "return %0"],
    ),
    "sum over sizes of 1": (
        lambda x: op("reduce_sum", x, dims=(0, 2)), [f32(1, 3, 1)], ["reshape(%x0) {shape=[3]}", "return %0"],
    ),
    "sums into rows of 16-bit floats": (
        lambda x, i, y: op("index_put", x, y, i, dims=(0,), negative=False, accumulate=True),
        [TensorType((5, 2), bfloat16), i64(7), TensorType((7, 2), bfloat16)],
        [
            "cast(%x0) {dtype=f32}", "cast(%x2) {dtype=f32}", "index_put(%0, %1, %x1) {dims=[0], negative=false, accumulate=true}", "cast(%2) {dtype=bf16}",
            "return %3",
        ],
    ),
    "greatest in rows of 16-bit floats": (
        lambda x, i, y: op("index_reduce", x, y, i, dims=(0,), negative=False, kind="max"),
        [TensorType((5, 2), bfloat16), i64(7), TensorType((7, 2), bfloat16)],
        [
            "cast(%x0) {dtype=f32}", "cast(%x2) {dtype=f32}",
            'index_reduce(%0, %1, %x1) {dims=[0], negative=false, kind="max"}', "cast(%2) {dtype=bf16}", "return %3",
        ],
    ),
    "sum over nothing": (lambda x: op("reduce_sum", x, dims=()), [f32(2, 3)], ["return %x0"]),
    "max over sizes of 1": (lambda x: op("reduce_max", x, dims=(0,)), [f32(1, 3)],
        ["reshape(%x0) {shape=[3]}", "return %0"]),
    "folding": (
        lambda x: x * GT["exp"](splat(0.0, f32(3)) + 0.0) - splat(2.0, f32(3)) * 3.0, [f32(3)],
        ["constant() {value=6.0, dtype=f32}", "broadcast_to(%0) {shape=[3]}", "sub(%x0, %1)", "return %2"],
    ),
    "folding of casts": (
        lambda x: x + op("cast", splat(3, i64(3)), dtype=float32), [f32(3)],
        ["constant() {value=3.0, dtype=f32}", "broadcast_to(%0) {shape=[3]}", "add(%x0, %1)", "return %2"],
    ),
    "folding of 0-d": (
        lambda x: GT["neg"](op("constant", value=0.1, dtype=float32)), [f32(3)],
        ["constant() {value=-0.10000000149011612, dtype=f32}", "return %0"],
    ),
    "folding to nan": (
        lambda x: GT["sub"](*[op("constant", value=float("inf"), dtype=float32)] * 2), [f32(3)],
        ["constant() {value=nan, dtype=f32}", "return %0"],
    ),
}  # fmt: skip

#: what must stay as it is: (function, operand types)
STAYS = {
    "x + 0.0": (lambda x: x + 0.0, [f32(3)]),
    "x - -0.0": (lambda x: x - splat(-0.0, x.type), [f32(3)]),
    "0 - x": (lambda x: 0 - x, [i64(3)]),
    "x * 0.0": (lambda x: x * 0.0, [f32(3)]),
    "x * 2": (lambda x: x * 2, [f32(3)]),
    "x * 255 of bytes": (lambda x: x * 255, [TensorType((3,), uint8)]),
    "x / -1": (lambda x: x / -1, [f32(3)]),
    "1 / x": (lambda x: 1 / x, [f32(3)]),
    "1 - x": (lambda x: 1 - x, [f32(3)]),
    "not of a number twice": (lambda x: GT["logical_not"](GT["logical_not"](x)), [f32(3)]),
    "exp(exp(x))": (lambda x: GT["exp"](GT["exp"](x)), [f32(3)]),
    "cast by way of int64": (lambda x: op("cast", op("cast", x, dtype=int64), dtype=float32), [f32(3)]),
    "cast by way of bool": (lambda x: op("cast", op("cast", x, dtype=bool_), dtype=int64), [i64(3)]),
    "cast of int64 by way of float64": (lambda x: op("cast", op("cast", x, dtype=float64), dtype=int64), [i64(3)]),
    "cast of uint8 by way of int8": (
        lambda x: op("cast", op("cast", x, dtype=int8), dtype=int64), [TensorType((3,), uint8)],
    ),
    "where": (lambda c, a, b: GT["where"](c, a, b), [b8(3), f32(3), f32(3)]),
    "broadcast_to": (lambda x: op("broadcast_to", x, shape=(2, 3)), [f32(3)]),
    "permute": (lambda x: op("permute", x, dims=(1, 0)), [f32(3, 3)]),
    "slice": (lambda x: op("slice", x, start=(1,), stop=(3,), step=(1,)), [f32(3)]),
    "pad between elements that were padded": (
        lambda x: op("pad", op("pad", x, low=(1,), high=(2,), interior=(0,)), low=(0,), high=(0,), interior=(1,)),
        [f32(3)],
    ),
    "sum": (lambda x: op("reduce_sum", x, dims=(0, 1)), [f32(1, 3)]),
    "max": (lambda x: op("reduce_max", x, dims=(1,)), [f32(1, 3)]),
    "iota": (lambda x: op("iota", shape=(3,), dim=0, dtype=int64), [f32(3)]),
}  # fmt: skip


@pytest.mark.parametrize("case", APPLIES)
def test_rule_applies(case):
    function, types, left = APPLIES[case]
    graph = build(function, *types)
    assert simplified(graph) == left


@pytest.mark.parametrize("case", APPLIES)
def test_rule_keeps_the_values(case):
    function, types, _ = APPLIES[case]
    assert_same_results(build(function, *types))


@pytest.mark.parametrize("case", STAYS)
def test_rule_does_not_apply(case):
    function, types = STAYS[case]
    graph = build(function, *types)
    assert Canonicalize().run(graph) is graph


def test_every_rule_has_a_case():
    mentioned = {node.op.name for f, types, _ in APPLIES.values() for node in build(f, *types).nodes}
    assert set(RULES) <= mentioned | {"reduce_min"}


def test_detach_stays_until_autodiff():
    graph = build(lambda x, g: op("gradient", GT["detach"](x) * x, g, x), f32(3), f32(3))
    assert Canonicalize().run(graph) is graph


def test_golden(golden):
    text = """\
graph @g(%x: f32[4,3], %w: f32[3] inout "w") -> (f32[4,3]) {
  %0: f32[4,3] = detach(%x)  @"a.py":1:0
  %1: f32[] = constant() {value=1, dtype=f32}
  %2: f32[4,3] = broadcast_to(%1) {shape=[4,3]}  @"a.py":2:0
  %3: f32[4,3] = mul(%0, %2)  @"a.py":2:4 "net"
  %4: f32[1,3] = reshape(%w) {shape=[1,3]}
  %5: f32[1,1,3] = reshape(%4) {shape=[1,1,3]}
  %6: f32[3] = reduce_sum(%5) {dims=[0,1]}  @"a.py":3:0
  %7: f32[2,3] = broadcast_to(%6) {shape=[2,3]}
  %8: f32[3] = neg(%w)
  %9: f32[3] = neg(%8)
  update %w <- %9
  return %3
}
"""
    golden("passes/canonicalize.gt", str(Canonicalize().run(parse_graph(text))))


@given(graphs())
def test_any_graph_keeps_its_results(graph):
    assert_same_results(graph)


@given(graphs())
def test_a_second_run_finds_nothing(graph):
    once = Canonicalize().run(graph)
    assert Canonicalize().run(once) is once


def assert_same_results(graph):
    """Equal results, bit for bit, but for what the pass says of itself: nan, and the zero of a sum of one."""
    out = Canonicalize().run(graph)
    verify(out)
    arrays = arrays_for(graph)
    before, after = evaluate(graph, arrays), evaluate(out, arrays)
    pairs = [*zip(before[0], after[0], strict=True), *((before[1][k], after[1][k]) for k in before[1])]
    sums = any(n.op.name == "reduce_sum" for n in graph.nodes)
    for a, b in pairs:
        assert a.dtype == b.dtype
        a, b = (x.astype(np.float32) if x.dtype.kind == "V" else x for x in (a, b))  # bfloat16
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f" and not sums:
            signs = [np.signbit(x)[~np.isnan(x)] for x in (a, b)]
            np.testing.assert_array_equal(*signs)
