"""Elements at a stride of a few: loads by whole vectors and shuffles, stores zipped into dense ones, rows by remainder."""

from __future__ import annotations

import ctypes
import mmap
import random
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.kernel_ir import Kernel, Param, Store, loop, store, walk
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.schedule.periodic import period
from graphtorch.codegen.target import host_target
from graphtorch.ir.expr import Buffer, Expr, Load, Ramp, Var, binary
from graphtorch.ir.types import float32, int64
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, nest_of, reference, run_op_kernel, type_of
from tests.codegen.test_emit_llvm import machine_code, run_native

DTYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "u8": np.uint8}


def fenced(array: np.ndarray, side: str) -> np.ndarray:
    """A copy that begins or ends at the edge of a page, next to one that nobody may read."""
    page = mmap.PAGESIZE
    pages = mmap.mmap(-1, 3 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    for number in (0, 2):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + number * page), page, 0) == 0
    offset = page if side == "before" else 2 * page - array.nbytes
    copy = np.frombuffer(pages, array.dtype, array.size, offset)
    copy[:] = array
    return copy


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_loads_at_a_stride_reach_from_the_first_element_to_the_last(
    lanes: int, step: int, dtype: str, side: str
) -> None:
    span = abs(step) * (lanes - 1) + 1
    first = span - 1 if step < 0 else 0
    text = f"""kernel @f(%x: {dtype}[{span}], %y: {dtype}[{lanes}] out) {{
      vec %l in {lanes} {{ store %y[%l], load %x[((%l * {step}) + {first})] }}
    }}"""
    kernel = legalize(parse_kernel(text))
    assert same_kernel(parse_kernel(print_kernel(kernel)), kernel)
    assert f"ramp({first}, {lanes}{'' if step == 1 else f', {step}'})" in print_kernel(kernel)
    x = fenced((np.arange(span) % 90).astype(DTYPES[dtype]), side)
    for run, k in ((run_kernel, kernel), (run_native, parse_kernel(text))):
        y = np.full(lanes, 77, DTYPES[dtype])
        run(k, [x, y])
        np.testing.assert_array_equal(y, x[::step])


def test_a_load_of_every_second_element_is_no_gather() -> None:
    code = machine_code(parse_kernel("""kernel @f(%x: f32[64], %y: f32[32] out) {
      for %i in 4 { vec %l in 8 { store %y[((%i * 8) + %l)], load %x[(((%i * 8) + %l) * 2)] } }
    }"""))  # fmt: skip
    assert "shuf" in code or "perm" in code or "uzp1" in code
    assert "vinsertps" not in code and "vgather" not in code


@pytest.mark.parametrize("step", [2, 3, 4, 8])
@pytest.mark.parametrize("order", ["up", "down"])
def test_stores_that_fill_each_other_s_gaps(step: int, order: str) -> None:
    x, y = Buffer("x", (16 * step,), float32), Buffer("y", (16 * step,), float32)
    offsets = range(step) if order == "up" else reversed(range(step))
    places = list(offsets)

    def element(i: Expr) -> list[Any]:
        return [store(y, (i * step + r,), Load(x, (i + 16 * r,)) * 2.0) for r in places]

    body = loop("v", 2, lambda v: loop("i", 8, lambda i: element(v * 8 + i), "vec"))
    kernel = Kernel("f", (Param(x, "in"), Param(y, "out")), (body,))
    stores = [s for s in walk(legalize(kernel).body) if isinstance(s, Store)]
    dense = [isinstance(s.indices[0], Ramp) and s.indices[0].step == 1 for s in stores]
    assert len(stores) == step and all(dense) == (step in (2, 4) and order == "up")
    given = np.arange(16 * step, dtype=np.float32)
    expected = 2 * given.reshape(step, 16).T.ravel()
    for run, k in ((run_kernel, kernel), (run_kernel, legalize(kernel)), (run_native, kernel)):
        got = np.full(16 * step, np.nan, np.float32)
        run(k, [given, got])
        np.testing.assert_array_equal(got, expected)


