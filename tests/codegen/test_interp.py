"""The interpreter: arithmetic of the dtypes, masks, vectors, threads, and the mistakes that it must report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.launch import launch_of
from graphtorch.ir.errors import IRError
from graphtorch.ir.types import BY_SHORT
from graphtorch.runtime.interp import run_kernel

Array = Any


def run(text: str, *arrays: Array, **options: Any) -> None:
    run_kernel(parse_kernel(text), list(arrays), **options)


def fails(code: str, text: str, *arrays: Array) -> str:
    with pytest.raises(IRError) as caught:
        run(text, *arrays)
    assert caught.value.code == code
    return str(caught.value)


# ---- arithmetic -----------------------------------------------------------------------------------


def binary_kernel(expression: str, dtype: str, n: int, out: str) -> str:
    """The expression over %a and %b, once a scalar at a time and once in vectors."""
    return f"""kernel @f(%x: {dtype}[{n}], %y: {dtype}[{n}], %s: {out}[{n}] out, %v: {out}[{n}] out) {{
      for %i in {n} {{
        let %a = load %x[%i]
        let %b = load %y[%i]
        store %s[%i], {expression}
      }}
      let %c = load %x[ramp(0, {n})]
      let %d = load %y[ramp(0, {n})]
      store %v[ramp(0, {n})], {expression.replace("%a", "%c").replace("%b", "%d")}
    }}"""


EDGES = {"f": [0.0, -0.0, 1.5, -2.5, 3e38, np.inf, -np.inf, np.nan, 1e-40, 7.0, 1 / 3], "b": [False, True]}
NUMPY = {
    "(%a + %b)": np.add, "(%a - %b)": np.subtract, "(%a * %b)": np.multiply, "max(%a, %b)": np.maximum,
    "min(%a, %b)": np.minimum, "(%a // %b)": np.floor_divide, "(%a % %b)": np.remainder, "(%a < %b)": np.less,
    "(%a >= %b)": np.greater_equal, "(%a == %b)": np.equal, "(%a != %b)": np.not_equal,
    "neg(%a)": lambda a, b: -a, "abs(%a)": lambda a, b: np.abs(a), "select((%a < %b), %a, %b)": np.fmin,
    "(%a & %b)": np.bitwise_and, "(%a | %b)": np.bitwise_or, "(%a ^ %b)": np.bitwise_xor,
    "(%a << %b)": np.left_shift, "(%a >> %b)": np.right_shift,
    "(%a / %b)": np.divide, "exp(%a)": lambda a, b: np.exp(a), "round(%a)": lambda a, b: np.rint(a),
}  # fmt: skip
FLOAT_ONLY = ("(%a / %b)", "exp(%a)", "round(%a)")
INT_ONLY = ("(%a & %b)", "(%a | %b)", "(%a ^ %b)", "(%a << %b)", "(%a >> %b)")


def edges(short: str) -> Array:
    """Every pair of values at which the dtype's arithmetic is special."""
    dtype = BY_SHORT[short].np
    if dtype.kind == "f":
        values = np.array(EDGES["f"], dtype)
    else:
        info = np.iinfo(dtype)  # type: ignore[type-var]
        values = np.array([0, 1, 2, 7, 100, info.max, info.max - 1, info.min, info.min + 1], dtype)
    a, b = np.meshgrid(values, values)
    return a.reshape(-1), b.reshape(-1)


@pytest.mark.parametrize("short", ["f32", "f64", "i64", "i32", "i16", "i8", "u8", "u32", "u64"])
def test_arithmetic_is_the_dtypes(short: str) -> None:
    """As numpy's arrays do it: rounded to the dtype, wrapped into it."""
    a, b = edges(short)
    skip = INT_ONLY if short[0] == "f" else FLOAT_ONLY
    for expression, function in NUMPY.items():
        if expression in skip or (expression.startswith("select") and short[0] == "f"):
            continue
        if "//" in expression or "(%a % %b)" in expression:
            keep = (b != 0) & ~((b == -1) if short[0] == "i" else np.zeros(b.shape, bool))
            x, y = a[keep], b[keep]
        else:
            x, y = a, b & 7 if "<<" in expression or ">>" in expression else b
        with np.errstate(all="ignore"):
            want = function(x, y)
        text = binary_kernel(expression, short, len(x), _short(want))
        scalar, vector = np.empty_like(want), np.empty_like(want)
        run(text, x, y, scalar, vector)
        np.testing.assert_array_equal(scalar, want, err_msg=f"{expression} in {short}")
        np.testing.assert_array_equal(vector, want, err_msg=f"{expression} in {short}, vectors")


