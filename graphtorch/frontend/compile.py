"""gt.compile: trace once for each kind of call, compile, and run with almost no overhead after that."""

from __future__ import annotations

import copy
import functools
import sys
import threading
import types
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from graphtorch.frontend.attempts import Attempts
from graphtorch.frontend.changes import too_many
from graphtorch.frontend.diagnosis.contracts import enforce
from graphtorch.frontend.dynamic import Kind, Named
from graphtorch.frontend.inspection import Inspection
from graphtorch.frontend.kept import Kept
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.program import Program
from graphtorch.frontend.quick import NOT_MINE, Quick, quick_call
from graphtorch.frontend.reasons import Reasons
from graphtorch.frontend.sizing import Sizing
from graphtorch.frontend.targets import check_returns, ignored, own_passes
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import Traced, name_of, run_trace
from graphtorch.frontend.tree import leaves
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, RecompileWarning
from graphtorch.ir.passmanager import Pass
from graphtorch.ir.types import TensorType
from graphtorch.runtime.threads import fork_safe

#: programs kept for one signature before a function counts as unstable
_MAX_PROGRAMS = 16
#: programs kept for one function. Each has an arena and machine code of its own
MOST_PROGRAMS = 64
#: programs that a call tries before it looks for its own by key
_RECENT = 4
#: names of arguments, and for each the dimensions whose sizes have names
Dynamic = Mapping[str, Mapping[int, str]]


