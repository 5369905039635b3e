"""Multi-head attention against torch: masks, weights, biases, compiled."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from tests.sampling import sampled

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch]


def both(text: str) -> tuple[nn.Module, Any]:
    """The layer here and in torch, with equal state."""
    gt.manual_seed(1)
    ours, theirs = eval(f"nn.{text}", {"nn": nn}), eval(f"nn.{text}", {"nn": torch.nn})
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


ATTENTION = [
    "",
    "bias=False, add_bias_kv=True, kdim=4, vdim=5",
    "add_zero_attn=True, add_bias_kv=True",
    "batch_first=True",
]


MASKS = [None, "bool", "float", "heads", "padding", "both", "causal"]
CALLS = list(itertools.product(ATTENTION, MASKS, [True, False], [False, True]))


@pytest.mark.parametrize(  # all in eager mode; compiled, one of each mask and some of the others
    ("options", "mask", "weights", "compiled"), sampled(CALLS, 15, lambda c: c if not c[3] else c[1])
)
def test_multihead_attention(options: str, mask: str | None, weights: bool, compiled: bool) -> None:
    rng = np.random.default_rng(4)
    ours, theirs = both(f"MultiheadAttention(6, 2, {options})")
    rows, columns, batch = (5, 5, 3) if mask == "causal" else (5, 7, 3)
    q, k, v = (rng.standard_normal((n, batch, d)).astype(np.float32)
               for n, d in ((rows, 6), (columns, ours.kdim), (columns, ours.vdim)))  # fmt: skip
    if "batch_first" in options:
        q, k, v = (x.swapaxes(0, 1).copy() for x in (q, k, v))
    causal, seen = np.triu(np.ones((rows, columns), bool), 1), rng.random((rows, columns)) > 0.7
    seen[:, 0] = False
    padded = np.arange(columns) >= np.array([[7], [4], [6]])
    given = {
        None: {}, "bool": {"attn_mask": seen}, "float": {"attn_mask": rng.standard_normal((rows, columns)).astype("f")},
        "heads": {"attn_mask": rng.standard_normal((2 * batch, rows, columns)).astype("f")},
        "padding": {"key_padding_mask": padded}, "both": {"attn_mask": causal, "key_padding_mask": padded},
        "causal": {"attn_mask": causal, "is_causal": True},
    }[mask]  # fmt: skip
    found = []
    for lib, layer in ((gt, ours), (torch, theirs)):
        x = [lib.tensor(a, requires_grad=True) for a in (q, k, v)]
        masks = {name: lib.tensor(m) if isinstance(m, np.ndarray) else m for name, m in given.items()}

        def step(lib: Any, layer: Any, x: Any, masks: Any) -> Any:
            out, shown = layer(*x, need_weights=weights, average_attn_weights="zero" in options, **masks)
            total = (out * lib.arange(6)).sum()
            (total if shown is None else total + (shown * shown).sum()).backward()
            return out, shown

        run = gt.compile(step) if compiled and lib is gt else step
        out, shown = run(lib, layer, x, masks)
        results = [out, *x] if shown is None else [out, shown, *x]
        found.append([r.detach().numpy() for r in results[: len(results) - 3]] + [a.grad.numpy() for a in x])
        found[-1] += [p.grad.numpy() for _, p in sorted(layer.named_parameters())]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("alone", [True, False])
def test_attention_of_a_sequence_with_itself(alone: bool) -> None:
    ours, theirs = both("MultiheadAttention(6, 3)")
    x = np.random.default_rng(1).standard_normal((5, 6) if alone else (5, 2, 6)).astype(np.float32)
    t, u = gt.tensor(x), torch.tensor(x)
    for a, b in zip(ours(t, t, t), theirs(u, u, u), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=2e-5)
