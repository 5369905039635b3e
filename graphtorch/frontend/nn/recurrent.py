"""One step of each recurrent cell, and a layer of steps as a scan.

What the inputs add to the gates is one product for all steps, outside of the loop; a step adds what the state does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphtorch.frontend.control_flow import scan
from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC, composite

State = tuple[Tensor, ...]


class Weights(NamedTuple):
    """Of one direction of one layer, with g gates: ih [g * h, i], hh [g * h, r], biases [g * h], hr [r, h]; r is h
    where there is no hr."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    hr: Tensor | None = None


class Cell(NamedTuple):
    """``gates`` weights for each feature, ``states`` tensors that go from step to step.

    ``step(gates, state, weights)`` is the next state, of what the input adds to the gates, [n, g * h]. Where
    ``one_bias`` the biases are added up before the loop.
    """

    gates: int
    states: int
    step: Callable[[Tensor, State, Weights], State]
    one_bias: bool = True


@composite(whole=True)
def lstm_step(gates: Tensor, h: Tensor, c: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(h, c) after S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with the
    forget gate of F. Gers et al. (2000); h before it is projected."""
    sigmoid, tanh = PUBLIC["gt"]["sigmoid"], PUBLIC["gt"]["tanh"]
    i, f, g, o = PUBLIC["gt"]["chunk"](gates + F.linear(h, weight), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


@composite(whole=True)
def gru_step(gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """h after K. Cho et al., arXiv:1406.1078 (2014); as in torch, r is multiplied with what has its bias already."""
    chunk, sigmoid = PUBLIC["gt"]["chunk"], PUBLIC["gt"]["sigmoid"]
    (r, z, n), (hr, hz, hn) = chunk(gates, 3, -1), chunk(F.linear(h, weight, bias), 3, -1)
    z = sigmoid(z + hz)
    n = PUBLIC["gt"]["tanh"](n + sigmoid(r + hr) * hn)
    return n + z * (h - n)  # type: ignore[no-any-return]


@composite(whole=True)
def rnn_step(gates: Tensor, h: Tensor, weight: Tensor, nonlinearity: str) -> Tensor:
    """h after J. Elman, "Finding structure in time", Cognitive Science 14 (1990); tanh or relu."""
    return PUBLIC["gt"][nonlinearity](gates + F.linear(h, weight))  # type: ignore[no-any-return]


def _lstm(gates: Tensor, state: State, weights: Weights) -> State:
    h, c = lstm_step(gates, state[0], state[1], weights.hh)
    return (h if weights.hr is None else F.linear(h, weights.hr)), c


def _gru(gates: Tensor, state: State, weights: Weights) -> State:
    return (gru_step(gates, state[0], weights.hh, weights.b_hh),)


def _tanh(gates: Tensor, state: State, weights: Weights) -> State:
    return (rnn_step(gates, state[0], weights.hh, "tanh"),)


def _relu(gates: Tensor, state: State, weights: Weights) -> State:
    return (rnn_step(gates, state[0], weights.hh, "relu"),)


#: by the mode of torch's layers
CELLS = {
    "LSTM": Cell(4, 2, _lstm),
    "GRU": Cell(3, 1, _gru, one_bias=False),
    "RNN_TANH": Cell(1, 1, _tanh),
    "RNN_RELU": Cell(1, 1, _relu),
}


def projected(cell: Cell, input: Tensor, weights: Weights) -> Tensor:
    """What ``input`` [..., i] adds to the gates, [..., g * h]."""
    both = cell.one_bias and weights.b_ih is not None and weights.b_hh is not None
    bias = weights.b_ih + weights.b_hh if both else weights.b_ih  # type: ignore[operator]
    return F.linear(input, weights.ih, bias)  # type: ignore[no-any-return]


def steps(
    cell: Cell, input: Tensor, state: State, weights: Weights, reverse: bool = False, valid: Tensor | None = None
) -> tuple[Tensor, State]:
    """(h of all steps [t, n, r], the last state) over ``input`` [t, n, i].

    ``valid``, bools [t, n, 1], says which steps a sequence has: it keeps its state in the others.
    """

    def step(state: State, given: Any) -> tuple[State, Tensor]:
        gates, there = given
        new = cell.step(gates, state, weights)
        if there is not None:
            new = tuple(PUBLIC["gt"]["where"](there, a, b) for a, b in zip(new, state, strict=True))
        return new, new[0]

    last, outputs = scan(step, state, (projected(cell, input, weights), valid), reverse=reverse)
    return outputs, last
