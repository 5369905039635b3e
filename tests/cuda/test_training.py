"""Training steps on a GPU, op by op and as a program, against eager mode on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn

pytestmark = pytest.mark.gpu
STEPS = 3


@dataclass(frozen=True)
class Net:
    """``make`` gives the net; an input is of ``shape``, or tokens below ``tokens``; ``classes`` of what it gives."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    tokens: int = 0


class Tokens(nn.Module):
    """A Transformer of one layer: logits [batch * length, tokens]."""

    def __init__(self) -> None:
        super().__init__()
        # a bias of keys has no gradient but what is rounded, of which Adam makes steps of full size
        self.embedding, self.norm = nn.Embedding(11, 8), nn.LayerNorm(8)
        self.qkv, self.head = nn.Linear(8, 24, bias=False), nn.Linear(8, 11)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        h = self.embedding(x) + gt.arange(x.shape[1], device=x.device)[:, None] * 0.01
        q, k, v = (p.reshape(*p.shape[:2], 2, 4).transpose(1, 2) for p in self.qkv(self.norm(h)).chunk(3, -1))
        out = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(h + out.transpose(1, 2).reshape(h.shape)).reshape(-1, 11)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.short, self.fc = nn.Conv2d(3, 4, 1, stride=2, bias=False), nn.Linear(4, 5)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return self.fc((y + self.short(x)).relu().mean((2, 3)))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 13), nn.ReLU(), nn.Dropout(0.25), nn.Linear(13, 7),
    )  # fmt: skip


NETS = {
    "mlp": Net(lambda: nn.Sequential(nn.Linear(19, 33), nn.ReLU(), nn.Linear(33, 5)), (17, 19), 5),
    "lenet": Net(lenet, (6, 1, 12, 12), 7),
    "residual": Net(Residual, (5, 3, 9, 8), 5),
    "tokens": Net(Tokens, (3, 7), 11, tokens=11),
    "norms": Net(
        lambda: nn.Sequential(nn.Linear(9, 70), nn.LayerNorm(70), nn.GELU(), nn.Softmax(1), nn.Linear(70, 4)),
        (11, 9),
        4,
    ),
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: gt.optim.SGD(p, lr=0.05, momentum=0.9),
    "adamw": lambda p: gt.optim.AdamW(p, lr=2e-3),
}


def batch(net: Net, step: int) -> tuple[gt.Tensor, gt.Tensor]:
    rng = np.random.default_rng(step)
    if net.tokens:
        return gt.tensor(rng.integers(0, net.tokens, net.shape)), gt.tensor(rng.integers(0, 11, net.shape).reshape(-1))
    return gt.tensor(rng.standard_normal(net.shape, np.float32)), gt.tensor(rng.integers(0, net.classes, net.shape[0]))


def train(net: Net, optimizer: str, device: str, compiled: bool) -> tuple[list[float], dict[str, Any]]:
    """Losses, and the state of the model."""
    gt.manual_seed(1)
    model = net.make().to(device)
    update = OPTIMIZERS[optimizer](model.parameters())
    schedule = gt.optim.lr_scheduler.StepLR(update, 1, 0.5)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        update.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.8)
        update.step()
        return loss

    run = gt.compile(step) if compiled else step
    gt.manual_seed(2)
    losses = []
    for i in range(STEPS):
        losses.append(run(*(t.to(device) for t in batch(net, i))))
        schedule.step()
    return [loss.item() for loss in losses], {k: v.cpu().numpy() for k, v in model.state_dict().items()}


CASES = [(n, "sgd", c) for n in NETS for c in (True, False)] + [("mlp", "adamw", True), ("tokens", "adamw", True)]
#: op by op, each kernel of a net is compiled by itself: two nets in the ordinary run
LATE = {(n, "sgd", False) for n in NETS} - {("mlp", "sgd", False), ("residual", "sgd", False)}


def name_of(case: tuple[str, str, bool]) -> str:
    return f"{case[0]}-{case[1]}-{'compiled' if case[2] else 'eager'}"


@pytest.mark.parametrize(
    ("name", "optimizer", "compiled"),
    [pytest.param(*c, id=name_of(c), marks=[pytest.mark.slow] if c in LATE else []) for c in CASES],
)
def test_training_is_the_cpus(name: str, optimizer: str, compiled: bool) -> None:
    want_losses, want = train(NETS[name], optimizer, "cpu", compiled=False)
    losses, state = train(NETS[name], optimizer, "cuda", compiled)
    np.testing.assert_allclose(losses, want_losses, rtol=1e-4)
    for key, value in want.items():
        np.testing.assert_allclose(
            state[key], value, rtol=1e-4, atol=1e-4 * max(np.abs(value).max(), 1e-3), err_msg=key
        )
