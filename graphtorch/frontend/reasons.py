"""Why programs are made: in words, and in warnings where it happens again and again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from graphtorch.frontend.changes import changes
from graphtorch.frontend.dynamic import Kind
from graphtorch.frontend.kept import Kept
from graphtorch.frontend.program import Program
from graphtorch.frontend.signature import leaf_key
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of
from graphtorch.frontend.tree import structure
from graphtorch.ir.errors import RecompileWarning, TraceError

#: programs for arguments that differ in Python values alone, before a warning
_MANY_ALIKE = 16
#: kinds of arguments that are counted at a time
_MANY_KINDS = 1024


class Reasons:
    """What a compiled function tells of the programs that it makes."""

    _target: Callable[..., Any]
    _kept: Kept
    #: how many programs there are for arguments of the same types and shapes
    _alike: dict[Any, int]

    def _unstable(self, program: Program, when: str) -> TraceError:
        """Python state changes faster than programs can be made for it."""
        return TraceError(
            "GT608",
            f"{name_of(self._target)} was compiled {when}, because Python state "
            "that it reads changes from call to call",
            [f"changed since the last time: {', '.join(program.broken())}", "pass it as a tensor argument"],
        )

    def _warn_of_numbers(self, args: Any, kwargs: Any) -> None:
        """Once, when calls differ again and again in nothing but Python numbers and the like."""
        alike = structure((args, kwargs), lambda x: leaf_key(x) if isinstance(x, Tensor) else type(x))
        if len(self._alike) > _MANY_KINDS:
            self._alike.clear()
        self._alike[alike] = count = self._alike.get(alike, 0) + 1
        if count == _MANY_ALIKE:
            warnings.warn(
                f"{name_of(self._target)} was compiled {count} times for arguments that differ only in Python values; "
                "pass numbers that change from call to call as tensors, such as gt.tensor(0.5)",
                RecompileWarning,
                stacklevel=6,
            )

    def _reason(self, kind: Kind) -> str:
        if not self._kept.order:
            return "first call"
        have = self._kept.of(kind.key)
        if not have:
            return f"new arguments: {'; '.join(self._changes(kind.key))}"
        good = [p for p in have if p.sizing.holds(kind.sizes)]
        return f"changed Python state: {', '.join(good[0].broken())}" if good else "other sizes"

    def _changes(self, key: Any) -> list[str]:
        """What a call with ``key`` has that the one looked up before had not."""
        have = self._kept.of(key)
        return have[0].broken() if have else changes(self._kept.last_key, key)
