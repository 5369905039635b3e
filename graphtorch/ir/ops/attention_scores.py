"""Attention in ops, with all scores in memory: for targets without a kernel, second derivatives, dropout of weights."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import broadcast, dtype_of, shape_of
from graphtorch.ir.ops.contract import dot
from graphtorch.ir.ops.functions import exp
from graphtorch.ir.ops.logic import eq, ge, where
from graphtorch.ir.ops.movement import broadcast_to, iota, reshape
from graphtorch.ir.ops.reduce import amax
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import transpose
from graphtorch.ir.types import bool_, int64


def transposed(x: Any) -> Any:
    """The transpose of each matrix."""
    return transpose(x, -1, -2)


def column(x: Any) -> Any:
    """A number for each row, as a column."""
    return reshape(x, (*shape_of(x), 1))


def masked(query: Any, key: Any, bias: tuple[Any, ...], scale: float, causal: bool) -> Any:
    """The scores, [..., rows, columns]; -inf where a row may not look."""
    s = dot(query, transposed(key)) * scale
    for b in bias:
        s = where(b, s, -math.inf) if dtype_of(b) == bool_ else s + b
    if not causal:
        return s
    shape = shape_of(s)[-2:]
    rows, columns = (bind.bind(iota, shape=shape, dim=d, dtype=int64) for d in (0, 1))
    return where(broadcast_to(ge(rows, columns), shape_of(s)), s, -math.inf)


class Backward:
    """What backward computes again: ``weights``, the softmax; ``products``, their gradients; those of ``scores``."""

    def __init__(
        self, grad: Any, query: Any, key: Any, value: Any, logsumexp: Any, delta: Any, *bias: Any,
        scale: float, causal: bool,
    ) -> None:  # fmt: skip
        whole = column(logsumexp)
        found = exp(masked(query, key, bias, scale, causal) - whole)
        self.weights = where(broadcast(eq(whole, -math.inf), shape_of(found)), 0, found)
        self.products = dot(grad, transposed(value))
        self.scores = self.weights * (self.products - column(delta))


def exponentials(scores: Any) -> tuple[Any, Any, Any]:
    """exp(score - the row's greatest), that greatest, 0 where it is -inf, and the row's sum; those as columns."""
    if not shape_of(scores)[-1]:
        none = sum_(scores, -1, keepdim=True)
        return scores, none, none
    found = detach(amax(scores, -1, keepdim=True))
    highest = where(eq(found, -math.inf), 0, found)
    e = exp(scores - highest)
    return e, highest, sum_(e, -1, keepdim=True)


def weights(query: Any, key: Any, bias: tuple[Any, ...], scale: float, causal: bool) -> Any:
    """softmax(query @ key.T * scale + bias), [..., rows, columns]."""
    e, _, total = exponentials(masked(query, key, bias, scale, causal))
    return e / where(eq(total, 0), 1, total)
