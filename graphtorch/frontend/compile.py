"""gt.compile: trace once for each kind of call, compile, and run with almost no overhead after that."""

from __future__ import annotations

import copy
import functools
import inspect
import os
import sys
import threading
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.program import Program, Stats
from graphtorch.frontend.signature import SameKind, key_of, leaf_key, same_kind
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of, run_trace
from graphtorch.frontend.tree import leaves, structure
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, RecompileWarning, TraceError
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.runtime.threads import fork_safe

#: programs kept for one signature before a function counts as unstable
_MAX_PROGRAMS = 16
#: programs for arguments that differ in Python values alone, before a warning
_MANY_ALIKE = 16
#: programs that a call tries before it looks for its own by key
_RECENT = 4


class Compiled:
    """A function with the signature of the one it was made from, run as compiled programs."""

    def __init__(self, target: Callable[..., Any], **options: bool) -> None:
        self._target, self._options = target, options
        self._programs: dict[Any, list[Program]] = {}
        self._order: list[Program] = []
        #: how many programs there are for arguments of the same types and shapes
        self._alike: dict[Any, int] = {}
        #: for each key how to tell its calls; programs that were looked up last, newest first
        self._kinds: dict[Any, SameKind | None] = {}
        self._recent: tuple[tuple[SameKind, Program], ...] = ()
        self._lock = fork_safe(threading.RLock())
        functools.update_wrapper(self, target, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not bind.is_default():
            return self._within(args, kwargs)
        own = object.__getattribute__(self, "__dict__")  # a compiled module has its other attributes from the module
        for is_of_kind, program in own["_recent"]:
            tensors = is_of_kind(args, kwargs)
            if tensors is None:
                continue
            owners = program.match(tensors)
            if owners is not None:
                return program.run(tensors, owners)
        return self._look_up(args, kwargs)

    def _within(self, args: Any, kwargs: Any) -> Any:
        """A call inside of another trace is part of that program."""
        return self._target(*args, **kwargs) if bind.current().tracing else self._look_up(args, kwargs)

    def _look_up(self, args: Any, kwargs: Any) -> Any:
        tensors = [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]
        key = key_of(args, kwargs, tensors)
        with self._lock:
            program, owners = self._find(key, tensors)
            if program is None:
                program = self._compile(key, args, kwargs)
                owners = program.match(tensors)
            if owners is None:
                raise self._unstable(program, "in vain")
            self._remember(key, args, kwargs, program)
        return program.run(tensors, owners)

    def _remember(self, key: Any, args: Any, kwargs: Any, program: Program) -> None:
        """Calls like this one try ``program`` before they are looked up."""
        if key not in self._kinds:
            self._kinds[key] = same_kind(args, kwargs)
        quick = self._kinds[key]
        if quick is not None:
            others = [r for r in self._recent if r[1] is not program]
            self._recent = ((quick, program), *others[: _RECENT - 1])

    def _find(self, key: Any, tensors: Sequence[Tensor]) -> tuple[Program | None, list[Any] | None]:
        """The program for this call, and what its bindings hold."""
        for program in self._programs.get(key, ()):
            owners = program.match(tensors)
            if owners is not None:
                return program, owners
        return None, None

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        """In a class: a method. Its programs are those of the object that it is called on."""
        return self if owner is None else types.MethodType(self, owner)

    def _compile(self, key: Any, args: Any, kwargs: Any) -> Program:
        have = self._programs.setdefault(key, [])
        if len(have) >= _MAX_PROGRAMS:
            raise self._unstable(have[-1], f"{len(have)} times for one signature")
        self._warn_of_numbers(args, kwargs)
        reason = self._reason(key)
        traced = run_trace(self._target, args, kwargs)
        try:
            program = Program(traced, reason, self._lock, **self._options)
        except BaseException:
            traced.undo()
            raise
        have.insert(0, program)
        self._order.append(program)
        return program

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
        self._alike[alike] = count = self._alike.get(alike, 0) + 1
        if count == _MANY_ALIKE:
            warnings.warn(
                f"{name_of(self._target)} was compiled {count} times for arguments that differ only in Python values; "
                "pass numbers that change from call to call as tensors, such as gt.tensor(0.5)",
                RecompileWarning,
                stacklevel=5,
            )

    def _reason(self, key: Any) -> str:
        if not self._order:
            return "first call"
        have = self._programs.get(key)
        if have:
            return f"changed Python state: {', '.join(have[0].broken())}"
        return "new shapes, dtypes or arguments"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the function or module, yet to be compiled: programs hold this one's tensors."""
        return compile(copy.deepcopy(self._target, memo), **self._options)

    def __reduce__(self) -> Any:
        """Pickled as what it was made from, yet to be compiled; a decorated function by its name."""
        home: Any = sys.modules.get(getattr(self._target, "__module__", None) or "")
        path = getattr(self._target, "__qualname__", "")
        if functools.reduce(lambda x, name: getattr(x, name, None), path.split("."), home) is self:
            return path
        freeze, tune = self._options.get("freeze", False), self._options.get("tune", False)
        return functools.partial(compile, freeze=freeze, tune=tune), (self._target,)

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
        """For each program the text of every stage, from the trace to LLVM IR, in order.

        "fusion" is no stage of its own: it says what `fuse` made one kernel, the bytes that this saves, and why.
        """
        return [_texts(p) for p in self._order]

    def explain(self) -> str:
        """What was compiled, and why each program was needed."""
        lines = [f"{name_of(self._target)}: {len(self._order)} programs"]
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
                suffix = {"kernels": "gtk", "llvm": "ll", "fusion": "txt"}.get(name.split()[-1], "gt")
                path = os.path.join(directory, f"{number}-{index:02d}-{name.replace(' ', '-')}.{suffix}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                paths.append(path)
        return paths


def _texts(program: Program) -> dict[str, str]:
    texts: dict[str, str] = {}
    before: Graph | None = None
    for name, graph in program.stats.stages:
        if before is not None and name.split()[-1] == Fuse.name:
            texts[f"{name.removesuffix(Fuse.name)}fusion"] = Fuse().explain(before)
        texts[name] = str(graph)
        before = graph
    for prefix, executable in (("", program.forward), ("backward ", program.backward), ("once ", program.once)):
        if executable is not None:
            kernels = dict.fromkeys(launch.kernel for launch in executable.launches)
            texts[prefix + "kernels"] = "\n".join(map(str, kernels))
            texts[prefix + "llvm"] = executable.llvm_text()
    return texts


_NO_RESULT = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
#: methods of a module that return it, so that calls can be chained
_FLUENT = frozenset("train eval to float double cpu cuda apply requires_grad_".split())


class CompiledModule(Compiled, Module):
    """A compiled module: calls are compiled; everything else, read, assigned and called, is the module's own.

    It can stand in other modules in the place of the module: its parameters and names are the same.
    """

    def __init__(self, module: Module, **options: bool) -> None:
        object.__setattr__(self, "_module", module)
        super().__init__(module, **options)

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN or (name.startswith("__") and name.endswith("__")):
            return object.__getattribute__(self, name)
        found = getattr(object.__getattribute__(self, "_module"), name)
        return self._chained(found) if name in _FLUENT else found

    def _chained(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            found = method(*args, **kwargs)
            return self if found is self._module else found

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or (name.startswith("__") and name.endswith("__")):
            object.__setattr__(self, name, value)
        else:
            setattr(self._module, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._module, name)

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        """Modules are no methods, wherever they stand."""
        return self

    def __repr__(self) -> str:
        return f"compile({self._module!r})"


#: what a compiled module has itself
_OWN = frozenset(vars(Compiled)) | frozenset(vars(CompiledModule)) | {"_module"}
_OWN |= {"_target", "_options", "_programs", "_order", "_alike", "_kinds", "_recent", "_lock"}


def compile(target: Callable[..., Any] | None = None, *, freeze: bool = False, tune: bool = False) -> Any:
    """Compile a function or a module; usable as a decorator.

    The result takes the same arguments. The first call with new shapes, dtypes or Python arguments
    traces and compiles; later ones run the program. A function may hold a whole training step
    (zero_grad, forward, loss, backward, step): parameters, optimizer state and running statistics
    are then state of one program. A module's outputs join eager autograd.

        >>> import graphtorch as gt
        >>> f = gt.compile(lambda x: (x * 2).sum())
        >>> f(gt.ones(3))
        tensor(6.)

    ``freeze`` is for inference, under ``gt.no_grad()``: what depends on the tensors that the function captures (a
    module's weights) and on nothing else is computed once, such as batch norm folded into convolutions and
    weights in the order that kernels read. It is computed again after weights were changed by graphtorch
    (load_state_dict, an optimizer, in-place operations); changes through numpy are not seen. 3x3 and 5x5 convolutions
    may be computed by Winograd's algorithm, whose rounding is relative to the largest number near by:
    GRAPHTORCH_WINOGRAD=0 in the environment keeps it out.

    ``tune`` measures several ways to compute each matrix product and convolution when a program is made, once per
    machine (the choice is in the cache), instead of trusting the model of cycles.

    Raises TraceError GT614 for ``freeze`` where gradients are wanted, and other TraceErrors where Python needs the
    numbers of a tensor, or changes its own state.
    """
    if target is None:
        return functools.partial(compile, freeze=freeze, tune=tune)
    if isinstance(target, Compiled):
        return target
    if isinstance(target, Module):
        _check_returns(target)
        return CompiledModule(target, freeze=freeze, tune=tune)
    if not callable(target):
        raise ArgumentTypeError("GT301", f"compile() takes a function or a module, got {type(target).__name__}")
    _check_returns(target)
    return Compiled(target, freeze=freeze, tune=tune)


def _check_returns(target: Any) -> None:
    """ArgumentTypeError GT301 for generator and async functions, which give no result when they are called."""
    function = target.forward if isinstance(target, Module) else target
    for f in (function, inspect.getattr_static(type(function), "__call__", None)):  # the other one is an object's
        if any(is_one(f) for is_one in _NO_RESULT):
            raise ArgumentTypeError(
                "GT301",
                f"compile() does not take {name_of(target)}, a generator or async function",
                ["compile a function that returns its results, and call that one from it"],
            )
