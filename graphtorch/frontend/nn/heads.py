"""Multi-head attention over sequences, as torch's modules compute it."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.types import bool_


@composite("F")
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """(output, weights) of attention with ``num_heads`` heads between two linear maps.

    A. Vaswani et al., "Attention is all you need", NeurIPS 2017. ``query`` is [l, n, e], ``key`` [s, n, ek], ``value``
    [s, n, ev], or all without n. ``in_proj_weight`` [3 * e, e] has the three maps, or with ``use_separate_proj_weight``
    the next three arguments do. ``attn_mask`` is [l, s] or [n * heads, l, s], ``key_padding_mask`` [n, s]: True is
    not looked at, floats are added to scores. ``is_causal`` says that attn_mask is the causal one. Without
    ``need_weights`` no matrix of scores is in memory (see `scaled_dot_product_attention`); with it weights are
    [n, l, s], or [n, heads, l, s] unless ``average_attn_weights``.
    """
    batched = _check_shapes(query, key, value, embed_dim_to_check, num_heads)
    check(
        not is_causal or attn_mask is not None,
        "GT304",
        "is_causal=True is not allowed without attn_mask",
        "expected the mask that it speaks of",
        kind=ArgumentError,
    )
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, batch, width), heads = aval_of(query).shape, num_heads
    maps = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = _projected(query, key, value, maps, in_proj_bias)
    causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if causal else _mask(attn_mask, key_padding_mask, batch, heads, length, key.shape[0], query)

    if bias_k is not None and bias_v is not None:
        k, v = (PUBLIC["gt"]["cat"]([x, b.expand(1, batch, width)]) for x, b in ((k, bias_k), (v, bias_v)))
    q, k, v = (_per_head(x, heads) for x in (q, k, v))
    k = k if static_k is None else static_k.reshape(batch, heads, -1, width // heads)
    v = v if static_v is None else static_v.reshape(batch, heads, -1, width // heads)
    if add_zero_attn:
        k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
    more = k.shape[2] - key.shape[0] if static_k is None else 0
    mask = F.pad(mask, (0, more)) if mask is not None and more else mask

    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(width // heads))
        weights = PUBLIC["gt"]["softmax"](scores if mask is None else scores + mask, -1)
        weights = F.dropout(weights, p) if p else weights
        found = weights @ v
    else:
        found = F.scaled_dot_product_attention(q, k, v, mask, p, causal)
    out = F.linear(found.permute(2, 0, 1, 3).reshape(length, batch, width), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        out, weights = out.squeeze(1), weights if weights is None else weights.squeeze(0)
    return out, weights


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, width: int, heads: int) -> bool:
    """Whether there is a batch."""
    require_float(aval_of(query), "query")
    q, k, v = (aval_of(x).shape for x in (query, key, value))
    check(
        len(q) in (2, 3) and len(q) == len(k) == len(v) and k[:-1] == v[:-1] and q[1:-1] == k[1:-1] and q[-1] == width,
        "GT103",
        f"query {list(q)}, key {list(k)} and value {list(v)} do not fit embed_dim={width}",
        "expected [l, n, e], [s, n, ek] and [s, n, ev], or all without n",
    )
    expected = f"expected a divisor of {width}"
    check(heads > 0 and width % heads == 0, "GT304", f"num_heads={heads} is not allowed", expected, kind=ArgumentError)
    return len(q) == 3


def _projected(query: Tensor, key: Tensor, value: Tensor, maps: Any, bias: Tensor | None) -> tuple[Tensor, ...]:
    chunk = PUBLIC["gt"]["chunk"]
    if not isinstance(maps, tuple) and query is key is value:  # one product
        return tuple(chunk(F.linear(query, maps, bias), 3, -1))
    weights = maps if isinstance(maps, tuple) else chunk(maps, 3)
    biases = (None,) * 3 if bias is None else chunk(bias, 3)
    return tuple(F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def _per_head(x: Any, heads: int) -> Any:
    """[l, n, e] as [n, heads, l, e / heads]."""
    length, batch, width = aval_of(x).shape
    return x.reshape(length, batch, heads, width // heads).permute(1, 2, 0, 3)


def _mask(
    attn_mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, rows: int, columns: int, like: Tensor
) -> Any:
    """What is added to scores [n, heads, l, s]."""
    parts = []
    if attn_mask is not None:
        shape = aval_of(attn_mask).shape
        check(
            shape in ((rows, columns), (batch * heads, rows, columns)),
            "GT103",
            f"attn_mask {list(shape)} does not fit",
            f"expected {[rows, columns]} or {[batch * heads, rows, columns]}",
        )
        lead = (1, 1) if len(shape) == 2 else (batch, heads)
        parts.append(_added(attn_mask, like).reshape(*lead, rows, columns))
    if padding is not None:
        shape = aval_of(padding).shape
        expected = f"expected {[batch, columns]}"
        check(shape == (batch, columns), "GT103", f"key_padding_mask {list(shape)} does not fit", expected)
        parts.append(_added(padding, like).reshape(batch, 1, 1, columns))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _added(mask: Any, like: Tensor) -> Any:
    """-inf where a mask of bools is True; floats are what is added."""
    if aval_of(mask).dtype != bool_:
        require_float(aval_of(mask), "a mask that is not of bools")
        return mask.to(like.dtype)
    zero = PUBLIC["gt"]["zeros"](1, dtype=like.dtype)
    return PUBLIC["gt"]["where"](mask, -math.inf, zero)
