"""Every op is complete: samples, refusals with exact texts, a gradient or its absence, a lowering."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Param
from graphtorch.ir.op import OPS, PUBLIC, Op, parameters_of
from tests.ops.samples import CANNOT_FAIL, EAGER, REFUSED, SAMPLES, STRUCTURAL


@pytest.mark.parametrize("name", OPS)
def test_op_is_complete(name):
    op = OPS[name]
    assert name in SAMPLES or name in STRUCTURAL, "add a row to SAMPLES of tests/ops/samples.py"
    assert name in REFUSED or name in CANNOT_FAIL or name in STRUCTURAL, "add a row to REFUSED (or to CANNOT_FAIL)"
    assert hasattr(op, "vjp") != op.nondifferentiable, "an op has either a vjp or nondifferentiable = True"
    if name not in STRUCTURAL:
        assert hasattr(op, "ref")
        assert hasattr(op, "lower") != (name in EAGER)
    assert type(op).__doc__ or type(op).ref, "say what the op computes"


def test_tables_name_ops():
    assert set(SAMPLES) | set(REFUSED) | set(CANNOT_FAIL) | set(STRUCTURAL) <= set(OPS)
    assert not set(REFUSED) & set(CANNOT_FAIL)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_cover_the_kinds_of_operands(name):
    samples = list(SAMPLES[name]())
    sizes = [math.prod(a.shape) for s in samples for a in s.operands]
    if not sizes or OPS[name].nondifferentiable:
        return
    assert 0 in sizes, "no empty operand"
    assert any(not a.flags.c_contiguous for s in samples for a in s.operands), "no non-contiguous operand"
    assert any(s.smooth for s in samples), "no sample for finite differences"


@pytest.mark.parametrize("name", SAMPLES)
def test_shapes_do_not_repeat_a_size(name):
    for shape in (a.shape for s in SAMPLES[name]() for a in s.operands if s.smooth):
        sizes = [n for n in shape if n > 1]
        assert len(set(sizes)) == len(sizes), shape


def refusal(name, types, attrs):
    """The text of the error, less the line of this file that it shows."""
    params = [Param(f"x{i}", t) for i, t in enumerate(types)]
    with pytest.raises(GraphTorchError) as error:
        OPS[name].result_types(params, attrs)
    error.value.loc = None
    return str(error.value)


def test_refusals(golden):
    texts = [refusal(name, *case) for name, cases in REFUSED.items() for case in cases]
    golden("ops/refused.txt", "\n\n".join(texts) + "\n")


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_op(name):
    for case in REFUSED[name]:
        text = refusal(name, *case)
        assert f" in {name}: " in text.splitlines()[0]
        assert len(text.splitlines()) > 1, "say what came and what was expected"


@pytest.mark.parametrize("name", SAMPLES)
def test_infer_agrees_with_ref(name):
    from graphtorch.ir.types import TensorType, dtype_from_name

    op = OPS[name]
    for s in SAMPLES[name]():
        types = [TensorType(a.shape, dtype_from_name(a.dtype.name)) for a in s.operands]
        found = op.infer(*types, **s.attrs)
        arrays = op.ref(*s.operands, **s.attrs)
        for t, a in zip(
            found if isinstance(found, tuple) else (found,),
            arrays if isinstance(arrays, tuple) else (arrays,),
            strict=True,
        ):
            assert (t.shape, t.dtype.np) == (np.shape(a), np.asarray(a).dtype), str(s)


def test_names_of_parameters_are_those_of_the_signature() -> None:
    for space in PUBLIC.values():
        for function in space.values():
            if not isinstance(function, Op):
                assert parameters_of(function) == tuple(inspect.signature(function).parameters)
