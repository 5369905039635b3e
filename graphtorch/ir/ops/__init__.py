"""Every op, by family; importing this package fills the registry."""

from graphtorch.ir.ops import (
    arithmetic,
    casts,
    contract,
    conv,
    convolution,
    creation,
    functions,
    fusion,
    gradient,
    logic,
    loss,
    movement,
    norm,
    random,
    reduce,
    window,
)

__all__ = [
    "arithmetic",
    "casts",
    "contract",
    "conv",
    "convolution",
    "creation",
    "functions",
    "fusion",
    "gradient",
    "logic",
    "loss",
    "movement",
    "norm",
    "random",
    "reduce",
    "window",
]
