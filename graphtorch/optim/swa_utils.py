"""Averages of weights under torch's names."""

from graphtorch.frontend.optim.schedules.swa import SWALR

__all__ = ["SWALR"]
