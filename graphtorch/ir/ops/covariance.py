"""Covariances and correlations of variables, each a row of observations."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import clamp, div, mul
from graphtorch.ir.ops.common import as_int, dtype_of, shape_of, to_dtype
from graphtorch.ir.ops.contract import matmul
from graphtorch.ir.ops.functions import sqrt
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import transpose, unsqueeze
from graphtorch.ir.types import bool_, defaults


@composite("gt", "Tensor")
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the variables that are the rows of ``input``; of a vector its variance.

    The sum of products is divided by the sum of weights less ``correction``, or 0 where that is below 0. ``fweights``,
    integers, say how often each observation counts; ``aweights``, floats, how much. ShapeError GT107 or GT103 for a
    wrong number of dimensions or weights, DTypeError GT203 for bools and for weights of another kind. torch refuses
    negative weights; here they are not looked at.
    """
    x = _variables(input, "cov")
    count = shape_of(x)[1]
    f, a = _weights(fweights, "fweights", "iu", count), _weights(aweights, "aweights", "f", count)
    w = f if a is None else a if f is None else mul(f, a)
    total = float(count) if w is None else sum_(w)
    average = mean(x, 1) if w is None else div(sum_(mul(x, w), 1), total)
    minus = as_int(correction, "correction")
    scaled = minus if w is None or a is None else div(mul(sum_(mul(w, a)), minus), total)
    centred = x - unsqueeze(average, 1)
    products = matmul(centred, transpose(centred if w is None else mul(centred, w), 0, 1))
    freedom = total - scaled
    found = div(products, max(freedom, 0.0) if w is None else clamp(freedom, min=0))
    return reshape(found, ()) if shape_of(found) == (1, 1) else found


@composite("gt", "Tensor")
def corrcoef(input: Any) -> Any:
    """Pearson's correlations of the variables that are the rows of ``input``; nan for one that is constant."""
    found = cov(input)
    if not shape_of(found):
        return found / found
    n = shape_of(found)[0]
    deviation = sqrt(reshape(found, (n * n,))[:: n + 1]) if n else reshape(found, (0,))
    return clamp(found / unsqueeze(deviation, 1) / unsqueeze(deviation, 0), min=-1, max=1)


def _variables(input: Any, name: str) -> Any:
    """``input`` as float[variables, observations]."""
    shape, dtype = shape_of(input), dtype_of(input)
    check(
        len(shape) <= 2, "GT107", f"input has {len(shape)} dimensions", "expected [variables, observations], or one row"
    )
    facts = "convert it first, e.g. with .to(graphtorch.float32)"
    check(dtype != bool_, "GT203", f"{name} does not take {dtype!r}", facts, kind=DTypeError)
    x = input if dtype.is_floating_point else to_dtype(input, defaults.dtype)
    return x if len(shape) == 2 else reshape(x, (1, shape[0] if shape else 1))


def _weights(weights: Any, name: str, kinds: str, count: int) -> Any:
    if weights is None:
        return None
    shape, dtype = shape_of(weights), dtype_of(weights)
    wanted = "an integer" if "i" in kinds else "a floating-point"
    facts = f"expected {wanted} dtype, got {dtype!r}"
    check(dtype.kind in kinds, "GT203", f"{name} is of another kind", facts, kind=DTypeError)
    fits = len(shape) <= 1 and (shape or (1,))[0] == count
    check(fits, "GT103", f"{name} must have one weight for each observation", f"expected [{count}], got {list(shape)}")
    return weights
