"""What a language model has besides attention, trained: tables that are shared, norms, GELU, clipping, AdamW in groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt

VOCABULARY, LENGTH, WIDTH = 37, 11, 24


def make(nn: Any) -> Any:
    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.up = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
            self.act, self.down = nn.GELU("tanh"), nn.Linear(3 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            return x + self.down(self.act(self.up(self.norm(x))))

    class Model(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(VOCABULARY, WIDTH, padding_idx=3)
            self.places = nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.ModuleList([Block(), Block()])
            self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
            self.head.weight = self.words.weight

        def forward(self, at: Any, places: Any) -> Any:
            x = self.words(at) + self.places(places)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return Model()


def train(lib: Any, model: Any, steps: int, wrap: Any = lambda f: f) -> tuple[list[float], list[float], dict[str, Any]]:
    """Losses, norms of gradients before clipping, and the parameters after so many steps."""
    matrices = [p for p in model.parameters() if len(p.shape) > 1]
    others = [p for p in model.parameters() if len(p.shape) == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0, "lr": 3e-3}]
    optimizer = lib.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))
    places = lib.tensor(np.arange(LENGTH))

    def step(at: Any, target: Any) -> Any:
        scores = model(at, places)
        loss = lib.nn.functional.cross_entropy(scores.reshape(-1, VOCABULARY), target.reshape(-1))
        loss.backward()
        norm = lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss, norm

    step, rng = wrap(step), np.random.default_rng(8)
    losses, norms = [], []
    for _ in range(steps):
        at = rng.integers(0, VOCABULARY, (5, LENGTH))
        loss, norm = step(lib.tensor(at), lib.tensor(np.roll(at, 1, 1)))
        losses.append(float(loss.item()))
        norms.append(float(norm.item()))
    return losses, norms, {k: v.detach().numpy().copy() for k, v in model.state_dict().items()}


@pytest.fixture
def ours() -> Any:
    gt.manual_seed(3)
    return make(gt.nn)


def test_compiled_steps_are_those_of_eager_mode(ours: Any) -> None:
    start = {k: v.clone() for k, v in ours.state_dict().items()}
    eager = train(gt, ours, 20)
    ours.load_state_dict(start)
    compare(train(gt, ours, 20, gt.compile), eager)


@pytest.mark.torch
def test_compiled_steps_are_those_of_torch(ours: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    theirs = make(torch.nn)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    compare(train(gt, ours, 20, gt.compile), train(torch, theirs, 20))


def compare(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-4)
    for name, value in wanted[2].items():
        np.testing.assert_allclose(found[2][name], value, rtol=1e-4, atol=2e-5, err_msg=name)
