"""graphtorch.autograd.functional: derivatives of functions, as values."""

from graphtorch.frontend.function_derivatives import hessian, hvp, jacobian, jvp, vhp, vjp

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
