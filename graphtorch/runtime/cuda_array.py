"""Arrays on a GPU that look like numpy's, as far as shapes, strides and views go; their elements are out of reach.

Where an element lies is worked out by numpy itself, on an array over addresses that hold nothing: `_SHADOW` is reserved
and has no memory behind it. A view op's `ref` runs on that, and tells what is viewed; numbers never come out of it, for
nobody but this module sees it. numpy refuses a `DeviceArray` (`__array__`), so no function of numpy's can read the
wrong memory.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeGuard

import numpy as np

from graphtorch.ir.errors import DeviceError
from graphtorch.runtime.cuda_memory import Block, Pool

Shadow = np.ndarray[Any, Any]
#: addresses that shadows may have, from the most that a system may grant to what holds any GPU's memory
_REACHES = (1 << 42, 1 << 40, 1 << 38)
_NORESERVE = 0x4000


@functools.cache
def _shadow_space() -> tuple[Any, int, int]:
    """(addresses as a buffer, the first of them, their number)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long],
    )
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    for reach in _REACHES:
        start = libc.mmap(None, reach, mmap.PROT_READ, flags, -1, 0)
        if start not in (None, ctypes.c_void_p(-1).value):
            return (ctypes.c_char * reach).from_address(start), start, reach
    raise DeviceError("GT406", "addresses for tensors on a GPU cannot be reserved", ["is `ulimit -v` set?"])


def _address(array: Shadow) -> int:
    return int(array.__array_interface__["data"][0])


class Memory:
    """A piece of a device's memory, and what keeps it: a block of the pool, or an object of another library."""

    __slots__ = ("address", "device", "nbytes", "owner", "pool")

    def __init__(self, address: int, nbytes: int, device: int, owner: Any = None, pool: Pool | None = None) -> None:
        self.address, self.nbytes, self.device, self.owner, self.pool = address, nbytes, device, owner, pool

    @classmethod
    def of_block(cls, block: Block, nbytes: int, device: int, pool: Pool) -> Memory:
        return cls(block.address, nbytes, device, block, pool)

    def __del__(self) -> None:
        if self.pool is not None:
            self.pool.give(self.owner)


class Flags:
    """What numpy says of the way elements lie."""

    __slots__ = ("_array",)

    def __init__(self, array: DeviceArray) -> None:
        self._array = array

    @property
    def c_contiguous(self) -> bool:
        return self._array.dense

    @property
    def f_contiguous(self) -> bool:
        return bool(self._array.shadow.flags.f_contiguous)

    @property
    def forc(self) -> bool:
        return bool(self._array.shadow.flags.forc)

    @property
    def writeable(self) -> bool:
        return bool(self._array.shadow.flags.writeable)

    @property
    def owndata(self) -> bool:
        """Whether the array is all of its memory."""
        return self._array.nbytes == self._array.memory.nbytes


class DeviceArray:
    """Elements in a `Memory`. ``shadow`` is where they would lie if that began where the shadows begin.

    ``address`` is where the first element lies on the device, and ``dense`` tells whether they are in row-major order:
    every call of a program asks.
    """

    __slots__ = ("address", "dense", "memory", "shadow")

    #: numpy's operators leave those with tensors to tensors
    __array_ufunc__ = None

    def __init__(self, memory: Memory, shadow: Shadow, address: int | None = None) -> None:
        self.memory, self.shadow = memory, shadow
        if address is None:
            address = memory.address + _address(shadow) - _shadow_space()[1]
        self.address, self.dense = address, shadow.flags.c_contiguous

    @classmethod
    def over(
        cls, memory: Memory, shape: Sequence[int], dtype: Any, offset: int = 0, strides: Any = None
    ) -> DeviceArray:
        """``strides`` are in bytes; row-major without them."""
        space, _, _ = _shadow_space()
        return cls(memory, np.ndarray(tuple(shape), dtype, space, offset, strides), memory.address + offset)

    @property
    def device(self) -> int:
        return self.memory.device

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shadow.shape  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return self.shadow.strides

    @property
    def dtype(self) -> Any:
        return self.shadow.dtype

    @property
    def ndim(self) -> int:
        return self.shadow.ndim

    @property
    def size(self) -> int:
        return self.shadow.size

    @property
    def itemsize(self) -> int:
        return self.shadow.itemsize

    @property
    def nbytes(self) -> int:
        return self.shadow.nbytes

    @property
    def flags(self) -> Flags:
        return Flags(self)

    def __len__(self) -> int:
        return len(self.shadow)

    def view(self, dtype: Any = None) -> DeviceArray:
        shadow = self.shadow.view() if dtype is None else self.shadow.view(dtype)
        return DeviceArray(self.memory, shadow, self.address)

    def viewed(self, function: Callable[[Shadow], Any]) -> DeviceArray | None:
        """What ``function`` views of this array; None where it would have copied elements."""
        found = function(self.shadow)
        _, start, reach = _shadow_space()
        inside = isinstance(found, np.ndarray) and start <= _address(found) < start + reach
        return DeviceArray(self.memory, found) if inside else None

    def flat(self) -> DeviceArray:
        """The elements of dense memory in order of memory."""
        return DeviceArray(self.memory, self.shadow.ravel(order="K"))

    def strided(self, shape: Any, strides: Any, offset: int) -> DeviceArray:
        """``shape`` elements that lie ``strides`` bytes apart, from element number ``offset`` on."""
        at = _address(self.shadow) - _shadow_space()[1] + offset * self.itemsize
        return self.over(self.memory, shape, self.dtype, at, strides)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise DeviceError(
            "GT408",
            f"numpy cannot read a tensor on cuda:{self.device}",
            ["the numbers are in the memory of the GPU"],
            "use x.cpu() first",
        )


def on_gpu(array: Any) -> TypeGuard[DeviceArray]:
    """Whether an array of a tensor is out of numpy's reach."""
    return type(array) is DeviceArray
