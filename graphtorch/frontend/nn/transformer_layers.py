"""The layers that a Transformer is a stack of: attention and a network for each position, with residuals and norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, number, one_of, positive
from graphtorch.frontend.nn.attention import MultiheadAttention
from graphtorch.frontend.nn.dropout import Dropout
from graphtorch.frontend.nn.linear import Linear
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.norm import LayerNorm
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.types import DType

Activation = str | Callable[[Tensor], Tensor]


class _TransformerLayer(Module):
    """Attentions and a feed-forward network, each added to its input and normalized after it (``norm_first``: before).

    A. Vaswani et al., "Attention is all you need", NeurIPS 2017. Tensors are [t, n, d_model], with ``batch_first``
    [n, t, d_model], or without n. ``activation`` is "relu", "gelu" or a function of a tensor. Masks are those of
    `MultiheadAttention`: True is not looked at, floats are added to scores; ``is_causal`` says that a mask is the
    causal one, so that it need not be read. ArgumentError GT304 for numbers out of range, ArgumentTypeError GT301
    for an ``activation`` that cannot be called.
    """

    _attentions: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        d = self.d_model = positive(d_model, "d_model")
        self.nhead, self.dim_feedforward = positive(nhead, "nhead"), positive(dim_feedforward, "dim_feedforward")
        self.layer_norm_eps, self.batch_first = number(layer_norm_eps, "layer_norm_eps", 0), batch_first
        self.norm_first, self.bias = flag(norm_first, "norm_first"), flag(bias, "bias")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for name in self._attentions:
            setattr(self, name, MultiheadAttention(d, nhead, dropout, bias, batch_first=batch_first, **made))
        self.linear1 = Linear(d, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d, bias, **made)
        blocks = range(1, len(self._attentions) + 2)
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d, layer_norm_eps, bias=bias, **made))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = activation_of(activation)

    def _check_inputs(self, **inputs: Tensor) -> None:
        """ShapeError GT107 or GT109 that names the input."""
        for name, x in inputs.items():
            shape, layout = x.shape, "[n, t, d_model]" if self.batch_first else "[t, n, d_model]"
            expected = f"expected {layout}, or without n"
            check(len(shape) in (2, 3), "GT107", f"{name} has {len(shape)} dimensions", expected)
            sizes = f"expected {self.d_model}, got {shape[-1]}"
            check(shape[-1] == self.d_model, "GT109", f"{name}.size(-1) must be equal to d_model", sizes)

    def _around(self, number: int, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """``x`` after block ``number``, with its residual, norm and dropout."""
        norm, drop = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + drop(block(norm(x)))  # type: ignore[no-any-return]
        return norm(x + drop(block(x)))  # type: ignore[no-any-return]

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]


def activation_of(given: Any) -> Callable[[Tensor], Tensor]:
    """The function that ``activation`` names."""
    if isinstance(given, str):
        return getattr(F, one_of(given, "activation", "relu", "gelu"))  # type: ignore[no-any-return]
    if not callable(given):
        raise ArgumentTypeError("GT301", f"activation must be a function, got {type(given).__name__} {given!r}")
    return given  # type: ignore[no-any-return]


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention, then the feed-forward network; see `TransformerEncoder`."""

    _attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        self._check_inputs(src=src)

        def attend(x: Tensor) -> Tensor:
            return attended(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal)

        return self._around(2, self._around(1, src, attend), self._feed_forward)


class TransformerDecoderLayer(_TransformerLayer):
    """Self-attention, attention to what the encoder made, then the feed-forward network; see `TransformerDecoder`."""

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        self._check_inputs(tgt=tgt, memory=memory)

        def attend(x: Tensor) -> Tensor:
            return attended(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def look(x: Tensor) -> Tensor:
            return attended(self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal)

        x = self._around(2, self._around(1, tgt, attend), look)
        return self._around(3, x, self._feed_forward)


def attended(
    attention: Module, x: Tensor, memory: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool
) -> Tensor:
    """What ``x`` finds in ``memory``."""
    out = attention(x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=is_causal)[0]
    return out  # type: ignore[no-any-return]
