"""Attention on CUDA: interpreted thread by thread, against numpy in float64; a program that keeps it whole; and nvcc."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch.codegen import nvcc
from graphtorch.codegen.emit_cuda import cuda_source, emit_cuda
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType, bool_, float32
from tests.codegen.nests import f32, kernels_of, nest_of, random_array, reference, run_op_kernel
from tests.codegen.test_schedule_cuda import Case, case, label, needs_nvcc

Array = Any


def attention(
    lead: tuple[int, ...], rows: int, columns: int, depth: int, width: int, bias: Any = None, **attrs: Any
) -> Case:
    types = [f32(*lead, rows, depth), f32(*lead, columns, depth), f32(*lead, columns, width)]
    if bias is not None:
        types.append(TensorType((*lead, rows, columns), bias))
    return case("attention", *types, **{"scale": 0.37, "causal": False, **attrs})


CASES = [
    attention((), 5, 67, 3, 7, bool_), attention((2,), 66, 9, 5, 2, float32), attention((), 67, 66, 2, 3, causal=True),
    attention((1,), 3, 4, 2, 65),
]  # fmt: skip


def kernel_of(c: Case) -> Kernel:
    return schedule_cuda(nest_of(c[0], *c[1], **c[2]))  # type: ignore[arg-type]


def operands_of(c: Case) -> list[Array]:
    arrays = [random_array(t, i) for i, t in enumerate(c[1])]
    if arrays[-1].dtype == bool:
        arrays[-1][..., 1, :] = False  # a row that sees no key
    return arrays


def check(c: Case, arrays: list[Array], results: list[Array], tolerance: float = 2e-6) -> None:
    wide = [a.astype(np.float64) if a.dtype != bool else a for a in arrays]
    for result, want in zip(results, reference(c[0], *wide, **c[2]), strict=True):
        got, seen = result.reshape(want.shape).astype(np.float64), np.isfinite(want)
        np.testing.assert_array_equal(got[~seen], want[~seen])
        assert np.linalg.norm(got[seen] - want[seen]) <= tolerance * np.linalg.norm(want[seen])


@pytest.mark.parametrize("c", CASES, ids=label)
def test_it_agrees_with_float64(c: Case) -> None:
    arrays = operands_of(c)
    check(c, arrays, run_op_kernel(kernel_of(c), *arrays))


def test_large_scores_overflow_nothing() -> None:
    c = attention((), 4, 70, 2, 3)
    arrays = operands_of(c)
    arrays[0] *= 400
    check(c, arrays, run_op_kernel(kernel_of(c), *arrays), 2e-5)


def attend(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def test_a_program_keeps_it_whole_and_reads_slices_where_they_lie() -> None:
    def heads(x: Any) -> Any:
        q, k, v = (y.reshape(2, 9, 2, 4).permute(0, 2, 1, 3) for y in x.chunk(3, -1))
        return attend(q, k, v)

    graph = run_passes(gt.trace(heads, gt.TensorSpec((2, 9, 24))), OPTIMIZE_CUDA)
    kernels = [n for n in graph.nodes if n.op.name != "reshape"]
    assert [n.op.name for n in kernels] == ["fusion"] and " attention(" in str(graph)
    lowered, kernel = kernels_of(graph, schedule_cuda)[-1]  # type: ignore[arg-type]
    assert len(lowered.operands) == 1 and emit_cuda(kernel).count("__global__") == 1


def test_long_vectors_are_decomposed() -> None:
    specs = [gt.TensorSpec((2, 5, 130))] * 3
    assert " attention(" not in str(run_passes(gt.trace(attend, *specs), OPTIMIZE_CUDA))


@needs_nvcc
def test_it_compiles() -> None:
    kernel = kernel_of(attention((8,), 512, 512, 64, 64, causal=True))
    assert nvcc.compile_cubin(cuda_source([kernel])).startswith(b"\x7fELF")
