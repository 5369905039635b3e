"""Which memory a file holds for the tensors that are saved, and where in it each tensor lies.

A tensor that shares memory with no other is written row-major under its own shape, so that any reader of safetensors
has it; its strides are noted if they were others without gaps. Views of one storage are written as one block, the bytes
from the first to the last that one of them has, and each says where in it it lies.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.storage import Storage, address, repeats
from graphtorch.ir.types import DType, dtype_from_name

Array = np.ndarray[Any, Any]


@dataclass
class Block:
    """What stands in the file under ``name``: ``array`` may be strided, and is written row-major."""

    name: str
    dtype: DType
    array: Array


@dataclass
class _Group:
    """The tensors that are saved over one storage, each with the object of JSON that is to tell where it lies."""

    storage: Storage
    uses: list[tuple[str, Array, dict[str, Any]]] = field(default_factory=list)


class Blocks:
    """Collects tensors, and makes blocks of them when all are known."""

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}
        self._names: set[str] = set()
        self.made: list[Block] = []

    def add(self, path: str, t: Tensor, said: dict[str, Any]) -> None:
        """Enter ``t``, whose place `make` will write into ``said``."""
        array = t._array
        key = id(t._storage) if array.size else id(said)
        group = self._groups.setdefault(key, _Group(t._storage))
        group.uses.append((path, array, said))

    def add_bytes(self, path: str, array: Array) -> str:
        """Enter an array of bytes of its own; its name."""
        self.made.append(Block(self._name(path), dtype_from_name("uint8"), array))
        return self.made[-1].name

    def make(self) -> list[Block]:
        """All blocks, wide elements first: so each begins at a multiple of its elements' size."""
        for group in self._groups.values():
            self._place(group)
        return sorted(self.made, key=lambda block: -block.dtype.itemsize)

    def _place(self, group: _Group) -> None:
        path, array, _ = group.uses[0]
        places = {(address(a), a.shape, a.strides, a.dtype) for _, a, _ in group.uses}
        if (len(places) == 1 and not repeats(array)) or _backwards(group):
            self._alone(group)
            return
        start = min(address(a) for _, a, _ in group.uses)
        end = max(address(a) + _reach(a) for _, a, _ in group.uses)
        whole = [
            a for _, a, _ in group.uses if a.flags.c_contiguous and address(a) == start and a.nbytes == end - start
        ]
        block = whole[0] if whole else _memory(start, end).view(array.dtype)
        name = self._add(path, block)
        for _, a, said in group.uses:
            said.update(name=name, shape=list(a.shape), strides=_strides(a), offset=(address(a) - start) // a.itemsize)
            if a.dtype != block.dtype:
                said["dtype"] = a.dtype.name

    def _alone(self, group: _Group) -> None:
        """One block for each place: tensors that are the same elements share it."""
        names: dict[Any, str] = {}
        for path, a, said in group.uses:
            place = address(a), a.shape, a.strides, a.dtype
            if place not in names:
                names[place] = self._add(path, a)
            said["name"] = names[place]
            if _is_permuted(a):
                said["strides"] = _strides(a)

    def _add(self, path: str, array: Array) -> str:
        self.made.append(Block(self._name(path), dtype_from_name(array.dtype.name), array))
        return self.made[-1].name

    def _name(self, path: str) -> str:
        """``path``, or with a number where that is taken; safetensors keeps one name for itself."""
        name, count = path, 1
        while name in self._names or name in ("__metadata__", ""):
            count += 1
            name = f"{path}#{count}"
        self._names.add(name)
        return name


def _backwards(group: _Group) -> bool:
    """Whether an array of numpy that was walked backwards is among them: files have no negative strides."""
    return any(s < 0 for _, a, _ in group.uses for s in a.strides)


def _reach(array: Array) -> int:
    """Bytes from the first element to the end of the last."""
    last: int = sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True))
    return last + array.itemsize


def _strides(array: Array) -> list[int]:
    return [s // array.itemsize for s in array.strides]


def _is_permuted(array: Array) -> bool:
    """Whether elements lie without gaps, in another order than row-major."""
    if array.flags.c_contiguous or not array.size or min(array.strides, default=0) < 0:
        return False
    return _reach(array) == array.nbytes and not repeats(array)


def _memory(start: int, end: int) -> Array:
    """The bytes of this process from ``start`` on, which arrays that are alive span."""
    memory: Any = (ctypes.c_ubyte * (end - start)).from_address(start)
    return np.frombuffer(memory, np.uint8)
