"""Products by tensor cores: interpreted lane by lane in two orders, against float64 over rounded factors; and compiled."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen import nvcc
from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.emit_cuda import cuda_source, emit_cuda
from graphtorch.codegen.kernel_ir import Kernel, walk
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.codegen.launch import STATIC_SHARED, dynamic_shared, stages_of, workspaces
from graphtorch.codegen.schedule import cuda_pack
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.codegen.warp import WARP, Mma, a_place, b_place, c_place
from graphtorch.ir.errors import IRError
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import TensorType, bfloat16, float16, float32
from graphtorch.runtime.interp_warp import tf32
from tests.codegen.nests import f32, kernels_of, nest_of, random_array, reference, run_op_kernel
from tests.codegen.test_schedule_cuda import Case, case, label, needs_nvcc, optimized

Array = Any
ALL, FLOAT32 = CudaTarget(tf32_matmul=True), CudaTarget(tf32_conv=False)
G = PUBLIC["gt"]
CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
ODD = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 1}
#: forms of x @ y: whether each side is read transposed
FORMS = {"xy": (False, False), "xty": (True, False), "xyt": (False, True), "xtyt": (True, True)}


def product_kernel(form: str, dtype: Any, m: int, k: int, n: int) -> tuple[Kernel, list[int]]:
    """The kernel of x @ y, where ``form`` says how x and y lie in memory; and which of its operands is which."""
    types = [TensorType(s[::-1] if t else s, dtype) for s, t in zip(((m, k), (k, n)), FORMS[form], strict=True)]

    def product(x: Any, y: Any) -> Any:
        return G["matmul"](*(G["permute"](v, (1, 0)) if t else v for v, t in zip((x, y), FORMS[form], strict=True)))

    graph = optimized(product, *types)
    ((lowered, kernel),) = kernels_of(graph, lambda nest: schedule_cuda(nest, ALL))  # type: ignore[arg-type]
    assert set(lowered.operands) == set(graph.params)
    return kernel, [graph.params.index(v) for v in lowered.operands]  # type: ignore[arg-type]


def product_case(form: str, dtype: Any, m: int, k: int, n: int) -> tuple[Kernel, list[Array], Array]:
    """A kernel, what it is given, and what it should find."""
    kernel, order = product_kernel(form, dtype, m, k, n)
    sides = [random_array(TensorType(s, dtype), i) for i, s in enumerate(((m, k), (k, n)))]
    stored = [np.ascontiguousarray(v.T if t else v) for v, t in zip(sides, FORMS[form], strict=True)]
    return kernel, [stored[i] for i in order], exact(sides[0]) @ exact(sides[1])


def exact(x: Array) -> Array:
    """What a tensor core takes of a factor, in float64."""
    return (tf32(x) if x.dtype == np.float32 else x).astype(np.float64)


def close(got: Array, want: Array, relative: float) -> None:
    assert np.isfinite(got.astype(np.float64)).all()
    error = np.linalg.norm(got.astype(np.float64).reshape(want.shape) - want) / np.linalg.norm(want)
    assert error < relative, error


@pytest.mark.parametrize(
    ("dtype", "shape", "tolerance"),
    [(float32, (70, 44, 36), 2e-6), (float32, (33, 31, 17), 2e-6), (bfloat16, (72, 40, 88), 4e-3),
     (bfloat16, (33, 37, 35), 4e-3), (float16, (40, 64, 24), 5e-4), (float16, (19, 75, 37), 5e-4)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_products_agree_with_float64(form: str, dtype: Any, shape: tuple[int, int, int], tolerance: float) -> None:
    kernel, operands, want = product_case(form, dtype, *shape)
    assert any(isinstance(s, Mma) for s in walk(kernel.body))
    close(run_op_kernel(kernel, *operands)[0], want, tolerance)


CONVS = [
    case("conv", f32(2, 32, 9, 7), f32(24, 32, 3, 3), **CONV), case("conv", f32(3, 5, 9, 8), f32(17, 5, 3, 2), **ODD),
    case("conv", f32(2, 40, 5, 6), f32(44, 20, 1, 1), **{**CONV, "padding": (0, 0), "groups": 2}),
    case("conv_input_grad", f32(2, 32, 9, 7), f32(32, 24, 3, 3), size=(9, 7), **CONV),
    case("conv_input_grad", f32(2, 18, 5, 10), f32(18, 19, 3, 2), size=(9, 8), **ODD),
    case("conv_weight_grad", f32(3, 20, 9, 8), f32(3, 32, 9, 8), kernel=(3, 3), **CONV),
    case("conv_weight_grad", f32(2, 17, 5, 10), f32(2, 19, 9, 8), kernel=(3, 2), **ODD),
]  # fmt: skip


def conv_kernel(c: Case) -> Kernel:
    name, types, attrs = c
    return schedule_cuda(nest_of(name, *types, **attrs), ALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("c", CONVS, ids=label)
def test_convolutions_agree_with_float64(c: Case) -> None:
    kernel, arrays = conv_kernel(c), [random_array(t, i) for i, t in enumerate(c[1])]
    assert any(isinstance(s, Mma) for s in walk(kernel.body))
    (got,) = run_op_kernel(kernel, *arrays)
    close(got, reference(c[0], *map(exact, arrays), **c[2])[0], 2e-6)


@pytest.mark.parametrize("target", [ALL, FLOAT32], ids=["tf32", "fp32"])
@pytest.mark.parametrize(
    "c",
    [case("conv", f32(3, 32, 8, 5), f32(20, 32, 2, 2), **{**CONV, "padding": (1, 0)}),
     case("conv_input_grad", f32(3, 32, 8, 5), f32(32, 20, 2, 2), size=(9, 6), **{**CONV, "padding": (0, 0)})],
    ids=label,
)  # fmt: skip
def test_weights_are_copied_first_where_many_tiles_read_them(
    c: Case, target: CudaTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_pack, "LEAST_TILES", 1)
    arrays = [random_array(t, i) for i, t in enumerate(c[1])]
    kernel = schedule_cuda(nest_of(c[0], *c[1], **c[2]), target)  # type: ignore[arg-type]
    assert [b.name for b in workspaces(kernel)] == ["packed"] and len(stages_of(kernel)) == 2
    (got,) = run_op_kernel(kernel, *arrays)
    factors = arrays if target is FLOAT32 else map(exact, arrays)
    close(got, reference(c[0], *(np.asarray(a, np.float64) for a in factors), **c[2])[0], 2e-6)
    assert target is FLOAT32 or "gt_copy<16>" in emit_cuda(stages_of(kernel)[1])


@pytest.mark.parametrize(
    "c",
    [CONVS[0], CONVS[3], CONVS[5], case("conv", f32(2, 40, 5, 6), f32(44, 20, 3, 2), **{**CONV, "groups": 2})],
    ids=label,
)
def test_images_are_turned_first_where_elements_are_read_often(c: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_pack, "LEAST_READS", 1)
    kernel, arrays = conv_kernel(c), [random_array(t, i) for i, t in enumerate(c[1])]
    turned = [b for b in workspaces(kernel) if b.name == "turned"]
    assert turned and "gt_copy<4>" not in emit_cuda(kernel)
    (got,) = run_op_kernel(kernel, *arrays)
    close(got, reference(c[0], *map(exact, arrays), **c[2])[0], 2e-6)


def test_lanes_have_each_element_once() -> None:
    """The layouts of registers, as PTX's tables have them for a few lanes, and as a whole."""
    assert [c_place(v, 6) for v in range(4)] == [(1, 4), (1, 5), (9, 4), (9, 5)]
    assert [a_place("tf32", r, 0, 6) for r in range(4)] == [(1, 2), (9, 2), (1, 6), (9, 6)]
    assert [a_place("bf16", r, h, 6) for r in (1, 2) for h in (0, 1)] == [(9, 4), (9, 5), (1, 12), (1, 13)]
    assert [b_place("f16", r, h, 6) for r in (0, 1) for h in (0, 1)] == [(4, 1), (5, 1), (12, 1), (13, 1)]
    for kind, halves in (("tf32", 1), ("bf16", 2)):
        elements = [a_place(kind, r, h, n) for r in range(4) for h in range(halves) for n in range(WARP)]  # type: ignore[arg-type]
        assert len(set(elements)) == len(elements) == 16 * 8 * halves


