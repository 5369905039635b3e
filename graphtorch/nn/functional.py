"""Layers as functions, under torch's names: ``import graphtorch.nn.functional as F``."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn import functional as _functional


def __getattr__(name: str) -> Any:
    value = getattr(_functional, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return dir(_functional)
