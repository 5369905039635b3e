"""Rows sorted: runs, merges of even and uneven pairs, few of many; compiled and interpreted against a stable sort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.stages import cuda_text
from graphtorch.ir.errors import IRError
from graphtorch.ir.types import dtype_from_numpy
from graphtorch.runtime import entry, executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, nest_of, reference, type_of
from tests.codegen.test_contract import HOST, poisoned, threads

__all__ = ["threads"]  # a fixture
Shape = tuple[int, ...]

#: shape, dimension, how many are wanted: one run; runs and what is left; pairs with one run over, or with a shorter
#: one; few of many, by columns as well; threads
CASES: list[tuple[Shape, int, int]] = [
    ((3, 1), 1, 1),
    ((3, 32), 1, 32),
    ((3, 33), 1, 33),
    ((2, 48), 1, 48),
    ((2, 64), 1, 64),
    ((2, 71), 1, 50),
    ((2, 400), 1, 400),
    ((100, 3), 0, 100),
    ((2, 130, 3), 1, 7),
    ((5, 9), 1, 2),
    ((3, 129), 1, 32),
    ((2, 40), 1, 1),
    ((2, 1200), 1, 70),
    ((3, 290), 1, 72),
    ((2, 1200), 1, 70),
    ((3, 280), 1, 70),
]


def rows(shape: Shape, dtype: Any = np.float32) -> Any:
    """Many equal elements, and nan."""
    rng = np.random.default_rng(7)
    x = rng.integers(0, 1 + np.prod(shape) // 3, shape)
    out = x.astype(dtype)
    if out.dtype.kind == "f":
        out[x % 5 == 1] = np.nan
        out[x % 5 == 2] *= -1  # also a zero
    return out


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("shape", "dim", "k"), CASES, ids=str)
def test_compiled(shape: Shape, dim: int, k: int, descending: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    x = rows(shape)
    got = gt.compile(lambda x: gt.topk(x, k, dim, descending))(gt.from_numpy(x))
    for a, b in zip(got, reference("sort", x, dim=dim, descending=descending, k=k), strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int8, np.uint8, np.bool_], ids=str)
def test_dtypes(dtype: Any) -> None:
    x = rows((3, 70), dtype)
    got = gt.compile(lambda x: gt.sort(x, 1, True))(gt.from_numpy(x))
    for a, b in zip(got, reference("sort", x, dim=1, descending=True, k=70), strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


@pytest.mark.parametrize("count", [1, 3])
def test_threads_share_rows(count: int, threads: None) -> None:
    gt.set_num_threads(count)
    x = rows((61, 203))
    values, places = gt.compile(lambda x: gt.sort(x * 1))(gt.from_numpy(x))
    want = reference("sort", x, dim=1, descending=False, k=203)
    np.testing.assert_array_equal(values.numpy(), want[0])
    np.testing.assert_array_equal(places.numpy(), want[1])


@pytest.mark.parametrize(("shape", "dim", "k"), [c for c in CASES if np.prod(c[0]) < 400], ids=str)
def test_interpreted(shape: Shape, dim: int, k: int) -> None:
    """Nothing is read that was not written, and nothing outside of its memory."""
    x = rows(shape)
    kernel = schedule_cpu(nest_of("sort", type_of(x), dim=dim, descending=False, k=k), HOST)
    want = reference("sort", x, dim=dim, descending=False, k=k)
    for version in (kernel, legalize(kernel)):
        outs = [np.full(a.size, 113, a.dtype) for a in want]
        run_kernel(version, [x.reshape(-1), *outs])
        for got, a in zip(outs, want, strict=True):
            assert dtype_from_numpy(got.dtype) is not None
            np.testing.assert_array_equal(got.reshape(a.shape), a)


def test_what_nobody_reads_is_not_stored() -> None:
    compiled = gt.compile(lambda x: gt.argsort(x))
    x = rows((3, 50))
    np.testing.assert_array_equal(compiled(gt.from_numpy(x)).numpy(), np.argsort(x, 1, kind="stable"))
    assert compiled.stages[0]["kernels"].splitlines()[0].count(" out") == 1


def test_cuda_has_none_yet() -> None:
    with pytest.raises(IRError, match="GT826"):
        cuda_text(gt.trace(lambda x: gt.sort(x).values, gt.zeros(3, 5)))


def test_golden(golden: Any) -> None:
    nest = nest_of("sort", f32(3, 70), dim=1, descending=False, k=70)
    golden("kernels/sort.kernel", str(schedule_cpu(nest, HOST)))
