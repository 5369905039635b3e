"""Compiled models against eager ones: scores of each, and steps of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from tests.vision.torchvision_facts import facts, filled, images, undropped

QUICK = ("resnet18", "mobilenet_v2", "squeezenet1_1")
NAMES = [n for n in sorted(facts()) if "scores" in facts()[n]]


def some(names: list[str], quick: tuple[str, ...]) -> list[Any]:
    """Others are slow."""
    return [pytest.param(n, marks=[] if n in quick else [pytest.mark.slow]) for n in names]


@pytest.mark.parametrize("name", some(NAMES, QUICK))
@pytest.mark.parametrize("freeze", [False, True])
def test_scores(name: str, freeze: bool) -> None:
    if freeze and name not in QUICK:
        pytest.skip("freezing is looked at with the quick ones")
    net = filled(name).eval()
    x = images(2, 3, 64, 64)
    with gt.no_grad():
        expected = net(x).numpy()
        got = gt.compile(net, freeze=freeze)(x).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def trained(name: str, compiled: bool) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses of two steps, and the state behind them. In float64: batch norms of few pixels amplify rounding."""
    net = undropped(filled(name).double().train())
    optimizer = optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = gt.compile(step) if compiled else step
    x, y = images(2, 3, 65, 65).double(), gt.tensor([1, 700])
    losses = [run(x, y).item() for _ in range(2)]
    return losses, {key: value.numpy() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("name", some(["resnet18", "mobilenet_v2", "squeezenet1_1", "vgg11"], ("squeezenet1_1",)))
def test_a_training_step(name: str) -> None:
    losses, state = trained(name, compiled=False)
    compiled_losses, compiled_state = trained(name, compiled=True)
    assert losses[1] != losses[0]
    np.testing.assert_allclose(compiled_losses, losses, rtol=1e-8)
    for key, value in state.items():
        np.testing.assert_allclose(compiled_state[key], value, rtol=1e-6, atol=1e-9, err_msg=key)


@pytest.mark.slow
def test_heads_of_googlenet_come_as_a_named_tuple() -> None:
    """In training; of a program, too."""
    net = undropped(filled("googlenet").double().train())
    x = images(2, 3, 33, 33).double()
    expected, got = net(x), gt.compile(net)(x)
    assert type(got) is type(expected) and got._fields == ("logits", "aux_logits2", "aux_logits1")
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-10)
