"""Where the values of a program lie whose sizes are not known: a plan for each combination of sizes that it meets.

The machine code is the same for all of them. It reads sizes, and the addresses of what lies in the arena, from a list
(codegen/emit_program.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtorch.codegen.program import Needs
from graphtorch.ir.graph import Graph
from graphtorch.ir.sized import examples_of, type_at
from graphtorch.runtime.plan import Plan, plan_memory

Array = np.ndarray[Any, Any]
#: plans that are kept, those used last
MOST_PLANS = 64


@dataclass(frozen=True)
class Layout:
    """What a call with certain sizes needs: bytes of the arena, of each thread's scratch memory and of the workspace,
    the size of each name, the sizes and the offsets in the arena that the code reads, and the outputs' shapes."""

    arena: int
    scratch: int
    workspace: int
    names: dict[str, int]
    sizes: tuple[int, ...]
    offsets: Array
    shapes: tuple[tuple[int, ...], ...]
    plan: Plan


class Layouts:
    """Layouts of a scheduled graph. ``names`` are all that occur in it, ``used`` those that its code depends on.

    ``listed`` gives the values that have a place in the list of addresses, and their number in it.
    """

    def __init__(self, graph: Graph) -> None:
        self._examples = examples_of(graph)
        self.graph, self.names = graph, tuple(self._examples)
        places = plan_memory(graph, self._examples).places
        #: the values that lie in the arena, bodies of loops and branches included, and their numbers in the list
        self.listed = {v: number for number, v in enumerate(v for v, at in places.items() if at.kind == "arena")}
        #: where each value is; of those in the arena only how it moves on in loops is the same for all sizes
        self.places = places
        self._asked = [(p, d, n) for p, v in enumerate(graph.params) for d, n in enumerate(v.type.shape)]
        self._known: OrderedDict[tuple[int, ...], Layout] = OrderedDict()

    def prepare(self, needs: Needs, used: Sequence[str]) -> None:
        """What the kernels need, and the names whose sizes they take."""
        self._needs, self._used = needs, used

    def at(self, sizes: tuple[int, ...]) -> Layout:
        """The layout for ``sizes`` of all names, in order."""
        found = self._known.get(sizes)
        if found is None:
            found = self._known[sizes] = self._plan(sizes)
            if len(self._known) > MOST_PLANS:
                self._known.popitem(last=False)
        return found

    @property
    def count(self) -> int:
        """How many layouts are kept."""
        return len(self._known)

    @property
    def example(self) -> Layout:
        """The layout for the names' examples."""
        return self.at(tuple(self._examples.values()))

    def sizes_of(self, params: Sequence[Array]) -> tuple[int, ...]:
        """The sizes that arrays for the parameters have: each name has to be a dimension of one."""
        found = {str(n): params[p].shape[d] for p, d, n in self._asked}
        return tuple(found[name] for name in self.names)

    def _plan(self, sizes: tuple[int, ...]) -> Layout:
        known = dict(zip(self.names, sizes, strict=True))
        plan, shared = plan_memory(self.graph, known), self._needs.at(known)
        offsets = [plan.places[v].at for v in self.listed]
        return Layout(
            plan.arena_bytes,
            shared.scratch,
            shared.workspace,
            known,
            tuple(known[name] for name in self._used),
            np.array(offsets, np.int64),
            tuple(type_at(o.type, known).shape for o in self.graph.outputs),
            plan,
        )
