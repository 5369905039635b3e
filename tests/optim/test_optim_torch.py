"""Optimizers against torch, over 50 steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch

SHAPES = ((3, 5), (7,), ())
RULES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.001, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.7, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adam", {"lr": 0.001, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.8}),
    ("RMSprop", {"lr": 0.002, "centered": True, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.01, "maximize": True}),
    ("Adadelta", {"lr": 0.9}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adadelta", {"lr": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.7, 0.95), "eps": 1e-2, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.002, "maximize": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.002, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.002, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (0.01, 0.3)}),
    ("Rprop", {"lr": 0.002, "maximize": True, "step_sizes": (1e-6, 0.01)}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.05, "alpha": 0.6, "t0": 3, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.01, "t0": 0, "maximize": True}),
]


def _pair(name: str, options: dict[str, Any], dtype: Any = np.float32) -> tuple[Any, ...]:
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    ours = [nn.Parameter(gt.tensor(a)) for a in arrays]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
    return ours, theirs, getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)


def _step(ours: list[Any], theirs: list[Any], at: int, *optimizers: Any) -> None:
    """One step of both with the same gradients, which follow our parameters."""
    rng = np.random.default_rng(100 + at)
    for p, q in zip(ours, theirs, strict=True):
        g = (p.data.numpy() * 0.5 + rng.standard_normal(p.shape)).astype(p.data.numpy().dtype)
        p.grad, q.grad = gt.tensor(g), torch.tensor(g)
    for optimizer in optimizers:
        optimizer.step()


def _assert_equal(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data.numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), RULES, ids=str)
def test_update_rules(name: str, options: dict[str, Any]) -> None:
    ours, theirs, a, b = _pair(name, options)
    for at in range(50):
        _step(ours, theirs, at, a, b)
    _assert_equal(ours, theirs, 1e-6)


@pytest.mark.parametrize(("name", "options"), RULES, ids=str)
def test_update_rules_in_double(name: str, options: dict[str, Any]) -> None:
    ours, theirs, a, b = _pair(name, options, np.float64)
    for at in range(10):
        _step(ours, theirs, at, a, b)
    _assert_equal(ours, theirs, 1e-12)


@pytest.mark.parametrize(("name", "options"), RULES, ids=str)
def test_torch_state_dict_loads(name: str, options: dict[str, Any]) -> None:
    ours, theirs, a, b = _pair(name, options)
    for at in range(3):
        _step(ours, theirs, at, a, b)
    copies = [nn.Parameter(gt.tensor(q.detach().numpy())) for q in theirs]
    fresh = getattr(optim, name)(copies, lr=123.0)
    saved = b.state_dict()
    state = {
        i: {k: gt.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v for k, v in s.items()}
        for i, s in saved["state"].items()
    }
    fresh.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    for at in range(3, 6):
        _step(copies, theirs, at, fresh, b)
    _assert_equal(copies, theirs, 1e-6)
    own = {k: set(v) for k, v in a.state_dict()["state"].items()}
    assert own == {k: {n for n, t in v.items() if t is not None} for k, v in saved["state"].items()}


def test_repr() -> None:
    for name, options in (("SGD", {"momentum": 0.9}), ("Adam", {"foreach": True}), ("AdamW", {"fused": True})):
        a, b = _pair(name, {"lr": 0.1, **options})[2:]
        assert repr(a) == repr(b)
        assert list(a.param_groups[0]) == list(b.param_groups[0])
