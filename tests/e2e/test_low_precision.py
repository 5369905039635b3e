"""Models in 16-bit floats: training steps, eager and compiled; and the memory of their tensors."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn

F = nn.functional
LOW = (gt.float16, gt.bfloat16)


def data() -> tuple[Any, Any]:
    """Two classes, of points inside and outside of a ring."""
    x = np.random.default_rng(0).uniform(-1, 1, (96, 2)).astype(np.float32)
    return gt.tensor(x), gt.tensor(((x * x).sum(1) > 0.5).astype(np.int64))


def train(dtype: Any, optimizer: str, lr: float, compiled: bool, steps: int) -> tuple[list[float], list[Any]]:
    gt.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 24), nn.GELU(), nn.LayerNorm(24), nn.Linear(24, 2)).to(dtype)
    opt = getattr(gt.optim, optimizer)(net.parameters(), lr=lr)
    x, y = data()
    x = x.to(dtype)

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    run = gt.compile(step) if compiled else step
    losses = [run(x, y).item() for _ in range(steps)]
    assert all(p.dtype is dtype and p.grad.dtype is dtype for p in net.parameters())
    return losses, [p.detach().float().numpy() for p in net.parameters()]


# Adam's eps is 0 in float16, in torch too
@pytest.mark.parametrize(
    ("dtype", "optimizer", "lr"), [(gt.bfloat16, "AdamW", 0.02), (gt.float16, "SGD", 1.0)], ids=str
)
def test_an_mlp_learns(dtype, optimizer, lr):
    losses, _ = train(dtype, optimizer, lr, compiled=True, steps=60)
    assert losses[0] > 0.6 and losses[-1] < 0.35


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_compiled_steps_are_eager_steps(dtype):
    eager, parameters = train(dtype, "SGD", 0.02, compiled=False, steps=5)
    compiled, same = train(dtype, "SGD", 0.02, compiled=True, steps=5)
    eps = 2.0**-10 if dtype is gt.float16 else 2.0**-7
    np.testing.assert_allclose(compiled, eager, 2 * eps)
    for a, b in zip(same, parameters, strict=True):
        np.testing.assert_allclose(a, b, 0, 2 * eps * np.abs(b).max())


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_a_number_is_the_same_in_every_kernel(dtype):
    """The gradient of amax looks for the elements that are equal to the maximum: backward computes them again, and must
    find what forward stored. Were one of them not rounded there would be none, and nan for a gradient."""

    def step(x, w):
        y = gt.relu(x * w + 0.3) * 1.7
        (y.amax(1).sum() + (y * y).mean()).backward()

    found = []
    for run in (step, gt.compile(step)):
        rng = np.random.default_rng(0)
        x = gt.tensor(rng.standard_normal((63, 130)).astype(np.float32)).to(dtype).requires_grad_()
        w = gt.tensor(np.linspace(0.5, 2, 130).astype(np.float32)).to(dtype).requires_grad_()
        run(x, w)
        found.append((x.grad.numpy(), w.grad.numpy()))
    for a, b in zip(*found, strict=True):
        assert np.isfinite(a.astype(np.float32)).all()
        np.testing.assert_array_equal(a, b)


def test_numpy_shares_memory():
    array = np.arange(3).astype(ml_dtypes.bfloat16)
    x = gt.from_numpy(array)
    assert x.dtype is gt.bfloat16 and x.element_size() == 2
    x += 0.5
    assert array.tolist() == [0.5, 1.5, 2.5] and x.numpy() is array
    assert gt.tensor(array).tolist() == [0.5, 1.5, 2.5]
    assert gt.tensor([1.0, 2.0], dtype=gt.bfloat16).numpy().dtype == ml_dtypes.bfloat16
    half = np.arange(3, dtype=np.float16)
    assert gt.from_numpy(half).dtype is gt.float16 and gt.from_numpy(half).numpy() is half


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_close_is_as_torch_has_it(dtype):
    x = gt.tensor([1.0, float("nan")]).to(dtype)
    gt.testing.assert_close(x, x * (1 if dtype is gt.float16 else 1.01))
    with pytest.raises(AssertionError, match="1 of 2 elements differ"):
        gt.testing.assert_close(x, x * 1.03)


def test_modules_convert():
    net = nn.BatchNorm1d(3)
    for dtype, convert in ((gt.float16, net.half), (gt.bfloat16, net.bfloat16)):
        assert convert() is net
        assert net.weight.dtype is net.running_mean.dtype is dtype
        assert net.num_batches_tracked.dtype is gt.int64
        assert net(gt.randn(7, 3).to(dtype)).dtype is dtype


def test_numbers_are_drawn_and_made_in_16_bits():
    for dtype in LOW:
        for x in (gt.rand(33, dtype=dtype), gt.randn(33, dtype=dtype), gt.full((3,), 0.1, dtype=dtype)):
            assert x.dtype is dtype
        assert gt.arange(5, dtype=dtype).tolist() == [0, 1, 2, 3, 4]
        assert gt.zeros_like(gt.ones(3, dtype=dtype)).dtype is dtype


@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_text_of_constants(dtype):
    from graphtorch.ir.text import parse_graph

    graph = gt.trace(lambda x: gt.where(x > 0, x, 0.1) * 0.999, gt.TensorSpec((3, 5), dtype))
    assert f"{dtype.short}[3,5]" in str(graph) and f"dtype={dtype.short}" in str(graph)
    assert str(parse_graph(str(graph))) == str(graph)
