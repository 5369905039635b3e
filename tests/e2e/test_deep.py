"""Nets of very many layers: no recursion, a kernel for each kind of layer, and the numbers of eager mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch import nn, optim

LAYERS, WIDTH, CLASSES = 300, 32, 10


def deep(layers: int) -> tuple[nn.Module, Any]:
    """A net whose signals neither die nor grow, and its training step."""
    gt.manual_seed(0)
    net = nn.Sequential(
        *(make() for _ in range(layers) for make in (lambda: nn.Linear(WIDTH, WIDTH), nn.ReLU)),
        nn.Linear(WIDTH, CLASSES),
    )
    with gt.no_grad():
        for p in net.parameters():
            p.copy_(gt.randn(p.shape) * (2 / WIDTH) ** 0.5 if p.ndim > 1 else gt.zeros(p.shape))
    optimizer, loss_fn = optim.SGD(net.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def test_a_deep_net_trains_as_in_eager_mode() -> None:
    x, y = gt.randn(16, WIDTH), gt.tensor([i % CLASSES for i in range(16)])
    (net, step), (other, eager) = deep(LAYERS), deep(LAYERS)
    compiled = gt.compile(step)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x, y).item(), eager(x, y).item(), rtol=1e-4)
    for (name, p), q in zip(net.named_parameters(), other.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        size = float(np.abs(q.grad.numpy()).max())
        assert size > 1e-9, f"{name} gets no gradient, so that this test shows nothing"
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-3 * size, err_msg=name)
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    launches = compiled._order[0].forward.launches
    assert len(launches) > 4 * LAYERS and len({launch.kernel for launch in launches}) < 16


def test_a_chain_of_very_many_operations() -> None:
    def chain(x: gt.Tensor) -> gt.Tensor:
        for i in range(3000):
            x = x * 0.999 + (i % 3 - 1)
        return x

    x = gt.randn(7)
    want = x.numpy().astype(np.float64)
    for i in range(3000):
        want = want * 0.999 + (i % 3 - 1)
    np.testing.assert_allclose(gt.compile(chain)(x).numpy(), want, rtol=1e-3, atol=1e-3)


def test_reductions_of_the_same_rows_far_apart() -> None:
    """Both sums are one kernel, which waits for the whole chain between them."""

    def ends(x: gt.Tensor, w: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        first, h = x.sum(-1), w
        for _ in range(1100):
            h = (h @ w).tanh()
        return first, (x * h[:1, :1]).sum(-1)

    x, w = gt.randn(17, 9), gt.eye(2) * 0.9
    for got, want in zip(gt.compile(ends)(x, w), ends(x, w), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)


def test_modules_nest_as_deep_as_python_calls(tmp_path: Path) -> None:
    """Frames between two modules, and what walks over them, leave room for more levels than torch's eager mode has."""

    def nested(levels: int) -> nn.Module:
        gt.manual_seed(1)
        net: nn.Module = nn.Linear(3, 2)
        for _ in range(levels):
            net = nn.Sequential(net)
        return net

    levels, x = 250, gt.randn(5, 3)
    net, twin = nested(levels), nested(levels)

    def step(net: nn.Module) -> gt.Tensor:
        net.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        return loss

    np.testing.assert_allclose(gt.compile(net)(x).detach().numpy(), twin(x).detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(gt.compile(lambda: step(net))().item(), step(twin).item(), rtol=1e-6)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5)
    path = "0." * levels
    assert [name for name, _ in net.named_parameters()] == [path + "weight", path + "bias"]
    assert f'"{path[:-1]}"' in str(gt.trace(net, x))
    assert repr(net).count("Sequential") == levels < len(str(gt.summary(net, x)).splitlines())
    assert not gt.check(net, x).problems and gt.check(net, gt.TensorSpec((5, 7))).problems
    gt.save(net, tmp_path / "net.gt")
    assert repr(gt.load(tmp_path / "net.gt", weights_only=False)) == repr(net)


def test_very_many_tensors_are_joined() -> None:
    parts = [gt.randn(1 + i % 3, 2) for i in range(1100)]
    joined = gt.compile(lambda *tensors: gt.cat(tensors))(*parts)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([p.numpy() for p in parts]))
