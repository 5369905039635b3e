"""What is done to gradients between backward and a step, under torch's names: ``from graphtorch.nn import utils``."""

from graphtorch.frontend.nn.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
