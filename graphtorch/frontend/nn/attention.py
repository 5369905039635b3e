"""Attention as a layer."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, number, positive
from graphtorch.frontend.nn.linear import Linear
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


class NonDynamicallyQuantizableLinear(Linear):
    """`Linear`, under the name that torch shows for the output of `MultiheadAttention`."""


class MultiheadAttention(Module):
    """Attention with ``num_heads`` heads between linear maps; see `multi_head_attention_forward`.

    query [l, n, e], key [s, n, kdim] and value [s, n, vdim], with ``batch_first`` [n, l, e] and so on, or without
    n. ``kdim`` and ``vdim`` are ``embed_dim`` unless given. ``add_bias_kv`` appends a learnt key and value,
    ``add_zero_attn`` one of zeros. ArgumentError GT304 where ``num_heads`` does not divide ``embed_dim``.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        e = self.embed_dim = positive(embed_dim, "embed_dim")
        self.num_heads, self.dropout = positive(num_heads, "num_heads"), number(dropout, "dropout", 0, 1)
        expected = f"expected a divisor of embed_dim={e}"
        check(e % num_heads == 0, "GT304", f"num_heads={num_heads} is not allowed", expected, kind=ArgumentError)
        self.kdim, self.vdim = (e if d is None else positive(d, "kdim and vdim") for d in (kdim, vdim))
        self._qkv_same_embed_dim = self.kdim == e and self.vdim == e
        self.head_dim, self.batch_first = e // num_heads, flag(batch_first, "batch_first")
        self.add_zero_attn = flag(add_zero_attn, "add_zero_attn")
        same = self._qkv_same_embed_dim
        shapes = {
            "q_proj_weight": None if same else (e, e),
            "k_proj_weight": None if same else (e, self.kdim),
            "v_proj_weight": None if same else (e, self.vdim),
            "in_proj_weight": (3 * e, e) if same else None,
            "in_proj_bias": (3 * e,) if flag(bias, "bias") else None,
        }
        ends = dict.fromkeys(("bias_k", "bias_v"), (1, 1, e) if flag(add_bias_kv, "add_bias_kv") else None)
        self._make(shapes, dtype)
        self.out_proj = NonDynamicallyQuantizableLinear(e, e, bias, dtype=dtype)
        self._make(ends, dtype)
        self._reset_parameters()

    def _make(self, shapes: dict[str, Any], dtype: DType | None) -> None:
        for name, shape in shapes.items():
            made = None if shape is None else Parameter(PUBLIC["gt"]["empty"](*shape, dtype=dtype))
            self.register_parameter(name, made)

    def _reset_parameters(self) -> None:
        """Draw the maps anew; biases are 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        swap = self.batch_first and query.dim() == 3
        if swap:
            same = query is key is value
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
            key, value = (query, query) if same else (key, value)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias,
            self.bias_k, self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            self.training, key_padding_mask, need_weights, attn_mask, not self._qkv_same_embed_dim,
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return out.transpose(0, 1) if swap else out, weights
