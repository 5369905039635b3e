"""From a traced graph to its programs: through the passes, or, where the cache on disk knows the graph, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from graphtorch.frontend.joint import join, split
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.passmanager import Pass, pipeline_text, run_passes
from graphtorch.ir.pipeline import OPTIMIZE, SCHEDULE, SCHEDULE_CUDA, SIMPLIFY, SIMPLIFY_CUDA, simplify_with
from graphtorch.ir.sized import is_dynamic_graph
from graphtorch.ir.text import print_graph
from graphtorch.runtime import cache
from graphtorch.runtime.executable import Executable, key_of

if TYPE_CHECKING:
    from graphtorch.runtime.cuda_executable import CudaExecutable

from graphtorch.runtime.known import has_own_ops, recall, remember

#: what every pass made, in order
Stages = list[tuple[str, Graph]]


@dataclass(frozen=True)
class Scheduled:
    """What the passes make of a traced graph. ``shared`` are parameters of it that ``backward`` takes as well."""

    stages: Stages
    forward: Graph
    backward: Graph | None = None
    shared: tuple[str, ...] = ()


class Build:
    """The programs of a traced graph.

    ``outputs`` are the numbers of those through which gradients come from outside, for the values ``targets``; where
    there are both, ``backward`` is a program of its own. ``shared`` are the names of parameters that it takes as well.

    The cache is asked for the graph as it was traced, without locations. Where it has it no pass runs: `scheduled` is
    made when somebody looks at it. What is measured (``tune``) and what users' own ``passes`` and ops do is not in the
    graph: such programs are not asked for, and neither are those with sizes that are not known, since their guards
    are what passes ask. ``index`` is the number of the GPU that they are for, None for the CPU.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[int],
        targets: Sequence[Value],
        tune: bool = False,
        passes: Sequence[Pass] = (),
        index: int | None = None,
    ) -> None:
        self._index = index
        self._graph, self._outputs, self._targets = graph, outputs, targets
        self._simplify = simplify_with(passes, SIMPLIFY if index is None else SIMPLIFY_CUDA)
        self.backward: Executable | CudaExecutable | None = None
        own = tune or passes or has_own_ops(graph) or index is not None
        known = not (own or is_dynamic_graph(graph) or cache.directory() is None)
        self._key = key_of(self._text(), "known") if known else ""
        if not (self._key and self._recall()):
            self._compile(tune)

    @cached_property
    def scheduled(self) -> Scheduled:
        """What the passes make of the graph."""
        make = _in_two if self._two else _in_one
        schedule = SCHEDULE if self._index is None else SCHEDULE_CUDA
        return make(self._graph, self._simplify, schedule, self._outputs, self._targets)

    @property
    def _two(self) -> bool:
        return bool(self._outputs and self._targets)

    def _text(self) -> str:
        """All that the programs depend on, beside what every key has."""
        made = {r: i for i, r in enumerate(v for v in (*self._graph.params, *_results(self._graph)))}
        asked = [list(self._outputs), [made[v] for v in self._targets]] if self._two else []
        return f"{pipeline_text(OPTIMIZE)}\n{asked}\n{print_graph(self._graph, locations=False)}"

    def _recall(self) -> bool:
        found = recall(self._key)
        if found is None:
            return False
        programs, self.shared = found
        self.forward: Executable | CudaExecutable = Executable(
            lambda: self.scheduled.forward, known=programs["forward"]
        )
        if "backward" in programs:
            self.backward = Executable(self._backward_graph, known=programs["backward"])
        return True

    def _compile(self, tune: bool) -> None:
        made = self.scheduled
        self.shared = made.shared
        if self._index is not None:
            self._compile_for_gpu(self._index)
            return
        if made.backward is not None:
            self.backward = Executable(made.backward, tune)
        self.forward = Executable(made.forward, tune)
        if self._key:
            programs = {"forward": self.forward, "backward": self.backward}
            remember(self._key, {name: e.face for name, e in programs.items() if e is not None}, self.shared)

    def _compile_for_gpu(self, index: int) -> None:
        from graphtorch.runtime.cuda_executable import CudaExecutable  # which the CPU does without

        made = self.scheduled
        if made.backward is not None:
            self.backward = CudaExecutable(made.backward, index, in_place=True)
        self.forward = CudaExecutable(made.forward, index)

    def _backward_graph(self) -> Graph:
        graph = self.scheduled.backward
        assert graph is not None  # there was one when the program was compiled
        return graph


def _results(graph: Graph) -> list[Value]:
    return [r for node in graph.nodes for r in node.results]


def _in_one(graph: Graph, simplify: Sequence[Pass], schedule: Sequence[Pass], *_: object) -> Scheduled:
    stages: Stages = [("trace", graph)]
    return Scheduled(stages, run_passes(graph, (*simplify, *schedule), on_stage=partial(_record, stages, "")))


def _in_two(
    graph: Graph,
    simplify: Sequence[Pass],
    schedule: Sequence[Pass],
    outputs: Sequence[int],
    targets: Sequence[Value],
) -> Scheduled:
    """Forward and backward programs for a call whose outputs join eager autograd."""
    joint = join(graph, outputs, targets)
    stages: Stages = [("trace", graph), ("joint", joint)]
    joint = run_passes(joint, simplify, on_stage=partial(_record, stages, ""))
    pair = split(joint, len(graph.outputs), len(outputs))
    backward = run_passes(pair.backward, schedule, on_stage=partial(_record, stages, "backward "))
    forward = run_passes(pair.forward, schedule, on_stage=partial(_record, stages, ""))
    return Scheduled(stages, forward, backward, tuple(joint.params[i].name for i in pair.shared))


def _record(stages: Stages, prefix: str, name: str, graph: Graph) -> None:
    stages.append((prefix + name, graph))
