"""Tools around models and training."""

from graphtorch.utils import data, tensorboard

__all__ = ["data", "tensorboard"]
