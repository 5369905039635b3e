"""The CUDA schedule and emitter: kernels run by the interpreter, thread by thread, against each op's `ref`;
their CUDA C is compiled for real where there is an nvcc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen import nvcc
from graphtorch.codegen.cuda_tables import C_TYPES, TABLES
from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.emit_cuda import c_name, cuda_source, emit_cuda, launch_geometry
from graphtorch.codegen.kernel_grammar import INFIX
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Kernel, walk
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.codegen.launch import stages_of, workspaces
from graphtorch.codegen.schedule import cuda_contract, cuda_elements
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.errors import DeviceError, IRError
from graphtorch.ir.expr import COMPARE, UNARY
from graphtorch.ir.graph import Builder, Graph
from graphtorch.ir.graph import Param as GraphParam
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType, bool_, float32, float64, int32, int64, uint8
from tests.codegen.nests import (
    f32,
    kernels_of,
    nest_of,
    random_array,
    reference,
    run_graph_kernels,
    run_op_kernel,
)

Array = Any
Case = tuple[str, tuple[TensorType, ...], dict[str, Any]]
STATE = TensorType((2,), int64)
POOL = {"kernel": (3, 2), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1)}
CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 1}


def case(name: str, *types: TensorType, **attrs: Any) -> Case:
    return name, types, attrs


def typed(dtype: Any, *shape: int) -> TensorType:
    return TensorType(shape, dtype)


ELEMENTWISE = [
    case("relu", f32(5, 7, 11)), case("relu", f32(300)), case("relu", f32()), case("relu", f32(0, 3)),
    case("add", f32(3, 5), f32(3, 5)), case("add", typed(int32, 9), typed(int32, 9)),
    case("mul", typed(int64, 9), typed(int64, 9)), case("maximum", typed(uint8, 9), typed(uint8, 9)),
    case("where", typed(bool_, 4, 9), f32(4, 9), f32(4, 9)), case("logical_and", typed(bool_, 9), typed(bool_, 9)),
    case("cast", f32(4, 9), dtype=int64), case("cast", typed(int64, 4, 9), dtype=float32),
    case("cast", typed(int32, 9), dtype=bool_), case("cast", typed(bool_, 9), dtype=float64),
    case("exp", f32(4, 9)), case("exp", typed(float64, 4, 9)), case("sigmoid", f32(5, 13)), case("erf", f32(9)),
    case("permute", f32(3, 5, 7), dims=(2, 0, 1)), case("permute", f32(3, 5, 7, 2), dims=(0, 2, 1, 3)),
    case("broadcast_to", f32(5, 1), shape=(3, 5, 7)), case("reshape", f32(6, 5), shape=(3, 10)),
    case("slice", f32(9, 13), start=(1, 2), stop=(8, 13), step=(2, 3)),
    case("pad", f32(3, 5), low=(1, 2), high=(0, 3), interior=(0, 0)),
    case("pad", f32(3, 5), low=(1, 0), high=(2, 1), interior=(2, 1)),
    case("random_uniform", STATE, shape=(7, 33), dtype=float32),
    case("random_uniform", STATE, shape=(5,), dtype=float64),
    case("max_pool_gather", f32(2, 3, 7, 8), typed(int32, 2, 3, 3, 4), kernel=(2, 2), stride=(2, 2), padding=(0, 0),
         dilation=(1, 1)),
    case("windows", f32(2, 7, 9), out=(3, 5), **POOL), case("resample", f32(3, 5, 7), dim=2, size=11, kind="cubic", scale=0.7),
    case("resample", f32(3, 5, 7), dim=1, size=3, kind="area", scale=0.0),
]  # fmt: skip
REDUCTIONS = [
    case("reduce_sum", f32(3, 700), dims=(1,)), case("reduce_sum", f32(3, 5, 70), dims=(0, 2)),
    case("reduce_sum", f32(65, 3), dims=(0,)), case("reduce_sum", f32(0, 3), dims=(0,)),
    case("reduce_sum", f32(), dims=()),
    case("reduce_sum", f32(70, 4100), dims=(0,)), case("reduce_sum", typed(int64, 3, 100), dims=(1,)),
    case("reduce_max", f32(4, 33), dims=(1,)), case("reduce_max", f32(4, 257), dims=(0, 1)),
    case("reduce_min", typed(int32, 4, 100), dims=(1,)), case("reduce_argmax", f32(5, 129), dim=1),
    case("reduce_argmax", f32(129, 5), dim=0), case("reduce_argmax", typed(int64, 3, 7), dim=1),
    case("reduce_min_at", f32(5, 129), dim=1), case("reduce_prod", f32(5, 7, 3), dims=(0, 2)),
    case("reduce_sum", f32(20000), dims=(0,)), case("reduce_sum", f32(3000, 5), dims=(0,)),
    case("reduce_argmax", f32(900, 7), dim=0), case("reduce_max", f32(3, 2100, 2), dims=(0, 1)),
    case("cumsum", f32(5, 70), dim=1, reverse=True), case("cummax", f32(9, 5, 2), dim=0),
    case("logcumsumexp", f32(3, 5, 7), dim=1, reverse=False),
    case("max_pool", f32(2, 3, 7, 9), ceil_mode=False, **POOL),
    case("max_pool", f32(1, 2, 20, 18), ceil_mode=True, kernel=(9, 8), stride=(5, 7), padding=(4, 3),
         dilation=(1, 1)),
    case("window_sum", f32(2, 7, 9), out=(4, 5), **POOL), case("window_spread", f32(2, 4, 5), size=(7, 9), **POOL),
    case("fold", f32(2, 4, 5, 3, 3), size=(7, 9), **{k: v for k, v in POOL.items() if k != "kernel"}),
    case("resample_grad", f32(3, 5, 11), dim=2, old=7, size=11, kind="linear", scale=0.7),
    case("max_pool_grad", f32(2, 3, 4, 5), typed(int32, 2, 3, 4, 5), size=(7, 9), **POOL),
]  # fmt: skip
CONTRACTIONS = [
    *(case("dot", f32(m, k), f32(k, n)) for m, k, n in [
        (1, 65, 17), (7, 1, 33), (17, 33, 7), (33, 7, 65), (65, 17, 1), (64, 32, 64), (70, 33, 130), (5, 2100, 9)]),
    case("dot", f32(3, 7, 17), f32(3, 17, 5)), case("dot", f32(2, 3, 33, 7), f32(2, 3, 7, 17)),
    case("dot", typed(float64, 7, 17), typed(float64, 17, 9)),
    case("conv", f32(2, 3, 9, 8), f32(5, 3, 3, 2), **CONV),
    case("conv", f32(2, 4, 9, 8), f32(6, 2, 3, 2), **{**CONV, "groups": 2}),
    case("conv_input_grad", f32(2, 5, 5, 10), f32(5, 3, 3, 2), size=(9, 8), **CONV),
    case("conv_weight_grad", f32(2, 5, 5, 10), f32(2, 3, 9, 8), kernel=(3, 2), **CONV),
]  # fmt: skip
CASES = [*ELEMENTWISE, *REDUCTIONS, *CONTRACTIONS]


def label(c: object) -> str:
    if not (isinstance(c, tuple) and c and isinstance(c[0], str)):
        return ""
    name, types, attrs = c
    return "-".join([name, *map(str, types), *(str(attrs[k]) for k in ("dims", "dim", "groups") if k in attrs)])


def operands_of(c: Case) -> list[Array]:
    name, types, _ = c
    arrays = [random_array(t, i) for i, t in enumerate(types)]
    if name.startswith("max_pool_g"):  # the second operand says which element of each window won
        arrays[1] = winners(c)
    return arrays


def winners(c: Case) -> Array:
    """Positions in windows, all of them inside of the image."""
    _, (first, second), attrs = c
    size = attrs.get("size", first.shape[2:])
    image = random_array(f32(*first.shape[:2], *size), 5)
    window = {k: attrs[k] for k in POOL}
    found = reference("max_pool", image, ceil_mode=False, **window)[1]
    assert found.shape == second.shape
    return found


def cuda_kernel(c: Case, target: CudaTarget | None = None) -> Kernel:
    name, types, attrs = c
    return schedule_cuda(nest_of(name, *types, **attrs), target)


@pytest.mark.parametrize("c", CASES, ids=label)
def test_mapped_kernels_agree_with_ref(c: Case) -> None:
    kernel, arrays = cuda_kernel(c), operands_of(c)
    results = run_op_kernel(kernel, *arrays)
    for got, want in zip(results, reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("c", CASES, ids=label)
def test_text_round_trips_and_schedules_are_deterministic(c: Case) -> None:
    kernel = cuda_kernel(c)
    text = print_kernel(kernel)
    assert same_kernel(parse_kernel(text), kernel)
    assert print_kernel(parse_kernel(text)) == text == print_kernel(cuda_kernel(c))


def test_nan_reaches_the_result() -> None:
    x = random_array(f32(3, 200))
    x[1, 150] = np.nan
    for name, attrs in [("reduce_max", {"dims": (1,)}), ("reduce_argmax", {"dim": 1}), ("relu", {})]:
        want = reference(name, x, **attrs)[0]
        got = run_op_kernel(schedule_cuda(nest_of(name, f32(3, 200), **attrs)), x)[0]
        np.testing.assert_array_equal(got.reshape(want.shape), want)


# ---- the shape of schedules -----------------------------------------------------------------------


def shared_buffers(kernel: Kernel) -> list[tuple[int, ...]]:
    return [s.buffer.shape for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "shared"]


@pytest.mark.parametrize(
    ("c", "grid", "block", "shared"),
    [
        (case("relu", f32(1000, 3)), (12, 1, 1), (256, 1, 1), []),
        (case("relu", f32(5)), (1, 1, 1), (32, 1, 1), []),
        (case("relu", f32(0, 3)), (0, 1, 1), (1, 1, 1), []),
        (case("reduce_sum", f32(3, 700), dims=(1,)), (3, 1, 1), (128, 1, 1), [(1, 128)]),
        (case("reduce_sum", f32(3, 8300), dims=(1,)), (3, 1, 1), (256, 1, 1), [(256,)]),
        (case("reduce_sum", f32(3, 65), dims=(1,)), (3, 1, 1), (64, 1, 1), [(1, 64)]),
        (case("reduce_sum", f32(300, 10), dims=(1,)), (2, 1, 1), (256, 1, 1), []),
        (case("reduce_sum", f32(70, 4100), dims=(0,)), (17, 1, 1), (256, 1, 1), []),
        (case("dot", f32(70, 33), f32(33, 130)), (2, 3, 1), (16, 16, 1), [(2, 16, 68), (2, 16, 68)]),
        (case("dot", f32(3, 20, 9), f32(3, 9, 30)), (2, 2, 3), (16, 16, 1), [(2, 16, 20), (2, 16, 20)]),
        (case("dot", f32(1, 65), f32(65, 17)), (17, 1, 1), (128, 1, 1), [(128,)]),
    ],
    ids=label,
)
def test_launches(c: Case, grid: object, block: object, shared: object) -> None:
    kernel = cuda_kernel(c)
    assert launch_geometry(kernel) == (grid, block)
    assert shared_buffers(kernel) == shared


@pytest.mark.parametrize(
    ("c", "launches", "parts"),
    [
        (case("reduce_sum", f32(20000), dims=(0,)), [((4, 1, 1), (256, 1, 1)), ((1, 1, 1), (32, 1, 1))], 4),
        (case("reduce_sum", f32(3000, 5), dims=(0,)), [((200, 1, 1), (128, 1, 1)), ((5, 1, 1), (64, 1, 1))], 40 * 5),
        (case("dot", f32(5, 2100), f32(2100, 9)), [((1, 1, 7), (16, 16, 1)), ((1, 1, 1), (64, 1, 1))], 7 * 45),
    ],
    ids=label,
)
def test_reductions_to_few_outputs_are_parts_and_then_their_results(c: Case, launches: object, parts: int) -> None:
    kernel = cuda_kernel(c)
    assert [launch_geometry(stage) for stage in stages_of(kernel)] == launches
    assert [b.shape for b in workspaces(kernel)] == [(parts,)]


def test_every_barrier_is_needed() -> None:
    """Taking any one of them out is seen by the interpreter."""
    for c in (case("dot", f32(20, 33), f32(33, 20)), case("reduce_sum", f32(2, 300), dims=(1,))):
        kernel, arrays = cuda_kernel(c), operands_of(c)
        text = print_kernel(kernel)
        count = sum(isinstance(s, Barrier) for s in walk(kernel.body))
        assert count == 2
        for i in range(count):
            pieces = text.split("barrier\n")
            broken = "barrier\n".join(pieces[: i + 1]) + "barrier\n".join(pieces[i + 1 :])
            with pytest.raises(IRError, match="depends on the order of its threads"):
                run_op_kernel(parse_kernel(broken), *arrays)


# ---- what only large sizes get --------------------------------------------------------------------

WIDE = [
    (case("relu", f32(3, 5, 8)), "float4"), (case("add", f32(7, 4), f32(7, 4)), "float4"),
    (case("exp", typed(float64, 3, 6)), "double2"), (case("cast", f32(5, 4), dtype=float64), "double2"),
    (case("where", typed(bool_, 3, 12), f32(3, 12), f32(3, 12)), "uchar4"),
    (case("broadcast_to", f32(5, 1), shape=(3, 5, 8)), "float4"),
    (case("slice", f32(9, 12), start=(1, 4), stop=(8, 12), step=(2, 1)), "float4"),
    (case("random_uniform", STATE, shape=(3, 8), dtype=float32), "float4"),
]  # fmt: skip
NARROW = [
    case("relu", f32(3, 5, 7)), case("slice", f32(9, 12), start=(1, 3), stop=(8, 11), step=(2, 1)),
    case("permute", f32(3, 8), dims=(1, 0)), case("pad", f32(3, 6), low=(0, 1), high=(0, 1), interior=(0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("c", "type_name"), WIDE, ids=label)
def test_a_thread_takes_16_bytes(c: Case, type_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_elements, "LEAST_WIDE", 1)
    assert f"*({type_name}*)&" in emit_cuda(cuda_kernel(c))
    test_mapped_kernels_agree_with_ref(c)
    test_text_round_trips_and_schedules_are_deterministic(c)


@pytest.mark.parametrize("c", NARROW, ids=label)
def test_what_is_not_dense_or_not_aligned_is_taken_one_by_one(c: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_elements, "LEAST_WIDE", 1)
    assert "*)&" not in emit_cuda(cuda_kernel(c))
    test_mapped_kernels_agree_with_ref(c)


@pytest.mark.parametrize(
    "c",
    [
        case("dot", f32(130, 20), f32(20, 136)), case("dot", f32(131, 7), f32(7, 129)),
        case("conv", f32(2, 4, 9, 11), f32(129, 4, 3, 2), **CONV),
    ],
    ids=label,
)  # fmt: skip
def test_tiles_of_128(c: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_contract, "MANY_BLOCKS", 1)
    kernel, arrays = cuda_kernel(c, CudaTarget(tf32_conv=False)), operands_of(c)
    assert (2, 16, 132) in shared_buffers(kernel)
    for got, want in zip(run_op_kernel(kernel, *arrays), reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)


# ---- fusions --------------------------------------------------------------------------------------


def optimized(function: Callable[..., Any], *types: TensorType) -> Graph:
    graph = Graph("fused")
    graph.params = [GraphParam(f"x{i}", t) for i, t in enumerate(types)]
    with Builder(graph):
        graph.outputs = [function(*graph.params)]
    return run_passes(graph, OPTIMIZE_CUDA)


G, F = PUBLIC["gt"], PUBLIC["F"]


def linear(x: Any, w: Any, b: Any) -> Any:
    return G["relu"](F["linear"](x, w, b))


def linear_ref(x: Array, w: Array, b: Array) -> Array:
    return np.maximum(x @ w.T + b, 0)


def softmax(x: Any) -> Any:
    return G["softmax"](x * 2.0, 1)


def softmax_ref(x: Array) -> Array:
    e = np.exp(2 * x - (2 * x).max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


FUSED = [
    (linear, linear_ref, (f32(9, 70), f32(33, 70), f32(33))),
    (softmax, softmax_ref, (f32(4, 77),)),
]


@pytest.mark.parametrize(("function", "ref", "types"), FUSED, ids=["linear", "softmax"])
def test_fused_kernels_agree(function: Any, ref: Any, types: tuple[TensorType, ...]) -> None:
    graph = optimized(function, *types)
    arrays = [random_array(t, i) for i, t in enumerate(types)]
    got = run_graph_kernels(graph, kernels_of(graph, schedule_cuda), *arrays)
    np.testing.assert_allclose(got[0], ref(*arrays), rtol=2e-5, atol=2e-5)


# ---- CUDA C ---------------------------------------------------------------------------------------

GOLDEN = {
    "relu": case("relu", f32(5, 7)),
    "permute": case("permute", f32(3, 5, 7), dims=(2, 0, 1)),
    "pad": case("pad", f32(3, 5), low=(1, 2), high=(0, 3), interior=(1, 0)),
    "reduce_argmax": case("reduce_argmax", f32(5, 129), dim=1),
    "dot": case("dot", f32(65, 33), f32(33, 70)),
    "random_uniform": case("random_uniform", STATE, shape=(5,), dtype=float32),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_cuda(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"kernels/{name}.cu", emit_cuda(cuda_kernel(GOLDEN[name])))


def body_of(text: str) -> str:
    """The CUDA C of a kernel of one thread whose statements are ``text``."""
    params = "%x: f32[8], %n: i64[8], %s: i32[8], %u: u8[8], %y: f32[8] out, %m: i64[8] out, %c: u8[8] out"
    kernel = parse_kernel(f"kernel @f({params}) {{ block.x %b in 8 {{ {text} }} }}")
    return emit_cuda(kernel).partition("blockIdx.x;\n")[2].removesuffix("}\n").strip()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("store %y[%b], load %x[(7 - %b)] if (%b < 4)", "y[b] = (b < 4) ? x[7 - b] : 0.0f;"),
        ("store %y[%b] if (%b < 4), min(load %x[0], -inf)", "if (b < 4) y[b] = gt_min<float>(x[0], (-GT_INF));"),
        ("store %m[%b], (%b // 3)", "m[b] = b / 3;"),
        ("store %m[%b], ((%b - 4) // 3)", "m[b] = gt_floordiv<int>((b - 4), 3);"),
        ("store %m[%b], (load %n[%b] % 3)", "m[b] = gt_mod<i64>(n[b], 3);"),
        ("store %m[%b], (%b * 3000000000)", "m[b] = b * 3000000000ll;"),
        ("store %m[%b], (%b * 2000000000)", "m[b] = (i64)b * 2000000000;"),
        ("store %m[%b], (load %n[%b] + 1)", "m[b] = (i64)((u64)n[b] + (u64)1);"),
        ("store %m[%b], max(%b, load %n[%b])", "m[b] = gt_max<i64>(b, n[b]);"),
        ("store %c[%b], (load %u[%b] + 200:u8)", "c[b] = (u8)((u32)u[b] + (u32)(u8)200);"),
        ("store %m[%b], -9223372036854775808", "m[b] = -9223372036854775807ll - 1;"),
        ("store %y[%b], f32((load %s[%b] != 0:i32))", "y[b] = (float)(s[b] != 0);"),
        ("store %y[%b], pow(load %x[%b], 0.1)", "y[b] = powf(x[b], 0.1f);"),
        ("unroll %i in 2 { barrier }", "#pragma unroll\n  for (int i = 0; i < 2; ++i) {\n    __syncthreads();\n  }"),
        ("let %int:8 = load %n[%b]\n store %m[%int], %b", "const int int_1 = n[b];\n  m[int_1] = b;"),
    ],
)
def test_statements(text: str, want: str) -> None:
    assert body_of(text) == want


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("block.x %b in 2 { store %y[ramp(0, 4)], splat(0.0, 4) }", "GT826", "a vector expression in CUDA code"),
        ("block.x %b in 2 { par %i in 2 { barrier } }", "GT826", "a loop over CPU threads in CUDA code"),
        ("block.x %b in 2 { alloc thread %t: f32[2] }", "GT826", "memory of a CPU thread in CUDA code"),
        ("for %i in 2 { barrier }", "GT825", "kernel @f cannot be launched: it has no block loops"),
    ],
)
def test_what_has_no_cuda_form_is_refused(body: str, code: str, message: str) -> None:
    with pytest.raises(IRError) as caught:
        emit_cuda(parse_kernel(f"kernel @f(%y: f32[8] out) {{ {body} }}"))
    assert caught.value.code == code and message in str(caught.value)


def test_workspaces_are_further_parameters() -> None:
    text = "kernel @f(%y: f32[8] out) { alloc global %w: f64[4]\n block.x %b in 2 { store %w[%b], 0.0:f64 } }"
    assert "(float* __restrict__ y, double* __restrict__ w) {" in emit_cuda(parse_kernel(text))


def test_parameters_that_may_overlap_are_not_restricted() -> None:
    kernel = cuda_kernel(case("relu", f32(5)))
    assert "(const float* __restrict__ a0, float* __restrict__ out0) {" in emit_cuda(kernel)
    assert "(const float* a0, float* out0) {" in cuda_source([kernel], aliased=True)


def test_names_of_one_source_must_differ() -> None:
    kernel = cuda_kernel(case("relu", f32(5)))
    with pytest.raises(IRError, match="kernels of one name in a CUDA source: relu_0"):
        cuda_source([kernel, kernel])
    assert c_name(replace(kernel, name="0.relu-x")) == "k0_relu_x"


# ---- nvcc -----------------------------------------------------------------------------------------

needs_nvcc = pytest.mark.skipif(nvcc.find_nvcc() is None, reason="no nvcc on PATH or in CUDA_HOME")


@needs_nvcc
def test_every_kernel_compiles() -> None:
    """All cases, the fused ones and every function of the tables, as one translation unit."""
    kernels = [cuda_kernel(c) for c in CASES]
    for function, _, types in FUSED:
        kernels += [k for _, k in kernels_of(optimized(function, *types), schedule_cuda)]
    kernels += [
        every_function(dtype) for dtype in ("f32", "f64", "i64", "i32", "i16", "i8", "u8", "u32", "u64", "bool")
    ]
    kernels = [replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)]
    cubin = nvcc.compile_cubin(cuda_source(kernels))
    assert cubin.startswith(b"\x7fELF")
    assert all(c_name(k).encode() in cubin for k in kernels)


def every_function(dtype: str) -> Kernel:
    """A kernel with each function that CUDA C has for a dtype, and with a cast to each other dtype."""

    def call(fn: str) -> str:
        if fn in UNARY:
            return f"{fn}(%a)"
        return f"(%a {INFIX[fn]} %b)" if fn in INFIX else f"{fn}(%a, %b)"

    functions = TABLES[dtype[0]]
    lines = ["let %a = load %x[%i]", "let %b = load %x[(7 - %i)]"]
    for fn in functions:
        logical = fn in COMPARE or (fn == "not" and dtype == "bool")
        lines.append(f"store {'%t' if logical else '%y'}[%i], {call(fn)}")
    lines += [f"let %to_{other} = {other}(%a)" for other in C_TYPES]
    params = f"%x: {dtype}[8], %y: {dtype}[8] out, %t: bool[8] out"
    return parse_kernel(f"kernel @all_{dtype}({params}) {{ block.x %i in 8 {{\n" + "\n".join(lines) + "\n}}")


@needs_nvcc
def test_nvccs_words_are_shown() -> None:
    with pytest.raises(IRError) as caught:
        nvcc.compile_cubin("__global__ void f() { nonsense; }")
    assert caught.value.code == "GT827"
    assert 'kernels.cu(1): error: identifier "nonsense" is undefined' in str(caught.value)


def test_without_nvcc_the_error_says_where_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CUDA_HOME", "/nowhere/cuda")
    with pytest.raises(DeviceError) as caught:
        nvcc.compile_cubin("")
    assert caught.value.code == "GT403"
    assert "looked in $CUDA_HOME/bin (CUDA_HOME='/nowhere/cuda') and on PATH" in str(caught.value)
