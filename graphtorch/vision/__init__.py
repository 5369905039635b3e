"""Images: data sets, transforms, models and grids of them, under torchvision's names."""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = ("datasets", "models", "transforms", "utils")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'graphtorch.vision' has no attribute {name!r}")
    return importlib.import_module(f"graphtorch.vision.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