def _short(array: Array) -> str:
    return next(s for s, d in BY_SHORT.items() if d.np == array.dtype)


def test_bools() -> None:
    a, b = np.array([False, False, True, True]), np.array([False, True, False, True])
    for symbol, want in {"&": a & b, "|": a | b, "^": a ^ b, "==": a == b, "!=": a != b}.items():
        scalar, vector = np.empty(4, bool), np.empty(4, bool)
        run(binary_kernel(f"(%a {symbol} not(not(%b)))", "bool", 4, "bool"), a, b, scalar, vector)
        np.testing.assert_array_equal(scalar, want)
        np.testing.assert_array_equal(vector, want)


@pytest.mark.parametrize("target", ["f32", "f64", "i64", "i32", "i8", "u8", "u32", "u64", "bool"])
@pytest.mark.parametrize("source", ["f32", "i64", "i32", "u8", "u64", "bool"])
def test_casts(source: str, target: str) -> None:
    x = np.array([0, 1, 2, 100, 1, 3], BY_SHORT[source].np)
    if source[0] in "iu" and target[0] != "f":
        x[-1] = np.iinfo(x.dtype).max  # wraps
    if source == "i64":
        x[-2] = 2**62 + 2**38 + 1  # float64 in between would round it twice
    want = x.astype(BY_SHORT[target].np)
    scalar, vector = np.empty_like(want), np.empty_like(want)
    run(binary_kernel(f"{target}(%a)", source, 6, target), x, x, scalar, vector)
    np.testing.assert_array_equal(scalar, want)
    np.testing.assert_array_equal(vector, want)


def test_float32_is_not_computed_in_float64() -> None:
    out = np.zeros(1, np.float32)
    run("""kernel @f(%x: f32[3], %y: f32[1] out) {
      store %y[0], 0.0
      for %i in 3 {
        store %y[0], (load %y[0] + load %x[%i])
      }
    }""", np.array([1e8, 1.0, -1e8], np.float32), out)  # fmt: skip
    assert out[0] == 0.0


# ---- memory ---------------------------------------------------------------------------------------


def test_guards_read_and_write_nothing() -> None:
    x, y = np.arange(4, dtype=np.float32), np.full(6, 9.0, np.float32)
    run("""kernel @f(%x: f32[4], %y: f32[6] out) {
      for %i in 6 {
        store %y[%i] if (%i > 0), load %x[(%i - 1)] if ((%i >= 1) & (%i < 4))
      }
    }""", x, y)  # fmt: skip
    assert y.tolist() == [9, 0, 1, 2, 0, 0]


def test_vector_masks() -> None:
    x, y = np.arange(10, dtype=np.float32), np.full(10, -1.0, np.float32)
    run("""kernel @f(%x: f32[10], %y: f32[10] out) {
      for %i in 3 {
        let %at = ramp((%i * 4), 4)
        let %inside = (%at < splat(10, 4))
        let %v = load %x[%at] if %inside
        store %y[%at] if %inside, select((%v == splat(5.0, 4)), splat(0.5, 4), (%v * splat(2.0, 4)))
      }
    }""", x, y)  # fmt: skip
    assert y.tolist() == [0, 2, 4, 6, 8, 0.5, 12, 14, 16, 18]


def test_vectors_of_two_dimensional_buffers() -> None:
    x, y = np.arange(12, dtype=np.int32).reshape(3, 4), np.zeros((4, 3), np.int32)
    run("""kernel @f(%x: i32[3,4], %y: i32[4,3] out) {
      for %i in 3 {
        store %y[ramp(0, 4), %i], load %x[%i, ramp(0, 4)]
      }
    }""", x, y)  # fmt: skip
    assert (y == x.T).all()


