"""Learning-rate schedules under torch's names."""

from graphtorch.frontend.optim.schedules.base import LRScheduler
from graphtorch.frontend.optim.schedules.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from graphtorch.frontend.optim.schedules.cycles import CyclicLR, OneCycleLR
from graphtorch.frontend.optim.schedules.joined import ChainedScheduler, SequentialLR
from graphtorch.frontend.optim.schedules.plateau import ReduceLROnPlateau
from graphtorch.frontend.optim.schedules.scaled import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

#: the name that subclasses of older programs have
_LRScheduler = LRScheduler

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip
