"""What a Python value holds: the entries of containers, the bytes of buffers, and snapshots of both."""

from __future__ import annotations

import array
import collections
import contextvars
import ctypes
import functools
import itertools
import os
import random
import threading
import weakref
from collections.abc import Callable, Hashable
from operator import is_
from types import GeneratorType, MappingProxyType, MethodType
from typing import Any, cast

import numpy as np

from graphtorch.ir.types import DType, TensorType

Reader = Callable[[Any], Any]
Table = tuple[tuple[Any, Reader], ...]

#: compared by value; all of them immutable
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), DType, TensorType)

_NONE: tuple[Any, ...] = ([], (), {}, set(), "", b"", range(0), {}.values(), {}.items(), reversed([]))
_ITERATORS = tuple(type(iter(empty)) for empty in _NONE)


def _entries_of_dict(d: Any) -> tuple[Any, ...]:
    return (*d, *d.values())


def _of_generator(g: Any) -> tuple[Any, ...]:
    """Where it stands; nothing when it has ended."""
    return (g.gi_frame.f_lasti, *g.gi_frame.f_locals.values()) if g.gi_frame else ()


def _of_context(v: Any) -> tuple[Any, ...]:
    """What it holds in this context; nothing where it holds nothing."""
    try:
        return (v.get(),)
    except LookupError:
        return ()


#: containers, and how to read what they hold, in order
_ENTRIES: Table = (
    (dict, _entries_of_dict),
    ((list, tuple, set, frozenset, collections.deque), tuple),
    (MappingProxyType, lambda m: _entries_of_dict(dict(m))),
    ((collections.UserDict, collections.UserList, collections.UserString), lambda u: (u.data,)),
    (collections.ChainMap, lambda c: tuple(c.maps)),
    (functools.partial, lambda p: (p.func, p.args, p.keywords)),
    (MethodType, lambda m: (m.__func__, m.__self__)),
    (threading.local, lambda t: _entries_of_dict(t.__dict__)),
    (weakref.ref, lambda r: (r(),)),
    ((weakref.WeakKeyDictionary, weakref.WeakValueDictionary), lambda w: _entries_of_dict(w.data)),
    (weakref.WeakSet, lambda w: tuple(w.data)),
    (contextvars.ContextVar, _of_context),
    (os.environ.__class__, lambda e: (e._data,)),
    (_ITERATORS, lambda i: i.__reduce__()[1:]),
    ((zip, map, filter, enumerate), lambda i: i.__reduce__()[1]),
    (GeneratorType, _of_generator),
)
#: what changes in place and holds no objects
_STATES: Table = (
    ((bytearray, memoryview), bytes),
    (ctypes.Array.__mro__[1], bytes),
    (array.array, lambda a: (a.typecode, a.tobytes())),
    (np.ndarray, lambda a: (a.dtype.str, a.shape, a.tobytes())),
    (np.random.Generator, lambda g: repr(g.bit_generator.state)),
    (np.random.RandomState, lambda g: repr(g.get_state(legacy=False))),
    (random.Random, lambda r: r.getstate()),
    ((itertools.count, itertools.repeat), repr),
)
#: iterators of C that do not tell where they stand
_OPAQUE = tuple(
    t for t in vars(itertools).values() if isinstance(t, type) and t not in (itertools.count, itertools.repeat)
)
LRU_CACHE = type(functools.lru_cache(lambda: None))
#: these hold the same for ever
_FROZEN = (tuple, frozenset, MethodType)


def entries_reader(value: Any) -> Reader | None:
    """How to read what a container holds; None for what is no container."""
    return _row(_ENTRIES, cast(Hashable, type(value)))


def state_reader(value: Any) -> Reader | None:
    """How to read the state of a buffer or a generator; None for everything else."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return lambda a: snapshot(tuple(a.flat))
    return _row(_STATES, cast(Hashable, type(value)))


def is_opaque_iterator(value: Any) -> bool:
    """Whether it can be gone on with, and nothing tells how far that has been done."""
    return isinstance(value, _OPAQUE)


@functools.lru_cache(4096)
def _row(table: Table, kind: Hashable) -> Reader | None:
    return next((read for kinds, read in table if issubclass(kind, kinds)), None)  # type: ignore[arg-type]


def plain(value: Any) -> tuple[type, Any]:
    """A number or string, so that equal means the same: 0.0 is not -0.0 nor 0, and nan is nan."""
    if isinstance(value, float | complex):
        return type(value), repr(value)
    return type(value), value


def snapshot(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """What of a value must stay: numbers and strings by value, containers by content, objects by identity."""
    if isinstance(value, PLAIN):
        return plain(value)
    read = entries_reader(value)
    if read is not None:
        if id(value) in inside:
            return "itself", inside.index(id(value))
        return type(value), *(snapshot(v, (*inside, id(value))) for v in read(value))
    state = state_reader(value)
    if state is not None:
        return type(value), state(value)
    return id(value)


def can_change(value: Any, inside: tuple[int, ...] = ()) -> bool:
    """Whether the same object may come to have another snapshot."""
    if isinstance(value, PLAIN):
        return False
    read = entries_reader(value)
    if read is None:
        return state_reader(value) is not None
    if id(value) in inside:
        return False
    return not isinstance(value, _FROZEN) or any(can_change(v, (*inside, id(value))) for v in read(value))


def own_part(value: Any) -> Callable[[], bool] | None:
    """A quick look whether a container or buffer holds what it holds now; None for what cannot change itself."""
    read = entries_reader(value)
    if read is not None and not isinstance(value, _FROZEN):
        kept = read(value)
        size = len(kept)

        def same() -> bool:
            now = read(value)
            return len(now) == size and all(map(is_, now, kept))

        return same
    state = state_reader(value) if read is None else None
    if state is None:
        return None
    seen = state(value)
    return lambda: bool(state(value) == seen)


def restorer(value: Any) -> Callable[[], object] | None:
    """Gives a container the entries back that it has now."""
    if isinstance(value, list | bytearray):
        items = value[:]
        return lambda: value.__setitem__(slice(None), items)
    if not isinstance(value, set | dict | collections.deque):
        return None
    held = value.copy()

    def give_back() -> None:
        value.clear()
        if isinstance(value, collections.deque):
            value.extend(held)
        else:
            value.update(held)

    return give_back
