"""A value that a write replaces wholly: what it was computed from gets zeros, not None; as in torch, and compiled."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch as gt

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch


def copied(y: Any, w: Any) -> Any:
    return y.copy_(w)


def filled(y: Any, w: Any) -> Any:
    return y.fill_(2.0) * w


def emptied(y: Any, w: Any) -> Any:
    return y.zero_() + w


def assigned(y: Any, w: Any) -> Any:
    y[:] = w
    return y


def added(y: Any, w: Any) -> Any:
    y.copy_(y + w)
    return y


@pytest.mark.parametrize("write", [copied, filled, emptied, assigned, added])
def test_gradients(write: Any) -> None:
    def step(x: Any, w: Any) -> Any:
        write(x * x, w).sum().backward()
        return x.grad, w.grad

    seen = []
    for library, function in ((torch, step), (gt, step), (gt, gt.compile(step))):
        leaves = [library.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 5.0])]
        seen.append([g.tolist() for g in function(*leaves)])
    assert seen[0] == seen[1] == seen[2]
