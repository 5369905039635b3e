"""What is too large for the caches: outputs written past them, rows asked for ahead, and divisions by one number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.program import schedule_graph
from graphtorch.codegen.streams import streamed
from graphtorch.codegen.target import host_target
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.text import parse_graph
from graphtorch.runtime.interp import run_kernel
from tests.codegen.test_emit_llvm import machine_code, run_native

F = nn.functional
HOST = host_target()
FUSED = pytest.mark.skipif(not HOST.fused, reason="for CPUs with fused multiply-add")
#: elements of float32 that are as many bytes as is worth it on any machine
MANY = 4 * 1024 * 1024


def optimized(function: Callable[..., Any], *shape: int) -> Graph:
    return run_passes(gt.trace(function, gt.TensorSpec(shape, gt.float32)), OPTIMIZE)


def kernels(function: Callable[..., Any], *shape: int) -> list[str]:
    return [str(launch.kernel) for launch in schedule_graph(optimized(function, *shape), HOST)]


def streams(function: Callable[..., Any], *shape: int) -> int:
    return sum(kernel.count(" stream") for kernel in kernels(function, *shape or (4099, 1031)))


# ---- what is a stream -------------------------------------------------------------------------------


def test_a_large_output_is_a_stream() -> None:
    assert streams(gt.exp) == 1
    assert streams(lambda x: (gt.exp(x), x + 1)) == 2


def test_a_small_output_is_none() -> None:
    assert streams(gt.exp, 409, 1031) == 0


def test_an_output_in_another_shape_is_a_stream() -> None:
    assert streams(lambda x: gt.exp(x).reshape(1031, 4099)) == 1


def test_an_output_that_is_read_is_none() -> None:
    """By a kernel of its own."""
    assert streams(lambda x: ((y := gt.exp(x)), x.t() @ y)) == 0


def test_an_output_that_its_own_kernel_reads_again_is_none() -> None:
    (kernel,) = kernels(lambda x: ((y := gt.exp(x)), y / y.sum(-1, keepdim=True)), 4099, 1031)
    assert kernel.count(" out") == kernel.count(" stream") == 1


def test_state_is_none() -> None:
    """Its memory is the user's, and may lie anywhere."""
    text = 'graph @g(%x: f32[4099,1031] inout "w") -> () {\n  %0: f32[4099,1031] = exp(%x)\n  update %x <- %0\n  return\n}\n'
    graph = parse_graph(text)
    assert graph.updates
    assert not streamed(graph, HOST)


def test_a_product_is_none() -> None:
    """Its elements are sums that are stored more than once."""
    assert streams(lambda x: x @ x.t(), 4099, 1031) == 0


# ---- what it gives ----------------------------------------------------------------------------------


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "softmax": (lambda x: F.softmax(x, -1), softmax),
    "a chain": (lambda x: x * 2 + gt.exp(x), lambda x: x * 2 + np.exp(x)),
    "a condition": (lambda x: x > 0.25, lambda x: x > 0.25),
    "in another dtype": (lambda x: x.to(gt.float64) * 3, lambda x: x.astype(np.float64) * 3),
    "transposed": (lambda x: x.reshape(-1, 1).t() * 2 + 1, lambda x: x.reshape(1, -1) * 2 + 1),
    "two": (lambda x: (x + 1, gt.exp(x)), lambda x: (x + 1, np.exp(x))),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4099, 1032), (1, MANY + 19)])
