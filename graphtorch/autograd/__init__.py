"""graphtorch.autograd: gradients as values, functions with a backward of their own, and the modes of recording."""

from graphtorch.autograd import function, functional
from graphtorch.frontend.autograd import enable_grad, no_grad, set_grad_enabled
from graphtorch.frontend.custom_functions import Function
from graphtorch.frontend.differentiate import backward_of as backward
from graphtorch.frontend.differentiate import grad, gradcheck, inference_mode

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]
