"""Scaled dot-product attention: softmax(query @ key.T * scale + bias) @ value, and its gradient.

Two ops, so that no matrix of all scores need be in memory: `lower` says what a score is, and a schedule goes through
the keys block by block with the running maximum and sum of an online softmax. Backward computes scores again
from the logarithm of each row's sum. M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax",
arXiv:1805.02867 (2018); T. Dao, "FlashAttention-2", arXiv:2307.08691 (2023).

A row whose keys are all masked has zeros, as in torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Attention, AttentionGrad, Source
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.attention_scores import Backward, column, exponentials, masked, transposed
from graphtorch.ir.ops.common import (
    Shape,
    aval_of,
    broadcast,
    broadcast_shapes,
    dtype_of,
    require_float,
    same_dtype,
    shape_of,
)
from graphtorch.ir.ops.contract import dot
from graphtorch.ir.ops.functions import log
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.types import TensorType, bool_

Array = Any


def _check(query: TensorType, key: TensorType, value: TensorType, bias: tuple[TensorType, ...]) -> TensorType:
    """The type of the output: [..., rows, width] for query [..., rows, depth], key [..., columns, depth] and value
    [..., columns, width]."""
    require_float(query, "query")
    same_dtype(query, key)
    same_dtype(query, value)
    lead, rows, depth = query.shape[:-2], query.shape[-2:-1], query.shape[-1:]
    fits = (*lead, *depth) == (*key.shape[:-2], *key.shape[-1:]) and key.shape[:-1] == value.shape[:-1]
    check(
        query.ndim >= 2 and fits and key.ndim == value.ndim == query.ndim,
        "GT103",
        f"query {list(query.shape)}, key {list(key.shape)} and value {list(value.shape)} do not fit",
        "expected [..., rows, depth], [..., columns, depth] and [..., columns, width]",
    )
    scores = (*lead, *rows, key.shape[-2])
    for t in bias:
        check(t.shape == scores, "GT103", "the mask does not fit", f"expected {list(scores)}, got {list(t.shape)}")
        check(
            t.dtype in (bool_, query.dtype),
            "GT201",
            "the mask has another dtype",
            f"expected graphtorch.bool or {query.dtype!r}, got {t.dtype!r}",
            kind=DTypeError,
        )
    return query.with_shape((*lead, *rows, value.shape[-1]))


class ScaledDotProductAttention(Op):
    """(output, logsumexp): the attention of [..., rows, depth], [..., columns, depth] and [..., columns, width].

    ``bias``, of [..., rows, columns], is added to scores, or says where it is True which keys a row may see. With
    ``causal`` row i sees keys 0 .. i. The logarithm of the sum of a row's exponentials, -inf where it sees
    no key, is [..., rows].
    """

    name = "attention"

    def infer(
        self, query: TensorType, key: TensorType, value: TensorType, *bias: TensorType, scale: float, causal: bool
    ) -> tuple[TensorType, TensorType]:
        out = _check(query, key, value, bias)
        return out, query.with_shape(query.shape[:-1])

    def ref(
        self, query: Array, key: Array, value: Array, *bias: Array, scale: float, causal: bool
    ) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            s = _scores(query, key, bias, scale, causal)
            highest = s.max(-1, keepdims=True, initial=-math.inf)
            highest = np.where(highest == -math.inf, np.zeros_like(highest), highest)
            e = np.exp(s - highest)
            total = e.sum(-1, keepdims=True)
            out = np.where(total == 0, np.zeros((), s.dtype), np.matmul(e, value) / total)
            return out, (highest + np.log(total))[..., 0]

    def vjp(self, g: Any, y: Any, query: Any, key: Any, value: Any, *bias: Any, scale: float, causal: bool) -> Any:
        delta = sum_(g[0] * y[0], -1) - g[1]
        operands = (g[0], query, key, value, y[1], delta, *bias)
        found = bind.bind(attention_grad, *operands, scale=scale, causal=causal)
        if not bias:
            return found
        if dtype_of(bias[0]) == bool_:
            return *found, None
        return *found, Backward(*operands, scale=scale, causal=causal).scores

    def decompose(self, query: Any, key: Any, value: Any, *bias: Any, scale: float, causal: bool) -> tuple[Any, Any]:
        """The results by way of all scores in memory."""
        e, highest, total = exponentials(masked(query, key, bias, scale, causal))
        out = dot(e, value) / where(eq(total, 0), 1, total)
        return out, reshape(highest + log(total), shape_of(query)[:-1])

    def lower(self, query: Source, key: Source, value: Source, *bias: Source, scale: float, causal: bool) -> Attention:
        return Attention(query, key, value, bias[0] if bias else None, scale, causal)


class AttentionGradient(Op):
    """The gradients of attention for query, key and value.

    ``logsumexp`` is that of the forward pass. ``delta``, of its shape, is the sum over the output of gradient times
    output, less the gradient of logsumexp: by the rule of softmax all that a score need know of the others.
    """

    name = "attention_grad"

    def infer(
        self, grad: TensorType, query: TensorType, key: TensorType, value: TensorType, logsumexp: TensorType,
        delta: TensorType, *bias: TensorType, scale: float, causal: bool,
    ) -> tuple[TensorType, TensorType, TensorType]:  # fmt: skip
        out = _check(query, key, value, bias)
        for name, t, like in (("grad", grad, out), ("logsumexp", logsumexp, None), ("delta", delta, None)):
            expected = like or query.with_shape(query.shape[:-1])
            check(t == expected, "GT103", f"{name} does not fit", f"expected {expected}, got {t}")
        return query, key, value

    def ref(
        self, grad: Array, query: Array, key: Array, value: Array, logsumexp: Array, delta: Array, *bias: Array,
        scale: float, causal: bool,
    ) -> tuple[Array, Array, Array]:  # fmt: skip
        with np.errstate(all="ignore"):
            s = _scores(query, key, bias, scale, causal)
            unseen = (logsumexp == -math.inf)[..., None]
            p = np.where(unseen, np.zeros((), s.dtype), np.exp(s - logsumexp[..., None]))
            ds = p * (np.matmul(grad, value.swapaxes(-1, -2)) - delta[..., None])
            factor = query.dtype.type(scale)
            down = (np.matmul(ds, key) * factor, np.matmul(ds.swapaxes(-1, -2), query) * factor)
            return *down, np.matmul(p.swapaxes(-1, -2), grad)

    def vjp(
        self, g: Any, _y: Any, grad: Any, query: Any, key: Any, value: Any, logsumexp: Any, delta: Any, *bias: Any,
        scale: float, causal: bool,
    ) -> Any:  # fmt: skip
        b = Backward(grad, query, key, value, logsumexp, delta, *bias, scale=scale, causal=causal)
        g_query, g_key, g_value = g
        # of `scores`, the gradient of scores
        g_scores = (dot(g_query, transposed(key)) + dot(query, transposed(g_key))) * scale
        g_products = g_scores * b.weights
        g_weights = dot(grad, transposed(g_value)) + g_scores * (b.products - column(delta))
        inner = g_weights * b.weights  # of scores, as they are computed again
        return (
            dot(b.weights, g_value) + dot(g_products, value),
            (dot(inner, key) + dot(b.scores, g_key)) * scale,
            (dot(transposed(inner), query) + dot(transposed(b.scores), g_query)) * scale,
            dot(transposed(g_products), grad),
            -sum_(inner, -1),
            -sum_(g_products, -1),
            *(None if dtype_of(t) == bool_ else inner for t in bias),
        )

    def decompose(
        self, grad: Any, query: Any, key: Any, value: Any, logsumexp: Any, delta: Any, *bias: Any,
        scale: float, causal: bool,
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        """The results by way of all scores in memory."""
        b = Backward(grad, query, key, value, logsumexp, delta, *bias, scale=scale, causal=causal)
        return dot(b.scores, key) * scale, dot(transposed(b.scores), query) * scale, dot(transposed(b.weights), grad)

    def lower(
        self, grad: Source, query: Source, key: Source, value: Source, logsumexp: Source, delta: Source, *bias: Source,
        scale: float, causal: bool,
    ) -> AttentionGrad:  # fmt: skip
        forward = Attention(query, key, value, bias[0] if bias else None, scale, causal)
        return AttentionGrad(forward, grad, logsumexp, delta)


attention_op, attention_grad = register(ScaledDotProductAttention()), register(AttentionGradient())


def _scores(query: Array, key: Array, bias: tuple[Array, ...], scale: float, causal: bool) -> Array:
    """Those of `ref`; -inf where a row may not look."""
    s = np.matmul(query, key.swapaxes(-1, -2)) * query.dtype.type(scale)
    low = s.dtype.type(-math.inf)
    for b in bias:
        s = np.where(b, s, low) if b.dtype == np.bool_ else s + b
    if causal:
        s = np.where(np.tri(*s.shape[-2:]) > 0, s, low)
    return s


# ---- the public function's contract ---------------------------------------------------------------


def operands(
    query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: float | None, enable_gqa: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands of `attention`, of one leading shape, and its attributes."""
    shapes = {"query": shape_of(query), "key": shape_of(key), "value": shape_of(value)}
    for name, shape in shapes.items():
        check(len(shape) >= 2, "GT107", f"{name} must be [..., length, depth]", f"got {list(shape)}")
    require_float(aval_of(query), "query")
    check(
        not (is_causal and attn_mask is not None),
        "GT304",
        "attn_mask and is_causal=True are not allowed together",
        "expected one of them; a causal mask can be made part of attn_mask",
        kind=ArgumentError,
    )
    if enable_gqa:
        key, value = _grouped(key, shapes["query"], "key"), _grouped(value, shapes["query"], "value")
    lead = broadcast_shapes(*(shape_of(x)[:-2] for x in (query, key, value)))
    q, k, v = (broadcast(x, (*lead, *shape_of(x)[-2:])) for x in (query, key, value))
    masks = () if attn_mask is None else (broadcast(attn_mask, (*lead, shape_of(q)[-2], shape_of(k)[-2])),)
    depth = shape_of(q)[-1]
    default = 1 / math.sqrt(depth) if depth else 1.0
    return (q, k, v, *masks), {"scale": default if scale is None else float(scale), "causal": bool(is_causal)}


def _grouped(x: Any, query: Shape, name: str) -> Any:
    """Each head once for every query head that shares it."""
    shape = shape_of(x)
    heads, wanted = (s[-3] if len(s) > 2 else 1 for s in (shape, query))
    check(
        len(shape) > 2 and heads > 0 and wanted % heads == 0,
        "GT304",
        f"enable_gqa=True cannot share {heads} heads of {name} among {wanted} of query",
        f"expected a divisor of {wanted}",
        kind=ArgumentError,
    )
    each = wanted // heads
    apart = reshape(x, (*shape[:-2], 1, *shape[-2:]))
    return reshape(broadcast_to(apart, (*shape[:-2], each, *shape[-2:])), (*shape[:-3], wanted, *shape[-2:]))


@composite()
def attention(query: Any, key: Any, value: Any, *bias: Any, scale: float, causal: bool) -> Any:
    """The output alone."""
    return bind.bind(attention_op, query, key, value, *bias, scale=scale, causal=causal)[0]
