"""What is done to gradients between backward and a step, layers without drawn weights, and sequences, by torch's names.

``from graphtorch.nn import utils``
"""

from graphtorch.frontend.nn.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from graphtorch.frontend.nn.init import skip_init
from graphtorch.nn.utils import rnn

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "rnn", "skip_init"]
