"""Sequences of different lengths: padded and packed as torch does, and recurrent layers over them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, ShapeError, TraceError
from graphtorch.nn.utils import rnn
from tests.nn.test_rnn import flat, loss_of, made, states

LENGTHS = [[4, 2, 1], [2, 4, 1], [3, 3, 3], [1, 4, 4], [1, 1, 1]]


def same(a: Any, b: Any) -> None:
    """A result of ours and of torch's; None is None."""
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        assert a.numpy().dtype == b.numpy().dtype


@pytest.mark.torch
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("more", [(), (5,), (2, 7)])
def test_packing_and_padding_is_torchs(more: tuple[int, ...], lengths: list[int], batch_first: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    theirs = torch.nn.utils.rnn
    x = np.random.default_rng(0).standard_normal((3, 4, *more) if batch_first else (4, 3, *more))
    in_order = lengths == sorted(lengths, reverse=True)
    for array in (x, (x * 9).astype(np.int64)):
        a = rnn.pack_padded_sequence(gt.from_numpy(array), lengths, batch_first, in_order)
        b = theirs.pack_padded_sequence(torch.from_numpy(array), lengths, batch_first, in_order)
        for found, wanted in zip(a, b, strict=True):
            same(found, wanted)
        for total in (None, 6):
            padded = rnn.pad_packed_sequence(a, batch_first, -1.0, total)
            for found, wanted in zip(padded, theirs.pad_packed_sequence(b, batch_first, -1.0, total), strict=True):
                same(found, wanted)
        for found, wanted in zip(rnn.unpack_sequence(a), theirs.unpack_sequence(b), strict=True):
            same(found, wanted)


@pytest.mark.torch
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_of_sequences_is_torchs(side: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    arrays = [np.arange(3 * n, dtype=np.float32).reshape(n, 3) for n in (2, 5, 0, 1)]
    for batch_first in (False, True):
        found = rnn.pad_sequence([gt.tensor(a) for a in arrays], batch_first, 9.0, side)
        want = torch.nn.utils.rnn.pad_sequence([torch.tensor(a) for a in arrays], batch_first, 9.0, side)
        same(found, want)
    packed = rnn.pack_sequence([gt.tensor(arrays[i]) for i in (3, 1, 0)], enforce_sorted=False)
    for found, i in zip(rnn.unpack_sequence(packed), (3, 1, 0), strict=True):
        np.testing.assert_array_equal(found.numpy(), arrays[i])
    padded = rnn.pad_sequence([gt.tensor(arrays[i]) for i in (3, 1, 0)])
    for found, i in zip(rnn.unpad_sequence(padded, gt.tensor([1, 5, 2])), (3, 1, 0), strict=True):
        np.testing.assert_array_equal(found.numpy(), arrays[i])


@pytest.mark.torch
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "text", ["LSTM(5, 7, 2, bidirectional=True)", "LSTM(5, 7, proj_size=2)", "GRU(5, 7)", "RNN(5, 7)"]
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_layers_over_packed_sequences_are_torchs(text: str, given: bool, compiled: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    lengths, ours, theirs = [2, 6, 1, 5], made(text), made(text, torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((6, 4, 5)).astype("f")
    start, found = states(ours, x.shape) if given else [], []
    for lib, layer in ((gt, ours), (torch, theirs)):
        inputs = [lib.tensor(a, requires_grad=True) for a in (x, *start)]
        pack, pad = lib.nn.utils.rnn.pack_padded_sequence, lib.nn.utils.rnn.pad_packed_sequence

        def step(layer: Any, inputs: list[Any], pack: Any, pad: Any) -> list[Any]:
            hx = () if not given else (tuple(inputs[1:]) if len(inputs) > 2 else inputs[1],)
            out, last = layer(pack(inputs[0], lengths, enforce_sorted=False), *hx)
            results = [pad(out)[0], *flat(last)]
            loss_of(results).backward()
            return results

        results = (gt.compile(step) if compiled and lib is gt else step)(layer, inputs, pack, pad)
        found.append([*(r.detach() for r in results), *(t.grad for t in (*inputs, *layer.parameters()))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-6)


def test_a_packed_sequence_of_numbers_that_a_program_does_not_know_is_refused() -> None:
    layer = nn.GRU(5, 7)
    packed = rnn.pack_padded_sequence(gt.zeros(4, 3, 5), gt.tensor([4, 2, 1]))
    assert tuple(layer(packed)[0].data.shape) == (7, 7)
    with pytest.raises(TraceError, match="GT601"):
        gt.compile(lambda data, sizes: layer(rnn.PackedSequence(data, sizes))[1])(packed.data, packed.batch_sizes)


X = gt.zeros(4, 3, 5)
REFUSED = [
    (ArgumentError, "GT304", "lengths=[3, 2, 4] is not allowed", lambda: rnn.pack_padded_sequence(X, [3, 2, 4])),
    (ArgumentError, "GT304", "lengths=[4, 3, 0] is not allowed", lambda: rnn.pack_padded_sequence(X, [4, 3, 0])),
    (ArgumentError, "GT304", "lengths=[5, 3, 2] is not allowed", lambda: rnn.pack_padded_sequence(X, [5, 3, 2])),
    (ShapeError, "GT103", "there are 2 lengths", lambda: rnn.pack_padded_sequence(X, [4, 3])),
    (ShapeError, "GT107", "input has 1 dimensions", lambda: rnn.pack_padded_sequence(gt.zeros(3), [1])),
    (ArgumentTypeError, "GT301", "lengths must be an int", lambda: rnn.pack_padded_sequence(X, [4.5, 3, 2])),
    (ArgumentError, "GT304", "sequences is empty", lambda: rnn.pad_sequence([])),
    (ArgumentError, "GT304", "padding_side='up' is not", lambda: rnn.pad_sequence([X], padding_side="up")),
    (ArgumentTypeError, "GT301", "sequences[0] must be a tensor", lambda: rnn.pad_sequence([[1, 2]])),
    (ArgumentError, "GT304", "total_length=3 is not", lambda: rnn.pad_packed_sequence(rnn.pack_sequence([X]), total_length=3)),
    (ShapeError, "GT103", "hx does not fit the input", lambda: nn.GRU(5, 7)(rnn.pack_sequence([X[:, 0]]), gt.zeros(1, 2, 7))),
    (ShapeError, "GT109", "input.size(-1) must be", lambda: nn.GRU(6, 7)(rnn.pack_sequence([X[:, 0]]))),
    (ShapeError, "GT107", "input has 3 dimensions", lambda: nn.GRU(5, 7)(rnn.pack_sequence([X]))),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "text", "call"), REFUSED)
def test_refusals_name_the_argument(kind: Any, code: str, text: str, call: Any) -> None:
    with pytest.raises(kind, match=f"{code}.*{re.escape(text)}"):
        call()


@pytest.mark.torch
def test_conversions_are_torchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    x = np.random.default_rng(1).standard_normal((4, 3, 5)).astype(np.float32)
    ours = rnn.pack_padded_sequence(gt.from_numpy(x), [4, 2, 1])
    theirs = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(x), [4, 2, 1])
    for name in ("byte", "char", "double", "float", "half", "int", "long", "short", "cpu", "pin_memory"):
        if name in ("byte", "pin_memory"):  # of negative numbers it is anything; of a machine without a GPU an error
            assert isinstance(getattr(ours, name)(), rnn.PackedSequence)
            continue
        found, wanted = getattr(ours, name)(), getattr(theirs, name)()
        assert isinstance(found, rnn.PackedSequence)
        for a, b in zip(found, wanted, strict=True):
            same(a, b)
    assert ours.cpu(dtype=gt.float64).data.dtype == gt.float64
    assert not ours.is_cuda and not ours.is_pinned()
    with pytest.raises(RuntimeError, match="GT402"):
        ours.cuda()
