"""Averages of weights beside torch's, in a program as eagerly, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError
from graphtorch.nn import functional as F
from graphtorch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tests.errors import without_lines

RNG = np.random.default_rng(12)
BATCHES = [RNG.standard_normal((5, 3)).astype(np.float32) for _ in range(7)]


def _net(lib: Any) -> Any:
    return lib.Sequential(lib.Linear(3, 4), lib.BatchNorm1d(4), lib.ReLU(), lib.Linear(4, 2))


def _arrays(module: Any) -> dict[str, Any]:
    return {k: v.numpy().copy() for k, v in module.state_dict().items()}


def _assert_same(a: Any, b: Any, tolerance: float = 1e-6) -> None:
    x, y = _arrays(a), _arrays(b)
    assert list(x) == list(y)
    for name, value in x.items():
        np.testing.assert_allclose(value, y[name], rtol=tolerance, atol=tolerance, err_msg=name)
        assert value.dtype == y[name].dtype


KINDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "mean": lambda m: {},
    "swa": lambda m: {"avg_fn": m.get_swa_avg_fn()},
    "ema": lambda m: {"avg_fn": m.get_ema_avg_fn(0.7)},
    "multi swa": lambda m: {"multi_avg_fn": m.get_swa_multi_avg_fn()},
    "multi ema": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.3)},
    "own": lambda m: {"avg_fn": lambda average, now, n: 0.5 * average + now * n},
}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "use_buffers"),
    # torch's fails for "multi swa" with buffers: it cannot divide the counts of batch norms in place
    [(kind, use) for kind in KINDS for use in (False, True) if (kind, use) != ("multi swa", True)],
)
def test_averages_are_torchs(kind: str, use_buffers: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    a, b = _net(nn), _net(torch.nn)
    b.load_state_dict({k: torch.tensor(v) for k, v in _arrays(a).items()})
    x = AveragedModel(a, use_buffers=use_buffers, **KINDS[kind](optim.swa_utils))
    y = torch.optim.swa_utils.AveragedModel(b, use_buffers=use_buffers, **KINDS[kind](torch.optim.swa_utils))
    _assert_same(x, y)
    for at in range(5):
        changes = np.random.default_rng(at)
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            p.data.copy_(gt.tensor(changes.standard_normal(p.shape).astype(np.float32)))
            q.data.copy_(torch.tensor(p.tolist()))
        a(gt.tensor(BATCHES[at]))
        b(torch.tensor(BATCHES[at]))
        x.update_parameters(a)
        y.update_parameters(b)
        _assert_same(x, y)
        if at == 2:
            update_bn([(gt.tensor(v), 0) for v in BATCHES], x)
            torch.optim.swa_utils.update_bn([(torch.tensor(v), 0) for v in BATCHES], y)
    assert x.n_averaged.item() == 5


@pytest.mark.torch
def test_statistics_are_torchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    a, b = _net(nn), _net(torch.nn)
    b.load_state_dict({k: torch.tensor(v) for k, v in _arrays(a).items()})
    a.eval()
    update_bn([gt.tensor(v) for v in BATCHES], a, device="cpu")
    torch.optim.swa_utils.update_bn([torch.tensor(v) for v in BATCHES], b)
    _assert_same(a, b)
    assert not a.training and not a[1].training and a[1].momentum == 0.1


class _Average(nn.Module):
    """A net and its average, in one training step."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        gt.manual_seed(3)
        self.net = _net(nn)
        self.average = AveragedModel(self.net, **options)
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.1)

    def step(self, x: gt.Tensor) -> gt.Tensor:
        self.optimizer.zero_grad()
        loss: gt.Tensor = F.mse_loss(self.net(x), x[:, :2])
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.net)
        return loss


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_program(kind: str) -> None:
    eager, compiled = (_Average(use_buffers=kind != "mean", **KINDS[kind](optim.swa_utils)) for _ in range(2))
    step = gt.compile(compiled.step)
    for x in BATCHES:
        eager.step(gt.tensor(x))
        step(gt.tensor(x))
    _assert_same(eager.average, compiled.average, 1e-4)
    assert compiled.average.n_averaged.item() == 7 and len(step.stats) == 1


def test_the_copy_is_a_copy() -> None:
    net = _net(nn)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    x = gt.tensor(BATCHES[0])
    np.testing.assert_array_equal(average(x).tolist(), net(x).tolist())
    net[0].bias.data.fill_(5.0)
    assert average.module[0].bias.tolist() != net[0].bias.tolist()
    average.update_parameters(net)
    assert average.module[0].bias.tolist() == [5.0] * 4
    net[0].bias.data.fill_(7.0)
    average.update_parameters(net)
    assert average.module[0].bias.tolist() == [6.0] * 4
    assert all(p.requires_grad and p.grad is None for p in average.parameters())


def test_momenta_come_back_when_a_batch_fails() -> None:
    net = _net(nn)
    with pytest.raises(gt.errors.ShapeError):
        update_bn([gt.ones(2, 4)], net)
    assert net[1].momentum == 0.1 and net.training
    update_bn([], nn.Linear(2, 2))
    plain = nn.InstanceNorm1d(3, track_running_stats=True)
    plain.running_mean.fill_(2.0)
    update_bn([], plain)  # no batch norm
    assert plain.running_mean.tolist() == [2.0] * 3


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: AveragedModel(nn.Linear(2, 3), avg_fn=lambda *_: 0, multi_avg_fn=lambda *_: None),
        "avg_fn is not allowed with multi_avg_fn\n  expected one of them at most",
    ),
    (lambda: get_ema_multi_avg_fn(1.5), "decay=1.5 is not allowed\n  expected a number in [0, 1]"),
    (
        lambda: AveragedModel(nn.Linear(2, 3)).update_parameters(nn.Linear(2, 3, bias=False)),
        "model has 1 parameters\n  expected the 2 of the averaged model",
    ),
    (lambda: optim.swa_utils.SWALR(_sgd(), [0.1, 0.2]), "swa_lr holds 2 values\n  expected one, or one for each of 1 parameter groups"),
    (lambda: optim.swa_utils.SWALR(_sgd(), 0.1, -1), "anneal_epochs=-1 is not allowed\n  expected anneal_epochs >= 0"),
]  # fmt: skip


def _sgd() -> optim.SGD:
    return optim.SGD([nn.Parameter(gt.ones(2))], lr=0.8)


@pytest.mark.parametrize(("make", "text"), REFUSED)
def test_refusals(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as wrong:
        make()
    assert without_lines(wrong.value) == f"ArgumentError GT304: {text}"


def test_what_is_no_model() -> None:
    for call in (AveragedModel, lambda f: update_bn([], f), AveragedModel(nn.ReLU()).update_parameters):
        with pytest.raises(ArgumentTypeError, match="GT301: model must be a Module, got function"):
            call(_sgd)
