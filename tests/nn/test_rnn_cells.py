"""Recurrent cells: against torch with the same weights, against their layers, finite differences, and refusals."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tests.nn.test_rnn import flat, loss_of, made

CELLS = [
    "LSTMCell(5, 7)",
    "LSTMCell(5, 7, bias=False)",
    "GRUCell(5, 7)",
    "GRUCell(5, 7, False)",
    "RNNCell(5, 7)",
    "RNNCell(5, 7, True, 'relu')",
]


def arguments(text: str, shape: tuple[int, ...]) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((*shape, n)).astype("f") for n in ((5, 7, 7) if "LSTM" in text else (5, 7))]


def called(cell: Any, x: Any, state: list[Any]) -> list[Any]:
    return flat(cell(x, tuple(state) if len(state) > 1 else state[0]) if state else cell(x))


@pytest.mark.torch
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("shape", [(3,), ()])
@pytest.mark.parametrize("text", CELLS)
def test_results_and_gradients_are_torchs(text: str, shape: tuple[int, ...], given: bool, compiled: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    ours, theirs = made(text), made(text, torch)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    found = []
    for lib, cell in ((gt, ours), (torch, theirs)):
        inputs = [lib.tensor(a, requires_grad=True) for a in arguments(text, shape)[: None if given else 1]]

        def step(cell: Any, inputs: list[Any]) -> list[Any]:
            results = called(cell, inputs[0], inputs[1:])
            loss_of(results).backward()
            return results

        results = (gt.compile(step) if compiled and lib is gt else step)(cell, inputs)
        found.append([*(r.detach() for r in results), *(t.grad for t in (*inputs, *cell.parameters()))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("text", CELLS)
def test_gradients_are_finite_differences(text: str) -> None:
    cell = made(text, dtype=gt.float64)
    x, *state = (gt.tensor(a, dtype=gt.float64, requires_grad=True) for a in arguments(text, (2,)))
    assert gt.autograd.gradcheck(lambda x, *state: loss_of(called(cell, x, list(state))), (x, *state))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_layer_is_its_cell_step_by_step(kind: str) -> None:
    layer, cell = getattr(nn, kind)(5, 7), getattr(nn, f"{kind}Cell")(5, 7)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x, state, outputs = gt.randn(6, 3, 5), None, []
    for t in range(6):
        state = cell(x[t], state)
        outputs.append(state[0] if kind == "LSTM" else state)
    gt.testing.assert_close(layer(x)[0].detach(), gt.stack(outputs).detach())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_parameters_are_drawn_in_order_and_within_their_bound(kind: str) -> None:
    gt.manual_seed(5)
    cell = getattr(nn, f"{kind}Cell")(40, 25)
    gt.manual_seed(5)
    for p in cell.parameters():
        np.testing.assert_array_equal(p.detach().numpy(), gt.nn.init.uniform_(gt.empty(*p.shape), -0.2, 0.2).numpy())


REFUSED = [
    (ArgumentError, "GT304", "hidden_size=0 is not allowed", lambda: nn.LSTMCell(5, 0)),
    (ArgumentError, "GT304", "nonlinearity='sine' is not allowed", lambda: nn.RNNCell(5, 7, nonlinearity="sine")),
    (ArgumentTypeError, "GT301", "bias must be a bool", lambda: nn.GRUCell(5, 7, 1)),
    (ShapeError, "GT109", "input.size(-1) must be equal to input_size", lambda: nn.GRUCell(5, 7)(gt.zeros(3, 6))),
    (ShapeError, "GT107", "input has 3 dimensions", lambda: nn.GRUCell(5, 7)(gt.zeros(2, 3, 5))),
    (ShapeError, "GT103", "hx does not fit the input", lambda: nn.GRUCell(5, 7)(gt.zeros(3, 5), gt.zeros(2, 7))),
    (ShapeError, "GT103", "hx[1] does not fit", lambda: nn.LSTMCell(5, 7)(gt.zeros(5), (gt.zeros(7), gt.zeros(1, 7)))),
    (ArgumentTypeError, "GT301", "hx must be a tuple of 2", lambda: nn.LSTMCell(5, 7)(gt.zeros(5), gt.zeros(7))),
    (DTypeError, "GT201", "input is graphtorch.float64", lambda: nn.RNNCell(5, 7)(gt.zeros(5, dtype=gt.float64))),
]


@pytest.mark.parametrize(("kind", "code", "text", "call"), REFUSED)
def test_refusals_name_the_argument(kind: Any, code: str, text: str, call: Any) -> None:
    with pytest.raises(kind, match=f"{code}.*{re.escape(text)}"):
        call()
