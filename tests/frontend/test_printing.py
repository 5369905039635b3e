"""The repr of tensors is torch's, but for the names of dtypes and of functions of autograd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, ArgumentTypeError

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


# ---- set_printoptions ---------------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {"precision": 2}, {"precision": 0}, {"threshold": 5, "edgeitems": 1}, {"linewidth": 40}, {"profile": "short"},
    {"profile": "full", "linewidth": 50}, {"sci_mode": True}, {"sci_mode": False},
]  # fmt: skip


@pytest.fixture
def default_options() -> Iterator[None]:
    yield
    gt.set_printoptions(profile="default")


@pytest.mark.torch
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_as_torch(options: dict[str, Any], default_options: None) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    try:
        for library in (gt, torch):
            library.set_printoptions(**options)
        for shape in [(), (3,), (40,), (3, 5), (2, 3, 4), (7, 30), (1100,)]:
            for scale in (10, 1e-5, 1e9):
                data = np.asarray(rng.standard_normal(shape) * scale).astype(F)
                assert repr(gt.tensor(data)) == repr(torch.tensor(data))
            whole = np.asarray(data, I)
            assert repr(gt.tensor(whole)) == repr(torch.tensor(whole))
    finally:
        torch.set_printoptions(profile="default")


def test_options_stay_until_they_are_set_again(default_options: None) -> None:
    gt.set_printoptions(precision=1)
    gt.set_printoptions(sci_mode=True)
    assert repr(gt.tensor(0.25)) == "tensor(2.5e-01)"
    gt.set_printoptions()  # which sets sci_mode back, as torch's does
    assert repr(gt.tensor(0.25)) == "tensor(0.2)"
    gt.set_printoptions(profile="default")
    assert repr(gt.tensor(0.25)) == "tensor(0.2500)"


def test_options_that_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"profile='long' is not allowed[\s\S]*'default', 'short', 'full'"):
        gt.set_printoptions(profile="long")
    with pytest.raises(ArgumentTypeError, match="precision must be a number, got str '2'"):
        gt.set_printoptions(precision="2")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"edgeitems=-1 is not allowed"):
        gt.set_printoptions(threshold=3, edgeitems=-1)
    assert len(repr(gt.arange(900)).split()) > 100  # nothing of a call that was refused counts
