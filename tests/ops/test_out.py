"""``out=``, against torch: what is written, where it is refused, and the same in programs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentTypeError, AutogradError, DTypeError, ShapeError
from graphtorch.frontend.outputs import FUNCTIONS

#: name -> a call of the library with x = arange(6.).view(2, 3); the tensor written is the result
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "unary": lambda l, x: l.exp(x, out=l.empty(2, 3)),
    "wider": lambda l, x: l.exp(x, out=l.empty(2, 3, dtype=l.float64)),
    "narrower": lambda l, x: l.exp(x, out=l.empty(2, 3, dtype=l.float16)),
    "integers into floats": lambda l, x: l.add(x.long(), 1, out=l.empty(2, 3)),
    "int64 into int8": lambda l, x: l.add(x.long(), 300, out=l.empty(2, 3, dtype=l.int8)),
    "bools into floats": lambda l, x: l.eq(x, 1, out=l.empty(2, 3)),
    "of no elements": lambda l, x: l.neg(x, out=l.empty(0)),
    "of another size": lambda l, x: l.neg(x, out=l.empty(7)),
    "transposed": lambda l, x: l.neg(x, out=l.empty(6).view(3, 2).t()),
    "None": lambda l, x: l.neg(x, out=None),
    "one of its operands": lambda l, x: l.add(x, 1, out=x),
    "reduction": lambda l, x: l.sum(x, 0, out=l.empty(3)),
    "mean": lambda l, x: l.mean(x, 1, True, out=l.empty(2, 1)),
    "matmul": lambda l, x: l.matmul(x, x.t(), out=l.empty(2, 2)),
    "addmm": lambda l, x: l.addmm(l.ones(2, 2), x, x.t(), alpha=2, out=l.empty(2, 2)),
    "cat": lambda l, x: l.cat([x, x], 1, out=l.empty(0)),
    "stack": lambda l, x: l.stack([x, x], out=l.empty(2, 2, 3)),
    "cumsum": lambda l, x: l.cumsum(x, 0, out=l.empty(2, 3)),
    "clamp": lambda l, x: l.clamp(x, 1, 3, out=l.empty(2, 3)),
    "where": lambda l, x: l.where(x > 2, x, -x, out=l.empty(2, 3)),
    "gather": lambda l, x: l.gather(x, 1, l.tensor([[0, 0], [2, 1]]), out=l.empty(2, 2)),
    "linalg": lambda l, x: l.linalg.vector_norm(x, 2, 1, out=l.empty(2)),
    "alias": lambda l, x: l.multiply(x, 2, out=l.empty(2, 3)),
    "arange": lambda l, x: l.arange(3, out=l.empty(3)),
    "zeros": lambda l, x: l.zeros(2, out=l.ones(2, dtype=l.int64)),
    "full": lambda l, x: l.full((2,), 3.5, out=l.ones(2, dtype=l.float64)),
    "sort": lambda l, x: l.sort(x, 1, True, out=(l.empty(2, 3), l.empty(2, 3, dtype=l.int64)))[1],
    "max": lambda l, x: l.max(x, 1, out=(l.empty(2), l.empty(2, dtype=l.int64))).values,
    "topk": lambda l, x: l.topk(x, 2, out=(l.empty(2, 2), l.empty(2, 2, dtype=l.int64))).indices,
}


def _numbers(l: Any) -> Any:
    return l.arange(6.0).view(2, 3)


@pytest.mark.torch
@pytest.mark.parametrize("name", CALLS)
def test_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = (CALLS[name](l, _numbers(l)) for l in (torch, gt))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    assert found.numpy().dtype == expected.numpy().dtype and found.stride() == expected.stride()


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_torch_has_it(name: str) -> None:
    torch = pytest.importorskip("torch")
    function = getattr(torch, name, None) or getattr(torch.linalg, name)
    with pytest.raises(TypeError) as caught:  # the operands are missing
        function(out=3)
    assert "unexpected keyword argument 'out'" not in str(caught.value)


def test_it_is_what_is_given() -> None:
    x, out = _numbers(gt), gt.empty(2, 3)
    view = out[0]
    assert gt.exp(x, out=out) is out
    assert view.tolist() == out[0].tolist() and out._version == 1
    values, indices = gt.empty(2), gt.empty(2, dtype=gt.int64)
    found = gt.max(x, 1, out=(values, indices))
    assert found.values is values and found.indices is indices and indices.tolist() == [2, 2]
    with pytest.warns(UserWarning, match=r"out had the shape \[7\] and gets \[2, 3\]"):
        gt.neg(x, out=gt.empty(7))


def test_gradients_are_refused() -> None:
    x, out = _numbers(gt).requires_grad_(), gt.empty(2, 3)
    for call in (lambda: gt.exp(x, out=out), lambda: gt.cat([x], out=out), lambda: gt.exp(gt.ones(3), out=x)):
        with pytest.raises(AutogradError, match=r"GT508 in .*: what is written into out has no gradient"):
            call()
    with gt.no_grad():
        assert gt.neg(x, out=out)[1, 2] == -5


def test_refusals() -> None:
    x = _numbers(gt)
    with pytest.raises(DTypeError, match=r"GT203 in exp: a result of graphtorch.float32 cannot be written into out of"):
        gt.exp(x, out=gt.empty(2, 3, dtype=gt.int64))
    with pytest.raises(ArgumentTypeError, match="GT301 in exp: out must be a tensor, got int"):
        gt.exp(x, out=3)
    with pytest.raises(ArgumentTypeError, match=r"GT301 in reshape: reshape\(\) does not take out"):
        gt.reshape(x, (3, 2), out=x)
    with pytest.raises(ArgumentTypeError, match="GT301 in sort: out has 1 tensors"):
        gt.sort(x, out=x)


def test_in_a_program() -> None:
    @gt.compile
    def step(x: Any, out: Any) -> Any:
        gt.add(x, 1, out=out)
        gt.mul(out, x, out=out[:, :3])
        return out * 2

    x, out = _numbers(gt), gt.zeros(2, 3)
    assert step(x, out).tolist() == [[0, 4, 12], [24, 40, 60]]
    assert out.tolist() == [[0, 2, 6], [12, 20, 30]]
    with pytest.raises(ShapeError, match=r"GT103 in add: out of shape \[3\] does not fit the result"):
        step(x, gt.zeros(3))
