"""A compiled step writes large gradients where the last ones were, unless anybody else can see that memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim


def net() -> tuple[nn.Linear, Any]:
    """A layer whose weight is large enough, and its training step."""
    gt.manual_seed(0)
    layer = nn.Linear(65, 67)
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = (layer(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return layer, step


def inputs() -> list[gt.Tensor]:
    rng = np.random.default_rng(1)
    return [gt.from_numpy(rng.standard_normal((9, 65)).astype(np.float32)) for _ in range(4)]


def address(t: gt.Tensor) -> int:
    return int(t.numpy().__array_interface__["data"][0])


def test_memory_is_used_again_and_gradients_are_those_of_eager_mode() -> None:
    layer, step = net()
    compiled = gt.compile(step)
    other, eager = net()
    seen = []
    for x in inputs():
        compiled(x)
        eager(x)
        assert layer.weight.grad is not None and other.weight.grad is not None
        np.testing.assert_allclose(layer.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer.weight.detach().numpy(), other.weight.detach().numpy(), rtol=1e-5, atol=1e-6)
        seen.append(address(layer.weight.grad))
    assert len(set(seen[1:])) == 1  # the second call is another program: it has the momentum


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "the tensor": lambda w: w.grad,
    "its data": lambda w: w.grad.detach(),
    "a view": lambda w: w.grad[3:5],
    "its array": lambda w: w.grad.numpy(),
    "part of its array": lambda w: w.grad.numpy()[::2, 1],
    "a transpose": lambda w: w.grad.t(),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_somebody_holds_stays(name: str) -> None:
    layer, step = net()
    compiled = gt.compile(step)
    for x in inputs()[:2]:
        compiled(x)
    held = HOLDERS[name](layer.weight)
    before = np.array(held.numpy() if isinstance(held, gt.Tensor) else held)
    for x in inputs()[2:]:
        compiled(x)
    np.testing.assert_array_equal(held.numpy() if isinstance(held, gt.Tensor) else held, before)


def test_memory_of_somebody_else_is_not_written() -> None:
    layer, step = net()
    compiled = gt.compile(step)
    x = inputs()[0]
    compiled(x)
    compiled(x)
    whole = np.full((67, 130), 7, np.float32)
    for given in (whole[:, ::2], whole[:, :65].copy()):
        given.flags.writeable = given.base is not None
        layer.weight.grad = gt.from_numpy(given) if given.flags.writeable else None
        compiled(x)
        assert (whole == 7).all()


def test_a_gradient_that_is_also_a_result_is_not_written_again() -> None:
    layer, step = net()

    @gt.compile
    def with_result(x: gt.Tensor) -> Any:
        step(x)
        return layer.weight.grad

    found = [with_result(x) for x in inputs()]
    copies = [f.numpy().copy() for f in found]
    assert len({address(f) for f in found}) == len(found)
    for f, before in zip(found, copies, strict=True):
        np.testing.assert_array_equal(f.numpy(), before)


def test_accumulated_gradients_are_read_before_they_are_written() -> None:
    layer, _ = net()

    @gt.compile
    def accumulate(x: gt.Tensor) -> None:
        (layer(x) ** 2).mean().backward()

    want = np.zeros((67, 65), np.float64)
    for x in inputs():
        rows = x.numpy().astype(np.float64)
        made = rows @ layer.weight.detach().numpy().T.astype(np.float64) + layer.bias.detach().numpy()
        want += 2 * made.T @ rows / made.size
        accumulate(x)
        assert layer.weight.grad is not None
        np.testing.assert_allclose(layer.weight.grad.numpy(), want, rtol=1e-4, atol=1e-6)
