"""How a function with named sizes gets its programs: traced with examples of them, and again where that does not do.

A program is made with an example for each name, a prime near its size at the call. Where a question that was asked of
sizes leaves one size ("B == 67"), the name stands for its size from then on. Where questions are answered otherwise at
the call's own sizes, or the trace fails, these are the examples; and if that fails, the program is for them alone. So
what a function does with sizes is always right, and at worst each size has a program.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphtorch.frontend.dynamic import Kind, Named, examples_near, kind_of
from graphtorch.frontend.program import Program
from graphtorch.frontend.sizing import NO_SIZES, Sizing
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.dim import Guards, recorded
from graphtorch.ir.dim_guards import Pinned
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.types import TensorType

#: makes a program with these types of arguments; None where it would not do for the call
Build = Callable[[Mapping[int, TensorType], Sizing], Program | None]
#: programs of one kind, each for sizes of its own, before further sizes get programs for themselves alone
_MOST = 8
#: kinds of calls of which something is noted at a time
_MANY = 1024


class Attempts:
    """Those of one function, and what was learned from them."""

    def __init__(self, named: Named | None) -> None:
        self._named = named
        #: the names that are not dynamic in calls of a kind (or of a kind and exact sizes), and why
        self._static: dict[Any, tuple[frozenset[str], str]] = {}

    def kind(self, args: Any, kwargs: Any, tensors: Sequence[Tensor]) -> Kind:
        """The kind of a call."""
        places = self._named.places(args, kwargs) if self._named else ()
        static, why = frozenset[str](), list[str]()
        while True:
            kind = kind_of(args, kwargs, tensors, places, static)
            noted = self._static.get(kind.key) or self._static.get(kind.exactly) if kind.sizes else None
            if noted is None:
                return replace(kind, why=tuple(why))
            static |= noted[0]
            why.append(noted[1])

    def make(self, kind: Kind, tensors: Sequence[Tensor], have: Collection[Program], build: Build) -> Program | None:
        """A program for calls of this kind; None where calls like this one are of another kind from now on."""
        if not kind.sizes:
            return build({}, NO_SIZES)
        if len(have) >= _MOST:
            self._note(kind.exactly, kind.sizes, f"there are {_MOST} programs for other sizes")
            return None
        why = ""
        for key, examples in ((kind.key, examples_near(kind.sizes)), (kind.exactly, kind.sizes)):
            sizing = Sizing(examples, kind.places, Guards())
            try:
                with recorded(sizing.guards):
                    program = build(kind.types(tensors, examples), sizing)
            except Pinned:
                program = None
            except Exception as error:  # without names it is raised again, if that is not why
                why = f"the trace with {_text(examples)} ended with {_first_line(error)}"
                continue
            if program is not None:
                return program
            if sizing.guards.pinned:
                self._note(key, sizing.guards.pinned, sizing.pinning())
                return None
        self._note(kind.exactly, kind.sizes, why)
        return None

    def _note(self, key: Any, names: Collection[str], why: str) -> None:
        if len(self._static) >= _MANY:
            self._static.clear()
        self._static[key] = frozenset(names), why


def _text(examples: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in examples.items())


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, GraphTorchError) else f"{type(error).__name__}: {text}"
