"""Kernels on a GPU against each op's `ref`, and every function of CUDA C against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.cuda_tables import TABLES
from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.kernel_grammar import INFIX
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.expr import COMPARE, UNARY
from graphtorch.ir.types import BY_SHORT, bfloat16, bool_, float16, float32, float64
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, kernels_of, nest_of, random_array, reference, run_graph_kernels
from tests.codegen.test_attention_cuda import attention
from tests.codegen.test_attention_cuda import check as check_attention
from tests.codegen.test_attention_cuda import operands_of as attention_operands
from tests.codegen.test_cuda_mma import CONVS, FORMS, conv_kernel, exact, product_case
from tests.codegen.test_schedule_cuda import (
    CASES,
    CONV,
    FUSED,
    Case,
    case,
    cuda_kernel,
    label,
    operands_of,
    optimized,
    typed,
)
from tests.cuda_emulator.test_attention import CASES as ATTENTIONS
from tests.gpu.driver import Gpu
from tests.gpu.harness import Loaded, close, load_kernels

Array = Any
pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def zoo(device: Gpu) -> dict[str, Loaded]:
    """All cases, compiled together."""
    loaded = load_kernels(device, [cuda_kernel(c) for c in CASES])
    return {str(c): k for c, k in zip(CASES, loaded, strict=True)}


@pytest.mark.parametrize("c", CASES, ids=label)
def test_kernels_agree_with_ref(c: Case, zoo: dict[str, Loaded], gpu: Gpu) -> None:
    arrays = operands_of(c)
    results = zoo[str(c)](*arrays)
    for got, want in zip(results, reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)


#: products of float32 as such
FLOAT32 = CudaTarget(tf32_conv=False)
#: what the interpreter takes too long for: schedules that only large sizes get, and edges of them
SAME = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
BIG = [
    case("dot", f32(2000, 260), f32(260, 1700)), case("dot", f32(1537, 77), f32(77, 1601)),
    case("dot", f32(3, 900, 132), f32(3, 132, 700)), case("dot", f32(30, 4000), f32(4000, 500)),
    case("dot", f32(600, 4000), f32(4000, 31)),
    case("conv", f32(8, 32, 33, 34), f32(64, 32, 3, 3), **CONV),
    case("conv", f32(8, 64, 23, 25), f32(96, 64, 3, 3), **SAME), case("conv", f32(5, 3, 40, 38), f32(70, 3, 7, 7), **CONV),
    case("conv_input_grad", f32(8, 64, 23, 25), f32(64, 96, 3, 3), size=(23, 25), **SAME),
    case("conv_input_grad", f32(8, 40, 12, 19), f32(40, 33, 3, 3), size=(23, 19), stride=(2, 1), padding=(1, 1),
         dilation=(1, 1), groups=1),
    case("conv_weight_grad", f32(16, 64, 23, 25), f32(16, 96, 23, 25), kernel=(3, 3), **SAME),
    case("conv_weight_grad", f32(32, 40, 18, 17), f32(32, 24, 18, 15), kernel=(3, 3), stride=(1, 1), padding=(1, 2),
         dilation=(1, 1), groups=1),
    case("reduce_sum", f32(3000, 700), dims=(0,)), case("reduce_sum", f32(1 << 20), dims=(0,)),
    case("reduce_argmax", f32(1 << 18), dim=0), case("reduce_max", f32(33, 40, 900), dims=(0, 2)),
    case("exp", f32(600, 1000)), case("add", typed(float64, 600, 500), typed(float64, 600, 500)),
    case("where", typed(bool_, 600, 500), f32(600, 500), f32(600, 500)),
    case("permute", f32(700, 500), dims=(1, 0)),
]  # fmt: skip


@pytest.mark.parametrize("c", BIG, ids=label)
def test_large_kernels_agree_with_ref_in_float64(c: Case, gpu: Gpu) -> None:
    arrays = operands_of(c)
    wider = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
    (kernel,) = load_kernels(gpu, [cuda_kernel(c, FLOAT32)])
    for got, want in zip(kernel(*arrays), reference(c[0], *wider, **c[2]), strict=True):
        assert close(got.reshape(want.shape), want, relative=1e-6)


#: by tensor cores: tiles of all shapes, and sums in parts
MMA_CONVS = [*CONVS, *(c for c in BIG if c[0].startswith("conv"))]


@pytest.mark.parametrize("c", MMA_CONVS, ids=label)
def test_convolutions_by_tensor_cores_agree_with_float64(c: Case, gpu: Gpu) -> None:
    arrays = operands_of(c)
    (kernel,) = load_kernels(gpu, [conv_kernel(c)])
    (want,) = reference(c[0], *map(exact, arrays), **c[2])
    assert close(kernel(*arrays)[0].reshape(want.shape), want, relative=2e-6)


@pytest.mark.parametrize("dtype", [float32, bfloat16, float16], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_products_by_tensor_cores_agree_with_float64(form: str, dtype: Any, gpu: Gpu) -> None:
    cases = [product_case(form, dtype, *s) for s in ((700, 1064, 424), (333, 597, 141), (96, 9000, 160))]
    tolerance = {float32: 2e-6, bfloat16: 3e-3, float16: 4e-4}[dtype]
    for (_, operands, want), loaded in zip(cases, load_kernels(gpu, [c[0] for c in cases]), strict=True):
        assert close(loaded(*operands)[0].reshape(want.shape), want, relative=tolerance)


@pytest.mark.parametrize("c", [*ATTENTIONS, attention((4, 3), 500, 300, 64, 64, causal=True)], ids=label)
def test_attention_agrees_with_float64(c: Case, gpu: Gpu) -> None:
    arrays = attention_operands(c)
    (kernel,) = load_kernels(gpu, [cuda_kernel(c)])
    check_attention(c, arrays, kernel(*arrays), 1e-5)


def test_nan_reaches_the_result(gpu: Gpu) -> None:
    x = random_array(f32(3, 200))
    x[1, 150] = np.nan
    for name, attrs in [("reduce_max", {"dims": (1,)}), ("reduce_argmax", {"dim": 1}), ("relu", {})]:
        want = reference(name, x, **attrs)[0]
        (kernel,) = load_kernels(gpu, [schedule_cuda(nest_of(name, f32(3, 200), **attrs))])  # type: ignore[arg-type]
        np.testing.assert_array_equal(kernel(x)[0].reshape(want.shape), want)


@pytest.mark.parametrize(("function", "ref", "types"), FUSED, ids=["linear", "softmax"])
def test_fused_kernels_agree(function: Any, ref: Any, types: Any, gpu: Gpu) -> None:
    graph = optimized(function, *types)
    arrays = [random_array(t, i) for i, t in enumerate(types)]
    kernels = kernels_of(graph, schedule_cuda)  # type: ignore[arg-type]
    loaded = load_kernels(gpu, [k for _, k in kernels])
    values = dict(zip(graph.params, arrays, strict=True))
    for (lowered, _), kernel in zip(kernels, loaded, strict=True):
        results = kernel(*(values[o] for o in lowered.operands))
        for value, got in zip(lowered.results, results, strict=True):
            values[value] = got.reshape(value.type.shape)
    got = values[graph.outputs[0]]
    np.testing.assert_allclose(got, ref(*arrays), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(got, run_graph_kernels(graph, kernels, *arrays)[0], rtol=2e-6, atol=2e-6)


# ---- functions ------------------------------------------------------------------------------------

DTYPES = ("f32", "f64", "i64", "i32", "i16", "i8", "u8", "bool")
COUNT = 64
#: interpreted in numpy's functions, which round otherwise than CUDA's: in units of the dtype's precision
ULPS = 16
#: of these the second operand has to be small and not negative
SMALL_OPERAND = ("shl", "shr", "pow")


def function_kernel(dtype: str, functions: list[str]) -> Kernel:
    """One row of results for each function."""
    lines = ["let %a = load %x[%i]", "let %b = load %z[%i]"]
    for n, fn in enumerate(functions):
        call = f"{fn}(%a)" if fn in UNARY else f"(%a {INFIX[fn]} %b)" if fn in INFIX else f"{fn}(%a, %b)"
        logical = fn in COMPARE or (fn == "not" and dtype == "bool")
        lines.append(f"store {'%t' if logical else '%y'}[{n}, %i], {call}")
    shape = f"{len(functions)},{COUNT}"
    params = f"%x: {dtype}[{COUNT}], %z: {dtype}[{COUNT}], %y: {dtype}[{shape}] out, %t: bool[{shape}] out"
    return parse_kernel(f"kernel @f_{dtype}({params}) {{ block.x %i in {COUNT} {{\n" + "\n".join(lines) + "\n}}")


def edge_cases(dtype: str, small: bool) -> tuple[Array, Array]:
    """Pairs of values: random ones, and the dtype's extremes; the second ones from 0 to 6 if ``small``."""
    kind = BY_SHORT[dtype].np
    rng = np.random.default_rng(11)
    if kind.kind == "f":
        special = np.array([0, -0.0, 1, -1, 0.5, 2, np.inf, -np.inf, np.nan, 1e-30, 7.5], kind)
        x, z = rng.normal(0, 3, COUNT).astype(kind), rng.normal(0, 3, COUNT).astype(kind)
    elif kind.kind == "b":
        return rng.random(COUNT) < 0.5, rng.random(COUNT) < 0.5
    else:
        info = np.iinfo(kind)
        special = np.array([0, 1, 2, info.max, info.min, info.max - 1], kind)
        x, z = (rng.integers(info.min, info.max, COUNT, kind) for _ in range(2))
        z[:40] = rng.integers(0, 7, 40) if info.min == 0 else rng.integers(-6, 7, 40)
    pairs = [(a, b) for a in special for b in special][-24:]
    x[-len(pairs) :], z[-len(pairs) :] = zip(*pairs, strict=True)
    return x, (z % kind.type(7)).astype(kind) if small else z