@pytest.mark.parametrize("space", ["local", "thread", "shared", "global"])
def test_uninitialised_memory_shows(space: str) -> None:
    y, z = np.zeros(1, np.float32), np.zeros(1, np.int64)
    run(f"""kernel @f(%y: f32[1] out, %z: i64[1] out) {{
      alloc {space} %a: f32[2]
      alloc {space} %b: i64[2]
      store %y[0], load %a[1]
      store %z[0], load %b[1]
    }}""", y, z)  # fmt: skip
    assert np.isnan(y[0]) and z[0] == -1


@pytest.mark.parametrize(
    ("statement", "message", "index"),
    [
        ("store %y[(%i + 2)], 0.0", "a store to %y", "4,"),
        ("store %y[(%i - 1)], 0.0", "a store to %y", "-1,"),
        ("store %y[%i], load %x[(%i * 2)]", "a load of %x", "4,"),
        ("store %y[%i], select((%i < 2), load %x[(%i + 2)], 0.0)", "a load of %x", "4,"),
        ("store %y[ramp(%i, 3)], splat(0.0, 3)", "a store to %y", "4,"),
        ("store %y[ramp(0, 4)], load %x[ramp(%i, 4)] if (ramp(%i, 4) < splat(5, 4))", "a load of %x", "4,"),
        ("let %v:2 = %i", "the value of %v", "2,"),
        ("for %j:2 in min(%i, 9) { store %y[0], 0.0 }", "the extent of %j", ""),
    ],
)
def test_out_of_bounds_is_reported(statement: str, message: str, index: str) -> None:
    text = f"kernel @victim(%x: f32[4], %y: f32[4] out) {{\n  for %i in 4 {{\n    {statement}\n  }}\n}}"
    got = fails("GT823", text, np.zeros(4, np.float32), np.zeros(4, np.float32))
    assert f"IRError GT823: {message} is out of bounds in kernel @victim" in got
    assert f"statement  {statement.split(' {')[0]}" in got
    assert f"index      {index}" in got


def test_wrong_calls_are_reported() -> None:
    text = "kernel @f(%x: f32[4], %y: f32[4] out) {\n  store %y[0], load %x[0]\n}"
    x = np.zeros(4, np.float32)
    assert "has 2 parameters, got 1 arrays" in fails("GT822", text, x)
    assert "%x of kernel @f is float32 with 4 elements, got float64 with 4" in fails("GT822", text, np.zeros(4), x)
    assert "got float32 with 3" in fails("GT822", text, x[:3], x)
    assert "store to %x" in fails("GT822", text.replace("store %y", "store %x"), x, x)
    assert "store to %y" in fails("GT822", text.replace("load %x[0]", "1:i32"), x, x)
    with pytest.raises(ValueError, match="expected some of"):
        run(text, x, x, orders=("sideways",))


def test_results_go_into_arrays_of_any_layout() -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((3, 2), np.float32).T
    run("kernel @f(%x: f32[6], %y: f32[6] out) {\n  for %i in 6 {\n    store %y[%i], load %x[%i]\n  }\n}", x, y)
    assert (x == y).all()


# ---- threads --------------------------------------------------------------------------------------

ROW_SUM = """kernel @row_sum(%x: f32[3,100], %y: f32[3] out) {
  block.x %b in 3 {
    alloc shared %s: f32[32]
    thread.x %t in 32 {
      alloc local %a: f32[]
      store %a[], 0.0
      for %j in 4 {
        let %k = ((%j * 32) + %t)
        store %a[], (load %a[] + load %x[%b, %k] if (%k < 100))
      }
      store %s[%t], load %a[]
      barrier
      for %r in 5 {
        let %w = (16 >> %r)
        if (%t < %w) {
          store %s[%t], (load %s[%t] + load %s[(%t + %w)])
        }
        barrier
      }
      if (%t == 0) {
        store %y[%b], load %s[0]
      }
    }
  }
}
"""


def row_sum_arrays() -> tuple[Array, Array]:
    x = np.random.default_rng(0).random((3, 100)).astype(np.float32)
    return x, np.zeros(3, np.float32)


