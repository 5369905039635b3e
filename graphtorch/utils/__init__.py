"""Tools around models and training."""

from graphtorch.utils import data

__all__ = ["data"]
