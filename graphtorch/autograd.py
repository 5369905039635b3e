"""graphtorch.autograd: gradients as values, functions with a backward of their own, and the modes of recording."""

from graphtorch.frontend.autograd import enable_grad, no_grad, set_grad_enabled
from graphtorch.frontend.differentiate import Function, grad, gradcheck, inference_mode
from graphtorch.frontend.differentiate import backward_of as backward

__all__ = ["Function", "backward", "enable_grad", "grad", "gradcheck", "inference_mode", "no_grad", "set_grad_enabled"]
