"""What the steps on a GPU are compared by: all ways begin with the same weights, and their losses are the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from tools import gpu_steps

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _precision_stays() -> Iterator[None]:
    """What `prepared` chooses of TF32 is for its own process."""
    owners = [o for lib in (gt, torch) for o in (lib.backends.cuda.matmul, lib.backends.cudnn)]
    before = [o.allow_tf32 for o in owners]
    yield
    for owner, allowed in zip(owners, before, strict=True):
        owner.allow_tf32 = allowed


def small(name: str) -> gpu_steps.Work:
    work = gpu_steps.WORKS[name]
    sizes = {"gpt": (2, 128), "resnet18": (2, 3, 64, 64)}.get(name, (3, *work.shape[1:]))
    return dataclasses.replace(work, shape=sizes)


@pytest.mark.parametrize("name", gpu_steps.WORKS)
def test_every_number_of_a_net_is_the_same_for_all(name: str) -> None:
    models: list[Any] = [gpu_steps.WORKS[name].net(lib.nn) for lib in (gt, torch)]
    for model in models:
        gpu_steps.weights(model)
    states = [{k: np.asarray(v.detach().numpy()) for k, v in m.state_dict().items()} for m in models]
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][key], err_msg=key)
    assert any(v.ndim == 1 and np.unique(v).size > 9 for v in states[0].values())


@pytest.mark.parametrize("name", ["mlp", "lenet", "cifar"])
def test_losses_are_torchs(name: str) -> None:
    losses = []
    for way in ("graphtorch", "torch eager"):
        _, step = gpu_steps.prepared(way, small(name), "cpu")
        losses.append([step().item() for _ in range(3)])
    assert gpu_steps.alike(*losses, relative=1e-4) == "yes"
    assert losses[1][2] < losses[1][0] < 20  # nothing diverges
    assert gpu_steps.alike([losses[0][0], *losses[0][:2]], losses[1], gpu_steps.CLOSE).startswith("NO")
