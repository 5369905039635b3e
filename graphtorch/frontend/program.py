"""One traced and compiled version of a function: from the caller's tensors to results, and nothing lost between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, epoch
from graphtorch.frontend.build import Build, Stages
from graphtorch.frontend.compiled_node import CompiledNode, Derivative, contiguous, derivative_of
from graphtorch.frontend.freeze import FrozenPart, check_freezable
from graphtorch.frontend.guards import Checks
from graphtorch.frontend.memory import Memory
from graphtorch.frontend.results import Results
from graphtorch.frontend.sizing import Sizing
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.trace import Traced
from graphtorch.ir.errors import TraceError
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.gather import CONTIGUOUS

Array = np.ndarray[Any, Any]
#: combinations of sizes of which something is kept at a time
_MOST_SIZES = 64
#: what a binding holds at a call with these arguments
Fetch = Callable[[Sequence[Tensor]], Any]


@dataclass
class Stats:
    """What one compilation came to: Graph-IR nodes as traced, kernels, seconds, and where the code came from."""

    nodes: int
    kernels: int
    compile_seconds: float
    from_cache: bool
    reason: str


class Program:
    """What `run` does with every call: fetch, run, write back, hand out."""

    def __init__(
        self, traced: Traced, reason: str, lock: Any, sizing: Sizing, freeze: bool = False, tune: bool = False
    ) -> None:
        started = time.perf_counter()
        self._lock = lock
        self.traced, self.sizing = traced, sizing
        self.derivative: Derivative | None = None
        self.frozen: FrozenPart | None = None
        if freeze:
            check_freezable(traced)
            self.frozen = FrozenPart(traced)
            self.forward = Executable(self.frozen.graph, tune)
        else:
            self._build(traced, tune)
        self._bind(traced)
        self._guard(traced)
        executables = [e for e in (self.forward, self.backward, self.once) if e is not None]
        self.stats = Stats(
            len(traced.graph.nodes),
            sum(e.kernels for e in executables if e is not self.once),
            time.perf_counter() - started,
            all(e.from_cache for e in executables),
            reason,
        )

    def _build(self, traced: Traced, tune: bool) -> None:
        outputs = [] if traced.had_backward else [i for i, r in enumerate(traced.requires) if r]
        self._made = Build(traced.graph, outputs, [v for v, _ in traced.targets], tune)
        self.forward = self._made.forward
        if self._made.backward is not None:
            self.derivative = derivative_of(traced, outputs, self._made.backward, self._made.shared)

    @property
    def stages(self) -> Stages:
        """What every pass made, in order. Of a program from the cache it is made when it is asked for."""
        return self.frozen.stages if self.frozen else self._made.scheduled.stages

    @property
    def backward(self) -> Executable | None:
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
        self._volatile = [i for i, b in enumerate(self.bindings) if b.volatile]
        self._memory = Memory(self.bindings)
        self.results = Results(traced)
        #: what `results_of` gave for the sizes of calls
        self._sized: dict[tuple[int, ...], tuple[Results, tuple[int, ...]]] = {}
        self._expect()
        self._plan_owners()

    def _expect(self) -> None:
        """Tell the forward program which arrays it can run on as they are; all else takes a closer look."""
        params, outputs = len(self.forward.face.params), len(self.forward.face.outputs)
        made, slots = params - self._own, params + outputs
        place = [i if i < self._own else i - self._own + slots for i in range(len(self.bindings))]
        needs = [self._memory.need(i) for i in range(len(self.bindings))]
        others = [(CONTIGUOUS, 0)] * (made + outputs)
        pairs = [(place[i], place[j]) for i, j in self._memory.pairs()]
        self.forward.expect([*needs[: self._own], *others, *needs[self._own :]], pairs)

    def _plan_owners(self) -> None:
        """What each binding holds: the same tensor at every call, an argument, or what is asked for."""
        each = list(enumerate(self.bindings))
        fixed = [b.position is None and b.tensor is not None and not b.volatile for b in self.bindings]
        self._owners = [b.tensor if fixed[i] else None for i, b in each]
        self._given = [(i, b.position) for i, b in each if b.position is not None]
        self._fetched = [(i, b.fetch) for i, b in each if b.position is None and not fixed[i]]

    @property
    def simple(self) -> bool:
        """Whether a call joins no tape, freezes nothing, and has only tensors that guards tell of (quick.py)."""
        special = self._volatile or self._argument_grads or self.frozen or self.derivative or self.sizing.examples
        return not special and self._own == len(self.bindings)

    def simple_owners(self) -> list[Tensor | int | Fetch]:
        """For each binding of a simple program the tensor that it always holds, the argument's number, or how to get
        the number (or tensor) that it has at a call."""
        found: dict[int, Tensor | int | Fetch] = {i: t for i, t in enumerate(self._owners) if t is not None}
        found |= dict(self._given) | dict(self._fetched)
        return [found[i] for i in range(len(self._owners))]

    def guards(self, constant: Callable[[Any], str]) -> list[str]:
        """Conditions in Python, over ``tensors``, under which `match` says no while the epoch stands."""
        reasons = [] if self._checks.empty else [f"not {constant(self._checks.hold)}()"]
        return [*reasons, *([f"not {constant(self._holds_of)}(tensors)"] if self._closer else [])]

    # ---- guards ----

    def _guard(self, traced: Traced) -> None:
        recorder, gradients = traced.recorder, traced.tracer.gradients
        self.epoch = -1
        self._attributes = list(recorder.module_guards.values())
        self._modules = [(type(m), m, names) for m, names in recorder.inherited.values()]
        self._facts = [(t, t.aval, t._requires_grad, t.is_leaf) for t in traced.outside]
        self._checks = Checks([*recorder.other_guards.values(), *traced.tracer.guards])
        self._grads = list(gradients.seen.values())
        self._argument_grads = list(gradients.seen_of_arguments.items())
        self._asked = traced.tracer.questions.all()
        self._closer = bool(self._grads or self._argument_grads or self._asked)
        self._kept = [self.bindings[i].tensor for i in self._volatile]
        self._layout = self._memory.layout([b.tensor for b in self.bindings])

    def match(self, tensors: Sequence[Tensor]) -> list[Any] | None:
        """What every binding holds at this call; None if the Python state is another than the one that was traced."""
        if self._volatile or self.epoch != epoch.now():
            with self._lock:  # a trace of the same function assigns attributes, and takes that back when it ends
                return self._match_anew(tensors)
        return self._owners_at(tensors) if self._holds(tensors) else None

    def _match_anew(self, tensors: Sequence[Tensor]) -> list[Any] | None:
        now = epoch.now()
        later = self.epoch != now
        if (later and not self._unchanged()) or not self._holds(tensors):
            return None
        owners = self._owners_at(tensors)
        moved = [i for i, kept in zip(self._volatile, self._kept, strict=True) if owners[i] is not kept]
        if (moved or later) and not self._settle(owners, moved, later):
            return None
        self.epoch = now
        return owners

    def _owners_at(self, tensors: Sequence[Tensor]) -> list[Any]:
        owners = self._owners.copy()
        for i, position in self._given:
            owners[i] = tensors[position]
        for i, fetch in self._fetched:
            owners[i] = fetch(tensors)
        return owners

    def _holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether that is as it was which nothing tells of when it changes."""
        return self._checks.hold() and (not self._closer or self._holds_of(tensors))

    def _holds_of(self, tensors: Sequence[Tensor]) -> bool:
        """Whether gradients and arguments are as they were where the function looked at them."""
        return self._same_grads(tensors) and all(a.holds(tensors) for a in self._asked)

    def _unchanged(self) -> bool:
        """Whether what moves the epoch is as it was: attributes of modules, and types of tensors."""
        return (
            all(g.holds() for g in self._attributes)
            and all(type(m) is c and vars(m).keys().isdisjoint(names) for c, m, names in self._modules)
            and all(t.aval == a and t._requires_grad is r and t.is_leaf is leaf for t, a, r, leaf in self._facts)
        )

    def _same_grads(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the gradients that the function looked at are None where they were."""
        for t, none in self._grads:
            if (t._grad is None) is not none:
                return False
        return all((tensors[i]._grad is None) is none for i, none in self._argument_grads)

    def _settle(self, owners: Sequence[Any], moved: Sequence[int], everything: bool) -> bool:
        """Whether the program is good for tensors that stand in the place of others now."""
        for i in moved:
            if not isinstance(owners[i], Tensor) or owners[i].aval != self.bindings[i].param.type:
                return False
        memory = self._memory
        if everything or any(i in memory.written or memory.clash(owners, i) for i in moved):
            if memory.layout(owners) != self._layout:
                return False
            memory.settle(owners)
        self._kept = [owners[i] for i in self._volatile]
        return True

    def outdated(self) -> bool:
        """Whether the Python state changed for good."""
        return not (self._unchanged() and self._checks.hold())

    def broken(self) -> list[str]:
        """What of the Python state changed, by name."""
        names = [g.name for g in self._attributes if not g.holds()] + self._checks.broken()
        names += [f"{c.__name__}" for c, m, own in self._modules if type(m) is not c or vars(m).keys() & own]
        names += [
            "requires_grad" for t, _, r, leaf in self._facts if t._requires_grad is not r or t.is_leaf is not leaf
        ]
        names += [f"the type of {a}" for t, a, *_ in self._facts if t.aval != a]
        names += ["whether a gradient is None" for t, none in self._grads if (t._grad is None) is not none]
        return list(dict.fromkeys(names)) or ["which tensors share memory, or their types"]

    # ---- running ----

    def run(self, tensors: Sequence[Tensor], owners: Sequence[Any]) -> Any:
        """Run on arguments with this program's signature, and on what `match` gave; the function's result."""
        if self._argument_grads:
            self._check_grads(tensors)
        arrays = [np.array(t) if type(t) is float else t._data for t in owners]
        once: Sequence[Array] = ()
        if self.frozen is not None:
            once = self.frozen.results(self.forward, [owners[i] for i in self._frozen])
        plain = self._own == len(arrays) and not once
        params, beside = (arrays, ()) if plain else ([*arrays[: self._own], *once], arrays[self._own :])
        results, sizes = self.results_of(tensors)
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

    def results_of(self, tensors: Sequence[Tensor]) -> tuple[Results, tuple[int, ...]]:
        """For the sizes of a call: what its results are, and the sizes in the order of the forward program's names."""
        if not self.sizing.examples:
            return self.results, ()
        sizes = self.sizing.of(tensors)
        key = tuple(sizes.values())
        found = self._sized.get(key)
        if found is None:
            if len(self._sized) >= _MOST_SIZES:
                self._sized.clear()
            found = Results(self.traced, sizes), tuple(sizes[name] for name in self.forward.names)
            self._sized[key] = found
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
