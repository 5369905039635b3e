"""Losses, distances and activations against their definitions: values, gradients, eager and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.op import PUBLIC
from tests.losses.calls import call, expected, reductions, tensors
from tests.losses.case import Case
from tests.losses.cases import CASES
from tests.sampling import sampled

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using a target size"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
]
TOLERANCE = {"float32": {"rtol": 2e-5, "atol": 3e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}
STEP = 1e-6


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: Case, dtype: str) -> None:
    xs = tensors(gt, case.arrays, dtype, grad=False)
    before = [x.numpy().copy() for x in xs]
    for more in reductions(case):
        out, want = call(gt, case, *xs, **more), expected(case, before, **more)
        assert (out.shape, out.dtype.name) == (want.shape, dtype)
        np.testing.assert_allclose(out.numpy(), want, **TOLERANCE[dtype])
    for x, kept in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x.numpy(), kept)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients(case: Case) -> None:
    """Against central differences of the formula, in a random direction, weighted by a random cotangent."""
    arrays = [np.array(a, np.float64) if a.dtype.kind == "f" else a for a in case.arrays]
    for more in reductions(case):
        weight = np.random.default_rng(5).standard_normal(expected(case, arrays, **more).shape)
        leaves = tensors(gt, case.arrays, "float64")
        (call(gt, case, *leaves, **more) * gt.tensor(weight)).sum().backward()
        for number in _smooth(case):
            along = np.random.default_rng(number).standard_normal(arrays[number].shape)
            ends = []
            for sign in (1, -1):
                moved = [a + sign * STEP * along if i == number else a for i, a in enumerate(arrays)]
                ends.append((expected(case, moved, **more) * weight).sum())
            parts = leaves[number].grad.numpy() * along
            scale = max(1.0, float(np.abs(parts).sum()))
            assert parts.sum() == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=4e-8 * scale)


def slopes(case: Case, arrays: list[Any]) -> tuple[Any, list[Any]]:
    """(the gradients of a weighted sum of the results, in a random direction; the leaves)"""
    leaves = tensors(gt, tuple(arrays), "float64")
    out = call(gt, case, *leaves, **reductions(case)[0])
    weight = gt.tensor(np.random.default_rng(6).standard_normal(tuple(out.shape)))
    moved = [leaves[i] for i in _smooth(case)]
    found = gt.autograd.grad((out * weight).sum(), moved, create_graph=True)
    along = [gt.tensor(np.random.default_rng(i).standard_normal(tuple(x.shape))) for i, x in enumerate(moved)]
    return sum((g * v).sum() for g, v in zip(found, along, strict=True)), moved


@pytest.mark.parametrize("case", CASES, ids=str)
def test_second_gradients(case: Case) -> None:
    """Against central differences of the first, which test_gradients compares with the formula."""
    arrays = [np.array(a, np.float64) if a.dtype.kind == "f" else a for a in case.arrays]
    total, moved = slopes(case, arrays)
    found = gt.autograd.grad(total, moved, allow_unused=True) if total.requires_grad else [None] * len(moved)
    along = {i: np.random.default_rng(9 + i).standard_normal(arrays[i].shape) for i in _smooth(case)}
    pairs = zip(found, along.values(), strict=True)
    parts = [g.numpy() * d for g, d in pairs if g is not None]
    ends = [
        slopes(case, [np.asarray(a + sign * STEP * along[i]) if i in along else a for i, a in enumerate(arrays)])[
            0
        ].item()
        for sign in (1, -1)
    ]
    scale = max(1.0, sum(float(np.abs(p).sum()) for p in parts))
    expected = (ends[0] - ends[1]) / (2 * STEP)
    assert sum(float(p.sum()) for p in parts) == pytest.approx(expected, abs=4e-7 * scale)


def _smooth(case: Case) -> list[int]:
    """The operands with a derivative: not indices, nor those of 1 and -1, where the function is not continuous."""
    return [i for i, a in enumerate(case.arrays) if a.dtype.kind == "f" and not np.isin(a, (-1, 0, 1)).all()]


#: one shape of each activation is enough to compile
COMPILED = [c for c in CASES if c.arrays[0].shape != (2, 3, 5)]


@pytest.mark.parametrize("case", sampled(COMPILED, 20, lambda c: c.name))
def test_compiled(case: Case) -> None:
    """A whole step, in float32, against eager mode in float64."""
    more = reductions(case)[-2 if case.reduces else -1]
    getattr(gt.nn.functional, case.name)  # looked up once: the module keeps it, which a trace would see as a change

    def step(*xs: Any) -> tuple[Any, list[Any]]:
        leaves = [(x * 1).requires_grad_() if i in _smooth(case) else x for i, x in enumerate(xs)]
        loss = call(gt, case, *leaves, **more)
        loss.sum().backward()
        return loss.detach(), [leaves[i].grad for i in _smooth(case)]

    wide, narrow = (tensors(gt, case.arrays, dtype, grad=False) for dtype in ("float64", "float32"))
    (want, slopes), (found, got) = step(*wide), gt.compile(step)(*narrow)
    for a, b in [(found, want), *zip(got, slopes, strict=True)]:
        assert a.dtype == gt.float32
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=5e-5, atol=5e-6)


def test_every_function_has_a_case() -> None:
    files = ("rectifiers", "gates", "distance", "loss_binary", "loss_margin", "loss_regression")
    ours = {name for name, f in PUBLIC["F"].items() if getattr(f, "__module__", "").endswith(files)}
    assert ours and ours <= {c.name for c in CASES}


def _without_rows(case: Case) -> bool:
    """Whether the case makes sense with its first dimension cut to nothing."""
    first = case.arrays[0]
    rows = all(a.ndim and len(a) == len(first) for a in case.arrays)
    return rows and first.ndim > 1 and case.options.get("dim") != 0 and case.name != "glu"


@pytest.mark.parametrize("case", [c for c in CASES if _without_rows(c)], ids=str)
def test_of_nothing(case: Case) -> None:
    """No rows: no losses, a sum of 0, a mean of nan; and gradients without elements."""
    arrays = tuple(a[:0] for a in case.arrays)
    leaves = tensors(gt, arrays, "float32")
    results = [call(gt, case, *leaves, **more) for more in reductions(case)]
    if case.reduces:
        assert np.isnan(results[1].item()) and results[2].item() == 0
    results[0].sum().backward()
    assert leaves[0].grad.shape == arrays[0].shape


@pytest.mark.parametrize("name", ["mse_loss", "binary_cross_entropy_with_logits", "cosine_similarity", "mish"])
def test_of_nothing_compiled(name: str) -> None:
    case = next(c for c in CASES if c.name == name)
    xs = tensors(gt, tuple(a[:0] for a in case.arrays), "float32")
    getattr(gt.nn.functional, name)
    results = gt.compile(lambda *xs: tuple(call(gt, case, *xs, **more) for more in reductions(case)))(*xs)
    assert not case.reduces or (np.isnan(results[1].item()) and results[2].item() == 0)
    assert results[0].shape[0] == 0
