"""Logs for TensorBoard, under torch's names: ``from graphtorch.utils.tensorboard import SummaryWriter``.

It writes with the package `tensorboard`, which is imported when a name of this module is first used;
ImportError where it is missing. See docs/tensorboard.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphtorch.utils.tensorboard.files import FileWriter
    from graphtorch.utils.tensorboard.writer import SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]

_MODULES = {"FileWriter": "files", "SummaryWriter": "writer"}
#: what the extra brings, by the names that are imported
_EXTRA = ("tensorboard", "google", "PIL")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as missing:
        package = (missing.name or "").split(".")[0]
        if package not in _EXTRA:
            raise
        text = f"{name} needs the package {package}, which is not installed: pip install graphtorch[tensorboard]"
        raise ImportError(text, name=package) from missing
    return getattr(module, name)
