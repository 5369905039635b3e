"""What calls of functions that are not the user's tell: that random numbers are drawn, where arguments are changed."""

from __future__ import annotations

import builtins
import os
import random
from collections.abc import Iterable
from types import FrameType
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, defaults
from graphtorch.frontend.code import caller
from graphtorch.ir.loc import Loc, here, of_frame

#: fresh generators are seeded from these, those of numpy included
_ENTROPY = [f for f in (os.urandom, getattr(os, "getrandom", None)) if f is not None]
_SETS_MODE = autograd.set_grad_enabled.__init__.__code__
_SETS_DTYPE = defaults.set_default_dtype.__code__
_CHANGES = frozenset(
    "append extend insert pop popitem remove clear update setdefault sort reverse move_to_end __setitem__".split()
)


class Calls:
    """Told of every call while a trace runs."""

    def __init__(self, containers: Iterable[Any]) -> None:
        #: the first draw of random numbers, and where containers were changed, by id
        self.impure: tuple[str, Loc] | None = None
        self.changes: dict[int, Loc] = {}
        #: where `next` was called first, and where the grad mode and the default dtype were set last
        self.next: Loc | None = None
        self.mode: Loc | None = None
        self.dtype: Loc | None = None
        self._containers = {id(c): c for c in containers}

    def start(self) -> None:
        self._numpy_state = _numpy_state()

    def finish(self) -> None:
        if self.impure is None and _numpy_state() != self._numpy_state:
            self.impure = "numpy.random", here()

    def entered(self, frame: FrameType) -> None:
        """Of a Python function."""
        if frame.f_code is _SETS_MODE:
            self.mode = of_frame(caller(frame))
        elif frame.f_code is _SETS_DTYPE:
            self.dtype = of_frame(caller(frame))

    def called(self, frame: FrameType, function: Any) -> None:
        """A function of C."""
        owner = getattr(function, "__self__", None)
        if owner is builtins:  # most are of these: len, isinstance
            if function is builtins.next and self.next is None:
                self.next = of_frame(caller(frame))
        elif isinstance(owner, random.Random):
            self._draws(f"random.{function.__name__}", frame)
        elif function in _ENTROPY:
            self._draws(f"os.{function.__name__}", frame)
        elif id(owner) in self._containers and function.__name__ in _CHANGES:
            self.changes.setdefault(id(owner), of_frame(caller(frame)))

    def _draws(self, what: str, frame: FrameType) -> None:
        self.impure = self.impure or (what, of_frame(caller(frame)))


def _numpy_state() -> tuple[bytes, int]:
    """The state of numpy's global generator."""
    state: Any = np.random.get_state()
    return state[1].tobytes(), state[2]
