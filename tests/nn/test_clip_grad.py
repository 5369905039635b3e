"""Gradients within bounds: against torch, by their definition, and as a part of a compiled step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, AutogradError, TraceError
from graphtorch.nn import utils

SHAPES = ((3, 5), (7,), (), (0, 2), (65, 9))


def parameters(dtype: Any = np.float32, scale: float = 1.0) -> list[Any]:
    rng = np.random.default_rng(3)
    out = [nn.Parameter(gt.zeros(*s, dtype=gt.float64 if dtype == np.float64 else gt.float32)) for s in SHAPES]
    for p in out:
        p.grad = gt.tensor((rng.standard_normal(p.shape) * scale).astype(dtype))
    return [*out, nn.Parameter(gt.zeros(4))]  # one without a gradient


def flat(params: list[Any]) -> Any:
    return np.concatenate([p.grad.numpy().ravel() for p in params if p.grad is not None]).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [2, 1, 3.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.7, 1e4, 0])
def test_the_norm_is_that_of_one_vector(max_norm: float, order: float, dtype: Any) -> None:
    params = parameters(dtype)
    before = flat(params)
    wanted = np.linalg.norm(before, order)
    total = utils.clip_grad_norm_(params, max_norm, order)
    np.testing.assert_allclose(total.numpy(), wanted, rtol=1e-5)
    np.testing.assert_allclose(flat(params), before * min(1, max_norm / (wanted + 1e-6)), rtol=2e-5, atol=1e-9)


def test_what_is_small_enough_keeps_its_bits() -> None:
    params = parameters()
    before = flat(params)
    utils.clip_grad_norm_(iter(params), 1e9)
    np.testing.assert_array_equal(flat(params), before)


def test_values_are_limited() -> None:
    params = parameters()
    before = flat(params)
    before[0] = params[0].grad.numpy()[0, 0] = np.nan
    assert utils.clip_grad_value_(params, 0.5) is None
    np.testing.assert_array_equal(flat(params), np.clip(before, -0.5, 0.5))


def test_no_gradients() -> None:
    assert utils.clip_grad_norm_([], 1.0).item() == 0
    assert utils.clip_grad_norm_(nn.Parameter(gt.ones(2)), 1.0).item() == 0


def test_a_norm_that_is_not_finite() -> None:
    for bad in (np.nan, np.inf):
        params = parameters()
        params[0].grad = gt.full((3, 5), bad)
        with pytest.raises(AutogradError, match=r"GT511.*order 2.0"):
            utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
        utils.clip_grad_norm_(params, 1.0)
        assert np.isnan(params[0].grad.numpy()).all()
    with pytest.raises(TraceError, match="GT601"):
        gt.compile(lambda x: utils.get_total_norm([x], error_if_nonfinite=True))(gt.ones(3))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda p: utils.clip_grad_norm_(p, -1.0), ArgumentError, "max_norm=-1.0"),
        (
            lambda p: utils.clip_grad_norm_(p, 1.0, "nuc"),
            ArgumentTypeError,
            "norm_type must be a number, got str 'nuc'",
        ),
        (lambda p: utils.clip_grad_norm_(p, 1.0, None), ArgumentTypeError, "norm_type must be a number, got NoneType"),
        (lambda p: utils.clip_grad_norm_(p, "1"), ArgumentTypeError, "max_norm must be a number"),
        (lambda p: utils.clip_grad_norm_([p, 3], 1.0), ArgumentTypeError, r"parameters\[1\] must be a tensor, got int"),
        (lambda p: utils.clip_grad_value_(3, 1.0), ArgumentTypeError, r"parameters\[0\] must be a tensor, got int"),
        (
            lambda p: utils.get_total_norm(p, error_if_nonfinite=1),
            ArgumentTypeError,
            "error_if_nonfinite must be a bool",
        ),
    ],
)
def test_refusals(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call(nn.Parameter(gt.ones(2)))


@pytest.mark.torch
@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf, 0.5, 0, -1, -2.5, -math.inf, "inf", "2"])
def test_as_torch(order: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    ours = [p for p in parameters() if p.grad is not None and math.prod(p.shape)]
    theirs = [torch.nn.Parameter(torch.zeros(p.shape)) for p in ours]
    for p, q in zip(ours, theirs, strict=True):
        q.grad = torch.tensor(p.grad.numpy())
    for lib, params in ((nn.utils, ours), (torch.nn.utils, theirs)):
        total = lib.clip_grad_norm_(params, 1.5, order, foreach=None)
        lib.clip_grad_value_(params, 0.2)
        params.append(total.detach())
    np.testing.assert_allclose(ours.pop().numpy(), theirs.pop().numpy(), rtol=1e-5)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-7)
