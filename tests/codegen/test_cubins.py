"""Every kernel of the tests compiled by nvcc for the GPUs that we say we support; registers, spills, instructions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphtorch.codegen import nvcc
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.program import lower_graph
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.types import bfloat16, float16, float32
from tests.codegen.cubins import ARCHES, figures, find_nvdisasm, instructions, named
from tests.codegen.nests import f32, kernels_of
from tests.codegen.test_cuda_mma import CONVS, FORMS, conv_kernel, product_kernel
from tests.codegen.test_schedule_cuda import CASES, FUSED, Case, case, cuda_kernel, label, optimized
from tests.gpu.test_kernels import BIG
from tests.gpu.test_steps import STEPS, graph_of

pytestmark = pytest.mark.skipif(nvcc.find_nvcc() is None, reason="no nvcc on PATH or in CUDA_HOME")
PRODUCTS = ("dot", "conv", "conv_input_grad", "conv_weight_grad")
#: a thread of a block of 256 may have so many if two blocks are to share a multiprocessor's 65536
TWO_BLOCKS = 128


def products() -> list[Kernel]:
    """Of each template, the one that large sizes get."""
    found = [cuda_kernel(c) for c in (*CASES, *BIG) if c[0] in PRODUCTS]
    return named([*found, *map(conv_kernel, CONVS), *tensor_core_products()])


def tensor_core_products() -> Iterator[Kernel]:
    for form in FORMS:
        for dtype in (float32, bfloat16, float16):
            for shape in ((1024, 520, 2048), (131, 77, 259)):
                yield product_kernel(form, dtype, *shape)[0]


def others() -> list[Kernel]:
    """All that is no product: single ops, fused ones, and those of training steps."""
    found = [cuda_kernel(c) for c in (*CASES, *BIG) if c[0] not in PRODUCTS]
    for function, _, types in FUSED:
        found += [k for _, k in kernels_of(optimized(function, *types), schedule_cuda)]  # type: ignore[arg-type]
    for _, net, shape in STEPS:
        found += [schedule_cuda(k.nest) for k in lower_graph(graph_of(net(), *shape))]  # type: ignore[arg-type]
    return named(found)


@pytest.mark.parametrize("arch", ARCHES)
def test_large_products_do_not_spill(arch: str) -> None:
    """A sample of the templates; all of them when the slow tests run."""
    chosen = [BIG[0], BIG[5], BIG[6]]
    kernels = [cuda_kernel(c) for c in chosen] + [
        conv_kernel(CONVS[0]),
        product_kernel("xy", float32, 1024, 520, 2048)[0],
    ]
    kernels += [product_kernel("xty", bfloat16, 1024, 520, 2048)[0]]
    assert_no_spills(named(kernels), arch)


def test_spills_are_seen() -> None:
    """An array of 96 floats in a thread that may have 32 registers."""
    lines = ["block.x %b in 8 { thread.x %t in 1024 {", "alloc local %a: f32[96]"]
    lines += ["unroll %i in 96 { store %a[%i], load %x[((%i * 1024) + %t)] }"]
    lines += ["for %k in 99 { unroll %j in 96 { store %a[%j], (load %a[%j] * load %a[((%j + 7) % 96)]) } }"]
    lines += ["unroll %m in 96 { store %y[((%m * 1024) + %t)], load %a[%m] } } }"]
    kernel = parse_kernel("kernel @f(%x: f32[98304], %y: f32[98304] out) {" + "\n".join(lines) + "}")
    with pytest.raises(AssertionError, match="Figures"):
        assert_no_spills([kernel], "sm_90")


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHES)
def test_no_product_spills(arch: str) -> None:
    assert_no_spills(products(), arch)


def assert_no_spills(kernels: list[Kernel], arch: str) -> None:
    found = figures(kernels, arch)
    assert {name: f for name, f in found.items() if f.spilled or f.stack} == {}


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHES)
def test_every_kernel_compiles(arch: str) -> None:
    found = figures(others(), arch)
    assert len(found) > 100
    # a stack is for indices that are not known when the kernel is compiled; registers are not written to it
    assert {name: f for name, f in found.items() if f.spilled} == {}


def test_the_simple_product_leaves_room_for_two_blocks() -> None:
    (kernel,) = named([cuda_kernel(case("dot", f32(2048, 512), f32(512, 2048)))])
    assert all(f.registers <= TWO_BLOCKS for f in figures([kernel], "sm_90").values())


# ---- instructions ---------------------------------------------------------------------------------

needs_nvdisasm = pytest.mark.skipif(
    find_nvdisasm() is None, reason="no nvdisasm on PATH, and the package nvidia-cuda-nvdisasm is not installed"
)


def has(found: list[str], *parts: str) -> bool:
    """Whether some instruction's name begins with the first and holds the others."""
    return any(i.startswith(parts[0]) and all(p in i.split(".") for p in parts[1:]) for i in found)


WIDE = [
    case("relu", f32(1 << 20)), case("reduce_sum", f32(700, 4096), dims=(1,)), case("broadcast_to", f32(4096, 1), shape=(7, 4096, 256)),
]  # fmt: skip


@needs_nvdisasm
@pytest.mark.parametrize("c", WIDE, ids=label)
def test_memory_is_read_and_written_16_bytes_at_a_time(c: Case) -> None:
    found = instructions(cuda_kernel(c), "sm_90")
    assert has(found, "LDG", "128") or c[0] == "broadcast_to"
    assert has(found, "STG", "128") or c[0] == "reduce_sum"


@needs_nvdisasm
@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize(("dtype", "kind"), [(float32, "TF32"), (bfloat16, "BF16"), (float16, "F32")])
def test_products_run_on_tensor_cores(dtype: object, kind: str, arch: str) -> None:
    found = instructions(product_kernel("xy", dtype, 1024, 520, 2048)[0], arch)
    assert has(found, "HMMA", "1688" if kind == "TF32" else "16816", kind)
    assert has(found, "LDGSTS", "128") and has(found, "LDGDEPBAR")
    assert has(found, "LDSM") or kind == "TF32"
    assert not has(found, "STL") and not has(found, "LDL")


@needs_nvdisasm
def test_a_product_of_floats_reads_shared_memory_16_bytes_at_a_time() -> None:
    found = instructions(cuda_kernel(BIG[0]), "sm_90")
    assert has(found, "LDS", "128") and found.count("FFMA") >= 64
    assert not has(found, "STL") and not has(found, "LDL")