@pytest.mark.parametrize("name", CASES)
def test_values(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Rows of whole vectors, and rows that begin anywhere."""
    ours, reference = CASES[name]
    x = np.random.default_rng(0).standard_normal(shape, dtype)
    x.flat[:3] = [np.inf, -np.inf, np.nan] if name != "softmax" else [3, 2, 1]
    compiled, tolerance = gt.compile(ours), 1e-5 if dtype is np.float32 else 1e-12
    for _ in range(2):
        got, want = compiled(gt.tensor(x)), reference(x)
        many = isinstance(want, tuple)
        for g, w in zip(got if many else (got,), want if many else (want,), strict=True):
            assert g.numpy().dtype == w.dtype
            np.testing.assert_allclose(g.numpy(), w, rtol=tolerance, atol=tolerance)


ROWS = """kernel @f(%x: f32[5,COLUMNS], %y: f32[5,COLUMNS] stream) {
  par %i in 5 {
    for %k in VECTORS {
      prefetch %x[(%i + 1), (%k * 8)]
      vec %l in 8 { store %y[%i, ((%k * 8) + %l)], (load %x[%i, ((%k * 8) + %l)] + 1.0) }
    }
  }
}"""


@pytest.mark.parametrize(("columns", "past"), [(24, True), (28, True), (26, False)])
def test_stores_past_the_caches_are_aligned(columns: int, past: bool) -> None:
    """Rows of 28 begin at whole 16 bytes, rows of 26 do not."""
    kernel = parse_kernel(ROWS.replace("COLUMNS", str(columns)).replace("VECTORS", str(columns // 8)))
    x = np.random.default_rng(0).standard_normal((5, columns)).astype(np.float32)
    want = np.full_like(x, 7)
    want[:, : columns // 8 * 8] = x[:, : columns // 8 * 8] + 1
    for run in (run_native, run_kernel):
        got = np.full_like(x, 7)
        run(kernel, [x, got])
        np.testing.assert_array_equal(got, want)
    if HOST.triple.startswith("x86_64"):
        text = machine_code(kernel)
        assert bool(re.search(r"v?movnt", text)) == past
        assert "prefetch" in text


def test_rows_of_several_passes_ask_for_the_next_row() -> None:
    (far,) = kernels(lambda x: F.softmax(x, -1), 1031, 1032)
    (near,) = kernels(lambda x: F.softmax(x, -1), 17, 1032)
    assert "prefetch %a0[" in far
    assert "prefetch" not in near


# ---- divisions by one number ------------------------------------------------------------------------

DIVIDE = """kernel @f(%x: F[4096], %d: F[512], %y: F[4096] out) {
  for %i in 512 {
    let %v = load %d[%i]
    for %k in 1 { vec %l in 8 { store %y[((%i * 8) + (%k + %l))], (load %x[((%i * 8) + (%k + %l))] / %v) } }
  }
}"""


def divide(x: Any, d: Any) -> Any:
    """Of eight numbers by each of ``d``, natively."""
    kernel = parse_kernel(DIVIDE.replace("F[", f"f{8 * x.itemsize}["))
    out = np.empty_like(x)
    run_native(kernel, [x, d, out])
    return out


@FUSED
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_are_rounded_once(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = (rng.uniform(0.5, 1, 4096) * 2.0 ** rng.integers(-50, 50, 4096) * rng.choice([-1, 1], 4096)).astype(dtype)
        d = (rng.uniform(0.5, 1, 512) * 2.0 ** rng.integers(-50, 50, 512) * rng.choice([-1, 1], 512)).astype(dtype)
        d[::2] = np.nextafter(dtype(2), dtype(0)) - np.finfo(dtype).eps * rng.integers(0, 99, 256).astype(dtype)
        np.testing.assert_array_equal(divide(x, d), x / np.repeat(d, 8))


@FUSED
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_of_special_values(dtype: Any) -> None:
    info = np.finfo(dtype)
    least, most = info.smallest_subnormal, info.max
    values = [
        0.0,
        -0.0,
        1,
        -1,
        49,
        math.inf,
        -math.inf,
        math.nan,
        info.tiny,
        least,
        most,
        -most,
        3 * least,
        1 / info.tiny,
    ]
    pairs = np.array([(a, b) for a in values for b in values], dtype)
    d = np.resize(pairs[:, 1], 512)
    x = np.repeat(np.resize(pairs[:, 0], 512), 8)
    with np.errstate(all="ignore"):
        want = x / np.repeat(d, 8)
        got = divide(x, d)
        near = np.abs(want) < info.tiny  # rounded twice
        np.testing.assert_array_equal(got[~near], want[~near])
        np.testing.assert_allclose(got[near], want[near], rtol=0, atol=least)
    np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


def test_a_division_by_what_changes_is_one() -> None:
    changing = (
        DIVIDE.replace("load %d[%i]\n", "load %d[%i]\n").replace("/ %v", "/ load %d[(%k + %i)]").replace("F[", "f32[")
    )
    assert not re.search(r"vfn?m(add|sub)", machine_code(parse_kernel(changing)))
    if HOST.fused and HOST.triple.startswith("x86_64"):
        assert re.search(r"vfn?m(add|sub)", machine_code(parse_kernel(DIVIDE.replace("F[", "f32["))))
