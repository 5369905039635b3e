"""Recurrent layers: against torch with the same weights, finite differences, compiled steps, and what they refuse."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from graphtorch.frontend.tree import leaves
from tests.sampling import sampled

#: how a layer is made -> the shape of its input
LAYERS = {
    "LSTM(5, 7)": (11, 3, 5),
    "LSTM(5, 7, 2, bias=False, batch_first=True)": (3, 11, 5),
    "LSTM(5, 7, num_layers=3, bidirectional=True)": (4, 3, 5),
    "LSTM(5, 7, 2, proj_size=4, bidirectional=True, batch_first=True)": (3, 6, 5),
    "LSTM(5, 7, bidirectional=True)": (11, 5),
    "LSTM(5, 7, 2, batch_first=True, proj_size=1)": (1, 5),
    "LSTM(1, 2)": (1, 1, 1),
    "GRU(5, 7)": (11, 3, 5),
    "GRU(5, 7, 2, bias=False, batch_first=True, bidirectional=True)": (3, 6, 5),
    "GRU(5, 7, 3)": (4, 5),
    "RNN(5, 7)": (11, 3, 5),
    "RNN(5, 7, 2, 'relu', bidirectional=True)": (6, 3, 5),
    "RNN(5, 7, 2, 'relu', False, True)": (3, 6, 5),
    "RNN(5, 7, nonlinearity='tanh')": (6, 5),
}
KINDS = ("LSTM", "GRU", "RNN")
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}


def made(text: str, lib: Any = gt, **given: Any) -> Any:
    return eval(f"nn.{text[:-1]}, **given)", {"nn": lib.nn, "given": given})


def states(layer: Any, shape: tuple[int, ...], seed: int = 1) -> list[np.ndarray[Any, Any]]:
    """Arrays for the initial state of a layer for an input of this shape."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    batch = (shape[0 if layer.batch_first else 1],) if len(shape) == 3 else ()
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rows, *batch, n)).astype("f") for n in sizes[: STATES[type(layer).__name__]]]


def flat(results: Any) -> list[Any]:
    """A layer's results as a list, of torch's tensors too."""
    return [results] if not isinstance(results, tuple | list) else [r for part in results for r in flat(part)]


def loss_of(results: list[Any]) -> Any:
    """A number in which no two elements count alike."""
    return sum((r * r * r + r).mean() * (i + 1) for i, r in enumerate(results))


def passed(layer: Any, x: Any, hx: Any) -> list[Any]:
    return flat(layer(x) if hx is None else layer(x, tuple(hx) if len(hx) > 1 else hx[0]))


@pytest.mark.torch
@pytest.mark.parametrize(  # all in eager mode; compiled, one of each kind and some of the others
    ("text", "given", "compiled"),
    sampled(
        itertools.product(LAYERS, [False, True], [False, True]), 25, lambda c: c[0].partition("(")[0] if c[2] else c
    ),
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_results_and_gradients_are_torchs(text: str, given: bool, compiled: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    ours, theirs = made(text), made(text, torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(LAYERS[text]).astype("f")
    start = states(ours, LAYERS[text]) if given else []
    found = []
    for lib, layer in ((gt, ours), (torch, theirs)):
        inputs = [lib.tensor(a, requires_grad=True) for a in (x, *start)]

        def step(layer: Any, inputs: list[Any]) -> list[Any]:
            results = passed(layer, inputs[0], inputs[1:] or None)
            loss_of(results).backward()
            return results

        results = (gt.compile(step) if compiled and lib is gt else step)(layer, inputs)
        found.append([*(r.detach() for r in results), *(t.grad for t in (*inputs, *layer.parameters()))])
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("text", LAYERS)
def test_gradients_are_finite_differences(text: str) -> None:
    layer = made(text, dtype=gt.float64)
    shape = tuple(min(n, 3) for n in LAYERS[text][:-1]) + LAYERS[text][-1:]
    start = [gt.tensor(s, dtype=gt.float64, requires_grad=True) for s in states(layer, shape)]
    x = gt.randn(*shape, dtype=gt.float64, requires_grad=True)
    inputs = [x, *start, *layer.parameters()]
    function = lambda: loss_of(passed(layer, x, start))
    function().backward()
    for leaf in inputs:  # along one direction, in which all elements change
        v = gt.randn(*leaf.shape, dtype=gt.float64)
        with gt.no_grad():
            ends = [(leaf.add_(v, alpha=a), function().item())[1] for a in (1e-6, -2e-6)]
            leaf.add_(v, alpha=1e-6)
        np.testing.assert_allclose((leaf.grad * v).sum().item(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_training_step_is_the_eager_one(kind: str) -> None:
    x = gt.from_numpy(np.random.default_rng(0).standard_normal((9, 3, 5)).astype("f"))
    found = []
    for compiled in (False, True):
        gt.manual_seed(3)
        layer = getattr(nn, kind)(5, 7, 2, dropout=0.4, bidirectional=True)
        opt = gt.optim.SGD(layer.parameters(), lr=0.5)

        def step(layer: Any, opt: Any) -> Any:
            opt.zero_grad()
            loss = loss_of(passed(layer, x, None))
            loss.backward()
            opt.step()
            return loss

        run = gt.compile(step) if compiled else step
        losses = [run(layer, opt).item() for _ in range(4)]
        found.append([losses, *(p.detach().numpy() for p in layer.parameters())])
    assert found[0][0][-1] < found[0][0][0]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_does_not_grow_with_the_sequence(kind: str) -> None:
    layer, counts = getattr(nn, kind)(5, 7, 2, bidirectional=True), []
    for length in (3, 50):
        graph = gt.trace(lambda x: loss_of(passed(layer, x, None)), gt.TensorSpec((length, 2, 5)))
        bodies = [n.body for n in graph.nodes if n.body is not None]
        assert len(bodies) == 4  # a loop for each direction of each layer
        for body in bodies:  # what the input does is outside: a product of the state, and no more
            assert sum(n.op.name == "dot" for n in body.nodes) == 1
        counts.append((len(graph.nodes), sum(len(b.nodes) for b in bodies)))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_drawn_in_order_and_within_their_bound(kind: str) -> None:
    gt.manual_seed(5)
    layer = getattr(nn, kind)(40, 25, 2, bidirectional=True)
    gt.manual_seed(5)
    for p in layer.parameters():
        want = gt.nn.init.uniform_(gt.empty(*p.shape), -0.2, 0.2)
        np.testing.assert_array_equal(p.detach().numpy(), want.numpy())
    values = np.concatenate([p.detach().numpy().ravel() for p in layer.parameters()])
    assert abs(values.mean()) < 0.004 and abs(values.std() - 0.2 / np.sqrt(3)) < 0.002
    assert [len(w) for w in layer.all_weights] == [4] * 4
    assert layer.all_weights[1][2] is layer.bias_ih_l0_reverse
    assert layer.flatten_parameters() is None


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_in_training(kind: str) -> None:
    x = gt.randn(6, 3, 5)
    layer = getattr(nn, kind)(5, 7, 2, dropout=1.0)
    out, last = layer(x)
    start = [gt.zeros(1, 3, 7)] * STATES[kind]
    second = getattr(nn, kind)(7, 7)
    second.load_state_dict({k[:-1] + "0": v for k, v in layer.state_dict().items() if k.endswith("1")})
    want, _ = second(gt.zeros(6, 3, 7), tuple(start) if len(start) > 1 else start[0])
    gt.testing.assert_close(out.detach(), want.detach())  # all that goes from the first to the second is dropped
    assert flat(last)[0][0].abs().max().item() > 0  # and nothing else is
    plain = getattr(nn, kind)(5, 7, 2)
    plain.load_state_dict(layer.state_dict())
    gt.testing.assert_close(layer.eval()(x)[0].detach(), plain(x)[0].detach())


def test_dropout_of_one_layer_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"dropout=0.5 drops outputs of all layers but the last, and there is one"):
        nn.LSTM(5, 7, dropout=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_are_strided_or_of_no_sequences(kind: str) -> None:
    layer = getattr(nn, kind)(5, 7)
    x = gt.randn(5, 11, 3)
    for run in (layer, gt.compile(layer)):
        want = run(x.permute(1, 2, 0).contiguous())[0].detach()
        gt.testing.assert_close(run(x.permute(1, 2, 0))[0].detach(), want)
        out, last = run(gt.zeros(4, 0, 5))
        assert tuple(out.shape) == (4, 0, 7) and tuple(flat(last)[0].shape) == (1, 0, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_in_its_sequence_and_goes_on_in_time(kind: str) -> None:
    x = np.zeros((4, 3, 5), np.float32)
    x[1, 2, 0] = np.nan
    out = getattr(nn, kind)(5, 7)(gt.from_numpy(x))[0].detach().numpy()
    assert np.isnan(out[1:, 2]).all() and not np.isnan(out[0]).any() and not np.isnan(out[:, :2]).any()


REFUSED = [
    (ArgumentError, "GT304", "hidden_size=0 is not allowed", lambda: nn.LSTM(5, 0)),
    (ArgumentError, "GT304", "input_size=-1 is not allowed", lambda: nn.LSTM(-1, 7)),
    (ArgumentError, "GT304", "num_layers=0 is not allowed", lambda: nn.LSTM(5, 7, 0)),
    (ArgumentError, "GT304", "proj_size=7 is not allowed", lambda: nn.LSTM(5, 7, proj_size=7)),
    (ArgumentError, "GT304", "dropout=1.5 is not allowed", lambda: nn.LSTM(5, 7, 2, dropout=1.5)),
    (ArgumentTypeError, "GT301", "bias must be a bool, got float 0.5", lambda: nn.LSTM(5, 7, 2, 0.5)),
    (ShapeError, "GT109", "input.size(-1) must be equal to input_size", lambda: nn.LSTM(5, 7)(gt.zeros(4, 3, 6))),
    (ShapeError, "GT107", "input has 4 dimensions", lambda: nn.LSTM(5, 7)(gt.zeros(2, 4, 3, 5))),
    (ShapeError, "GT103", "the sequence in input has no steps", lambda: nn.LSTM(5, 7)(gt.zeros(0, 3, 5))),
    (DTypeError, "GT201", "input is graphtorch.float64", lambda: nn.LSTM(5, 7)(gt.zeros(4, 3, 5, dtype=gt.float64))),
    (ArgumentTypeError, "GT301", "input must be a tensor, got list", lambda: nn.LSTM(5, 7)([1.0])),
    (ArgumentTypeError, "GT301", "hx must be a tuple of 2 tensors", lambda: nn.LSTM(5, 7)(gt.zeros(4, 3, 5), gt.zeros(1, 3, 7))),
    (ArgumentTypeError, "GT301", "hx[1] must be a tensor, got None", lambda: nn.LSTM(5, 7)(gt.zeros(4, 3, 5), (gt.zeros(1, 3, 7), None))),
    (ShapeError, "GT103", "hx[1] does not fit the input", lambda: nn.LSTM(5, 7)(gt.zeros(4, 3, 5), (gt.zeros(1, 3, 7), gt.zeros(1, 2, 7)))),
    (ShapeError, "GT103", "hx[0] does not fit the input", lambda: nn.LSTM(5, 7, proj_size=2)(gt.zeros(4, 3, 5), (gt.zeros(1, 3, 7),) * 2)),
    (ShapeError, "GT103", "hx[0] does not fit the input", lambda: nn.LSTM(5, 7)(gt.zeros(4, 5), (gt.zeros(1, 1, 7),) * 2)),
    (ArgumentError, "GT304", "nonlinearity='sine' is not allowed", lambda: nn.RNN(5, 7, 1, "sine")),
    (ShapeError, "GT103", "hx does not fit the input", lambda: nn.GRU(5, 7)(gt.zeros(4, 3, 5), gt.zeros(1, 2, 7))),
    (DTypeError, "GT201", "hx[0] is graphtorch.float64", lambda: nn.LSTM(5, 7)(gt.zeros(4, 5), (gt.zeros(1, 7, dtype=gt.float64),) * 2)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "text", "call"), REFUSED)
def test_refusals_name_the_argument(kind: Any, code: str, text: str, call: Any) -> None:
    with pytest.raises(kind, match=f"{code}.*{re.escape(text)}"):
        call()


def test_a_trace_refuses_as_eager_does() -> None:
    layer = nn.LSTM(5, 7)
    with pytest.raises(ShapeError, match=r"GT109 in LSTM: input.size\(-1\) must be equal to input_size") as raised:
        gt.compile(layer)(gt.zeros(4, 3, 6))
    assert "expected 5, got 6" in str(raised.value) and "input f32[4,3,6]" in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_is_asked_of_what_is_frozen(kind: str) -> None:
    layer = getattr(nn, kind)(5, 7)
    layer.weight_hh_l0.requires_grad_(False)
    layer(gt.randn(4, 3, 5))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None and layer.weight_ih_l0.grad is not None
    assert all(t.grad is None for t in leaves(layer(gt.randn(4, 3, 5))[1]))
