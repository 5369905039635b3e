"""gt.compile: trace once for each kind of call, compile, and run with almost no overhead after that."""

from __future__ import annotations

import copy
import functools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, epoch
from graphtorch.frontend.joint import join, split
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import Traced, run_trace
from graphtorch.frontend.tree import leaves, map_leaves, structure
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, TraceError
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, SCHEDULE, SIMPLIFY
from graphtorch.runtime.executable import Executable

Array = np.ndarray[Any, Any]
#: programs kept for one signature before a function counts as unstable
_MAX_PROGRAMS = 16


@dataclass
class Stats:
    """What one compilation came to: Graph-IR nodes as traced, kernels, seconds, and where the code came from."""

    nodes: int
    kernels: int
    compile_seconds: float
    from_cache: bool
    reason: str
    stages: list[tuple[str, Graph]] = field(default_factory=list)


def _array(t: Tensor) -> Array:
    array = t._array
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


class Program:
    """One traced and compiled version of a function."""

    def __init__(self, traced: Traced, reason: str) -> None:
        import time

        started = time.perf_counter()
        self.traced = traced
        stages: list[tuple[str, Graph]] = [("trace", traced.graph)]
        record = lambda name, graph: stages.append((name, graph))
        self.differentiable = [] if traced.had_backward else [i for i, r in enumerate(traced.requires) if r]
        self.backward: Executable | None = None
        self.targets: list[Tensor | int] = []
        self.residuals = 0
        if self.differentiable:
            graph = self._compile_pair(record)
        else:
            graph = run_passes(traced.graph, OPTIMIZE, on_stage=record)
        self.forward = Executable(graph)
        kept = {p.name for p in graph.params}
        self.take = [i for i, p in enumerate(traced.graph.params) if p.name in kept]
        self.epoch = -1
        recorder = traced.recorder
        self.module_guards = list(recorder.module_guards.values())
        self.guards = [*recorder.other_guards.values(), *traced.guards]
        self.written = {id(c.storage) for c in traced.captures if c.param.role == "inout"}
        self.mutates_inputs = any(p.role == "inout" for p in graph.params[: len(traced.inputs)])
        executables = [e for e in (self.forward, self.backward) if e is not None]
        self.stats = Stats(
            len(traced.graph.nodes),
            sum(e.kernels for e in executables),
            time.perf_counter() - started,
            all(e.from_cache for e in executables),
            reason,
            stages,
        )

    def _compile_pair(self, record: Callable[[str, Graph], None]) -> Graph:
        """Forward and backward programs for a call whose outputs join eager autograd."""
        traced = self.traced
        params = traced.graph.params
        indices = []
        for value, leaf in traced.leaves.items():
            if value in params:
                indices.append(params.index(value))
                self.targets.append(leaf)
        outputs = len(traced.graph.outputs)
        joint = join(traced.graph, self.differentiable, indices)
        record("joint", joint)
        joint = run_passes(joint, SIMPLIFY, on_stage=record)
        self.joint_params = [p.name for p in joint.params]
        pair = split(joint, outputs, len(self.differentiable))
        self.residuals = len(pair.forward.outputs) - outputs
        self.shared = [joint.params[i].name for i in pair.shared]
        self.backward = Executable(
            run_passes(pair.backward, SCHEDULE, on_stage=lambda n, g: record("backward " + n, g))
        )
        return run_passes(pair.forward, SCHEDULE, on_stage=record)

    # ---- guards ----

    def holds(self) -> bool:
        """Whether the Python state that the trace read is still the same."""
        if self.epoch != epoch.now():
            if not all(g.holds() for g in self.module_guards):
                return False
            self.epoch = epoch.now()
        return all(g.holds() for g in self.guards)

    def broken(self) -> list[str]:
        """The names of the guards that do not hold."""
        return [g.name for g in (*self.module_guards, *self.guards) if not g.holds()]

    # ---- running ----

    def run(self, tensors: Sequence[Tensor]) -> Any:
        """Run on arguments with this program's signature; the function's result."""
        traced = self.traced
        arrays = self._inputs(tensors)
        fetched = [c.fetch() for c in traced.captures]
        arrays += [_array(v) if isinstance(v, Tensor) else np.array(v) for v in fetched]
        for c, v in zip(traced.captures, fetched, strict=True):
            if isinstance(v, Tensor) and v.aval != c.param.type:
                raise TraceError(
                    "GT606",
                    f"state {c.param.label or c.param.name} changed its type since it was compiled",
                    [f"expected {c.param.type}, got {v.aval}"],
                )
        outputs = self.forward.run([arrays[i] for i in self.take])
        self._mark_written(tensors, arrays)
        count = len(traced.outputs)
        results = [Tensor._from_array(a) for a in outputs[:count]]
        if self.differentiable and autograd.is_grad_enabled():
            residuals = outputs[len(self.forward.graph.outputs) - self.residuals :] if self.residuals else []
            self._attach(results, tensors, residuals, arrays)
        self._store_grads(outputs[count : len(self.forward.graph.outputs) - self.residuals], tensors)
        return self._result(tensors, results)

    def _inputs(self, tensors: Sequence[Tensor]) -> list[Array]:
        arrays = [_array(t) for t in tensors]
        for i, t in enumerate(tensors):
            if id(t._storage) in self.written:
                raise TraceError(
                    "GT607",
                    f"argument {i} is also state that the program writes in place",
                    ["clone() it before the call"],
                )
        if self.mutates_inputs and len({id(t._storage) for t in tensors}) < len(tensors):
            raise TraceError(
                "GT607",
                "arguments share memory, and the program writes one of them in place",
                ["clone() one of them before the call"],
            )
        return arrays

    def _mark_written(self, tensors: Sequence[Tensor], arrays: Sequence[Array]) -> None:
        for k, c in enumerate(self.traced.captures):
            if c.param.role == "inout" and c.storage is not None:
                c.storage.version += 1
                owner, written = c.fetch(), arrays[len(tensors) + k]
                if written is not owner._array:
                    np.copyto(owner._array, written)
        for t, a, p in zip(tensors, arrays, self.traced.graph.params, strict=False):
            if p.role == "inout":
                t._storage.version += 1
                if a is not t._array:
                    np.copyto(t._array, a)

    def _store_grads(self, arrays: Sequence[Array], tensors: Sequence[Tensor]) -> None:
        found = iter(arrays)
        for leaf, grad, adds in self.traced.grads:
            owner = self._actual(leaf, tensors)
            new = None if grad is None else Tensor._from_array(next(found))
            owner._grad = owner._grad + new if adds and new is not None and owner._grad is not None else new

    def _actual(self, t: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """The caller's tensor behind an argument of the trace."""
        for i, x in enumerate(self.traced.inputs):
            if x is t:
                return tensors[i]
        return t

    def _result(self, tensors: Sequence[Tensor], results: Sequence[Tensor]) -> Any:
        made = {id(t): r for t, r in zip(self.traced.outputs, results, strict=True)}

        def leaf(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            return made[id(x)] if id(x) in made else self._actual(x, tensors)

        return map_leaves(leaf, self.traced.result)

    def _attach(
        self, results: Sequence[Tensor], tensors: Sequence[Tensor], residuals: list[Array], arrays: Sequence[Array]
    ) -> None:
        leaves_ = [self._actual(t, tensors) for t in self.targets]  # type: ignore[arg-type]
        by_name = {p.name: a for p, a in zip(self.traced.graph.params, arrays, strict=True)}
        state = [by_name[name] for name in self.shared]
        storages = [c.storage for c in self.traced.captures if c.param.name in self.shared and c.storage is not None]
        params = zip(self.traced.graph.params, tensors, strict=False)
        storages += [t._storage for p, t in params if p.name in self.shared]
        node = _CompiledNode(self, leaves_, [r.aval for r in results], [*residuals, *state], storages)
        for i in self.differentiable:
            results[i]._requires_grad, results[i]._grad_fn, results[i]._output_index = True, node, i


class _CompiledNode(autograd.GradNode):
    """The history of a compiled call's outputs: backward() runs the compiled backward program."""

    def __init__(
        self, program: Program, targets: Sequence[Tensor], avals: Sequence[Any], saved: list[Array], storages: list[Any]
    ) -> None:
        super().__init__([autograd.edge_of(t) for t in targets], avals)
        self.program, self.saved = program, saved
        self.versions = [(s, s.version) for s in storages]

    @property
    def name(self) -> str:
        return "compiled"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if not self.saved and self.program.residuals:
            raise AutogradError(
                "GT501",
                "the saved tensors of a compiled call were freed by an earlier backward",
                ["pass retain_graph=True to the first backward to run it again"],
            )
        if any(s.version != v for s, v in self.versions):
            raise AutogradError(
                "GT502",
                "a tensor that the compiled backward needs was changed in place since the forward call",
                ["run backward() before the optimizer's step"],
            )
        seeds = []
        for i in self.program.differentiable:
            g = grads[i]
            aval = self.avals[i]
            seeds.append(np.zeros(aval.shape, aval.dtype.np) if g is None else _array(g))
        assert self.program.backward is not None  # a differentiable program has one
        return [Tensor._from_array(a) for a in self.program.backward.run([*self.saved, *seeds])]

    def release(self) -> None:
        self.saved = []


class Compiled:
    """A function with the signature of the one it was made from, run as compiled programs."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self._target = target
        self._programs: dict[Any, list[Program]] = {}
        self._order: list[Program] = []
        self._lock = threading.RLock()
        functools.update_wrapper(self, target, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if bind.current().tracing:
            return self._target(*args, **kwargs)  # inside of another trace: part of that program
        tensors = [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]
        key = self._key(args, kwargs, tensors)
        with self._lock:
            program = next((p for p in self._programs.get(key, ()) if p.holds()), None)
            if program is None:
                program = self._compile(key, args, kwargs)
        return program.run(tensors)

    def _key(self, args: Any, kwargs: Any, tensors: Sequence[Tensor]) -> Any:
        storages = [id(t._storage) for t in tensors]
        shared = tuple(map(storages.index, storages)) if len(set(storages)) < len(storages) else None
        return structure((args, kwargs), _leaf_key), autograd.is_grad_enabled(), shared

    def _compile(self, key: Any, args: Any, kwargs: Any) -> Program:
        have = self._programs.setdefault(key, [])
        if len(have) >= _MAX_PROGRAMS:
            raise TraceError(
                "GT608",
                f"{_name(self._target)} was compiled {len(have)} times for one signature, because Python state "
                "that it reads changes from call to call",
                [f"changed since the last time: {', '.join(have[-1].broken())}", "pass it as a tensor argument"],
            )
        reason = self._reason(key)
        traced = run_trace(self._target, args, kwargs, _name(self._target))
        program = Program(traced, reason)
        changed = program.broken()
        if changed:
            raise TraceError(
                "GT605",
                f"{_name(self._target)} changes Python state that it also reads, which a compiled program "
                "cannot repeat at every call",
                [f"changed while tracing: {', '.join(changed)}", "keep it in a tensor (a buffer of a module)"],
            )
        have.insert(0, program)
        self._order.append(program)
        return program

    def _reason(self, key: Any) -> str:
        if not self._order:
            return "first call"
        have = self._programs.get(key)
        if have:
            return f"changed Python state: {', '.join(have[0].broken())}"
        return "new shapes, dtypes or arguments"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the function or module, yet to be compiled: programs hold this one's tensors."""
        return compile(copy.deepcopy(self._target, memo))

    # ---- looking inside ----

    @property
    def graphs(self) -> list[Graph]:
        """The traced graph of each program."""
        return [p.traced.graph for p in self._order]

    @property
    def stats(self) -> list[Stats]:
        """Figures of each program."""
        return [p.stats for p in self._order]

    @property
    def stages(self) -> list[dict[str, str]]:
        """For each program the text of every stage, from the trace to LLVM IR, in order."""
        return [_texts(p) for p in self._order]

    def explain(self) -> str:
        """What was compiled, and why each program was needed."""
        lines = [f"{_name(self._target)}: {len(self._order)} programs"]
        for i, s in enumerate(self.stats):
            source = "from cache" if s.from_cache else "cold"
            lines.append(
                f"  {i}: {s.nodes} nodes -> {s.kernels} kernels in {s.compile_seconds:.2f} s ({source}); {s.reason}"
            )
        return "\n".join(lines)

    def dump(self, directory: str) -> list[str]:
        """Write every stage of every program into ``directory``; the paths of the files."""
        os.makedirs(directory, exist_ok=True)
        paths = []
        for number, texts in enumerate(self.stages):
            for index, (name, text) in enumerate(texts.items()):
                suffix = {"kernels": "gtk", "llvm": "ll"}.get(name.split()[-1], "gt")
                path = os.path.join(directory, f"{number}-{index:02d}-{name.replace(' ', '-')}.{suffix}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                paths.append(path)
        return paths


def _texts(program: Program) -> dict[str, str]:
    texts = {name: str(graph) for name, graph in program.stats.stages}
    for prefix, executable in (("", program.forward), ("backward ", program.backward)):
        if executable is not None:
            kernels = dict.fromkeys(launch.kernel for launch in executable.launches)
            texts[prefix + "kernels"] = "\n".join(map(str, kernels))
            texts[prefix + "llvm"] = executable.llvm_text()
    return texts


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", type(target).__name__))


def _leaf_key(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x.aval, x._requires_grad
    try:
        hash(x)
    except TypeError:
        raise ArgumentTypeError(
            "GT301",
            f"a compiled function does not take {type(x).__name__}",
            ["expected tensors, numbers, strings, None, and tuples, lists or dicts of them"],
        ) from None
    return type(x), x


class CompiledModule(Compiled):
    """A compiled module: calls are compiled, everything else is the module's own."""

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name in ("_module", "_target"):
            raise AttributeError(name)
        return getattr(self._module, name)

    def __repr__(self) -> str:
        return f"compile({self._module!r})"


def compile(target: Callable[..., Any] | None = None) -> Any:
    """Compile a function or a module; usable as a decorator.

    The result takes the same arguments. The first call with new shapes, dtypes or Python arguments
    traces and compiles; later ones run the program. A function may hold a whole training step
    (zero_grad, forward, loss, backward, step): parameters, optimizer state and running statistics
    are then state of one program. A module's outputs join eager autograd.

        >>> import graphtorch as gt
        >>> f = gt.compile(lambda x: (x * 2).sum())
        >>> f(gt.ones(3))
        tensor(6.)

    Raises TraceError where Python needs the numbers of a tensor, or changes its own state.
    """
    if target is None:
        return compile
    if isinstance(target, Compiled):
        return target
    if isinstance(target, Module):
        return CompiledModule(target)
    if not callable(target):
        raise ArgumentTypeError("GT301", f"compile() takes a function or a module, got {type(target).__name__}")
    return Compiled(target)