def test_stores_of_other_arrays_or_places_are_left_alone() -> None:
    text = """kernel @f(%x: f32[8], %y: f32[16] out, %z: f32[17] out) {
      vec %i in 8 {
        store %y[(%i * 2)], load %x[%i]
        store %z[((%i * 2) + 1)], (load %x[%i] + 1.0)
        store %y[((%i * 2) + 1)], (load %x[%i] + 2.0)
        store %z[((%i * 2) + 2)], (load %x[%i] + 3.0)
      }
    }"""
    kernel = parse_kernel(text)
    x = np.arange(8, dtype=np.float32)
    for run, k in ((run_kernel, legalize(kernel)), (run_native, kernel)):
        y, z = np.zeros(16, np.float32), np.zeros(17, np.float32)
        run(k, [x, y, z])
        np.testing.assert_array_equal(y, np.stack([x, x + 2], 1).ravel())
        np.testing.assert_array_equal(z, [0, *np.stack([x + 1, x + 3], 1).ravel()])


def test_stores_that_read_each_other_s_elements_stay_in_order() -> None:
    text = """kernel @f(%y: f32[16] inout) {
      vec %i in 8 {
        store %y[(%i * 2)], 5.0
        store %y[((%i * 2) + 1)], (load %y[(%i * 2)] + 200.0)
      }
    }"""
    kernel = parse_kernel(text)
    for run, k in ((run_kernel, kernel), (run_kernel, legalize(kernel)), (run_native, kernel)):
        y = np.arange(16, dtype=np.float32)
        run(k, [y])
        np.testing.assert_array_equal(y, [5, 205] * 8)


