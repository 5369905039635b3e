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
    DownloadError,
    DTypeError,
    GraphTorchError,
    HubError,
    IndexRangeError,
    IRError,
    LoadError,
    MissingAttributeError,
    MissingFilesError,
    OutOfMemoryError,
    RecompileWarning,
    SaveError,
    ShapeError,
    StateError,
    TraceError,
)

__all__ = [
    "ArgumentError", "ArgumentTypeError", "AutogradError", "CacheWarning", "ContractError", "ContractWarning",
    "DTypeError", "DeviceError", "DeviceWarning", "DownloadError", "GraphTorchError", "HubError", "IRError",
    "IndexRangeError", "LoadError", "MissingAttributeError", "MissingFilesError", "OutOfMemoryError",
    "RecompileWarning", "SaveError", "ShapeError", "StateError", "TraceError",
]  # fmt: skip
