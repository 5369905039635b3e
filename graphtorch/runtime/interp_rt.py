"""What translated kernels call: arithmetic that Python lacks, checked accesses, and the threads of a block."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from graphtorch.ir.ops.error_function import erfinv_float64
from graphtorch.ir.types import BY_SHORT
from graphtorch.runtime.interp_warp import HELPERS as WARP_HELPERS
from graphtorch.runtime.interp_warp import Copies, run_warps

Array = np.ndarray[Any, np.dtype[Any]]
Thread = tuple[int, ...]


class OutOfBounds(Exception):
    """An index outside of its range; ``site`` says where in the kernel."""

    def __init__(self, site: int, index: Any, size: Any) -> None:
        self.site, self.index, self.size = site, index, size


class BarrierMismatch(Exception):
    """One thread for each place where threads stand: the number of a barrier, or None at the end."""

    def __init__(self, places: list[tuple[Thread, int | None]]) -> None:
        self.places = places


# ---- checks ---------------------------------------------------------------------------------------


def checked(index: int, size: int, site: int) -> int:
    """``index``, which must be in 0..size-1."""
    if not 0 <= index < size:
        raise OutOfBounds(site, index, size)
    return index


def claimed(extent: int, most: int, site: int) -> int:
    """The extent of a loop whose variable claims to stay below ``most``."""
    if extent > most:
        raise OutOfBounds(site, extent - 1, most)
    return extent


# ---- scalars --------------------------------------------------------------------------------------


def maximum(a: Any, b: Any) -> Any:
    """nan if either is nan."""
    return a if a >= b or a != a else b


def minimum(a: Any, b: Any) -> Any:
    return a if a <= b or a != a else b


def both(cond: Any, a: Any, b: Any) -> Any:
    """A select whose sides were both evaluated, as vector units and GPUs may do."""
    return a if cond else b


def int_floordiv(a: int, b: int) -> int:
    return a // b if b else 0


def int_mod(a: int, b: int) -> int:
    return a % b if b else 0


def int_div(a: int, b: int) -> int:
    """Towards zero."""
    return (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1) if b else 0


def int_fmod(a: int, b: int) -> int:
    return a - int_div(a, b) * b if b else 0


def vector_int_div(a: Array, b: Array) -> Array:
    return np.asarray(np.floor_divide(a - np.fmod(a, b), b))


def int_pow(a: int, b: int) -> int:
    """a**b; a negative power of an integer is its truncation, as in C."""
    if b >= 0:
        return int(a**b)
    return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)


def erf(x: Any) -> Any:
    return type(x)(math.erf(x))


def vector_erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x], x.dtype)


def vector_erfc(x: Array) -> Array:
    return np.array([math.erfc(v) for v in x], x.dtype)


def erfc(x: Any) -> Any:
    return type(x)(math.erfc(x))


def vector_erfinv(x: Array) -> Array:
    return np.asarray(erfinv_float64(x.astype(np.float64))).astype(x.dtype)


def erfinv(x: Any) -> Any:
    return type(x)(erfinv_float64(np.float64(x)))


def sigmoid(x: Any) -> Any:
    """Of a number or of lanes: without an exponential that is infinite."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, x.dtype.type(1), small)[()] / (x.dtype.type(1) + small)


def zip_halves(a: Array, b: Array, half: int) -> Array:
    """The lanes of the low (0) or high (1) halves of both, in turn."""
    chosen = slice(half * len(a) // 2, (half + 1) * len(a) // 2)
    return np.stack([a[chosen], b[chosen]], 1).reshape(-1)


def to_int(x: Any, dtype: np.dtype[Any]) -> int:
    """Truncation; nan and what does not fit are unspecified."""
    return int(x.astype(dtype).item())


# ---- memory ---------------------------------------------------------------------------------------


def fresh(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Uninitialised memory: nan in floats, all bits set in the rest."""
    raw = np.full(math.prod(shape) * dtype.itemsize, 0xFF, np.uint8)
    return raw.view(dtype).reshape(shape)


def _lane_indices(array: Array, indices: Sequence[Any], where: Any, lanes: int, site: int) -> tuple[list[Array], Array]:
    """Indices of the active lanes, all of them in bounds; and the active lanes."""
    active = np.broadcast_to(True if where is None else where, lanes)
    out = []
    for index, size in zip(indices, array.shape, strict=True):
        chosen = np.broadcast_to(index, lanes)[active]
        bad = (chosen < 0) | (chosen >= size)
        if bad.any():
            raise OutOfBounds(site, int(chosen[bad][0]), size)
        out.append(chosen)
    return out, active


def vector_load(array: Array, indices: Sequence[Any], where: Any, lanes: int, site: int) -> Array:
    chosen, active = _lane_indices(array, indices, where, lanes, site)
    out = np.zeros(lanes, array.dtype)
    out[active] = array[tuple(chosen)]
    return out


def vector_store(array: Array, indices: Sequence[Any], value: Any, where: Any, lanes: int, site: int) -> None:
    chosen, active = _lane_indices(array, indices, where, lanes, site)
    array[tuple(chosen)] = np.broadcast_to(value, lanes)[active]


# ---- parallel loops -------------------------------------------------------------------------------


def span(extent: int, reverse: bool) -> range:
    """The iterations of a parallel loop, in either order."""
    return range(extent - 1, -1, -1) if reverse else range(extent)


def run_block(program: Callable[..., Generator[Any]], extents: Sequence[int], reverse: bool) -> None:
    """Run all threads of a block; each goes on to its next barrier, and there all must be at the same one."""
    ids = list(itertools.product(*map(range, extents)))
    if reverse:
        ids.reverse()
    threads = [program(*thread) for thread in ids]
    while threads:
        stands = run_warps(threads, [next(t, None) for t in threads], reverse)
        places = [s[0] if isinstance(s, tuple) else s for s in stands]
        if places.count(places[0]) != len(places) or isinstance(stands[0], tuple):
            first_at = {place: thread for thread, place in zip(ids[::-1], places[::-1], strict=True)}
            raise BarrierMismatch([(thread, place) for place, thread in first_at.items()])
        if places[0] is None:
            return


def view(array: Array, position: int, count: int, site: int) -> Array:
    """``count`` elements of what lies densely, from a position on."""
    checked(position, array.size - count + 1, site)
    return array.reshape(-1)[position : position + count]


HELPERS: dict[str, Any] = {
    "_np": np, "_checked": checked, "_claimed": claimed, "_max": maximum, "_min": minimum, "_both": both,
    "_int_floordiv": int_floordiv, "_int_mod": int_mod, "_int_pow": int_pow, "_erf": erf,
    "_int_div": int_div, "_int_fmod": int_fmod, "_vector_int_div": vector_int_div, "_erfc": erfc,
    "_vector_erfc": vector_erfc, "_erfinv": erfinv, "_vector_erfinv": vector_erfinv, "_sigmoid": sigmoid,
    "_vector_erf": vector_erf, "_to_int": to_int, "_fresh": fresh, "_vector_load": vector_load,
    "_view": view, "_Copies": Copies, **WARP_HELPERS,
    "_vector_store": vector_store, "_zip": zip_halves, "_span": span, "_run_block": run_block,
    **{f"_{short}": d.np.type for short, d in BY_SHORT.items()},
    **{f"_d_{short}": d.np for short, d in BY_SHORT.items()},
}  # fmt: skip
