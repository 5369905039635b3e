"""The memory behind tensors: what views share, and memory that Python holds too."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np


class Storage:
    """Memory that tensors view. ``version`` counts in-place writes, and ``rebased`` those that changed where
    gradients go; ``array`` is None in a trace."""

    version = rebased = 0  # in the class, so that a new one is quickly made

    def __init__(self, array: np.ndarray[Any, Any] | None) -> None:
        self.array = array


def address(array: np.ndarray[Any, Any]) -> int:
    """Where the first element lies."""
    return int(array.__array_interface__["data"][0])


#: the storage over an array that Python holds too, by where it lies: two tensors over one array share it
_shared: WeakValueDictionary[Any, Storage] = WeakValueDictionary()
#: storages whose arrays Python was given, and that are not in `_shared` yet: `numpy()` is called more than `from_numpy`
given: WeakSet[Storage] = WeakSet()


def share(storage: Storage) -> Storage:
    """The storage that tensors over this memory have already, or this one."""
    with suppress(KeyError):
        while given:
            _enter(given.pop())
    return _enter(storage)


def _enter(storage: Storage) -> Storage:
    array = storage.array
    if array is None or not array.size:
        return storage
    return _shared.setdefault((address(array), array.shape, array.strides, array.dtype.str), storage)
