"""Layers as functions, under torch's names: ``import graphtorch.nn.functional as F``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphtorch.frontend.nn import functional as _functional

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


#: not by `__getattr__`: the first use of a name may be in a trace, which hears of changes to modules
globals().update({_name: getattr(_functional, _name) for _name in dir(_functional) if not _name.startswith("_")})


def __dir__() -> list[str]:
    return dir(_functional)
