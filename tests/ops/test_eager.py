"""Eager mode against formulas of its own, over dtypes, layouts, odd sizes, and nothing at all."""

from __future__ import annotations

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from graphtorch.ir.types import dtype_from_numpy, float32, float64
from tests.ops.formulas import FORMULAS
from tests.ops.samples import SAMPLES, cases


def test_every_op_has_a_formula():
    assert set(FORMULAS) == set(SAMPLES)


@pytest.mark.parametrize(("name", "sample"), cases())
def test_eager_is_the_formula(name, sample):
    before = [np.array(a) for a in sample.operands]
    out = bind.bind(OPS[name], *map(gt.from_numpy, sample.operands), **sample.attrs)
    expected = FORMULAS[name](*sample.operands, **sample.attrs)
    pairs = zip(*((x if isinstance(x, tuple) else (x,)) for x in (out, expected)), strict=True)
    for tensor, wanted in pairs:
        assert tensor.shape == np.shape(wanted)
        close(name, sample, tensor.numpy(), np.asarray(wanted))
    for a, b in zip(before, sample.operands, strict=True):
        np.testing.assert_array_equal(a, b)


def close(name, sample, found, wanted):
    dtype = dtype_from_numpy(found.dtype)
    if dtype.kind != "f":
        if name == "cast":
            keep = np.isfinite(sample.operands[0].astype(np.float64))
            found, wanted = found[keep], wanted[keep]
        np.testing.assert_array_equal(found, wanted)
        return
    with np.errstate(over="ignore"):
        wanted = wanted.astype(found.dtype)
    tight = {float64: (1e-12, 1e-13), float32: (3e-6, 1e-6)}.get(dtype, (0, 0))  # of 16 bits there are copies alone
    np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), *tight)


def test_views_share_storage():
    x = gt.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for view in (x.reshape(3, 2), x.permute(1, 0), x[0], x.detach(), x.unsqueeze(0)):
        assert view._storage is x._storage
    for copy in (x.clone(), x + 0, x.permute(1, 0).reshape(6)):
        assert copy._storage is not x._storage


def test_numpy_numbers_become_python_numbers():
    """Attributes of the IR have a text form, so no numpy scalar may get into a constant."""
    x = gt.tensor([1.0])
    assert (x * np.float64(2.5)).item() == 2.5
    from graphtorch.ir.ops.common import plain_number

    assert [type(plain_number(v)) for v in (np.float64(1), np.float32(1), np.int64(1), np.bool_(True))] == [
        float,
        float,
        int,
        bool,
    ]
