"""Layers, containers and losses under torch's names: ``from graphtorch import nn``."""

from graphtorch.frontend.nn.activation import GELU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Tanh
from graphtorch.frontend.nn.batchnorm import BatchNorm1d, BatchNorm2d
from graphtorch.frontend.nn.container import ModuleDict, ModuleList, Sequential
from graphtorch.frontend.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from graphtorch.frontend.nn.dropout import Dropout
from graphtorch.frontend.nn.embedding import Embedding
from graphtorch.frontend.nn.flatten import Flatten, Identity
from graphtorch.frontend.nn.linear import Linear
from graphtorch.frontend.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.norm import GroupNorm, LayerNorm, RMSNorm
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.nn.pooling import MaxPool2d
from graphtorch.nn import functional, init

__all__ = [
    "GELU", "BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d",
    "ConvTranspose3d", "CrossEntropyLoss", "Dropout", "Embedding", "Flatten", "GroupNorm", "Identity", "LayerNorm",
    "Linear", "LogSoftmax", "MSELoss", "MaxPool2d", "Module", "ModuleDict", "ModuleList", "NLLLoss", "Parameter",
    "RMSNorm", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh", "functional", "init",
]  # fmt: skip
