"""Kernel text: what is printed parses back to the same kernel, node by node."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphtorch.codegen.kernel_ir import Alloc, Barrier, For, If, Kernel, Let, Param, Store, loop, store
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel, statement_text
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import (
    COMPARE,
    Binary,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
    const,
    maximum,
)
from graphtorch.ir.types import BY_SHORT, bool_, float32, float64, int64, uint32, uint64
from tests.codegen.nests import f32, nest_of

EVERYTHING = """\
kernel @everything.0(%x: f32[4,8], %mask: bool[8], %n: i64[], %y: f32[4,8] out, %z: f64[32] inout, %o: f32[8] stream) {
  alloc global %work: f32[4096]
  par %i in 4 {
    alloc thread %scratch: f64[]
    unroll %j:64 in min(load %n[], 64) {
      let %p = ((%i * 8) + %j)
      prefetch %x[(%i + 1), %j]
      let %q:8 = (%p % 8)
      store %y[%i, %q] if (load %mask[%q] & (%p < 32)), max(load %x[%i, %q], 0.0)
    }
    vec %l in 8 {
      store %scratch[], select((%l != 3), f64(-1.5), nan:f64)
    }
  }
  block.x %b in 2 {
    alloc shared %s: u32[16]
    thread.x %t in 16 {
      alloc local %acc: f32[2,2]
      store %acc[0, 1], load %x[0, 1] if load %mask[0]
      if load %mask[%b] {
        store %s[%t], ((1:u32 << u32(%t)) ^ 4294967295:u32)
      }
      barrier
      let %v = load %z[ramp((%t * 2), 4)] if (splat(%t, 4) < ramp(0, 4))
      store %z[ramp(%t, 4)], pow(neg(%v), splat(-inf:f64, 4))
      for %t_1:? in 5 {
        store %work[%t_1], (exp(-0.0) // 1e-30)
      }
    }
  }
}
"""


def test_a_kernel_with_everything_round_trips() -> None:
    kernel = parse_kernel(EVERYTHING)
    assert print_kernel(kernel) == EVERYTHING
    assert same_kernel(parse_kernel(print_kernel(kernel)), kernel)


def test_golden(golden) -> None:  # type: ignore[no-untyped-def]
    golden("kernels/reduce_sum.kernel", print_kernel(schedule_cuda(nest_of("reduce_sum", f32(3, 100), dims=(1,)))))
    golden("kernels/dot.kernel", print_kernel(schedule_cuda(nest_of("dot", f32(65, 33), f32(33, 70)))))


def test_equal_names_are_told_apart_by_place_alone() -> None:
    def build() -> Kernel:
        x = Buffer("i", (8,), float32)
        inner = loop("i", 8, lambda i: store(x, (i,), 1.0))
        shared = Var("i", int64, 4)
        twice = For(shared, const(4, int64), "for", (Store(x, (shared,), const(0.0)),))
        return Kernel("k", (Param(x, "out"),), (inner, twice, twice))

    text = print_kernel(build())
    assert text == print_kernel(build())
    assert [line.split(" in ")[0].strip() for line in text.splitlines() if " in " in line] == [
        "for %i_1", "for %i_2", "for %i_3"
    ]  # fmt: skip
    assert print_kernel(parse_kernel(text)) == text
    assert same_kernel(parse_kernel(text), build())


def test_parsing_does_not_simplify() -> None:
    text = "kernel @k(%x: i64[] out) {\n  store %x[], ((1 + 2) * (0 + select(true, neg(3), 4)))\n}\n"
    assert print_kernel(parse_kernel(text)) == text


def test_an_if_on_the_next_line_is_a_statement() -> None:
    text = "kernel @k(%m: bool[], %x: bool[] out) {\n  let %a = load %m[]\n  if %a {\n    barrier\n  }\n}\n"
    kernel = parse_kernel(text)
    assert [type(s) for s in kernel.body] == [Let, If]
    assert print_kernel(kernel) == text


def test_blocks_on_one_line_and_comments() -> None:
    kernel = parse_kernel(
        "# a comment\nkernel @k(%x: f32[4], %y: f32[4] out) {\n"
        "  par %i in 4 { store %y[%i], max(load %x[%i], 0.0) }  # relu\n}"
    )
    assert "    store %y[%i], max(load %x[%i], 0.0)\n" in print_kernel(kernel)


def test_statement_text_is_the_line_of_the_print() -> None:
    kernel = parse_kernel(EVERYTHING)
    assert statement_text(kernel, kernel.body[1]) == "par %i in 4"


BASE = "kernel @k(%x: f32[4] inout) {\n  for %i in 4 {\n    store %x[%i], (load %x[%i] + 1.0)\n  }\n}\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@k", "@other"), ("f32[4]", "f32[5]"), ("inout", "out"), ("for", "par"), ("in 4", "in 3"), ("+", "-"),
        ("1.0", "2.0"), ("%i in", "%i:? in"), ("(load %x[%i]", "(load %x[3]"), ("store %x[%i]", "store %x[0]"),
        ("store %x[%i],", "store %x[%i] if true,"), ("(load %x[%i]", "(load %x[%i] if true"), ("1.0", "-0.0"),
        ("  }\n", "    barrier\n  }\n"),
    ],
)  # fmt: skip
def test_same_kernel_sees_every_difference(old: str, new: str) -> None:
    assert same_kernel(parse_kernel(BASE), parse_kernel(BASE))
    assert not same_kernel(parse_kernel(BASE), parse_kernel(BASE.replace(old, new, 1)))
    assert not same_kernel(parse_kernel(BASE.replace(old, new, 1)), parse_kernel(BASE))


def test_same_kernel_does_not_look_at_names() -> None:
    assert same_kernel(parse_kernel(BASE), parse_kernel(BASE.replace("%i", "%j").replace("%x", "%y")))


MISTAKES = [
    ("kernel @k() { jump }", "line 1, column 15", "expected a statement, got 'jump'"),
    ("kernel @k() {\n  let %a = (1 + 2.0)\n}", "line 2", "operands of one type for 'add' (they are i64x1 and f32x1)"),
    ("kernel @k(%a: f33[2]) {}", "column 15", "expected a dtype: "),
    ("kernel @k() { let %a = max(1) }", "line 1", "a function of 1 operands, and 'max' is none"),
    ("kernel @k() { let %a = %b }", "column 24", "expected the name of a variable, got '%b'"),
    ("kernel @k() { store %b[0], 1 }", "column 21", "expected the name of a buffer, got '%b'"),
    ("kernel @k() { let %a = 1 let %b = 2 }", "column 26", "expected the end of the statement, got 'let'"),
    ("kernel @k(%x: f32[2], %x: f32[2]) {}", "column 23", "expected a name that is not bound yet, got '%x'"),
    ("kernel @k() { let %a = (1 ? 2) }", "column 27", "expected an operator with spaces around it: + - *"),
    ("kernel @k() {", "column 14", "got the end of the text"),
    ("kernel @k() {} kernel", "column 16", "expected the end of the text, got 'kernel'"),
    ("kernel $k", "column 8", "expected a character that some token starts with, got '$'"),
    ("kernel @k(%x: f32[1.5]) {}", "column 19", "expected an integer, got '1.5'"),
]


@pytest.mark.parametrize(("text", "place", "what"), MISTAKES)
def test_mistakes_are_pointed_at(text: str, place: str, what: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_kernel(text)
    assert caught.value.code == "GT820"
    assert place in str(caught.value) and what in str(caught.value)


def test_printing_refuses_what_is_not_bound() -> None:
    x = Buffer("x", (4,), float32)
    with pytest.raises(IRError, match="variable %i is not bound in kernel @k"):
        print_kernel(Kernel("k", (Param(x, "out"),), (Store(x, (Var("i"),), const(0.0)),)))
    with pytest.raises(IRError, match="buffer %x is not bound in kernel @k"):
        print_kernel(Kernel("k", (), (store(x, (0,), 1.0),)))
    wide = Load(x, (const(0, int64),), None, 4)
    with pytest.raises(IRError, match="a load of %x has 4 lanes, its index and guard 1"):
        print_kernel(Kernel("k", (Param(x, "out"),), (Let(Var("a", float32, None, 4), wide),)))


# ---- any expression -------------------------------------------------------------------------------

X = Buffer("x", (5, 7), float32)
FLAGS = Buffer("flags", (9,), bool_)
I = Var("i", int64, 5)
FLOATS = [float32, float64]
FLOAT_UNARY = ["neg", "exp", "erf", "round", "abs"]
ARITHMETIC = ["add", "sub", "mul", "floordiv", "mod", "min", "max", "pow"]
BITS = ["and", "or", "xor"]


def _consts() -> st.SearchStrategy[Expr]:
    floats = st.builds(Const, st.floats(), st.sampled_from(FLOATS))
    ints = st.builds(
        Const, st.integers(-(2**63), 2**63 - 1), st.sampled_from([int64, *map(BY_SHORT.get, ["i8", "u8"])])
    )
    words = st.builds(Const, st.integers(0, 2**32 - 1), st.sampled_from([uint32, uint64]))
    return st.one_of(floats, ints, words, st.builds(Const, st.booleans(), st.just(bool_)))


def _pairs(draw: st.DrawFn, inner: st.SearchStrategy[Expr]) -> tuple[Expr, Expr]:
    """Two expressions of one dtype."""
    a, b = draw(inner), draw(inner)
    return a, b if a.dtype == b.dtype else Cast(b, a.dtype)


@st.composite
def _composed(draw: st.DrawFn, inner: st.SearchStrategy[Expr]) -> Expr:
    a, b = _pairs(draw, inner)
    index = a if a.dtype == int64 else Cast(a, int64)
    cond = b if b.dtype == bool_ else Cast(b, bool_)
    choices: list[Expr] = [
        Unary(draw(st.sampled_from(FLOAT_UNARY)), a),
        Binary(draw(st.sampled_from([*ARITHMETIC, *BITS, *COMPARE, "shl", "div", "atan2"])), a, b),
        Select(cond, a, b),
        Cast(a, draw(st.sampled_from(list(BY_SHORT.values())))),
        Load(X, (index, I)),
        Load(X, (I, index), cond),
        Load(FLAGS, (index,), cond),
    ]
    return draw(st.sampled_from(choices))


EXPRESSIONS = st.recursive(st.one_of(_consts(), st.just(I), st.just(Load(X, (I, I)))), _composed, max_leaves=12)


def _vector_kernel(e: Expr) -> Kernel:
    """``e`` as a scalar and, splatted, as a vector."""
    body = (Let(Var("a", e.dtype), e), Let(Var("v", e.dtype, None, 4), Splat(e, 4)))
    nest = For(I, const(5, int64), "for", (*body, Barrier(), Alloc(Buffer("i", (2,), float64), "local")))
    return Kernel("k", (Param(X, "in"), Param(FLAGS, "in")), (nest,))


@given(EXPRESSIONS)
def test_any_expression_round_trips(e: Expr) -> None:
    kernel = _vector_kernel(e)
    text = print_kernel(kernel)
    again = parse_kernel(text)
    assert same_kernel(again, kernel)
    assert print_kernel(again) == text


def test_special_numbers() -> None:
    for value in (math.nan, math.inf, -math.inf, -0.0, 1e-300, 1e22, 0.1):
        for dtype in FLOATS:
            kernel = Kernel("k", (), (Let(Var("a", dtype), Const(value, dtype)),))
            assert same_kernel(parse_kernel(print_kernel(kernel)), kernel)


def test_vectors_take_their_lanes_from_what_they_are_made_of() -> None:
    wide = Load(X, (I, Ramp(const(0, int64), 4)), None, 4)
    kernel = _vector_kernel(const(1.0))
    loop_ = kernel.body[0]
    assert isinstance(loop_, For)
    value = maximum(wide, Splat(const(0.0), 4))
    kernel = kernel.with_body([replace_body(loop_, Let(Var("w", float32, None, 4), value))])
    assert same_kernel(parse_kernel(print_kernel(kernel)), kernel)


def replace_body(loop_: For, *body: Let) -> For:
    return replace(loop_, body=body)
