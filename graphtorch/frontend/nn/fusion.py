"""A layer and the batch norm behind it as one layer, for evaluation: with fixed statistics normalising is linear.

With s = weight / sqrt(running_var + eps) of the norm, (W x + b - running_mean) s + bias is
(s W) x + (b - running_mean) s + bias.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check

M = TypeVar("M", bound=Module)


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """A copy of ``conv`` that computes ``bn(conv(x))``; ``transpose`` says that it is a transposed convolution.

    ArgumentError GT304 unless both are in evaluation mode, and ``bn`` has running statistics.
    """
    made, layer = _copied(conv, bn)
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return made


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A copy of ``linear`` that computes ``bn(linear(x))``; see `fuse_conv_bn_eval`.

    ArgumentError GT304, too, for a ``bn`` of another number of features.
    """
    made, layer = _copied(linear, bn)
    features = layer.out_features
    check(
        bn.num_features in (1, features),
        "GT304",
        f"bn has {bn.num_features} features, and linear gives {features}",
        "expected as many, or 1",
        kind=ArgumentError,
    )
    layer.weight, layer.bias = fuse_linear_bn_weights(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return made


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight [out, in, ...], with ``transpose`` [in, out, ...], and the bias [out] of both as one layer.

    As in torch each requires gradients if that of the layer does: the bias of a layer that has none does not.
    """
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight [out, in] and the bias [out] of both as one layer."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


@no_grad()
def _fused(
    weight: Tensor, bias: Tensor | None, mean: Any, variance: Any, eps: float, scale: Any, shift: Any, channels: int
) -> tuple[Parameter, Parameter]:
    factor = (variance + eps).rsqrt() if scale is None else (variance + eps).rsqrt() * scale
    along = [-1 if d == channels else 1 for d in range(weight.ndim)]
    offset = (-mean if bias is None else bias - mean) * factor
    new_bias = (offset if shift is None else offset + shift).expand(weight.shape[channels])
    dtype, trained = (weight.dtype, False) if bias is None else (bias.dtype, bias.requires_grad)
    new_weight = (weight * factor.reshape(along)).to(weight.dtype)
    return Parameter(new_weight, weight.requires_grad), Parameter(new_bias.to(dtype).clone(), trained)


def _copied(layer: M, bn: Any) -> tuple[M, Any]:
    """A copy of ``layer``, twice: as its type, and as what its attributes are looked at of."""
    check(
        not layer.training and not bn.training and bn.running_mean is not None,
        "GT304",
        "a layer is fused with a batch norm for evaluation alone",
        "expected both after eval(), and running statistics",
        kind=ArgumentError,
    )
    made = copy.deepcopy(layer)
    return made, made
