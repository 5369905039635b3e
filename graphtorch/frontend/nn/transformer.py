"""Stacks of Transformer layers, and the two stacks of a Transformer."""

from __future__ import annotations

import copy
import math
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, number, positive
from graphtorch.frontend.nn.container import ModuleList
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.norm import LayerNorm
from graphtorch.frontend.nn.transformer_layers import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    activation_of,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


def _copies(layer: Any, name: str, num_layers: Any) -> ModuleList:
    """``num_layers`` copies of ``layer``, whose weights start equal, as in torch."""
    if not isinstance(layer, Module):
        raise ArgumentTypeError("GT301", f"{name} must be a module, got {type(layer).__name__}")
    return ModuleList([copy.deepcopy(layer) for _ in range(positive(num_layers, "num_layers"))])


class TransformerEncoder(Module):
    """``num_layers`` copies of ``encoder_layer``, one after the other, then ``norm`` if there is one.

    ``src`` is as the layer takes it, ``mask`` [t, t] or [n * heads, t, t], ``src_key_padding_mask`` [n, t]; see
    `TransformerEncoderLayer`. ``enable_nested_tensor`` and ``mask_check`` are accepted and change nothing: positions
    that are padded are computed like all others (in inference torch may give zeros there). ``is_causal`` says that
    ``mask`` is the causal one; where it is None torch looks for itself, for speed alone, and here the mask is applied
    as it is.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, "encoder_layer", num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor = flag(enable_nested_tensor, "enable_nested_tensor")
        self.mask_check = flag(mask_check, "mask_check")

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """``num_layers`` copies of ``decoder_layer``, one after the other, then ``norm`` if there is one.

    ``tgt`` and ``memory`` are as the layer takes them; see `TransformerDecoderLayer`, and `TransformerEncoder` for
    ``tgt_is_causal``.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, "decoder_layer", num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of ``src`` and a decoder of ``tgt`` that looks at what it made: [t, n, d_model] for ``tgt``.

    A. Vaswani et al., "Attention is all you need", NeurIPS 2017. With ``batch_first`` tensors are [n, t, d_model]; both
    may be without n. Weights start by `xavier_uniform_`. ``custom_encoder`` and ``custom_decoder`` take the place of
    `TransformerEncoder` and `TransformerDecoder`. ShapeError GT103 or GT109 for batches or features that do not fit.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.d_model, self.nhead = positive(d_model, "d_model"), positive(nhead, "nhead")
        self.num_encoder_layers = positive(num_encoder_layers, "num_encoder_layers")
        self.num_decoder_layers = positive(num_decoder_layers, "num_decoder_layers")
        self.dim_feedforward = positive(dim_feedforward, "dim_feedforward")
        self.dropout = number(dropout, "dropout", 0, 1)
        self.layer_norm_eps, self.batch_first = number(layer_norm_eps, "layer_norm_eps", 0), batch_first
        self.norm_first, self.bias = flag(norm_first, "norm_first"), flag(bias, "bias")
        self.__dict__["activation"] = activation_of(activation)  # no part of this module, even where it is a module
        self._custom = custom_encoder is not None, custom_decoder is not None
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*options, device, dtype)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*options, device, dtype)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()

    @property
    def custom_encoder(self) -> Module | None:
        """The encoder, where it was given."""
        return self.encoder if self._custom[0] else None

    @property
    def custom_decoder(self) -> Module | None:
        """The decoder, where it was given."""
        return self.decoder if self._custom[1] else None

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        self._check_inputs(src, tgt)
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)  # type: ignore[no-any-return]

    def _check_inputs(self, src: Tensor, tgt: Tensor) -> None:
        for name, shape in (("src", src.shape), ("tgt", tgt.shape)):
            expected = "expected [n, t, d_model]" if self.batch_first else "expected [t, n, d_model]"
            check(len(shape) in (2, 3), "GT107", f"{name} has {len(shape)} dimensions", f"{expected}, or without n")
            sizes = f"expected {self.d_model}, got {shape[-1]}"
            check(shape[-1] == self.d_model, "GT109", f"{name}.size(-1) must be equal to d_model", sizes)
        batch = 0 if self.batch_first else 1
        check(
            src.dim() == tgt.dim() and (src.dim() == 2 or src.shape[batch] == tgt.shape[batch]),
            "GT103",
            "the batch sizes of src and tgt must be equal",
            f"got src {list(src.shape)} and tgt {list(tgt.shape)}, batch_first={self.batch_first}",
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: DType | None = None) -> Tensor:
        """The causal mask [sz, sz]: -inf above the diagonal, 0 elsewhere."""
        check_device(device)
        full = PUBLIC["gt"]["full"]((sz, sz), -math.inf, dtype=dtype)
        return PUBLIC["gt"]["triu"](full, 1)  # type: ignore[no-any-return]

    def _reset_parameters(self) -> None:
        """Draw the matrices anew."""
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)
