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
    DeviceWarning,
    DTypeError,
    GraphTorchError,
    IndexRangeError,
    IRError,
    MissingAttributeError,
    OutOfMemoryError,
    RecompileWarning,
    ShapeError,
    StateError,
    TraceError,
)

__all__ = [
    "ArgumentError", "ArgumentTypeError", "AutogradError", "CacheWarning", "ContractError", "ContractWarning",
    "DTypeError", "DeviceError", "DeviceWarning", "GraphTorchError", "IRError", "IndexRangeError",
    "MissingAttributeError", "OutOfMemoryError", "RecompileWarning", "ShapeError", "StateError", "TraceError",
]  # fmt: skip
