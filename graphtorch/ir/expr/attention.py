"""What attention lowers to: how a score is computed, and what is done with it; not in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphtorch.ir.expr.core import Expr, cast, const, select
from graphtorch.ir.expr.lowered import Source, Values
from graphtorch.ir.types import DType, bool_


@dataclass(frozen=True, eq=False)
class Attention:
    """out[..., t, :] = sum over s of p[..., t, s] * value[..., s, :], where p is the softmax over s of

        score[..., t, s] = scale * (query[..., t, :] . key[..., s, :]) + bias[..., t, s]

    A score is -inf where a ``bias`` of bools is False, and with ``causal`` where s > t. The results are out and
    the logarithm of each row's sum of exponentials.
    """

    query: Source
    key: Source
    value: Source
    bias: Source | None
    scale: float
    causal: bool

    @property
    def lead(self) -> tuple[int, ...]:
        return self.query.shape[:-2]

    @property
    def rows(self) -> int:
        return self.query.shape[-2]

    @property
    def columns(self) -> int:
        return self.key.shape[-2]

    @property
    def depth(self) -> int:
        """Of the products that are scores."""
        return self.query.shape[-1]

    @property
    def width(self) -> int:
        """Of a row of the output."""
        return self.value.shape[-1]

    @property
    def dtype(self) -> DType:
        return self.query.dtype

    def score(self, at: Values, t: Expr, s: Expr, product: Expr) -> Expr:
        """That of row ``t`` and column ``s`` at the leading indices ``at``, whose vectors have this ``product``."""
        found = product * const(self.scale, self.dtype)
        low = const(-math.inf, self.dtype)
        if self.bias is not None:
            bias = self.bias[(*at, t, s)]
            found = select(bias, found, low) if bias.dtype == bool_ else found + cast(bias, self.dtype)
        return select(s <= t, found, low) if self.causal else found


@dataclass(frozen=True, eq=False)
class AttentionGrad:
    """The gradients for query, key and value, of ``forward`` with the gradient ``grad`` of out.

        dp[..., t, s] = grad[..., t, :] . value[..., s, :]
        ds = p * (dp - delta)
        results: scale * ds @ key, scale * ds.T @ query, p.T @ grad

    where p is exp(score - logsumexp), and 0 in rows in which that is -inf.
    """

    forward: Attention
    grad: Source
    logsumexp: Source
    delta: Source