def test_threads_meet_at_barriers() -> None:
    x, y = row_sum_arrays()
    run(ROW_SUM, x, y)
    np.testing.assert_allclose(y, x.sum(1), rtol=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_barrier_is_reported(which: int) -> None:
    before, middle, after = ROW_SUM.split("barrier")
    text = f"{before}{middle}barrier{after}" if which == 0 else f"{before}barrier{middle}{after}"
    got = fails("GT824", text, *row_sum_arrays())
    assert "the result of kernel @row_sum depends on the order of its threads" in got
    assert "%y[" in got and "in forward order" in got and "a barrier is missing" in got


def test_one_order_alone_may_hide_it() -> None:
    """In reverse order every slot is written before a lower thread reads it: hence both orders."""
    before, middle, after = ROW_SUM.split("barrier")
    run(f"{before}{middle}barrier{after}", *row_sum_arrays(), orders=("reverse",))


def test_a_divergent_barrier_is_reported() -> None:
    text = ROW_SUM.replace("        }\n        barrier\n", "          barrier\n        }\n")
    got = fails("GT824", text, *row_sum_arrays())
    assert "the threads of a block reach different barriers in kernel @row_sum" in got
    assert "thread [0] waits at barrier 2, in `if (%t < %w)`" in got
    assert "thread [16] ended" in got


def test_two_barriers_are_not_one() -> None:
    got = fails("GT824", """kernel @f(%y: f32[4] out) {
      block.x %b in 1 {
        thread.x %t in 4 {
          if (%t < 2) {
            barrier
          }
          if (%t >= 2) {
            barrier
          }
          store %y[%t], 0.0
        }
      }
    }""", np.zeros(4, np.float32))  # fmt: skip
    assert "barrier 1, in `if (%t < 2)`" in got and "barrier 2, in `if (%t >= 2)`" in got


def test_local_memory_is_the_threads_own_and_shared_memory_the_blocks() -> None:
    y = np.zeros((2, 2, 3), np.int64)
    run("""kernel @f(%y: i64[2,2,3] out) {
      block.x %b in 2 {
        alloc shared %s: i64[2,3]
        thread.y %u in 2 {
          thread.x %t in 3 {
            alloc local %mine: i64[]
            store %mine[], (((%b * 100) + (%u * 10)) + %t)
            store %s[%u, %t], load %mine[]
            barrier
            store %y[%b, %u, %t], ((load %s[(1 - %u), (2 - %t)] * 1000) + load %mine[])
          }
        }
      }
    }""", y)  # fmt: skip
    own = np.arange(2)[:, None, None] * 100 + np.arange(2)[:, None] * 10 + np.arange(3)
    assert (y == own[:, ::-1, ::-1] * 1000 + own).all()


@pytest.mark.parametrize("kind", ["par", "block.x", "thread.x"])
def test_a_race_between_iterations_is_reported(kind: str) -> None:
    text = f"kernel @f(%y: i64[1] out) {{\n  {kind} %i in 4 {{\n    store %y[0], %i\n  }}\n}}"
    assert "%y[0] is 3 in forward order, 0 in reverse order" in fails("GT824", text, np.zeros(1, np.int64))


# ---- launches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("thread.x %t in 4 { block.x %b in 4 { barrier } }", "a block loop stands inside of a thread loop"),
        ("block.x %b in 4 { block.x %c in 4 { barrier } }", "a kind of loop occurs twice: block.x, block.x"),
        ("block.x %b in 4 { barrier\n thread.x %t in 4 { barrier } }", "neighbours other than let and alloc"),
        ("block.x %b in 4 { for %i in 3 { thread.x %t in 4 { barrier } } }", "are not one chain"),
        ("block.x %b in 4 { thread.x %t in 2048 { barrier } }", "2048 threads in a block (at most 1024)"),
        ("block.y %b in 65536 { thread.x %t in 4 { barrier } }", "the grid (1, 65536, 1)"),
        ("block.x %b in 4 { thread.x %t in %b { barrier } }", "an extent is not constant"),
        ("thread.x %t in 4 { alloc shared %s: f32[4] }", "shared memory is allocated inside of a thread loop"),
    ],
)
def test_a_launch_is_one_chain_of_loops(body: str, message: str) -> None:
    with pytest.raises(IRError, match="kernel @f cannot be launched") as caught:
        launch_of(parse_kernel(f"kernel @f() {{ {body} }}"))
    assert caught.value.code == "GT825" and message in str(caught.value)


def test_a_kernel_without_mapped_loops_has_no_launch() -> None:
    assert launch_of(parse_kernel("kernel @f() { par %i in 4 { barrier } }")) is None
