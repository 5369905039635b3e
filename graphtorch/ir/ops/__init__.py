"""Every op, by family; importing this package fills the registry."""

from graphtorch.ir.ops import (
    contract,
    creation,
    elementwise,
    fusion,
    gradient,
    loss,
    movement,
    norm,
    random,
    reduce,
    window,
)

__all__ = [
    "contract",
    "creation",
    "elementwise",
    "fusion",
    "gradient",
    "loss",
    "movement",
    "norm",
    "random",
    "reduce",
    "window",
]
