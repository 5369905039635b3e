"""Large draws of eager mode come from a program: the bits are those of the op's numpy."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend import drawing
from graphtorch.ir.ops.random import random_uniform
from graphtorch.ir.types import float32

MANY = drawing._FEW + 5


def draws() -> list[np.ndarray]:
    """Numbers of each kind, and the state behind them."""
    made = [
        gt.rand(MANY), gt.rand(3, MANY // 2, 1), gt.randn(257, 301), gt.rand(MANY - 6), gt.rand(MANY, dtype=gt.float64),
        nn.init.kaiming_normal_(gt.empty(259, 300)), nn.init.uniform_(gt.empty(300, 259).t(), -0.3, 0.7), gt.get_rng_state(),
    ]  # fmt: skip
    return [t.numpy().copy() for t in made]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_drawn", drawing._PATIENCE)


@pytest.mark.parametrize("seed", [0, 7, -1, 2**63 + 11])
def test_the_bits_are_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_PATIENCE", 1 << 62)
    gt.manual_seed(seed)
    expected = draws()
    monkeypatch.setattr(drawing, "_PATIENCE", -1)
    called = []
    plain = drawing.uniform
    monkeypatch.setattr(drawing, "uniform", lambda state, shape: called.append(shape) or plain(state, shape))
    gt.manual_seed(seed)
    for got, wanted in zip(draws(), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert len(called) == 7  # normal numbers take two


def test_whoever_draws_little_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "uniform", None)
    monkeypatch.setattr(drawing, "_drawn", 0)
    gt.rand(drawing._FEW - 1)
    gt.rand(drawing._PATIENCE)


def test_a_trace_records_the_op(native: None) -> None:
    graph = gt.trace(lambda: gt.rand(MANY) + gt.randn(MANY))
    assert [n.op.name for n in graph.nodes].count("random_uniform") == 3


def test_a_compiled_function_draws_what_eager_mode_does(native: None) -> None:
    gt.manual_seed(5)
    expected = gt.rand(MANY).numpy().copy()
    gt.manual_seed(5)
    np.testing.assert_array_equal(gt.compile(lambda: gt.rand(MANY))().numpy(), expected)


def test_layers_made_while_a_trace_runs(native: None) -> None:
    """A lazy layer is made in eager mode, in the middle of a trace."""
    net = nn.LazyLinear(300)
    gt.manual_seed(1)
    out = gt.compile(net)(gt.ones(2, 300))
    gt.manual_seed(1)
    np.testing.assert_allclose(
        out.detach().numpy(), nn.Linear(300, 300)(gt.ones(2, 300)).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_threads(native: None) -> None:
    states = [gt.Generator().manual_seed(n) for n in range(4)]
    got: dict[int, np.ndarray] = {}

    def run(n: int) -> None:
        got[n] = gt.rand(MANY, generator=states[n]).numpy()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        expected = random_uniform.ref(np.array([n, 0]), shape=(MANY,), dtype=float32)
        np.testing.assert_array_equal(got[n], expected)


def test_dropout_in_eager_mode(native: None) -> None:
    x = gt.ones(300, 301, requires_grad=True)
    gt.manual_seed(2)
    out = nn.functional.dropout(x, 0.25)
    out.sum().backward()
    np.testing.assert_array_equal(out.detach().numpy(), x.grad.numpy())
    assert abs(float((out == 0).float().mean()) - 0.25) < 0.01
