"""What is done to gradients between backward and a step, and layers without drawn weights, under torch's names.

``from graphtorch.nn import utils``
"""

from graphtorch.frontend.nn.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from graphtorch.frontend.nn.init import skip_init

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "skip_init"]
