"""Vision Transformer: A. Dosovitskiy et al., "An image is worth 16x16 words" (arXiv:2010.11929)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, ShapeError, check
from graphtorch.nn import init
from graphtorch.vision.models.blocks import Conv2dNormActivation, Norm
from graphtorch.vision.models.weights import Source, build, published, renamed

_NORM: Norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem in the place of patches (T. Xiao et al., arXiv:2106.14881)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Norm = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class MLPBlock(nn.Sequential):
    """Two linear layers with GELU between them: [..., in_dim] to [..., mlp_dim] and back."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(in_dim, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, in_dim), nn.Dropout(dropout)
        )
        for layer in (self[0], self[3]):
            init.xavier_uniform_(layer.weight)
            init.normal_(layer.bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Attention and an MLP, each behind a norm and with a shortcut: [n, length, hidden_dim] to the same."""

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float, norm_layer: Norm
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: gt.Tensor) -> gt.Tensor:
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learned positions, blocks, a last norm: [n, seq_length, hidden_dim] to the same."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(init.normal_(gt.empty(1, seq_length, hidden_dim), std=0.02))
        self.dropout = nn.Dropout(dropout)
        block = partial(EncoderBlock, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        self.layers = nn.Sequential(OrderedDict((f"encoder_layer_{i}", block()) for i in range(num_layers)))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: gt.Tensor) -> gt.Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Images [n, 3, image_size, image_size] to scores [n, num_classes].

    A class token and (image_size / patch_size)^2 patches of ``hidden_dim`` numbers go through the encoder; the head
    reads what has become of the token. ``representation_size`` puts a layer with tanh before it. ArgumentError GT304
    unless ``patch_size`` divides ``image_size``; ShapeError GT107 for images of another size.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = _NORM,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        check(
            image_size % patch_size == 0,
            "GT304",
            f"image_size={image_size} is not allowed",
            f"expected a multiple of patch_size={patch_size}",
            kind=ArgumentError,
        )
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.num_classes, self.representation_size = num_classes, representation_size
        self.conv_proj = (
            _patches(patch_size, hidden_dim) if conv_stem_configs is None else _stem(conv_stem_configs, hidden_dim)
        )
        self.class_token = nn.Parameter(gt.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        self.heads = _heads(hidden_dim, representation_size, num_classes)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As of any module; the older names of published files are known, too."""
        for old, new in (("linear_1", "0"), ("linear_2", "3")):
            state_dict = renamed(state_dict, rf"mlp\.{old}\.", f"mlp.{new}.")
        return super().load_state_dict(state_dict, strict, assign)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        n, size = x.shape[0], (self.image_size, self.image_size)
        check(
            tuple(x.shape[2:]) == size,
            "GT107",
            f"images of {list(x.shape[2:])} pixels",
            f"expected {list(size)}, as image_size says; the learned positions fit no other",
            kind=ShapeError,
        )
        patches = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = self.encoder(gt.cat([self.class_token.expand(n, -1, -1), patches], 1))
        return self.heads(x[:, 0])


def _patches(patch_size: int, hidden_dim: int) -> nn.Conv2d:
    layer = nn.Conv2d(3, hidden_dim, patch_size, stride=patch_size)
    init.trunc_normal_(layer.weight, std=math.sqrt(1 / (3 * patch_size**2)))
    init.zeros_(layer.bias)
    return layer


def _stem(configs: Sequence[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for i, c in enumerate(configs):
        kinds: dict[str, Any] = {"norm_layer": c.norm_layer, "activation_layer": c.activation_layer}
        layers[f"conv_bn_relu_{i}"] = Conv2dNormActivation(channels, c.out_channels, c.kernel_size, c.stride, **kinds)
        channels = c.out_channels
    last = nn.Conv2d(channels, hidden_dim, 1)
    init.normal_(last.weight, std=math.sqrt(2 / hidden_dim))
    init.zeros_(last.bias)
    return nn.Sequential(OrderedDict(layers, conv_last=last))


def _heads(hidden_dim: int, representation_size: int | None, num_classes: int) -> nn.Sequential:
    """The scores start as zeros."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if representation_size is not None:
        layers["pre_logits"] = before = nn.Linear(hidden_dim, representation_size)
        init.trunc_normal_(before.weight, std=math.sqrt(1 / hidden_dim))
        init.zeros_(before.bias)
        layers["act"] = nn.Tanh()
    layers["head"] = head = nn.Linear(representation_size or hidden_dim, num_classes)
    init.zeros_(head.weight)
    init.zeros_(head.bias)
    return nn.Sequential(layers)


def _vit(
    name: str, patch: int, layers: int, heads: int, width: int, weights: Source, progress: bool, kwargs: Any
) -> VisionTransformer:
    file = published(name, weights)
    options: dict[str, Any] = {
        "image_size": 224 if file is None else file.crop_size,
        "patch_size": patch,
        "num_layers": layers,
    }
    options |= {"num_heads": heads, "hidden_dim": width, "mlp_dim": 4 * width, **kwargs}
    return build(name, VisionTransformer, weights, progress, **options)


def vit_b_16(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """The base `VisionTransformer`, patches of 16 x 16; for ``weights`` see `weights.build`."""
    return _vit("vit_b_16", 16, 12, 12, 768, weights, progress, kwargs)


def vit_b_32(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """The base `VisionTransformer`, patches of 32 x 32; for ``weights`` see `weights.build`."""
    return _vit("vit_b_32", 32, 12, 12, 768, weights, progress, kwargs)


def vit_l_16(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """The large `VisionTransformer`, patches of 16 x 16; for ``weights`` see `weights.build`."""
    return _vit("vit_l_16", 16, 24, 16, 1024, weights, progress, kwargs)


def vit_l_32(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """The large `VisionTransformer`, patches of 32 x 32; for ``weights`` see `weights.build`."""
    return _vit("vit_l_32", 32, 24, 16, 1024, weights, progress, kwargs)


def vit_h_14(*, weights: Source = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """The huge `VisionTransformer`, patches of 14 x 14; for ``weights`` see `weights.build`."""
    return _vit("vit_h_14", 14, 32, 16, 1280, weights, progress, kwargs)
