"""Every op, by family; importing this package fills the registry."""

from graphtorch.ir.ops import contract, creation, elementwise, fusion, loss, movement, norm, random, reduce, window

__all__ = ["contract", "creation", "elementwise", "fusion", "loss", "movement", "norm", "random", "reduce", "window"]
