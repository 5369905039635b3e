"""What is done to gradients between backward and a step, to weights between steps, and to sequences, by torch's names.

``from graphtorch.nn import utils``
"""

from graphtorch.frontend.nn.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from graphtorch.frontend.nn.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from graphtorch.frontend.nn.init import skip_init
from graphtorch.frontend.nn.spectral_norm import remove_spectral_norm, spectral_norm
from graphtorch.frontend.nn.vectors import parameters_to_vector, vector_to_parameters
from graphtorch.frontend.nn.weight_norm import remove_weight_norm, weight_norm
from graphtorch.nn.utils import fusion, parametrizations, parametrize, rnn

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "fusion",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
