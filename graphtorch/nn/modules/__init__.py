"""torch's place of `Module` and of hooks of all modules: ``from graphtorch.nn.modules import module``."""

from graphtorch.nn.modules import module
from graphtorch.nn.modules.module import Module

__all__ = ["Module", "module"]
