"""Optimizers under torch's names: ``from graphtorch import optim``."""

from graphtorch.frontend.optim.adadelta import Adadelta
from graphtorch.frontend.optim.adagrad import Adagrad
from graphtorch.frontend.optim.adam import Adam, AdamW
from graphtorch.frontend.optim.adamax import Adamax
from graphtorch.frontend.optim.asgd import ASGD
from graphtorch.frontend.optim.lbfgs import LBFGS
from graphtorch.frontend.optim.nadam import NAdam
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.optim.radam import RAdam
from graphtorch.frontend.optim.rmsprop import RMSprop
from graphtorch.frontend.optim.rprop import Rprop
from graphtorch.frontend.optim.sgd import SGD
from graphtorch.optim import lr_scheduler, swa_utils

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop",
    "Rprop", "lr_scheduler", "swa_utils",
]  # fmt: skip
