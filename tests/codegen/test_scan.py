"""Scans: compiled against eager over lines that squares divide in several ways, and what is one kernel with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from graphtorch.ir.types import TensorType, float32, float64, int64
from tests.codegen.nests import nest_of, reference, run_op_kernel
from tests.codegen.test_contract import HOST, threads
from tests.codegen.test_rows import kernels

__all__ = ["threads"]  # a fixture
Shape = tuple[int, ...]

#: a line of full squares, of smaller ones and a rest; lines side by side: a strip, several, with a rest, few
CASES: list[tuple[Shape, int]] = [
    ((512,), 0),
    ((3, 431), 1),
    ((70, 23), 1),
    ((2, 3, 1303), 2),
    ((431, 3), 0),
    ((33, 72), 0),
    ((19, 2311), 0),
    ((3, 37, 40), 1),
    ((1, 9), 0),
    ((9, 1), 1),
]


def operand(shape: Shape, dtype: Any) -> Any:
    """Some equal neighbours; products neither grow nor vanish."""
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    return np.sign(x).astype(dtype) if np.dtype(dtype).kind != "f" else (np.sign(x) + x / 50).astype(dtype)


def scan(name: str, dim: int, reverse: bool) -> Callable[..., Any]:
    attrs = {"dim": dim} if name in ("cummax", "cummin") else {"dim": dim, "reverse": reverse}

    def run(x: Any, label: Any) -> Any:
        second = {"run_sum": [label], "recurrence": [x]}
        return bind.bind(OPS[name], x, *second.get(name, []), **attrs)

    return run


def labels(shape: Shape, dim: int) -> Any:
    steps = np.random.default_rng(5).random(shape) < 0.1
    return np.cumsum(steps, dim).astype(np.int64)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "run_sum", "recurrence", "cummax", "cummin"])
@pytest.mark.parametrize(("shape", "dim"), CASES, ids=str)
def test_compiled(name: str, shape: Shape, dim: int, reverse: bool, threads: None) -> None:
    x, label = gt.from_numpy(operand(shape, np.float32)), gt.from_numpy(labels(shape, dim))
    run = scan(name, dim, reverse)
    compiled, want = gt.compile(run), run(x, label)
    for count in (1, 3):
        gt.set_num_threads(count)
        found = compiled(x, label)
        pairs = zip(found, want, strict=True) if isinstance(want, tuple) else [(found, want)]
        for a, b in pairs:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32, np.uint8], ids=str)
@pytest.mark.parametrize(("shape", "dim"), [((2, 1303), 1), ((37, 40), 0)], ids=str)
def test_other_dtypes(dtype: Any, shape: Shape, dim: int) -> None:
    x = gt.from_numpy(operand(shape, dtype))
    for name in ("cumsum", "cumprod", "cummax"):
        run = scan(name, dim, True)
        found, want = gt.compile(run)(x, x), run(x, x)
        for a, b in zip(found, want, strict=True) if isinstance(want, tuple) else [(found, want)]:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize(("shape", "dim"), [c for c in CASES if np.prod(c[0]) < 2000], ids=str)
def test_interpreted(shape: Shape, dim: int, dtype: Any) -> None:
    """The Kernel IR means the same to the interpreter: for the CPU, legal, and by the threads of CUDA's blocks."""
    x, label = operand(shape, dtype.np), labels(shape, dim)
    for name, more in (("cumsum", ()), ("run_sum", (label,)), ("recurrence", (x / 2,)), ("cummax", ())):
        attrs = {"dim": dim} if name == "cummax" else {"dim": dim, "reverse": True}
        types = [TensorType(shape, dtype), *(TensorType(shape, int64 if a is label else dtype) for a in more)]
        nest = nest_of(name, *types, **attrs)
        cpu = schedule_cpu(nest, HOST)
        assert same_kernel(parse_kernel(print_kernel(cpu)), cpu)
        for kernel in (cpu, legalize(cpu), schedule_cuda(nest)):
            shapes = [p.buffer.shape for p in kernel.params]
            found = run_op_kernel(kernel, *(a.reshape(s) for a, s in zip((x, *more), shapes, strict=False)))
            for a, b in zip(found, reference(name, x, *more, **attrs), strict=True):
                np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-4, atol=1e-4)


# ---- what is one kernel ---------------------------------------------------------------------------


def test_elementwise_work_on_both_sides_is_one_kernel() -> None:
    (found,) = kernels(lambda x, y: gt.cumsum(gt.exp(x - 1), 1) * y, (64, 40), (64, 40))
    assert [n for n in found.split() if n in ("exp", "cumsum", "mul")] == ["exp", "cumsum", "mul"]


def test_what_moves_elements_is_read_where_it_is_needed() -> None:
    (found,) = kernels(lambda x: gt.cumsum(x[:, 3:], 1), (64, 40))
    assert "slice" in found and "cumsum" in found


def test_a_gradient_of_extrema_is_one_scan() -> None:
    def step(x: Any) -> Any:
        leaf = x.detach().requires_grad_()
        (gt.cummax(leaf, 1).values ** 2).sum().backward()
        return leaf.grad

    assert sum("run_sum" in k for k in kernels(step, (64, 40))) == 1
    x = gt.from_numpy(operand((64, 431), np.float32))
    np.testing.assert_allclose(gt.compile(step)(x).numpy(), step(x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: gt.cumsum(x, 1).sum(1),  # a reduction of its results
        lambda x: gt.cumsum(gt.cumsum(x, 0), 1),
        lambda x: gt.cumsum(x, 1) / x.sum(1, keepdim=True),
        lambda x: gt.cumsum(gt.softmax(x, 1), 1),
        lambda x: gt.cumsum(x @ x.t(), 1) + 1,
        lambda x: gt.cumsum(x, 0).t() * 2,
        lambda x: gt.cumsum(x, 1) + gt.cumprod(x, 1),
        lambda x: gt.cumsum(x[:1, :1], 1),
        lambda x: (x * 2, gt.cumsum(x * 2, 1)),
    ],
)
def test_beside_other_kernels(function: Any) -> None:
    x = gt.from_numpy(operand((13, 290), np.float32))
    found, want = gt.compile(function)(x), function(x)
    for a, b in zip(found, want, strict=True) if isinstance(want, tuple) else [(found, want)]:
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-3)


def test_golden(golden: Any) -> None:
    nest = nest_of("cumsum", TensorType((5, 300), float32), dim=1, reverse=True)
    golden("kernels/cumsum.kernel", str(schedule_cpu(nest, HOST)))
