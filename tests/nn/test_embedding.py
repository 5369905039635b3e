"""Tables with bounded norms and gradients by frequency; convolutions with paddings that are not zeros: as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch import nn

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch

INDICES = np.array([[3, 0, 3, 4], [1, 3, 0, 3]])


def table() -> Any:
    return np.random.default_rng(5).standard_normal((7, 5)).astype(np.float32)


def looked_up(library: Any, functional: Any, wrap: Any, name: str, **options: Any) -> list[Any]:
    """The result, the table after it, and its gradient."""
    weight = library.tensor(table(), requires_grad=True)
    scale = library.tensor(np.random.default_rng(6).standard_normal(5).astype(np.float32))

    def step(indices: Any) -> Any:
        out = getattr(functional, name)(indices, weight, **options)
        (out * scale).sum().backward()
        return out

    out = wrap(step)(library.from_numpy(INDICES))
    return [out.detach().numpy(), weight.detach().numpy(), weight.grad.numpy()]


@pytest.mark.parametrize("wrap", [lambda f: f, gt.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
@pytest.mark.parametrize(
    "options",
    [
        {"max_norm": 1.5},
        {"max_norm": 0.7, "norm_type": 1.0, "padding_idx": 3},
        {"scale_grad_by_freq": True},
        {"scale_grad_by_freq": True, "padding_idx": 0, "max_norm": 2.0},
    ],
)
def test_norms_and_frequencies(wrap: Any, name: str, options: dict[str, Any]) -> None:
    # the sum of a bag of rows is what the rows give: torch's own gradient by frequency counts other rows for a bag
    wanted = looked_up(torch, torch.nn.functional, lambda f: f, "embedding", **options)
    if name == "embedding_bag":
        options = options | {"mode": "sum"}
        kept = options.get("padding_idx", -1) != INDICES
        wanted[0] = (wanted[0] * kept[..., None]).sum(1)
    found = looked_up(gt, F, wrap, name, **options)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_no_indices_leave_the_table() -> None:
    weight = gt.tensor(table())
    assert F.embedding(gt.zeros(0, 3, dtype=gt.int64), weight, max_norm=0.1).shape == (0, 3, 5)
    np.testing.assert_array_equal(weight.numpy(), table())


@pytest.mark.parametrize(
    "arguments", [{}, {"max_norm": 2.0}, {"max_norm": 2, "norm_type": 1, "scale_grad_by_freq": True}]
)
def test_repr(arguments: dict[str, Any]) -> None:
    for name in ("Embedding", "EmbeddingBag"):
        assert repr(getattr(nn, name)(3, 4, **arguments)) == repr(getattr(torch.nn, name)(3, 4, **arguments))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(2, 1), "same", "valid"])
def test_padding_modes(mode: str, padding: Any) -> None:
    x = np.random.default_rng(3).standard_normal((2, 3, 9, 8)).astype(np.float32)
    ours = nn.Conv2d(3, 5, (4, 3), padding=padding, dilation=(1, 2), padding_mode=mode)
    other = torch.nn.Conv2d(3, 5, (4, 3), padding=padding, dilation=(1, 2), padding_mode=mode)
    other.load_state_dict({k: torch.from_numpy(v.detach().numpy()) for k, v in ours.state_dict().items()})
    a, b = gt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for wrap in (lambda f: f, gt.compile):
        a.grad = b.grad = None
        found, wanted = wrap(ours)(a), other(b)
        (found * found).sum().backward()
        (wanted * wanted).sum().backward()
        np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert repr(ours) == repr(other)
