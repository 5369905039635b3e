"""graphtorch.autograd.function: what goes with `Function`."""

from graphtorch.frontend.custom_functions import Function, once_differentiable

__all__ = ["Function", "once_differentiable"]
