"""Tools around models and training."""

from graphtorch.utils import data, tensorboard
from graphtorch.utils.plotting import plot_history

__all__ = ["data", "plot_history", "tensorboard"]
