"""The repr of tensors is torch's, but for the names of dtypes and of functions of autograd."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt

nan, inf = np.nan, np.inf
F, I = np.float32, np.int64

#: data -> its repr, as torch 2.13 prints it
REPRS: list[tuple[Any, str]] = [
    (np.array([True]), "tensor([True])"),
    (np.array([True, False]), "tensor([ True, False])"),
    (np.array([1, nan], F), "tensor([1., nan])"),
    (np.array([nan, inf, 0], F), "tensor([nan, inf, 0.])"),
    (np.array(1e10, F), "tensor(1.0000e+10)"),
    (np.array([1e-5, 1], F), "tensor([1.0000e-05, 1.0000e+00])"),
    (np.array([0.5, -10], F), "tensor([  0.5000, -10.0000])"),
    (np.zeros((0, 3), F), "tensor([], size=(0, 3))"),
    (np.zeros(0, I), "tensor([], dtype=graphtorch.int64)"),
    (np.zeros((), I), "tensor(0)"),
    (np.array([[1, -20], [3, 4]], np.int8), "tensor([[  1, -20],\n        [  3,   4]], dtype=graphtorch.int8)"),
    (np.ones((2, 1, 1), F), "tensor([[[1.]],\n\n        [[1.]]])"),
    (np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
]


@pytest.mark.parametrize(("data", "text"), REPRS, ids=lambda v: v if isinstance(v, str) else "")
def test_repr(data: Any, text: str) -> None:
    assert repr(gt.tensor(data)) == text


def test_gradients() -> None:
    x = gt.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x + 1) == "tensor([2., 2.], grad_fn=<add>)"


@pytest.mark.torch
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1, 1e4, 1e9])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_as_torch(dtype: str, scale: float) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    rng = np.random.default_rng(0)
    for shape in [
        (),
        (1,),
        (7,),
        (40,),
        (3, 5),
        (2, 3, 2),
        (1001,),
        (40, 40),
        (2, 9, 70),
        (0,),
        (2, 0),
        (1200, 1),
        (4, 4, 4, 20),
    ]:
        for numbers in (rng.standard_normal(shape) * scale, rng.integers(-3, 1000, shape) * scale):
            with np.errstate(invalid="ignore"):
                data = np.asarray(numbers).astype(dtype)
            assert less_names(repr(gt.tensor(data))) == less_names(repr(torch.tensor(data)))
    special = np.array([nan, -inf, inf, 0, -0.0, scale]).astype(dtype if dtype.startswith("float") else "float32")
    assert less_names(repr(gt.tensor(special))) == less_names(repr(torch.tensor(special)))


def less_names(text: str) -> str:
    """Less the library's name, whose length decides where a line ends."""
    return re.sub(r",\s+dtype=\w+\.", ", dtype=", text)
