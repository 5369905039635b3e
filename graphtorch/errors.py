"""The error classes: ``from graphtorch.errors import ShapeError``."""

from __future__ import annotations

from graphtorch.ir.errors import (
    ArgumentError,
    ArgumentTypeError,
    AutogradError,
    CacheWarning,
    ContractError,
    ContractWarning,
    DeviceError,
    DTypeError,
    GraphTorchError,
    IndexRangeError,
    IRError,
    MissingAttributeError,
    RecompileWarning,
    ShapeError,
    StateError,
    TraceError,
)

__all__ = [
    "ArgumentError", "ArgumentTypeError", "AutogradError", "CacheWarning", "ContractError", "ContractWarning",
    "DTypeError", "DeviceError", "GraphTorchError", "IRError", "IndexRangeError", "MissingAttributeError",
    "RecompileWarning", "ShapeError", "StateError", "TraceError",
]  # fmt: skip
