"""What a test of a loss, a distance or an activation runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """``name(*arrays, **options)`` is ``formula(*arrays)``, and its derivative is that of the formula."""

    name: str
    arrays: tuple[Array, ...]
    formula: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    #: takes ``reduction``; "mean" is the mean of the losses
    reduces: bool = True

    def __str__(self) -> str:
        shapes = ", ".join(str(list(a.shape)) for a in self.arrays)
        return " ".join([self.name, shapes, *(f"{k}={v}" for k, v in self.options.items())])
