"""Initialisation in place by the shape of the weight: identities, orthogonal and sparse matrices; and what is cut off.

Like the functions of `init.py`, each writes without recording for autograd, and returns the tensor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.construction import from_numpy
from graphtorch.frontend.nn import init
from graphtorch.frontend.random import Generator, randn, stream_of
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import float64


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix; ShapeError GT107 unless ``tensor`` has 2 dimensions."""
    _check_dims(tensor, "eye_", 2)
    return tensor if init.mode.skips else tensor.copy_(_eye(*tensor.aval.shape))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A weight [out, in, ...] of a convolution that gives its input again, as far as there are channels.

    Each of ``groups`` has an identity of its own. ShapeError GT107 unless there are 1 to 3 dimensions of space,
    ArgumentError GT304 for ``groups`` that do not divide ``out``.
    """
    _check_dims(tensor, "dirac_", 3, 4, 5)
    outs, ins, *space = tensor.aval.shape
    fits = groups > 0 and outs % groups == 0
    check(fits, "GT304", f"groups={groups} is not allowed", f"expected a divisor of {outs}", kind=ArgumentError)
    if init.mode.skips:
        return tensor
    tensor.zero_()
    middle = tuple(n // 2 for n in space)
    tensor[(slice(None), slice(None), *middle)] = _eye(outs // groups, ins).repeat(groups, 1).to(tensor.dtype)
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """``gain`` times a matrix [out, ...] with orthonormal rows (or columns, where there are more rows than these).

    It is drawn uniformly: Q of the QR decomposition of a normal matrix, with the signs of the diagonal of R
    (F. Mezzadri, "How to generate random matrices from the classical compact groups", 2007). Eager mode only:
    TraceError GT601. ShapeError GT107 below 2 dimensions.
    """
    shape = tensor.aval.shape
    check(len(shape) >= 2, "GT107", "orthogonal_ needs a weight [out, ...]", f"expected 2 dimensions, got {len(shape)}")
    if init.mode.skips or 0 in shape:
        return tensor
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = randn(max(rows, columns), min(rows, columns), generator=generator, dtype=float64)
    q, r = np.linalg.qr(drawn.numpy())
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    return tensor.copy_(from_numpy(np.ascontiguousarray(q.T if rows < columns else q)).reshape(shape) * gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """A normal matrix with deviation ``std``, in each column of which ceil(``sparsity`` * rows) elements are 0.

    J. Martens, "Deep learning via Hessian-free optimization", 2010. ShapeError GT107 unless there are 2 dimensions.
    """
    _check_dims(tensor, "sparse_", 2)
    if init.mode.skips:
        return tensor
    init.normal_(tensor, 0, std, generator)
    ranks = stream_of(generator).uniform(tensor.aval.shape, float64).argsort(0).argsort(0)
    return tensor.masked_fill_(ranks < math.ceil(sparsity * tensor.aval.shape[0]), 0)  # type: ignore[no-any-return]


@no_grad()
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with ``mean`` and deviation ``std``, of which only what lies in [a, b] is drawn.

    By the inverse of the distribution, of a uniform draw between its values at ``a`` and ``b``, in float64; where less
    than one number in 10^9 is outside, normal numbers that are moved to the bounds. ArgumentError GT304 unless
    std > 0 and a <= b.
    """
    fits = std > 0 and a <= b
    check(fits, "GT304", f"std={std}, a={a}, b={b} are not allowed", "expected std > 0, a <= b", kind=ArgumentError)
    if init.mode.skips:
        return tensor
    if min(mean - a, b - mean) > 6.2 * std:
        return tensor.copy_(init.normal_(tensor, mean, std, generator).clamp(a, b))
    low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
    drawn = stream_of(generator).uniform(tensor.aval.shape, float64) + 2.0**-33
    return tensor.copy_((PUBLIC["gt"]["erfinv"](drawn * (high - low) + low) * (std * math.sqrt(2)) + mean).clamp(a, b))


def _eye(rows: int, columns: int) -> Any:
    return PUBLIC["gt"]["arange"](rows).unsqueeze(1) == PUBLIC["gt"]["arange"](columns)


def _check_dims(tensor: Tensor, name: str, *allowed: int) -> None:
    count = len(tensor.aval.shape)
    expected = " or ".join(map(str, allowed))
    check(
        count in allowed, "GT107", f"{name} does not take {tensor.aval}", f"expected {expected} dimensions, got {count}"
    )
