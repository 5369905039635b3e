"""Covariances and correlations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int64
from tests.ops.public.table import Array, call, refuse, row, smooth
from tests.ops.samples import array, strided

COUNTS, SHARES = np.array([1, 3, 2, 1, 0, 4, 2]), array(7, low=0.2, high=2)


def cov(x: Array, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Array:
    """The weighted mean of products, written out."""
    rows = np.atleast_2d(np.asarray(x, np.float64))
    counts = np.ones(rows.shape[1]) if fweights is None else fweights
    shares = np.ones(rows.shape[1]) if aweights is None else aweights
    w = counts * shares
    away = rows - (rows * w).sum(1, keepdims=True) / w.sum()
    freedom = w.sum() - correction * ((w * shares).sum() / w.sum() if aweights is not None else 1)
    found = np.einsum("in,n,jn->ij", away, w, away) / max(freedom, 0)
    return found.reshape(()) if found.shape == (1, 1) else found


def corrcoef(x: Array) -> Array:
    found = cov(x)
    if not found.ndim:
        return np.asarray(found / found)
    return found / np.sqrt(np.outer(np.diag(found), np.diag(found)))


row(
    "gt.cov",
    cov,
    smooth(array(3, 7)),
    smooth(strided(5, 7, dtype=float64)),
    smooth(array(7)),
    smooth(array(3, 7), correction=0),
    smooth(array(3, 7), fweights=COUNTS),
    replace(smooth(array(3, 7), aweights=SHARES), torch=True),
    smooth(array(3, 7, dtype=float64), correction=2, fweights=COUNTS, aweights=SHARES.astype(np.float64)),
    call(array(3, 7, dtype=int64)),
    call(np.array([[1, np.nan, 2], [np.inf, 1, 0]], np.float32)),
    refuse("cov does not take graphtorch.bool", array(3, 7, dtype=bool_)),
    refuse("input has 3 dimensions", array(2, 3, 7)),
    refuse("fweights is of another kind", array(3, 7), fweights=SHARES),
    refuse("aweights is of another kind", array(3, 7), aweights=COUNTS),
    refuse("one weight for each observation", array(3, 7), fweights=COUNTS[:5]),
    refuse("correction must be an int", array(3, 7), correction=0.5),
    refuse("input must be a tensor", 2.0),
)
row(
    "gt.corrcoef",
    corrcoef,
    smooth(array(3, 7) ** 2 + array(7)),
    smooth(strided(5, 7, dtype=float64) + array(7, low=0.5)),
    call(array(7)),
    call(array(3, 7, dtype=int64) ** 2 % 11),
    call(np.array([[1, 2, 4], [1, 1, 1]], np.float32)),
    refuse("does not take graphtorch.bool", array(3, 7, dtype=bool_)),
    refuse("input has 3 dimensions", array(2, 3, 7)),
    refuse("input must be a tensor", 2.0),
)
