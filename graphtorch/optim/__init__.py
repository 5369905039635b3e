"""Optimizers under torch's names: ``from graphtorch import optim``."""

from graphtorch.frontend.optim.adam import Adam, AdamW
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.sgd import SGD
from graphtorch.optim import lr_scheduler

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
