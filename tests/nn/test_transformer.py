"""Transformer layers and stacks: against torch with the same weights, compiled steps, copies, and what they refuse."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from graphtorch.nn import functional as F
from tests.nn.test_rnn import loss_of
from tests.sampling import sampled

T, S, N, D = 5, 7, 3, 6

LAYERS = {
    "TransformerEncoderLayer(6, 2, 11, 0.0": ("src",),
    "TransformerDecoderLayer(6, 3, 11, 0.0, 'gelu'": ("tgt", "memory"),
    "TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 11, 0.0, nn.GELU('tanh')": ("src",),
    "TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 11, 0.0": ("tgt", "memory"),
    "Transformer(6, 2, 2, 1, 11, 0.0": ("src", "tgt"),
}
OPTIONS = [
    "",
    ", batch_first=True, norm_first=True",
    ", norm_first=True, bias=False, layer_norm_eps=0.01",
    ", batch_first=True",
]
ENDS = {"TransformerEncoder(": "), 2, nn.LayerNorm(6))", "TransformerDecoder(": "), 2)"}


def text_of(start: str, options: str) -> str:
    return start + options + ENDS.get(start.partition("(")[0] + "(", ")")


def build(text: str, lib: Any) -> Any:
    return eval(f"nn.{text}", {"nn": lib.nn})


def masks(names: tuple[str, ...], kind: str) -> dict[str, np.ndarray[Any, Any] | bool]:
    """Masks for a call of tensors with these names; each padded row has a position that is seen."""
    sizes = {"src": S, "tgt": T, "memory": S}
    causal = np.triu(np.ones((T, T), bool), 1)
    given: dict[str, Any] = {}
    for name in names:
        n = sizes[name]
        if kind == "padding":
            given[f"{name}_key_padding_mask"] = np.arange(n) >= np.array([[n], [n - 2], [1]])
        elif kind == "float":
            rows = T if name != "src" else n
            given[f"{name}_mask"] = np.sin(np.arange(rows * n)).reshape(rows, n).astype("f")
    if kind == "causal" and "tgt" in names:
        given |= {"tgt_mask": causal, "tgt_is_causal": True}
    elif kind == "causal":
        given |= {"src_mask": np.triu(np.ones((S, S), bool), 1), "is_causal": True}
    return given


CALLS = list(itertools.product(LAYERS, OPTIONS, ["none", "padding", "float", "causal"], [False, True]))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(  # each layer with each mask in eager mode, and each layer compiled; some of the others
    ("start", "options", "kind", "compiled"), sampled(CALLS, 12, lambda c: c[0] if c[3] else (c[0], c[2]))
)
def test_results_and_gradients_are_torchs(start: str, options: str, kind: str, compiled: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    text, names = text_of(start, options), LAYERS[start]
    gt.manual_seed(2)
    ours, theirs = build(text, gt), build(text, torch)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    with gt.no_grad():
        for p in ours.parameters():  # so that no norm is the identity
            p.add_(gt.randn(*p.shape) * 0.1)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    rng, sizes = np.random.default_rng(0), {"src": S, "tgt": T, "memory": S}
    arrays = [rng.standard_normal((sizes[name], N, D)).astype("f") for name in names]
    arrays = [a.swapaxes(0, 1).copy() if "batch_first" in options else a for a in arrays]
    given = masks(names, kind)
    if start.startswith("TransformerEncoder("):
        given = {"mask" if k == "src_mask" else k: v for k, v in given.items()}
    found = []
    for lib, layer in ((gt, ours), (torch, theirs)):
        inputs = [lib.tensor(a, requires_grad=True) for a in arrays]
        tensors = {k: lib.tensor(m) if isinstance(m, np.ndarray) else m for k, m in given.items()}

        def step(layer: Any, inputs: list[Any], tensors: Any) -> Any:
            out = layer(*inputs, **tensors)
            loss_of([out]).backward()
            return out

        out = (gt.compile(step) if compiled and lib is gt else step)(layer, inputs, tensors)
        found.append([out.detach(), *(t.grad for t in (*inputs, *layer.parameters()))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("start", LAYERS)
def test_without_a_batch(start: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    text = text_of(start, "")
    ours, theirs = build(text, gt), build(text, torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    arrays = [np.random.default_rng(i).standard_normal((T + i, D)).astype("f") for i in range(len(LAYERS[start]))]
    found = ours(*map(gt.tensor, arrays)).detach().numpy()
    np.testing.assert_allclose(found, theirs(*map(torch.tensor, arrays)).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_gradient_is_that_of_finite_differences() -> None:
    layer = nn.TransformerDecoderLayer(6, 2, 5, 0.0, gt.tanh, dtype=gt.float64)
    x = gt.randn(3, 2, 6, dtype=gt.float64, requires_grad=True)
    memory = gt.randn(4, 2, 6, dtype=gt.float64, requires_grad=True)
    assert gt.autograd.gradcheck(lambda *given: loss_of([layer(*given)]), (x, memory))


def test_a_compiled_training_step_with_dropout_is_the_eager_one() -> None:
    src, tgt = gt.randn(S, N, D), gt.randn(T, N, D)
    mask, found = nn.Transformer.generate_square_subsequent_mask(T), []
    for compiled in (False, True):
        gt.manual_seed(3)
        model = nn.Transformer(6, 2, 1, 1, 11, 0.2)
        opt = gt.optim.SGD(model.parameters(), lr=0.1)

        def step(model: Any, opt: Any) -> Any:
            opt.zero_grad()
            loss = ((model(src, tgt, tgt_mask=mask, tgt_is_causal=True) - tgt) ** 2).mean()
            loss.backward()
            opt.step()
            return loss

        run = gt.compile(step) if compiled else step
        losses = [run(model, opt).item() for _ in range(4)]
        found.append([losses, *(p.detach().numpy() for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_copies_start_equal_and_are_independent() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 11)
    encoder = nn.TransformerEncoder(layer, 3)
    first, second = encoder.layers[0], encoder.layers[1]
    assert first is not layer and first is not second
    for a, b, c in zip(layer.parameters(), first.parameters(), second.parameters(), strict=True):
        assert a is not b and b is not c
        np.testing.assert_array_equal(b.detach().numpy(), a.detach().numpy())
    with gt.no_grad():
        first.linear1.weight.fill_(3)
    assert layer.linear1.weight.max().item() < 1 and second.linear1.weight.max().item() < 1


def test_a_transformer_draws_matrices_by_xavier() -> None:
    model = nn.Transformer(40, 2, 1, 1, 60)
    weight = model.encoder.layers[0].linear1.weight.detach().numpy()
    bound = np.sqrt(6 / 100)
    assert abs(weight).max() <= bound and abs(weight.std() - bound / np.sqrt(3)) < 0.01


def test_the_causal_mask() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=gt.float64)
    want = np.where(np.triu(np.ones((4, 4)), 1), -np.inf, 0)
    np.testing.assert_array_equal(mask.numpy(), want)
    assert mask.dtype == gt.float64


def test_given_stacks_are_used_as_they_are() -> None:
    encoder, decoder = nn.Linear(6, 6), nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 11), 1)
    model = nn.Transformer(6, 2, custom_encoder=encoder, custom_decoder=decoder)
    assert model.encoder is encoder and model.custom_encoder is encoder and model.custom_decoder is decoder
    assert not any("custom" in name for name in model.state_dict())
    assert nn.Transformer(6, 2, 1, 1, 11).custom_encoder is None


def test_arguments_can_be_read_back() -> None:
    from graphtorch.frontend.diagnosis.layers import arguments_of

    layer = nn.TransformerEncoderLayer(6, 2, 11, 0.25, "gelu", 0.5, True, True, False)
    found = arguments_of(layer)
    assert found == {
        "d_model": 6, "nhead": 2, "dim_feedforward": 11, "dropout": 0.25, "activation": F.gelu, "layer_norm_eps": 0.5,
        "batch_first": True, "norm_first": True, "bias": False, "device": None, "dtype": gt.float32,
    }  # fmt: skip
    assert repr(type(layer)(**found)) == repr(layer)
    lstm = nn.LSTM(5, 7, 2, True, True, 0.5, True, 3)
    assert arguments_of(lstm)["bias"] is True and repr(nn.LSTM(**arguments_of(lstm))) == repr(lstm)


def test_a_wrong_width_is_mended_where_the_layer_was_made() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 11), 1)
    assert "nn.TransformerEncoderLayer(10, 2, 11)" in str(gt.check(encoder, gt.TensorSpec((5, 3, 10))))


x, model = gt.zeros(T, N, D), nn.Transformer(6, 2, 1, 1, 5)
REFUSED = [
    (ArgumentError, "GT304", "nhead=0 is not allowed", lambda: nn.TransformerEncoderLayer(6, 0)),
    (ArgumentError, "GT304", "num_heads=4 is not allowed", lambda: nn.TransformerEncoderLayer(6, 4)),
    (ArgumentError, "GT304", "dim_feedforward=0 is not", lambda: nn.TransformerDecoderLayer(6, 2, 0)),
    (
        ArgumentError,
        "GT304",
        "activation='tanh' is not allowed",
        lambda: nn.TransformerEncoderLayer(6, 2, 5, 0, "tanh"),
    ),
    (ArgumentTypeError, "GT301", "activation must be a function", lambda: nn.TransformerEncoderLayer(6, 2, 5, 0, 3)),
    (ArgumentError, "GT304", "num_layers=0 is not", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2), 0)),
    (ArgumentTypeError, "GT301", "decoder_layer must be a module", lambda: nn.TransformerDecoder(len, 2)),
    (ShapeError, "GT109", "tgt.size(-1) must be equal to d_model", lambda: model(x, gt.zeros(T, N, 5))),
    (ShapeError, "GT109", "src.size(-1) must be", lambda: model.encoder(gt.zeros(T, N, 5))),
    (ShapeError, "GT109", "memory.size(-1) must be", lambda: model.decoder(x, gt.zeros(T, N, 5))),
    (ShapeError, "GT107", "tgt has 1 dimensions", lambda: model.decoder(gt.zeros(D), x)),
    (ShapeError, "GT103", "the batch sizes of src and tgt must be equal", lambda: model(x, gt.zeros(T, 2, D))),
    (ShapeError, "GT107", "src has 4 dimensions", lambda: model(gt.zeros(1, T, N, D), x)),
    (ShapeError, "GT103", "attn_mask [3, 5] does not fit", lambda: model(x, x, gt.zeros(3, T))),
    (DTypeError, "GT202", "a mask that is not of bools", lambda: model(x, x, gt.zeros(T, T, dtype=gt.int64))),
    (ArgumentError, "GT304", "is_causal=True is not allowed without", lambda: model(x, x, tgt_is_causal=True)),
]


@pytest.mark.parametrize(("kind", "code", "text", "call"), REFUSED)
def test_refusals_name_the_argument(kind: Any, code: str, text: str, call: Any) -> None:
    with pytest.raises(kind, match=f"{code}.*{re.escape(text)}"):
        call()