def test_periods() -> None:
    i, j = Var("i", int64, 20), Var("j", int64, 9)
    assert period([i // 2 + j], i) == 2
    assert period([(i + 1 - j) % 4 + (i // 2)], i) == 4
    assert period([(i + j) // 3], i) == 1
    assert period([i // 2 + (i % 3)], i) == 1
    assert period([binary("floordiv", i, j + 1)], i) == 1
    assert period([i + j // 2], i) == 1
    assert period([j // 4], j) == 4 and period([Var("k", int64, 7) // 4], i) == 1
    short = Var("s", int64, 3)
    assert period([short // 2], short) == 1


def pooling(seed: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    draw = random.Random(seed)
    kernel = draw.choice([(2, 2), (3, 3), (2, 3), (4, 4), (1, 4)])
    stride = draw.choice([(2, 2), (1, 2), (2, 4), (4, 4), (3, 3), (2, 1)])
    padding = tuple(draw.choice([0, k // 2]) for k in kernel)
    size = draw.choice([8, 9, 14]), draw.choice([8, 9, 16, 17, 31, 33, 35])
    options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": (1, draw.choice([1, 1, 2]))}
    return (2, 3, *size), options


@pytest.mark.parametrize("seed", range(24))
def test_gradients_of_pooling(seed: int) -> None:
    """Against ref, as scheduled for the host, by the interpreter."""
    shape, options = pooling(seed)
    x = np.random.default_rng(seed).standard_normal(shape, np.float32)
    values, window = reference("max_pool", x, **options, ceil_mode=False)
    for got, want in zip(
        run_op_kernel(schedule_cpu(nest_of("max_pool", type_of(x), **options, ceil_mode=False), host_target()), x),
        (values, window), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(got.reshape(want.shape), want)
    g = np.random.default_rng(seed + 1).standard_normal(values.shape, np.float32)
    attrs = options | {"size": shape[2:]}
    (expected,) = reference("max_pool_grad", g, window, **attrs)
    kernel = schedule_cpu(nest_of("max_pool_grad", type_of(g), type_of(window), **attrs), host_target())
    for k in (kernel, legalize(kernel)):
        (got,) = run_op_kernel(k, g, window)
        np.testing.assert_allclose(got.reshape(shape), expected, rtol=1e-6, atol=1e-6)


def test_a_row_that_halves_its_index_is_read_and_written_in_vectors() -> None:
    options = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "size": (8, 32)}
    window = type_of(np.zeros((1, 2, 4, 16), np.int32))
    kernel = legalize(schedule_cpu(nest_of("max_pool_grad", f32(1, 2, 4, 16), window, **options), host_target()))
    stores = [s for s in walk(kernel.body) if isinstance(s, Store)]
    assert stores and all(isinstance(s.indices[0], Ramp) and s.indices[0].step == 1 for s in stores)


def test_pooling_whose_indices_nobody_asks_for_has_none() -> None:
    """Compiled, with nan, infinities and ties; the maximum of a window of -inf is -inf."""
    x = np.random.default_rng(3).integers(-3, 3, (2, 3, 13, 37)).astype(np.float32)
    x[0, 0, 5, 6], x[1, 2, 7:9, 10:13], x[0, 1, 2, 3] = np.nan, -np.inf, np.inf
    f = gt.compile(lambda v: gt.nn.functional.max_pool2d(v, 3, 2, 1))
    with gt.no_grad():
        got = f(gt.from_numpy(x)).numpy()
    assert "i32" not in f.stages[0]["kernels"]
    expected, _ = reference("max_pool", x, kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1), ceil_mode=False)  # fmt: skip
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("indices", [False, True])
def test_of_zeros_of_both_signs_the_first_is_the_maximum_of_a_window(indices: bool) -> None:
    x = np.zeros((1, 2, 4, 34), np.float32)
    x[0, 0, :, 1::2] = x[0, 1, :, ::2] = -0.0
    f = gt.compile(lambda v: gt.nn.functional.max_pool2d(v, 2))
    got = f(gt.from_numpy(x).requires_grad_(indices)).detach().numpy()
    np.testing.assert_array_equal(np.signbit(got[0]), [np.zeros((2, 17), bool), np.ones((2, 17), bool)])


def test_a_window_of_nothing_but_padding_has_no_index() -> None:
    """Dilated beyond the operand: its maximum is -inf, and its gradient goes nowhere."""
    options = {"kernel": (1, 2), "stride": (1, 1), "padding": (0, 1), "dilation": (1, 3)}
    x = np.arange(1, 11, dtype=np.float32).reshape(1, 1, 5, 2)
    values, window = reference("max_pool", x, **options, ceil_mode=False)
    assert (window == -1).all() and np.isneginf(values).all()
    kernel = schedule_cpu(nest_of("max_pool", type_of(x), **options, ceil_mode=False), host_target())
    for got, want in zip(run_op_kernel(kernel, x), (values, window), strict=True):
        np.testing.assert_array_equal(got.reshape(want.shape), want)
    for name, first, attrs in (("max_pool_grad", values, {"size": (5, 2)}), ("max_pool_gather", x, {})):
        kernel = schedule_cpu(nest_of(name, type_of(first), type_of(window), **options, **attrs), host_target())
        (got,) = run_op_kernel(kernel, first, window)
        assert not got.any()
        assert not reference(name, first, window, **options, **attrs)[0].any()


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_extrema_of_specials(name: str, dtype: str) -> None:
    specials = np.array([np.nan, -np.inf, np.inf, -1.0, 0.0, 1.0, 2.0, np.nan], DTYPES[dtype])
    a, b = (m.ravel().copy() for m in np.meshgrid(specials, specials))
    kernel = parse_kernel(f"""kernel @f(%a: {dtype}[64], %b: {dtype}[64], %y: {dtype}[64] out) {{
      for %i in 16 {{ vec %l in 4 {{
        store %y[((%i * 4) + %l)], {name}(load %a[((%i * 4) + %l)], load %b[((%i * 4) + %l)])
      }} }}
    }}""")
    got = np.zeros(64, DTYPES[dtype])
    run_native(kernel, [a, b, got])
    np.testing.assert_array_equal(got, getattr(np, f"{name}imum")(a, b))
