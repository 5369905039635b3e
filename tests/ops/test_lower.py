"""`lower`, read element by element by a scalar interpreter, is `ref`: with no code generation in between."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphtorch.ir.expr import Attention, AttentionGrad, Reduce
from graphtorch.ir.op import OPS
from tests.ops.interpret import lowered, run_lower
from tests.ops.samples import EAGER, SAMPLES, cases

#: scalar evaluations that a sample may cost
BUDGET = 6000


def cost(op, sample):
    """How many elements are computed, times those of the domain."""
    found, _ = lowered(op, list(sample.operands), sample.attrs)
    if isinstance(found, AttentionGrad):
        found = found.forward
    if isinstance(found, Attention):
        return math.prod(found.lead) * found.rows * found.columns
    domain = math.prod(found.domain) if isinstance(found, Reduce) else 1
    shape = found.shape if not isinstance(found, tuple) else found[0].shape
    return math.prod(shape) * max(domain, 1)


@pytest.mark.parametrize(("name", "sample"), [p for p in cases() if p.values[0] not in EAGER])
def test_lower_is_ref(name, sample):
    op = OPS[name]
    if cost(op, sample) > BUDGET:
        pytest.skip("too large for a scalar interpreter")
    expected = op.ref(*sample.operands, **sample.attrs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = run_lower(op, list(sample.operands), sample.attrs)
    for a, b in zip(found, expected, strict=True):
        b = np.asarray(b)
        assert a.dtype == b.dtype
        compare(name, sample, a.reshape(b.shape), b)


def compare(name, sample, a, b):
    if a.dtype.kind != "f":
        if name == "cast":  # nan and what does not fit are unspecified
            source = sample.operands[0]
            fits = np.isfinite(source) if source.dtype.kind == "f" else np.ones(source.shape, bool)
            a, b = a[fits], b[fits]
        np.testing.assert_array_equal(a, b)
        return
    tight = {"rtol": 3e-6, "atol": 3e-6} if a.dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-13}
    np.testing.assert_allclose(a, b, **tight)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in EAGER])
def test_most_samples_are_small_enough(name):
    samples = list(SAMPLES[name]())
    assert sum(cost(OPS[name], s) <= BUDGET for s in samples) > len(samples) / 2
