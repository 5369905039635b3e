"""gt.compile(..., freeze=True): what depends on captured tensors alone is computed once, and again when they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.build import Stages
from graphtorch.frontend.compiled_node import contiguous
from graphtorch.frontend.trace import Traced
from graphtorch.ir.errors import TraceError
from graphtorch.ir.frozen import split_frozen
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import Pass, run_passes
from graphtorch.ir.pipeline import FREEZE, SCHEDULE, simplify_with
from graphtorch.runtime.executable import Executable

Array = np.ndarray[Any, Any]


def check_freezable(traced: Traced) -> None:
    """TraceError GT614 where gradients are wanted: frozen weights are folded, and have none."""
    if traced.had_backward or any(traced.requires):
        raise TraceError(
            "GT614",
            f"{traced.graph.name} was compiled with freeze=True, and gradients go through it",
            ["call it under gt.no_grad(), or compile it without freeze=True to train it"],
        )


class FrozenPart:
    """The program of what is computed once, and its results: the last parameters of the program of every call."""

    def __init__(self, traced: Traced, passes: Sequence[Pass] = ()) -> None:
        self.stages: Stages = [("trace", traced.graph)]
        for binding in traced.tracer.captures:
            if binding.tensor is not None and not binding.volatile and binding.param.role == "const":
                binding.param.role = "frozen"
        parts = split_frozen(run_passes(traced.graph, (*simplify_with(passes), *FREEZE), on_stage=self._record))
        scheduled = run_passes(parts.once, SCHEDULE, on_stage=lambda name, graph: self._record(f"once {name}", graph))
        self.program = Executable(scheduled) if parts.once.outputs else None
        self.names = [parts.graph.params[i].name for i in parts.params]
        self.graph = run_passes(parts.graph, SCHEDULE, on_stage=self._record)
        self._seen: list[tuple[Any, int, Array]] | None = None
        self._results: list[Array] = []

    def _record(self, name: str, graph: Graph) -> None:
        self.stages.append((name, graph))

    def results(self, forward: Executable, owners: Sequence[Any]) -> list[Array]:
        """What is computed once, anew where one of the tensors ``owners`` was changed."""
        if self._seen is None or not self._unchanged(owners):
            if self.program is not None:
                self._results = self.program.run([contiguous(t._array) for t in owners])
            forward.refresh()
            self._seen = [(t._storage, _writes(t), t._array) for t in owners]
        return self._results

    def _unchanged(self, owners: Sequence[Any]) -> bool:
        assert self._seen is not None  # the caller has looked
        return all(
            t._storage is s and _writes(t) == writes and t._array is array
            for t, (s, writes, array) in zip(owners, self._seen, strict=True)
        )


def _writes(t: Any) -> int:
    """How often its memory was written, through `.data` too."""
    return int(t._storage.version + t._storage.unseen)