def groups() -> list[tuple[str, bool]]:
    return [(d, small) for d in DTYPES for small in (False, True) if functions_of(d, small)]


def functions_of(dtype: str, small: bool) -> list[str]:
    return [f for f in TABLES[dtype[0]] if (dtype[0] != "f" and f in SMALL_OPERAND) == small]


@pytest.mark.parametrize(("dtype", "small"), groups())
def test_functions_agree_with_the_interpreter(dtype: str, small: bool, gpu: Gpu) -> None:
    functions = functions_of(dtype, small)
    kernel, (x, z) = function_kernel(dtype, functions), edge_cases(dtype, small)
    want = [np.full((len(functions), COUNT), 113, t) for t in (x.dtype, np.dtype(bool))]
    run_kernel(kernel, [x, z, *want], orders=("forward",))
    (loaded,) = load_kernels(gpu, [kernel])
    got = loaded(x, z)
    wrong = {}
    for n, fn in enumerate(functions):
        which = int(fn in COMPARE or (fn == "not" and dtype == "bool"))
        bad = differing(got[which][n], want[which][n])
        if bad.size:
            wrong[fn] = [(x[i], z[i], got[which][n][i], want[which][n][i]) for i in bad[:3]]
    assert not wrong, f"(a, b, got, wanted) of functions that differ: {wrong}"


def differing(got: Array, want: Array) -> Array:
    if got.dtype.kind != "f":
        return np.flatnonzero(got != want)
    tolerance = ULPS * np.finfo(got.dtype).eps
    return np.flatnonzero(~np.isclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True))
