"""``dtype=`` of reductions and scans: the operand is converted first. Against that, torch, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import DTypeError
from tests.ops.samples import array

Function = Callable[..., Any]

FUNCTIONS: dict[str, Function] = {
    "sum": lambda lib, x, d: lib.sum(x, 1, dtype=d),
    "sum of all": lambda lib, x, d: lib.sum(x, dtype=d),
    "mean": lambda lib, x, d: lib.mean(x, (0, 1), True, dtype=d),
    "prod": lambda lib, x, d: x.prod(-1, dtype=d),
    "prod of all": lambda lib, x, d: lib.prod(x, dtype=d),
    "nansum": lambda lib, x, d: lib.nansum(x, 0, dtype=d),
    "nanmean": lambda lib, x, d: lib.nanmean(x, 1, dtype=d),
    "norm": lambda lib, x, d: lib.norm(x, dim=1, dtype=d),
    "vector_norm": lambda lib, x, d: lib.linalg.vector_norm(x, 3, dtype=d),
    "cumsum": lambda lib, x, d: lib.cumsum(x, 1, dtype=d),
    "cumprod": lambda lib, x, d: x.cumprod(0, dtype=d),
    "softmax": lambda lib, x, d: lib.softmax(x, 1, dtype=d),
    "log_softmax": lambda lib, x, d: lib.log_softmax(x, -1, dtype=d),
}
WHOLE = {"sum", "sum of all", "prod", "prod of all", "cumsum", "cumprod"}
#: they take floats alone, even if a dtype is given
FLOATS = {"nanmean", "norm", "vector_norm"}


def cases() -> list[tuple[str, str, str]]:
    found = []
    for name in FUNCTIONS:
        for source in ("float32", "float64", "int32", "bool"):
            for target in ("float64", "float32", "int64", "int16"):
                if "int" in target and name not in WHOLE:
                    continue
                if name in FLOATS and not (source[:5] == "float" and source <= target):
                    continue
                found.append((name, source, target))
    return found


def operand(source: str) -> Any:
    return array(5, 7, dtype=getattr(gt, source), low=-2, high=2)


@pytest.mark.parametrize(("name", "source", "target"), cases())
def test_the_operand_is_converted_first(name: str, source: str, target: str) -> None:
    x, dtype = gt.from_numpy(operand(source)), getattr(gt, target)
    found = FUNCTIONS[name](gt, x, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), FUNCTIONS[name](gt, x.to(dtype), dtype).numpy())


@pytest.mark.torch
@pytest.mark.parametrize(("name", "source", "target"), cases())
def test_as_torch(name: str, source: str, target: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    found = FUNCTIONS[name](gt, gt.from_numpy(operand(source)), getattr(gt, target)).numpy()
    wanted = FUNCTIONS[name](torch, torch.from_numpy(operand(source)), getattr(torch, target)).numpy()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_with_gradients(name: str) -> None:
    def step(x: Any) -> Any:
        leaf = x.detach().requires_grad_()
        out = FUNCTIONS[name](gt, leaf, gt.float64)
        (out * out).sum().backward()
        assert leaf.grad.dtype == gt.float32
        return out.detach(), leaf.grad

    x = gt.from_numpy(operand("float32"))
    for a, b in zip(gt.compile(step)(x), step(x), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-6)


def test_sums_of_truth_values() -> None:
    x = gt.from_numpy(np.array([[0, 2], [0, 0]], np.float32))
    np.testing.assert_array_equal(gt.sum(x, 1, dtype=gt.bool).numpy(), [True, False])
    assert gt.sum(x, dtype=gt.bool).item() is True


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: gt.mean(x, dtype=gt.int64), "must be floating point"),
        (lambda x: gt.norm(x.double(), dtype=gt.float32), "narrower than the operand"),
        (lambda x: gt.norm(x, dtype=gt.int64), "narrower than the operand"),
        (lambda x: gt.norm(x.long(), dtype=gt.float32), "must be floating point"),
    ],
)
def test_refused(call: Function, match: str) -> None:
    with pytest.raises(DTypeError, match=match):
        call(gt.ones(3))
