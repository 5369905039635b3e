"""float32 to 16-bit floats and back in generated code, bit by bit, with and without the CPU's instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen import nvcc, target
from graphtorch.codegen.emit_cuda import cuda_source
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.graph import Builder, Graph
from graphtorch.ir.graph import Param as GraphParam
from graphtorch.ir.low_precision import reference
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.types import DType, TensorType, bfloat16, dtype_from_numpy, float16, float32
from graphtorch.runtime import executable
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import nest_of, run_op_kernel

Array = Any
LOW = (float16, bfloat16)
HOST = target.host_target()
WITHOUT = replace(HOST, features=HOST.features.replace("+f16c", "-f16c"))
TARGETS = {
    "host": HOST,
    "without instructions": WITHOUT,
    "narrow": replace(WITHOUT, vector_bytes=16, registers=16),
}


@pytest.fixture(params=TARGETS)
def cast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Array, DType], Array]:
    monkeypatch.setattr(executable, "host_target", lambda: TARGETS[request.param])
    return compiled_cast


def compiled_cast(array: Array, dtype: DType) -> Array:
    source = dtype_from_numpy(array.dtype)
    assert source is not None
    graph = Graph("cast")
    graph.params = [GraphParam("x", TensorType(array.shape, source))]
    with Builder(graph):
        graph.outputs = [to_dtype(graph.params[0], dtype)]
    return Executable(run_passes(graph, OPTIMIZE)).run([array])[0]


def every_bit_pattern(dtype: DType) -> Array:
    return np.arange(2**16, dtype=np.uint16).view(dtype.np)


def hard_to_round(dtype: DType) -> Array:
    """All numbers of ``dtype``, what is half-way between neighbours, both neighbours of that, and numbers of every
    exponent of float32; with either sign."""
    sizes = every_bit_pattern(dtype)[: 2**15].astype(np.float32)
    sizes = sizes[np.isfinite(sizes)]
    beyond = np.float32(2 * float(sizes[-1]) - float(sizes[-2])) if dtype == float16 else np.float32(np.inf)
    above = np.append(sizes[1:], beyond).astype(np.float64)
    with np.errstate(over="ignore"):
        half = ((sizes.astype(np.float64) + above) / 2).astype(np.float32)
        half[~np.isfinite(half)] = np.float32(2.0**127 * (2 - 2.0**-8))
    exponents = np.arange(255, dtype=np.uint32) << 23
    bits = exponents[:, None] | np.random.default_rng(0).integers(0, 2**23, (255, 96), np.uint32)
    found = [
        sizes,
        half,
        np.nextafter(half, np.float32(0)),
        np.nextafter(half, np.float32(np.inf)),
        bits.view(np.float32),
    ]
    finite = np.concatenate([x.reshape(-1) for x in found])
    return np.concatenate([finite, -finite, np.float32([np.inf, -np.inf])])


def bits(array: Array) -> Array:
    return array.view(f"u{array.itemsize}")


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_all_numbers_as_float32(cast, dtype):
    x = every_bit_pattern(dtype)
    found, wanted = cast(x, float32), x.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(bits(found)[numbers], bits(wanted)[numbers])


@pytest.mark.parametrize("count", [None, 1, 13])
@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_rounding(cast, dtype, count):
    x = hard_to_round(dtype)
    x = x if count is None else x[-count:].copy()
    with np.errstate(over="ignore"):
        wanted = x.astype(dtype.np)
    np.testing.assert_array_equal(bits(cast(x, dtype)), bits(wanted))


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_nan_stays_nan(cast, dtype):
    """Those, too, whose payload is in the bits that are dropped, or would carry."""
    x = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0x7F80FFFF], np.uint32).view(np.float32)
    assert np.isnan(cast(x, dtype).astype(np.float32)).all()


@pytest.mark.torch
@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_rounding_is_torchs(cast, dtype):
    torch = pytest.importorskip("torch")
    x = hard_to_round(dtype)
    theirs = torch.tensor(x).to(getattr(torch, dtype.name)).view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(bits(cast(x, dtype)), theirs)


@pytest.mark.parametrize("dtype", LOW, ids=str)
@pytest.mark.parametrize("source", ["float64", "int64", "int32", "uint8", "bool"])
def test_other_dtypes_come_by_way_of_float32(cast, dtype, source):
    x = np.array([0, 1, 255, 2049, 4097, -3, 65519, 2**24 + 1]).astype(source)
    with np.errstate(over="ignore"):
        wanted = x.astype(np.float32).astype(dtype.np)
    np.testing.assert_array_equal(bits(cast(x, dtype)), bits(wanted))
    if source != "bool":
        there = np.arange(-7, 9, dtype=np.float32).astype(dtype.np)
        if source != "uint8":
            np.testing.assert_array_equal(
                cast(there, dtype_from_numpy(np.dtype(source))), np.arange(-7, 9).astype(source)
            )


# ---- the interpreter, and CUDA ---------------------------------------------------------------------

KERNEL = """\
kernel @f(%x: {0}[13], %y: f32[13], %z: {0}[13] out) {{
  par %i in 1 {{
    for %j in 5 {{
      store %z[%j], {0}((f32(load %x[%j]) * load %y[%j]))
    }}
    vec %l in 8 {{
      store %z[(%l + 5)], {0}((f32(load %x[(%l + 5)]) * load %y[(%l + 5)]))
    }}
  }}
}}
"""


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_kernels_are_interpreted(dtype):
    kernel = parse_kernel(KERNEL.format(dtype.short))
    assert print_kernel(kernel) == KERNEL.format(dtype.short)
    x, y = np.linspace(-3, 2, 13).astype(dtype.np), np.linspace(0.1, 7, 13).astype(np.float32)
    z = np.zeros(13, dtype.np)
    run_kernel(kernel, [x, y, z])
    np.testing.assert_array_equal(bits(z), bits((x.astype(np.float32) * y).astype(dtype.np)))


CUDA = [
    ("exp", ((4, 9),), {}), ("add", ((7, 5), (7, 5)), {}), ("reduce_sum", ((3, 700),), {"dims": (1,)}),
    ("reduce_max", ((5, 33),), {"dims": (0,)}), ("dot", ((20, 33), (33, 17)), {}), ("permute", ((3, 5),), {"dims": (1, 0)}),
]  # fmt: skip


def cuda_kernel(name: str, shapes: Any, attrs: Any, dtype: DType) -> Kernel:
    return schedule_cuda(nest_of(name, *(TensorType(s, dtype) for s in shapes), **attrs))


@pytest.mark.parametrize("dtype", LOW, ids=str)
@pytest.mark.parametrize(("name", "shapes", "attrs"), CUDA)
def test_cuda_kernels(name, shapes, attrs, dtype):
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s).astype(np.float32).astype(dtype.np) for s in shapes]
    (wanted,) = reference(OPS[name], arrays, attrs)
    (found,) = run_op_kernel(cuda_kernel(name, shapes, attrs, dtype), *arrays)
    assert found.dtype == wanted.dtype
    eps = 2.0**-10 if dtype == float16 else 2.0**-7
    np.testing.assert_allclose(found.reshape(wanted.shape).astype(float), wanted.astype(float), eps, 1e-6)


@pytest.mark.skipif(nvcc.find_nvcc() is None, reason="no nvcc on PATH or in CUDA_HOME")
def test_cuda_kernels_compile():
    kernels = [cuda_kernel(*c, d) for c in CUDA for d in LOW]
    kernels += [cuda_kernel("cast", ((9,),), {"dtype": to}, d) for d in LOW for to in (*LOW, float32, bfloat16)]
    source = cuda_source([replace(k, name=f"{k.name}_{i}") for i, k in enumerate(kernels)])
    assert nvcc.compile_cubin(source).startswith(b"\x7fELF")