def broken(kernel: Kernel, line: str) -> Kernel:
    """Without the last line of its text that is this one."""
    before, _, after = print_kernel(kernel).rpartition(f"{line}\n")
    return parse_kernel(before.rstrip(" ") + after)


@pytest.mark.parametrize("line", ["wait 1", "commit", "barrier"])
def test_what_orders_copies_is_needed(line: str) -> None:
    kernel, operands, want = product_case("xy", float32, 36, 132, 20)
    try:
        (got,) = run_op_kernel(broken(kernel, line), *operands)
    except IRError as error:
        assert "depends on the order of its threads" in str(error)
        return
    assert not np.allclose(got.reshape(want.shape), want, rtol=1e-3, equal_nan=False)


def test_a_lane_that_stays_away_is_found() -> None:
    kernel, operands, _ = product_case("xy", float32, 20, 16, 20)
    text = print_kernel(kernel)
    alone = re.sub(r"(mma\.tf32 .*)", r"if (%lane < 31) { \1 }", text)
    with pytest.raises(IRError, match="reach different barriers"):
        run_op_kernel(parse_kernel(alone.replace(" { mma", " {\nmma").replace("] }", "]\n}")), *operands)


@pytest.mark.parametrize("form", ["xy", "xtyt"])
def test_text_round_trips(form: str) -> None:
    for kernel in (product_kernel(form, bfloat16, 40, 64, 24)[0], conv_kernel(CONVS[1])):
        text = print_kernel(kernel)
        assert same_kernel(parse_kernel(text), kernel) and print_kernel(parse_kernel(text)) == text


