"""compiled.memory(): every part against arrays that are there, and nothing runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim


def test_parts_of_a_training_step() -> None:
    net = nn.Sequential(nn.Linear(65, 67), nn.Tanh(), nn.Linear(67, 3))
    optimizer, scale = optim.SGD(net.parameters(), lr=0.1, momentum=0.9), gt.full((9, 1), 0.5)
    before = [p.detach().numpy().copy() for p in net.parameters()]

    def step(x: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        optimizer.zero_grad()
        y = net(x) * scale
        loss = (y**2).mean()
        loss.backward()
        optimizer.step()
        return loss, y

    compiled = gt.compile(step)
    x = gt.randn(9, 65)
    report = compiled.memory(x)
    for p, old in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), old)
        assert p.grad is None
    parameters = sum(p.numel() * 4 for p in net.parameters())
    assert report.inputs == 9 * 65 * 4
    assert report.state == 2 * parameters  # and momentum, which the optimizer has made
    assert report.constants == 9 * 4
    compiled(x)
    again = compiled.memory(x)
    small = parameters - 67 * 65 * 4  # what is not worth reusing is there twice
    assert again.results == 4 + 9 * 3 * 4
    assert again.gradients == parameters + small
    executable = compiled._order[-1].forward
    assert again.arena == executable.plan.arena_bytes > 0
    own = again.arena + again.workspace + again.scratch * again.threads
    assert again.added == own + again.results + again.gradients + again.frozen + again.saved
    assert again.peak == again.added + again.inputs + again.state + again.constants
    assert compiled.memory() == again


def test_what_lies_in_the_arena_has_the_users_names() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(33, 129), nn.Linear(129, 5)

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            return self.second(gt.tanh(self.first(x)))

    compiled = gt.compile(Net())
    with gt.no_grad():
        report = compiled.memory(gt.randn(17, 33))
    (live,) = [v for v in report.live if v.type.shape == (17, 129)]
    assert live.made_by == "tanh" and live.line.startswith("test_usage.py:")
    assert live.nbytes == 17 * 129 * 4 <= report.arena
    text = str(report)
    assert (
        text.splitlines()[0]
        == f"Net: {report.peak / 1e6:.3f} MB at most, {report.added / 1e6:.3f} MB beside inputs and state"
    )
    assert "f32[17,129]" in text and "tanh" in text


def test_saved_for_an_eager_loop() -> None:
    layer = nn.Linear(33, 129)
    compiled = gt.compile(lambda x: gt.tanh(layer(x)).sum())
    report = compiled.memory(gt.randn(17, 33))
    assert report.saved >= 17 * 129 * 4
    assert report.gradients == (33 * 129 + 129) * 4


def test_frozen_weights_count() -> None:
    layer = nn.Conv2d(16, 16, 3, bias=False)
    compiled = gt.compile(layer, freeze=True)
    with gt.no_grad():
        report = compiled.memory(gt.randn(2, 16, 20, 20))
    assert report.state == 16 * 16 * 9 * 4
    assert report.frozen == compiled._order[0].forward.kept_bytes


def test_memory_that_tensors_share_counts_once_and_whole() -> None:
    table = gt.randn(40, 5)
    first, last, wide = table[:30], table[35:], gt.ones(7, 1).expand(7, 100)
    report = gt.compile(lambda x: x * first.sum() + last.sum() + wide.sum()).memory(gt.ones(3))
    assert report.constants == 40 * 5 * 4 + 7 * 4


def test_without_arguments_a_function_of_none_is_compiled() -> None:
    compiled = gt.compile(lambda: gt.zeros(3) + 1)
    assert compiled.memory().results == 12
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        gt.compile(_of_one).memory()


def _of_one(x: Any) -> Any:
    return x
