"""What a trace did that a program could not do again at every call: looked for at the end of the trace, and refused."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from operator import is_
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.code import only_store
from graphtorch.frontend.contents import PLAIN
from graphtorch.frontend.namespaces import own_attributes
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.recorder import Recorder
from graphtorch.frontend.tensor import Tensor, user_attributes
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import containers, leaves
from graphtorch.ir.errors import TraceError
from graphtorch.ir.loc import Loc
from graphtorch.ir.types import DType, defaults

IN_A_TENSOR = "keep it in a tensor (a buffer of a module)"
#: objects that are looked at to find a tensor inside of one
_MOST = 100_000
#: these lead everywhere, or hold nothing
_LEAVES = (*PLAIN, ModuleType, CodeType, FrameType, type, Module)


def not_repeatable(name: str, changed: Sequence[str], instead: str = IN_A_TENSOR) -> TraceError:
    """TraceError GT605, to be raised."""
    return TraceError(
        "GT605",
        f"{name} changes Python state that it also reads, which a compiled program cannot repeat at every call",
        [f"changed while tracing: {', '.join(changed)}", instead],
    )


def _at(error: TraceError, loc: Loc) -> TraceError:
    error.loc, error.path = loc, loc.path
    return error


def check_mode(name: str, recorder: Recorder, mode: bool, dtype: DType) -> None:
    """TraceError GT605 when the function leaves the grad mode or the default dtype changed."""
    instead = "call it outside of the function"
    if autograd.is_grad_enabled() is not mode:
        error = not_repeatable(name, ["the grad mode"], f"use it as a context, `with gt.no_grad():`, or {instead}")
        raise _at(error, recorder.calls.mode) if recorder.calls.mode else error
    if defaults.dtype is not dtype:
        error = not_repeatable(name, ["the default dtype"], f"set it back before the function returns, or {instead}")
        raise _at(error, recorder.calls.dtype) if recorder.calls.dtype else error


class HandedIn:
    """The stand-ins for arguments. They are copies, and what the function does to them is lost."""

    def __init__(self, tree: Any) -> None:
        self.containers = [c for c in containers(tree) if not isinstance(c, tuple)]
        self._held = [(c, _held(c)) for c in self.containers]
        self._tensors = [t for t in leaves(tree) if isinstance(t, Tensor)]

    def check(self, name: str, recorder: Recorder, code: CodeType | None) -> None:
        """TraceError GT605 if one is not as it was."""
        instead = "return what is new, and change the argument outside of the function"
        for container, held in self._held:
            now = _held(container)
            if len(now) != len(held) or not all(map(is_, now, held)):
                kind = type(container).__name__
                loc = recorder.calls.changes.get(id(container)) or only_store(code)
                error = TraceError(
                    "GT605", f"{name} changes an argument, a {kind}, of which a program has a copy", [instead]
                )
                raise _at(error, loc) if loc else error
        changed = [n for t in self._tensors for n in user_attributes(t)]
        if changed:
            raise TraceError("GT605", f"{name} assigns the attribute {changed[0]!r} of an argument", [instead])


def _held(container: Any) -> list[Any]:
    items = [*container, *container.values()] if isinstance(container, dict) else list(container)
    return [*items, *(own_attributes(container) or {}).values()]


def check_repeatable(tracer: Tracer, recorder: Recorder) -> None:
    """TraceError GT605, GT609 or GT611 for what a program could not do again at every call."""
    name = tracer.graph.name
    _check_kept(tracer, recorder, name)
    _check_stores(recorder, name)
    if recorder.advancing is not None:
        what, loc = recorder.advancing[0], recorder.calls.next or recorder.advancing[1]
        instead = "pass what it gives as an argument, or index a list with a number that is passed"
        raise _at(not_repeatable(name, [f"{what}, an iterator that cannot be looked into"], instead), loc)
    guards = [*recorder.module_guards.values(), *recorder.other_guards.values(), *tracer.guards]
    broken = [g.name for g in guards if not g.holds()]
    broken += [a.name for a in tracer.questions.all() if not a.unchanged()]
    broken += [key for key, read, seen in tracer.numbers_seen if read() != seen]
    if broken:
        raise not_repeatable(name, broken)
    if recorder.calls.impure is not None:
        what, loc = recorder.calls.impure
        error = TraceError(
            "GT609",
            f"{name} draws numbers from {what}, which a compiled program would repeat at every call",
            ["use gt.rand, gt.randn or gt.randint, or draw outside and pass the number as a tensor argument"],
        )
        raise _at(error, loc)


def _check_stores(recorder: Recorder, name: str) -> None:
    """TraceError GT611 for a tensor of the trace in a global, GT605 for any other change of one."""
    for guard, loc in recorder.stores.values():
        value: Any = guard.read()
        if guard.holds():
            continue
        if any(isinstance(t, Tensor) and t._traced is not None for t in leaves(value)):
            error = _keeps(name, guard.name)
        else:
            error = not_repeatable(name, [guard.name])
        error.loc = loc
        raise error


def _keeps(name: str, where: str, instead: str = "return it, and assign it outside of the function") -> TraceError:
    return TraceError(
        "GT611", f"{name} keeps a tensor in {where}, which a compiled program would not do at every call", [instead]
    )


def _check_kept(tracer: Tracer, recorder: Recorder, name: str) -> None:
    """TraceError GT611 for a tensor of the trace in a cache of functools, or in the dictionary of a module."""
    for cache in recorder.caches.values():
        if holds_tensor_of(tracer, gc.get_referents(cache)):
            cache.cache_clear()
            instead = f"call {cache.__name__} before, outside of the function, or leave out the cache"
            raise _keeps(name, f"the cache of {cache.__name__}", instead)
    for module in recorder.modules.values():
        own = {} if tracer.assignments.ignores(module) else vars(module)
        kept = [k for k, v in own.items() if _is_of(tracer, v)]
        for key in kept:
            del own[key]
        if kept:
            raise _keeps(name, f"vars({type(module).__name__})[{kept[0]!r}]")


def check_result(tracer: Tracer, trees: Any) -> None:
    """TraceError GT612 for results that hide a tensor of the trace from the calls to come."""
    name = tracer.graph.name
    for leaf in leaves(trees):
        if hasattr(type(leaf), "__next__") and not isinstance(leaf, Module):
            raise _hides(f"{name} returns or keeps {type(leaf).__name__}, an iterator, which ends with the first call")
        roots = [vars(m) for m in leaf.modules()] if isinstance(leaf, Module) else [leaf]
        if not isinstance(leaf, Tensor) and holds_tensor_of(tracer, roots):
            raise _hides(f"{name} returns or keeps {type(leaf).__name__}, which holds a tensor of the trace")
    for container in containers(trees):
        if isinstance(container, dict) and any(_is_of(tracer, key) for key in container):
            raise _hides(f"{name} returns a dict with a tensor of the trace as a key")
        if holds_tensor_of(tracer, [getattr(container, "__dict__", None)]):
            raise _hides(f"{name} returns {type(container).__name__} with a tensor of the trace in an attribute")


def _hides(message: str) -> TraceError:
    return TraceError(
        "GT612", message, ["return tensors in tuples, lists and dicts (as values), and make the object outside"]
    )


def _is_of(tracer: Tracer, value: Any) -> bool:
    return isinstance(value, Tensor) and value._traced is tracer


def holds_tensor_of(tracer: Tracer, roots: Iterable[Any]) -> bool:
    """Whether a tensor of this trace is reached from ``roots``, through whatever refers to what."""
    stack, seen = list(roots), {id(tracer)}
    while stack and len(seen) < _MOST:
        found = stack.pop()
        if id(found) in seen or isinstance(found, _LEAVES):
            continue
        seen.add(id(found))
        if isinstance(found, Tensor):
            if found._traced is tracer:
                return True
        elif isinstance(found, FunctionType):  # not its globals
            stack += [found.__closure__, found.__defaults__, found.__kwdefaults__, found.__dict__]
        else:
            stack += gc.get_referents(found)
    return False
