"""Gradients of gradients of every public function: against finite differences, and torch's double backward."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from tests.ops.public.table import Array, Call, Row
from tests.ops.test_public import SAID, calls, floating, floats_of, in_place_of, slope, tensors, unwrap

pytestmark = [pytest.mark.filterwarnings(f"ignore:.*{text}") for text in (*SAID, "is in beta")]
#: of the calls of a function beyond its first, so many in a hundred are differentiated twice in the ordinary run
TWICE_SAMPLED = 20
#: calls whose second gradients are not compared with torch's, and what torch says of them, or what is wrong with them
NOT_IN_TORCH = {
    "F.embedding_bag": "derivative .*_embedding_bag_.*backward.* is not implemented",
    "gt.cdist": "derivative for '_cdist_backward' is not implemented",
}
#: the derivative by the exponent of that by the base is 1 / base where the exponent is 0; torch has 0
WRONG_IN_TORCH = {"gt.float_power-0"}


def filled(found: Any, leaves: list[Any]) -> list[Array]:
    """Gradients as arrays; zeros where none arrives."""
    pairs = zip(found, leaves, strict=True)
    return [np.zeros(tuple(x.shape)) if g is None else unwrap(g.detach() + 0) for g, x in pairs]


def once(library: Any, row: Row, call: Call, arrays: list[Array]) -> tuple[Any, list[Any]]:
    """(a weighted sum of the gradient of a weighted sum of the results, the leaves): a Hessian times a vector.

    The weights of the results are leaves, too: what arrives at them is what a gradient penalty needs.
    """
    operands = len(floats_of(call))
    args, kwargs, leaves = tensors(library, call, in_place_of(call, arrays), grad=True)
    out = list(floating(library, row.function(library)(*args, **kwargs)))
    weights = [library.from_numpy(np.array(a)).requires_grad_() for a in arrays[operands:]] or [
        library.from_numpy(w).requires_grad_() for w in weights_of(out)
    ]
    total = sum((x * w).sum() for x, w in zip(out, weights, strict=True))
    found = library.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
    rng = np.random.default_rng(5)
    along = [library.from_numpy(np.array(rng.standard_normal(tuple(x.shape)))) for x in leaves]
    return sum((g * v).sum() for g, v in zip(found, along, strict=True) if g is not None), [*leaves, *weights]


def weights_of(out: list[Any]) -> list[Array]:
    rng = np.random.default_rng(4)
    return [np.array(rng.standard_normal(tuple(x.shape))) for x in out]


def second(library: Any, row: Row, call: Call) -> tuple[list[Array], list[Array]]:
    """(the second gradients, where)."""
    total, leaves = once(library, row, call, floats_of(call))
    flat = not getattr(total, "requires_grad", False)  # the first gradient is constant, as that of floor
    found = [None] * len(leaves) if flat else library.autograd.grad(total, leaves, allow_unused=True)
    return filled(found, leaves), [unwrap(x) for x in leaves]


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.smooth and c.twice, sampled=TWICE_SAMPLED))
def test_second_gradients(row: Row, call: Call) -> None:
    found, point = second(gt, row, call)
    rng = np.random.default_rng(6)
    along = [rng.standard_normal(a.shape) for a in point]
    expected = slope(lambda at: float(once(gt, row, call, at)[0]), point, along)
    got = float(sum(np.sum(g * d) for g, d in zip(found, along, strict=True)))
    scale = max([1.0, abs(expected), *(float(np.abs(g).max(initial=0)) for g in found)])
    assert abs(got - expected) <= 2e-6 * scale, (got, expected)


@pytest.mark.torch
@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.smooth and c.twice and c.torch, sampled=TWICE_SAMPLED))
def test_second_gradients_as_torch(row: Row, call: Call) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    if f"{row.name}-{row.calls.index(call)}" in WRONG_IN_TORCH:
        return
    try:
        wanted, _ = second(torch, row, call)
    except (NotImplementedError, RuntimeError) as error:
        assert re.search(NOT_IN_TORCH.get(row.name, "everything is expected to be there"), str(error))
        return
    found, _ = second(gt, row, call)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)
