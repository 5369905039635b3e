"""Linear algebra under torch's names: ``gt.linalg.vector_norm``. The functions come out of the registry."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import ops as _ops  # noqa: F401  # fills the registry
from graphtorch.ir.op import PUBLIC as _PUBLIC


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC["linalg"]:
        raise AttributeError(f"module 'graphtorch.linalg' has no attribute {name!r}")
    globals()[name] = value = _PUBLIC["linalg"][name]
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC["linalg"]})