def test_nan_and_infinity_reach_the_result() -> None:
    kernel, (x, y), _ = product_case("xy", float32, 17, 40, 19)
    x[3, 7], x[5, 9] = np.frombuffer(b"\xff\xff\xff\x7f", np.float32)[0], np.inf  # a nan of all ones, as devices make
    got = run_op_kernel(kernel, x, y)[0].reshape(17, 19)
    assert np.isnan(got[3]).all() and np.isinf(got[5]).all()
    assert np.isfinite(np.delete(got, (3, 5), 0)).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("copy %s[0], (load %x[0] + 1.0)", "a load, which is all that can be copied"),
        ("copy %s[0] if true, load %x[0]", "an element without a condition"),
        ("mma.tf32 %s[0], %s[0]", "','"),
    ],
)
def test_mistakes_in_text_are_pointed_at(bad: str, message: str) -> None:
    text = f"kernel @f(%x: f32[8]) {{ alloc shared %s: f32[8]\n thread.x %t in 32 {{ {bad} }} }}"
    with pytest.raises(IRError) as caught:
        parse_kernel(text)
    assert caught.value.code == "GT820" and message in str(caught.value)


# ---- nvcc -----------------------------------------------------------------------------------------

LARGE = [
    case("conv", f32(8, 64, 56, 56), f32(64, 64, 3, 3), **CONV),
    case("conv_input_grad", f32(8, 64, 28, 28), f32(64, 64, 3, 3), size=(56, 56), **{**CONV, "stride": (2, 2)}),
    case("conv_weight_grad", f32(8, 128, 28, 28), f32(8, 128, 28, 28), kernel=(3, 3), **CONV),
]  # fmt: skip


@pytest.mark.parametrize("shared", [227 * 1024, 163 * 1024, 99 * 1024])
def test_blocks_take_no_more_memory_than_a_device_has(shared: int) -> None:
    """Devices of one generation differ: 163 KiB on an A100, 99 on cards for desktops."""
    target, most = replace(ALL, shared_bytes=shared), []
    for sizes in ((4096, 4096), (200, 130), (70, 4096)):
        for dtype in (float32, bfloat16):
            types = (TensorType((sizes[0], 512), dtype), TensorType((512, sizes[1]), dtype))
            kernel = schedule_cuda(nest_of("dot", *types), target)  # type: ignore[arg-type]
            assert any(isinstance(s, Mma) for s in walk(kernel.body))
            most += map(dynamic_shared, stages_of(kernel))
    assert max(most) <= shared < 2 * max(most)


@needs_nvcc
@pytest.mark.parametrize("arch", [pytest.param("sm_80", marks=pytest.mark.slow), "sm_90"])
def test_templates_spill_no_registers(arch: str, tmp_path: Path) -> None:
    """Nor have they arrays that registers cannot hold: nothing of a thread is in memory."""
    kernels = [product_kernel(form, dtype, 1024, 512, 2048)[0] for form in FORMS for dtype in (float32, bfloat16)]
    kernels += [schedule_cuda(nest_of(n, *t, **a), target) for n, t, a in LARGE for target in (ALL, FLOAT32)]  # type: ignore[arg-type]
    source = tmp_path / "kernels.cu"
    source.write_text(cuda_source([replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)]))
    flags = ["-w", "-cubin", f"-arch={arch}", "-Xptxas", "-v", "-o", str(tmp_path / "x")]
    command = [str(nvcc.find_nvcc()), *flags, str(source)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert told.count("registers") == sum(len(stages_of(k)) for k in kernels)
    assert not re.search(r"[1-9]\d* bytes (stack frame|spill)", told), told


def test_shared_memory_of_large_tiles_is_given_at_the_launch() -> None:
    large, small = product_kernel("xy", float32, 1024, 512, 2048)[0], product_kernel("xy", bfloat16, 40, 64, 24)[0]
    assert dynamic_shared(large) > STATIC_SHARED and dynamic_shared(small) == 0
    assert f"GT_SHARED({dynamic_shared(large)});" in cuda_source([large])
    assert "__shared__" in emit_cuda(small) and "GT_SHARED(" not in emit_cuda(small)
