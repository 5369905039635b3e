"""One traced and compiled version of a function: from the caller's tensors to results, and nothing lost between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, epoch
from graphtorch.frontend.compiled_node import CompiledNode, Derivative, contiguous
from graphtorch.frontend.joint import join, split
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.trace import Traced
from graphtorch.frontend.tracer import history
from graphtorch.frontend.tree import map_leaves
from graphtorch.ir.errors import TraceError
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, SCHEDULE, SIMPLIFY
from graphtorch.runtime.executable import Executable

Array = np.ndarray[Any, Any]


@dataclass
class Stats:
    """What one compilation came to: Graph-IR nodes as traced, kernels, seconds, and where the code came from."""

    nodes: int
    kernels: int
    compile_seconds: float
    from_cache: bool
    reason: str
    stages: list[tuple[str, Graph]] = field(default_factory=list)


class Program:
    """What `run` does with every call: fetch, run, write back, hand out."""

    def __init__(self, traced: Traced, reason: str) -> None:
        started = time.perf_counter()
        self.traced = traced
        self.derivative: Derivative | None = None
        stages: list[tuple[str, Graph]] = [("trace", traced.graph)]
        record = lambda name, graph: stages.append((name, graph))
        differentiable = [] if traced.had_backward else [i for i, r in enumerate(traced.requires) if r]
        if differentiable:
            graph, self.derivative = _compile_pair(traced, differentiable, record)
        else:
            graph = run_passes(traced.graph, OPTIMIZE, on_stage=record)
        self.forward = Executable(graph)
        self._bind(traced, graph)
        self._guard(traced)
        executables = [self.forward, *([self.derivative.program] if self.derivative else [])]
        self.stats = Stats(
            len(traced.graph.nodes),
            sum(e.kernels for e in executables),
            time.perf_counter() - started,
            all(e.from_cache for e in executables),
            reason,
            stages,
        )

    @property
    def backward(self) -> Executable | None:
        """The backward program of a call that joins eager autograd."""
        return self.derivative.program if self.derivative else None

    def _bind(self, traced: Traced, graph: Graph) -> None:
        """Which bindings the programs need (passes drop parameters), and what to do with each."""
        kept = [p.name for p in graph.params]
        saved = self.derivative.shared if self.derivative else ()
        self.bindings = [b for b in traced.bindings if b.param.name in {*kept, *saved}]
        names = [b.param.name for b in self.bindings]
        self._forward = [names.index(name) for name in kept]
        self._saved = [names.index(name) for name in saved]
        self._inout = [i for i, b in enumerate(self.bindings) if b.param.role == "inout"]
        self._state = [
            i for i, b in enumerate(self.bindings) if b.tensor is not None and b.param.name not in traced.input_names
        ]
        self._written_state = [i for i in self._inout if i in self._state]
        self._layout = self._storages()

    # ---- guards ----

    def _guard(self, traced: Traced) -> None:
        self._epoch = -1
        self._module_guards = list(traced.recorder.module_guards.values())
        self._guards = [*traced.recorder.other_guards.values(), *traced.guards]

    def _storages(self) -> list[int]:
        """Which tensors of the captured state share memory with which."""
        owners = [self.bindings[i].fetch(()) for i in self._state]
        ids = [id(t._storage) if isinstance(t, Tensor) else i for i, t in enumerate(owners)]
        return [ids.index(i) for i in ids]

    def holds(self) -> bool:
        """Whether the Python state that the trace read is still the same."""
        if self._epoch != epoch.now():
            if not all(g.holds() for g in self._module_guards) or self._layout != self._storages():
                return False
            self._epoch = epoch.now()
        return all(g.holds() for g in self._guards)

    def broken(self) -> list[str]:
        """The names of the guards that do not hold."""
        names = [g.name for g in (*self._module_guards, *self._guards) if not g.holds()]
        return names or (["which tensors share memory"] if self._layout != self._storages() else [])

    # ---- running ----

    def run(self, tensors: Sequence[Tensor]) -> Any:
        """Run on arguments with this program's signature; the function's result."""
        owners = [b.fetch(tensors) for b in self.bindings]
        self._check(owners, tensors)
        arrays = [contiguous(t._array) if isinstance(t, Tensor) else np.array(t) for t in owners]
        outputs = self.forward.run([arrays[i] for i in self._forward])
        for i in self._inout:
            owners[i]._storage.version += 1
            if arrays[i] is not owners[i]._array:
                np.copyto(owners[i]._array, arrays[i])
        traced = self.traced
        results = [Tensor._from_array(a) for a in outputs[: len(traced.outputs)]]
        residuals = outputs[len(traced.outputs) + traced.grad_count :]
        if self.derivative is not None and autograd.is_grad_enabled():
            self._attach(results, tensors, [*residuals, *(arrays[i] for i in self._saved)], owners)
        self._store_grads([Tensor._from_array(a) for a in outputs[len(results) :][: traced.grad_count]], tensors)
        made = dict(zip(map(id, traced.outputs), results, strict=True))
        result = self._put_in(traced.result, tensors, made)
        for assignment in traced.assignments:
            assignment.repeat(self._put_in(assignment.after, tensors, made))
        return result

    def _check(self, owners: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        """TraceError GT606 for state of another type, GT607 for memory that would be read while it is written."""
        for i in self._state:
            param, owner = self.bindings[i].param, owners[i]
            if not isinstance(owner, Tensor) or owner.aval != param.type:
                raise TraceError(
                    "GT606",
                    f"state {param.label or param.name} changed its type since it was compiled",
                    [f"expected {param.type}, got {owner.aval if isinstance(owner, Tensor) else owner!r}"],
                )
        if tensors and self._inout:
            self._check_overlap(owners, tensors)

    def _check_overlap(self, owners: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        storages = [id(t._storage) for t in tensors]
        written = {id(owners[i]._storage) for i in self._written_state}
        for position, storage in enumerate(storages):
            if storage in written:
                raise TraceError(
                    "GT607",
                    f"argument {position} is also state that the program writes in place",
                    ["clone() it before the call"],
                )
        if len(self._inout) > len(self._written_state) and len(set(storages)) < len(storages):
            raise TraceError(
                "GT607",
                "arguments share memory, and the program writes one of them in place",
                ["clone() one of them before the call"],
            )

    def _store_grads(self, grads: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
        found = iter(grads)
        for leaf, made, adds in self.traced.grads:
            owner = self.traced.actual(leaf, tensors)
            new = next(found) if made else None
            owner._grad = owner._grad + new if adds and new is not None and owner._grad is not None else new

    def _put_in(self, tree: Any, tensors: Sequence[Tensor], made: dict[int, Tensor]) -> Any:
        """A result of the trace with the tensors of this call."""

        def leaf(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            return made[id(x)] if id(x) in made else self.traced.actual(x, tensors)

        return map_leaves(leaf, tree)

    def _attach(
        self, results: Sequence[Tensor], tensors: Sequence[Tensor], saved: list[Array], owners: Sequence[Any]
    ) -> None:
        derivative = self.derivative
        assert derivative is not None  # the caller has looked
        storages: list[Storage] = [owners[i]._storage for i in self._saved]
        targets = [self.traced.actual(t, tensors) for t in derivative.targets]
        node = CompiledNode(derivative, targets, [r.aval for r in results], saved, storages)
        for i in derivative.outputs:
            results[i]._requires_grad, results[i]._grad_fn, results[i]._output_index = True, node, i


def _compile_pair(
    traced: Traced, outputs: Sequence[int], record: Callable[[str, Graph], None]
) -> tuple[Graph, Derivative]:
    """Forward and backward programs for a call whose outputs join eager autograd."""
    targets = [(v, t) for v, t in traced.leaves.items() if t._traced is None or traced.is_input(t)]
    joint = join(traced.graph, outputs, [v for v, _ in targets])
    record("joint", joint)
    joint = run_passes(joint, SIMPLIFY, on_stage=record)
    pair = split(joint, len(traced.graph.outputs), len(outputs))
    program = Executable(run_passes(pair.backward, SCHEDULE, on_stage=lambda n, g: record("backward " + n, g)))
    paths = {i: history(traced.graph.outputs[i], traced.leaves) for i in outputs}
    derivative = Derivative(
        program,
        tuple(outputs),
        tuple(t for _, t in targets),
        tuple(joint.params[i].name for i in pair.shared),
        tuple(frozenset(i for i in outputs if v in paths[i][0]) for v, _ in targets),
        _conflicts({i: nodes for i, (_, nodes) in paths.items()}),
    )
    return run_passes(pair.forward, SCHEDULE, on_stage=record), derivative


def _conflicts(paths: dict[int, Any]) -> dict[int, frozenset[int]]:
    """For each output those whose backward needs saved tensors that its own backward frees."""
    saving = {i: {n for n in nodes if _saves(n.op)} for i, nodes in paths.items()}
    return {i: frozenset(j for j in saving if saving[i] & saving[j]) for i in saving}


def _saves(op: Any) -> bool:
    result, operands = op.saved_for_backward
    return bool(result or any(operands))
