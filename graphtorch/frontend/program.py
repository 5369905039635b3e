"""One traced and compiled version of a function: from the caller's tensors to results, and nothing lost between."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend import autograd
from graphtorch.frontend.build import Build, Stages
from graphtorch.frontend.compiled_node import CompiledNode, Derivative, contiguous, derivative_of
from graphtorch.frontend.freeze import FrozenPart, check_freezable
from graphtorch.frontend.gpu_program import gpu_of
from graphtorch.frontend.matching import Fetch, Matching
from graphtorch.frontend.memory import Memory
from graphtorch.frontend.results import Results
from graphtorch.frontend.sizing import Sizing
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.trace import Traced
from graphtorch.ir.errors import TraceError
from graphtorch.ir.passmanager import Pass
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.gather import CONTIGUOUS
from graphtorch.runtime.layouts import Layout

if TYPE_CHECKING:
    from graphtorch.runtime.cuda_executable import CudaExecutable

Array = np.ndarray[Any, Any]
#: combinations of sizes of which something is kept at a time
_MOST_SIZES = 64


@dataclass
class Stats:
    """What one compilation came to: Graph-IR nodes as traced, kernels, seconds, and where the code came from."""

    nodes: int
    kernels: int
    compile_seconds: float
    from_cache: bool
    reason: str


@dataclass(frozen=True)
class Sized:
    """What becomes of a program's arrays for certain sizes; the sizes in the order of the forward program's names, and
    its memory for them."""

    results: Results
    sizes: tuple[int, ...] = ()
    layout: Layout | None = None


class Program(Matching):
    """What `run` does with every call: fetch, run, write back, hand out."""

    def __init__(
        self,
        traced: Traced,
        reason: str,
        lock: Any,
        sizing: Sizing,
        freeze: bool = False,
        tune: bool = False,
        passes: Sequence[Pass] = (),
    ) -> None:
        started = time.perf_counter()
        self._lock = lock
        self.traced, self.sizing = traced, sizing
        self.derivative: Derivative | None = None
        self.frozen: FrozenPart | None = None
        if freeze:
            check_freezable(traced)
        self._index = gpu_of(traced)
        if freeze and self._index is None:
            self.frozen = FrozenPart(traced, passes)
            self.forward: Executable | CudaExecutable = Executable(self.frozen.graph, tune)
        else:
            self._build(traced, tune, passes)
        self._bind(traced)
        self._guard(traced, self.bindings, self._memory)
        executables = [e for e in (self.forward, self.backward, self.once) if e is not None]
        self.stats = Stats(
            len(traced.graph.nodes),
            sum(e.kernels for e in executables if e is not self.once),
            time.perf_counter() - started,
            all(e.from_cache for e in executables),
            reason,
        )

    def _build(self, traced: Traced, tune: bool, passes: Sequence[Pass]) -> None:
        outputs = [] if traced.had_backward else [i for i, r in enumerate(traced.requires) if r]
        self._made = Build(traced.graph, outputs, [v for v, _ in traced.targets], tune, passes, self._index)
        self.forward = self._made.forward
        if self._made.backward is not None:
            self.derivative = derivative_of(traced, outputs, self._made.backward, self._made.shared)

    @property
    def stages(self) -> Stages:
        """What every pass made, in order. Of a program from the cache it is made when it is asked for."""
        return self.frozen.stages if self.frozen else self._made.scheduled.stages

    @property
    def backward(self) -> Executable | CudaExecutable | None:
        """The backward program of a call that joins eager autograd."""
        return self.derivative.program if self.derivative else None

    @property
    def once(self) -> Executable | None:
        """The program of what frozen tensors determine."""
        return self.frozen.program if self.frozen else None

    def _bind(self, traced: Traced) -> None:
        """Which bindings the programs need (passes drop parameters), and what to do with each."""
        saved = self.derivative.shared if self.derivative else ()
        frozen = self.frozen.names if self.frozen else ()
        found = {b.param.name: b for b in traced.bindings}
        own = [name for name in self.forward.face.params if name in found]  # the others are made by the frozen part
        names = list(dict.fromkeys([*own, *(name for name in found if name in {*saved, *frozen})]))
        #: those of the forward program come first
        self.bindings = [found[name] for name in names]
        self._own = len(own)
        self._frozen = [names.index(name) for name in frozen]
        self._saved = [names.index(name) for name in saved]
        self.written = [i for i, b in enumerate(self.bindings) if b.param.role == "inout"]
        self._memory = Memory(self.bindings)
        self.results = Results(traced)
        self._plain = Sized(self.results)
        #: what `sized` gave, by sizes in the order of `sizing`
        self.known_sizes: dict[tuple[int, ...], Sized] = {}
        self._expect()

    def _expect(self) -> None:
        """Tell the forward program which arrays it can run on as they are; all else takes a closer look."""
        params, outputs = len(self.forward.face.params), len(self.forward.face.outputs)
        made, slots = params - self._own, params + outputs
        place = [i if i < self._own else i - self._own + slots for i in range(len(self.bindings))]
        needs = [self._memory.need(i) for i in range(len(self.bindings))]
        others = [(CONTIGUOUS, 0)] * (made + outputs)
        pairs = [(place[i], place[j]) for i, j in self._memory.pairs()]
        self.forward.expect([*needs[: self._own], *others, *needs[self._own :]], pairs)

    @property
    def _on_cpu(self) -> Executable:
        """The forward program, where that is known to be for the CPU."""
        assert isinstance(self.forward, Executable)
        return self.forward

    @property
    def simple(self) -> bool:
        """Whether a call joins no tape, freezes nothing, and has only tensors that guards tell of (quick.py)."""
        special = self._index is not None or self._volatile or self._argument_grads or self.frozen or self.derivative
        return not special and self._own == len(self.bindings)

    def simple_owners(self) -> list[Tensor | int | Fetch]:
        """For each binding of a simple program the tensor that it always holds, the argument's number, or how to get
        the number (or tensor) that it has at a call."""
        found: dict[int, Tensor | int | Fetch] = {i: t for i, t in enumerate(self._owners) if t is not None}
        found |= dict(self._given) | dict(self._fetched)
        return [found[i] for i in range(len(self._owners))]

    # ---- running ----

    def run(self, tensors: Sequence[Tensor], owners: Sequence[Any]) -> Any:
        """Run on arguments with this program's signature, and on what `match` gave; the function's result."""
        if self._argument_grads:
            self._check_grads(tensors)
        arrays = [np.array(t) if type(t) is float else t._data for t in owners]
        once: Sequence[Array] = ()
        if self.frozen is not None:
            once = self.frozen.results(self._on_cpu, [owners[i] for i in self._frozen])
        plain = self._own == len(arrays) and not once
        params, beside = (arrays, ()) if plain else ([*arrays[: self._own], *once], arrays[self._own :])
        if self._index is not None and tensors:
            self._memory.check(owners)
        sized = self.sized(tensors)
        results, sizes = sized.results, sized.sizes
        outputs = self.forward.attempt(params, beside, reuse=results.reuse, sizes=sizes)
        if outputs is None:
            arrays, outputs = self._run_closely(tensors, owners, once, sizes)
        for i in self.written:
            owners[i]._storage.version += 1
        made = results.tensors(outputs)
        if self.derivative is not None and autograd.is_grad_enabled():
            residuals = outputs[len(made) + self.traced.grad_count :]
            self._attach(results, made, tensors, [*residuals, *(arrays[i] for i in self._saved)], owners)
        if results.changes:
            results.store(outputs, tensors, made)
        return results.result(tensors, made)

    def sized(self, tensors: Sequence[Tensor]) -> Sized:
        """What depends on the sizes of a call that has these tensors."""
        return self.at(self.sizing.of(tensors)) if self.sizing.examples else self._plain

    def at(self, sizes: Mapping[str, int]) -> Sized:
        """What depends on ``sizes``, all of those that have names."""
        if not sizes:
            return self._plain
        key = tuple(sizes.values())
        found = self.known_sizes.get(key)
        if found is None:
            if len(self.known_sizes) >= _MOST_SIZES:
                self.known_sizes.clear()
            own = tuple(sizes[name] for name in self.forward.names)
            found = Sized(Results(self.traced, sizes), own, self.forward.layout_at(own))
            self.known_sizes[key] = found
        return found

    def _run_closely(
        self, tensors: Sequence[Tensor], owners: Sequence[Any], once: Sequence[Array], sizes: tuple[int, ...]
    ) -> tuple[list[Array], list[Array]]:
        """Run on arrays that are not dense, or that may share memory; TraceError GT607 where they must not."""
        if tensors:
            self._memory.check(owners)
        arrays = [contiguous(t._array) if isinstance(t, Tensor) else np.array(t) for t in owners]
        outputs = self.forward.run([*arrays[: self._own], *once], sizes or None)
        for i in self.written:
            if arrays[i] is not owners[i]._array:
                np.copyto(owners[i]._array, arrays[i])
        return arrays, outputs

    def _check_grads(self, tensors: Sequence[Tensor]) -> None:
        """TraceError GT607 for a gradient that is written under one name and used under another."""
        for i, _ in self._argument_grads:
            if any(g.leaf is tensors[i] for g in self.traced.grads):
                raise TraceError(
                    "GT607",
                    f"argument {i} is also a tensor that the function captures, and it reads the gradient of both",
                    ["use it under one name"],
                )

    def _attach(
        self,
        results: Results,
        made: Sequence[Tensor],
        tensors: Sequence[Tensor],
        saved: list[Array],
        owners: Sequence[Any],
    ) -> None:
        derivative = self.derivative
        assert derivative is not None  # the caller has looked
        storages: list[Storage] = [owners[i]._storage for i in self._saved]
        targets = [self.traced.actual(t, tensors) for t in derivative.targets]
        sizes = self.sizing.of(tensors)
        node = CompiledNode(derivative, targets, results.avals, saved, storages, sizes)
        for i in derivative.outputs:
            made[i]._requires_grad, made[i]._grad_fn, made[i]._output_index = True, node, i
