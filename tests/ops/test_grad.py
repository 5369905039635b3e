"""`vjp` against central finite differences in float64, first and second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from graphtorch.ir.ops import in_float32
from tests.ops.samples import SAMPLES, cases

STEP = 1e-6
#: its gradient is not the derivative of its numbers: tests/frontend/test_in_place.py
OVERWRITE = "overwrite"
DIFFERENTIABLE = [name for name in SAMPLES if not OPS[name].nondifferentiable and name != OVERWRITE]
SMOOTH = [p for p in cases() if p.values[0] in DIFFERENTIABLE and p.values[1].smooth]
#: the second derivative is 0, or that of the same formula as another op's
FLAT = {"cast", "sign", "floor", "ceil", "trunc", "round", "floor_divide", "trunc_divide"}
#: its gradient has none
ONCE = {"ctc_loss"}


def doubles(arrays: Any) -> list[np.ndarray[Any, Any]]:
    return [np.array(a, np.float64) if a.dtype.kind == "f" else np.array(a) for a in arrays]


def results(op: Any, arrays: Any, attrs: Any) -> list[np.ndarray[Any, Any]]:
    """The differentiable results of `ref`."""
    found = op.ref(*arrays, **attrs)
    found = found if isinstance(found, tuple) else (found,)
    return [np.asarray(r) for r in found if np.asarray(r).dtype.kind == "f"]


def directions(arrays: Any, seed: int) -> list[np.ndarray[Any, Any]]:
    """A direction to move each operand in; integers and bools stay where they are."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(a.shape) if a.dtype.kind == "f" else np.zeros(a.shape, a.dtype) for a in arrays]


def slope(function: Any, arrays: Any, along: Any) -> float:
    """The derivative of a scalar ``function`` of arrays in a direction, by central differences."""
    ahead, behind = (
        [a + sign * STEP * d if a.dtype.kind == "f" else a for a, d in zip(arrays, along, strict=True)]
        for sign in (1, -1)
    )
    return float(function(ahead) - function(behind)) / (2 * STEP)


def tensors(arrays: Any) -> list[Any]:
    return [gt.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def close(found: float, expected: float, scale: float) -> None:
    assert abs(found - expected) <= 2e-7 * max(1.0, scale, abs(expected)), (found, expected)


def dot(arrays: Any, others: Any) -> float:
    return float(sum(np.sum(a * b) for a, b in zip(arrays, others, strict=True)))


def gradients(leaves: Any, arrays: Any) -> list[np.ndarray[Any, Any]]:
    """What `.grad` holds; zeros where nothing arrived."""
    found = [leaf.grad for leaf in leaves]
    return [np.zeros(a.shape) if g is None else g.numpy() for g, a in zip(found, arrays, strict=True)]


@pytest.mark.parametrize(("name", "sample"), SMOOTH)
def test_first_order(name, sample):
    op, attrs = OPS[name], sample.attrs
    if attrs.get("dtype") is not None:
        attrs = {**attrs, "dtype": gt.float64}
    arrays = doubles(sample.operands)
    weights = directions(results(op, arrays, attrs), 1)
    leaves = tensors(arrays)
    out = bind.bind(op, *leaves, **attrs)
    outputs = [o for o in (out if isinstance(out, tuple) else (out,)) if o.dtype.is_floating_point]
    loss = sum((o * gt.tensor(w)).sum() for o, w in zip(outputs, weights, strict=True))
    loss.backward()
    found = gradients(leaves, arrays)
    for seed in (2, 3):
        along = directions(arrays, seed)
        expected = slope(lambda xs: dot(results(op, xs, attrs), weights), arrays, along)
        scale = sum(float(np.abs(g * d).sum()) for g, d in zip(found, along, strict=True))
        close(dot(found, along), expected, scale)


def vjp(op: Any, g: Any, xs: Any, attrs: Any) -> list[Any]:
    """The gradients that `vjp` gives for the cotangents ``g`` (of the floating-point results, in order)."""
    out = bind.bind(op, *xs, **attrs)
    if not isinstance(out, tuple):
        return list(in_float32.gradients(op, g[0], out, xs, attrs))
    else:
        given = iter(g)
        filled = [next(given) if o.dtype.is_floating_point else gt.zeros_like(o) for o in out]
        return list(in_float32.gradients(op, filled, out, xs, attrs))


@pytest.mark.parametrize(("name", "sample"), [p for p in SMOOTH if p.values[0] not in FLAT | ONCE])
def test_second_order(name, sample):
    op, attrs = OPS[name], sample.attrs
    arrays = doubles(sample.operands)
    cotangents = [np.asarray(w) for w in directions(results(op, arrays, attrs), 4)]
    count = len(arrays)
    weights = directions(arrays, 5)

    def weighted(everything):
        """The scalar sum(weights * vjp), as a function of operands and cotangents."""
        leaves = tensors(everything)
        grads = vjp(op, leaves[count:], leaves[:count], attrs)
        pairs = [(g, w) for g, w in zip(grads, weights, strict=True) if g is not None]
        return leaves, sum((g * gt.tensor(w)).sum() for g, w in pairs)

    point = [*arrays, *cotangents]
    leaves, scalar = weighted(point)
    scalar.backward()
    found = gradients(leaves, point)
    along = directions(point, 6)
    expected = slope(lambda p: weighted(p)[1].item(), point, along)
    close(dot(found, along), expected, 10 * sum(float(np.abs(g * d).sum()) for g, d in zip(found, along, strict=True)))


# ---- gradients by definition, where there is no derivative ------------------------------------------


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("relu", [-1.0, 0.0, 2.0], [0, 0, 1]),
        ("abs", [-1.0, 0.0, 2.0], [-1, 0, 1]),
        ("amax", [2.0, 1.0, 2.0], [0.5, 0, 0.5]),
        ("amin", [2.0, 1.0, 1.0], [0, 0.5, 0.5]),
    ],
)
def test_at_kinks(name, x, expected):
    leaf = gt.tensor(x, requires_grad=True)
    getattr(gt, name)(leaf).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), np.float32(expected))


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands_share(name):
    a, b = (gt.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    getattr(gt, name)(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [0.5, 0.5])
    np.testing.assert_array_equal(b.grad.numpy(), [0.5, 0.5])


def test_powers_of_zero():
    a = gt.tensor([0.0, 0.0, -2.0], requires_grad=True)
    (a ** gt.tensor([0.0, 2.0, 3.0])).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [0, 0, 12])


def test_integers_have_no_gradient():
    x = gt.tensor([1.0, 2.0], requires_grad=True)
    out = x.to(gt.int64).to(gt.float32)
    assert not out.requires_grad