class Compiled(Inspection, Reasons):
    """A function with the signature of the one it was made from, run as compiled programs."""

    def __init__(
        self,
        target: Callable[..., Any],
        dynamic: Dynamic | None = None,
        ignore: Collection[str] = (),
        **options: Any,
    ) -> None:
        self._target, self._dynamic, self._ignore = target, dynamic, ignored(ignore)
        self._options: dict[str, Any] = options
        self._attempts = Attempts(Named(target, dynamic) if dynamic is not None else None)
        self._kept = Kept(MOST_PROGRAMS)
        self._alike = {}
        #: for each program what answers its calls; programs that were looked up last, newest first
        self._quick: dict[Program, Quick | None] = {}
        self._recent: tuple[tuple[Program, Quick], ...] = ()
        self._lock = fork_safe(threading.RLock())
        functools.update_wrapper(self, target, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not bind.is_default():
            return self._within(args, kwargs)
        own = object.__getattribute__(self, "__dict__")  # a compiled module has its other attributes from the module
        for _, quick in own["_recent"]:
            result = quick(args, kwargs)
            if result is not NOT_MINE:
                return result
        return self._look_up(args, kwargs)

    def _within(self, args: Any, kwargs: Any) -> Any:
        """A call inside of another trace is part of that program."""
        return self._target(*args, **kwargs) if bind.current().tracing else self._look_up(args, kwargs)

    def _look_up(self, args: Any, kwargs: Any) -> Any:
        program, tensors, owners = self._matching(args, kwargs)
        return program.run(tensors, owners)

    def _program_of(self, args: Any, kwargs: Any) -> Program:
        return self._matching(args, kwargs)[0]

    def _matching(self, args: Any, kwargs: Any) -> tuple[Program, list[Tensor], list[Any]]:
        """The program of a call, made if need be, its tensors, and what the program's bindings hold."""
        tensors = [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]
        with self._lock:
            kind = self._attempts.kind(args, kwargs, tensors)
            program, owners = self._find(kind, tensors)
            while program is None:
                program = self._compile(kind, tensors, args, kwargs)
                if program is not None:
                    owners = program.match(tensors)
                    break
                kind = self._attempts.kind(args, kwargs, tensors)
                program, owners = self._find(kind, tensors)
            if owners is None:
                raise self._unstable(program, "in vain")
            self._remember(kind.key, args, kwargs, program)
        return program, tensors, owners

    def _remember(self, key: Any, args: Any, kwargs: Any, program: Program) -> None:
        """Calls like this one try ``program`` before they are looked up."""
        self._kept.use(program, key)
        if program not in self._quick:
            self._quick[program] = quick_call(args, kwargs, program)
        quick = self._quick[program]
        if quick is not None:
            others = [r for r in self._recent if r[0] is not program]
            self._recent = ((program, quick), *others[: _RECENT - 1])

    def _find(self, kind: Kind, tensors: Sequence[Tensor]) -> tuple[Program | None, list[Any] | None]:
        """The program for this call, and what its bindings hold."""
        for program in self._kept.of(kind.key):
            owners = program.match(tensors) if program.sizing.holds(kind.sizes) else None
            if owners is not None:
                return program, owners
        return None, None

    @property
    def _order(self) -> list[Program]:
        return self._kept.order

    @property
    def _gone(self) -> int:
        return self._kept.dropped

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        """In a class: a method. Its programs are those of the object that it is called on."""
        return self if owner is None else types.MethodType(self, owner)

    def _compile(self, kind: Kind, tensors: Sequence[Tensor], args: Any, kwargs: Any) -> Program | None:
        """A program for this call; None where it turned out to be of another kind (`Attempts`)."""
        have = self._kept.of(kind.key)
        if len(have) >= _MAX_PROGRAMS:
            raise self._unstable(have[-1], f"{len(have)} times for one signature")
        self._warn_of_numbers(args, kwargs)
        reason = "; ".join([self._reason(kind), *kind.why])

        def build(types: Mapping[int, TensorType], sizing: Sizing) -> Program | None:
            traced = run_trace(self._target, args, kwargs, types)
            try:
                enforce(traced, self._target, self._ignore, [p.traced.tracer.notes for p in self._order])
                program = self._program(traced, reason, sizing, kind)
            except BaseException:
                traced.undo()
                raise
            if program is None:
                traced.undo()
            return program

        program = self._attempts.make(kind, tensors, have, build)
        if program is not None:
            self._make_room(kind.key)
            self._kept.add(program, kind.key)
        return program

    def _program(self, traced: Traced, reason: str, sizing: Sizing, kind: Kind) -> Program | None:
        """What becomes of a trace; None where that is not for the sizes of the call."""
        if not sizing.fits(kind.sizes):
            return None
        sizing.guards.ends = True  # machine code is not made in vain
        program = Program(traced, reason, self._lock, sizing, **self._options)
        return program if sizing.fits(kind.sizes) else None

    def _make_room(self, key: Any) -> None:
        """Drop programs that were not used for long where there are too many, and say so the first time."""
        before = self._kept.dropped
        for gone in self._kept.make_room([program for program, _ in self._recent]):
            self._quick.pop(gone, None)
        if self._kept.dropped and not before:
            text = too_many(name_of(self._target), self._kept.most, self._changes(key))
            warnings.warn(text, RecompileWarning, stacklevel=6)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the function or module, yet to be compiled: programs hold this one's tensors."""
        return compile(copy.deepcopy(self._target, memo), dynamic=self._dynamic, ignore=self._ignore, **self._options)

    def __reduce__(self) -> Any:
        """Pickled as what it was made from, yet to be compiled; a decorated function by its name."""
        home: Any = sys.modules.get(getattr(self._target, "__module__", None) or "")
        path = getattr(self._target, "__qualname__", "")
        if functools.reduce(lambda x, name: getattr(x, name, None), path.split("."), home) is self:
            return path
        again = functools.partial(compile, dynamic=self._dynamic, ignore=self._ignore, **self._options)
        return again, (self._target,)


#: methods of a module that return it, so that calls can be chained
_FLUENT = frozenset("train eval to float double cpu cuda apply requires_grad_".split())


class CompiledModule(Compiled, Module):
    """A compiled module: calls are compiled; everything else, read, assigned and called, is the module's own.

    It can stand in other modules in the place of the module: its parameters and names are the same.
    """

    def __init__(
        self, module: Module, dynamic: Dynamic | None = None, ignore: Collection[str] = (), **options: Any
    ) -> None:
        object.__setattr__(self, "_module", module)
        super().__init__(module, dynamic, ignore, **options)

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
_OWN = frozenset().union(*(vars(cls) for cls in (Inspection, Reasons, Compiled, CompiledModule)))
_OWN |= {"_module", "_target", "_dynamic", "_ignore", "_options", "_attempts", "_kept", "_alike", "_quick", "_recent"}
_OWN |= {"_lock"}


def compile(
    target: Callable[..., Any] | None = None,
    *,
    dynamic: Dynamic | None = None,
    freeze: bool = False,
    tune: bool = False,
    ignore: Collection[str] = (),
    passes: Sequence[Pass] = (),
) -> Any:
    """Compile a function or a module; usable as a decorator.

    The result takes the same arguments. The first call with new shapes, dtypes or Python arguments traces and
    compiles; later ones run the program. A function may hold a whole training step (zero_grad, forward, loss, backward,
    step): parameters, optimizer state and running statistics are state of one program. A module's outputs join eager
    autograd.

        >>> import graphtorch as gt
        >>> f = gt.compile(lambda x: (x * 2).sum())
        >>> f(gt.ones(3))
        tensor(6.)

    ``dynamic`` gives names to sizes of arguments: ``dynamic={"x": {0: "B"}}`` says that dimension 0 of x (of each
    tensor in it) may be of any size, and one program is made for all; the same name is the same size. Sizes 0 and 1
    have programs of their own, and so have sizes of which the function, or this compiler, asks what has another
    answer for other sizes. ``explain()`` lists these questions. Without it every new size compiles.
    ``freeze`` is for inference, under ``gt.no_grad()``: what depends on the tensors that the function captures (a
    module's weights) and on nothing else is computed once, such as batch norm folded into convolutions and
    weights in the order that kernels read. It is computed again after graphtorch changed weights (load_state_dict, an
    optimizer, in-place operations); changes through numpy are not seen. 3x3 and 5x5 convolutions may be computed by
    Winograd's algorithm, whose rounding is relative to the largest number near by: GRAPHTORCH_WINOGRAD=0 keeps it out.

    ``tune`` measures ways to compute each matrix product and convolution when a program is made, once per machine (the
    choice is in the cache), instead of trusting the model of cycles. ``passes`` are your own passes over the graph, run
    in turn once it is simplified, gradients and all (examples/custom_pass.py).

    Before a program is made its losses and its training are looked at (docs/errors.md): what cannot
    train is a ContractError, what hardly does what was meant a ContractWarning, at the first call.
    ``warnings.filterwarnings("error", category=gt.errors.ContractWarning)`` makes errors of these, and ``ignore``, a
    collection of codes, leaves out what you know better.

    Raises ArgumentError GT308 where ``dynamic`` names an argument that there is not, or gives a name that is no
    identifier; IndexRangeError GT302, at a call, for a dimension that a tensor has not; ShapeError GT119 where sizes
    of one name differ; IRError GT813 for a pass that changes what the graph takes or gives; TraceError GT614 for
    ``freeze`` where gradients are wanted, others where Python needs the numbers of a tensor, or changes its own state.
    """
    options: dict[str, Any] = {"freeze": freeze, "tune": tune, "passes": own_passes(passes)}
    if target is None:
        return functools.partial(compile, dynamic=dynamic, ignore=ignored(ignore), **options)
    if isinstance(target, Compiled):
        return target
    if not callable(target):
        raise ArgumentTypeError("GT301", f"compile() takes a function or a module, got {type(target).__name__}")
    check_returns(target)
    if isinstance(target, Module):
        return CompiledModule(target, dynamic, ignore, **options)
    return Compiled(target, dynamic, ignore, **options)
