"""gt.compile(..., tune=True): which way to compute a contraction is measured, once per machine.

Each way that the schedule offers is compiled and timed on random numbers, in turn. The choice is kept in the cache of
object code, so that later runs take the same one and have the same results, bit for bit.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.codegen.loops import Nest
from graphtorch.codegen.program import Launch, Where, program_text
from graphtorch.codegen.schedule.contract import count_ways
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.target import host_target
from graphtorch.ir.errors import CacheWarning
from graphtorch.ir.graph import Value
from graphtorch.ir.types import TensorType
from graphtorch.runtime import cache, threads
from graphtorch.runtime.entry import Entry, aligned

Array = np.ndarray[Any, Any]
#: rounds in which each way runs once, and seconds after which there are no more
ROUNDS, SECONDS = 30, 0.5


def first(_: Nest) -> int:
    """The choice of the model of cycles."""
    return 0


def fastest(nest: Nest) -> int:
    """The number of the way that measures fastest here; the model's where there is no cache to keep the choice."""
    count = count_ways(nest, host_target())
    if count == 1:
        return 0
    if cache.directory() is None:
        warnings.warn(
            "tune=True needs the cache, which GRAPHTORCH_CACHE=0 turns off: nothing is tuned",
            CacheWarning,
            stacklevel=2,
        )
        return 0
    model = str(schedule_cpu(replace(nest, name="k"), host_target()))
    text = f"{model}\nways {count}, threads {threads.get_num_threads()}"
    (kept,), _ = cache.objects_for(cache.key_of(text, "tune"), lambda: [b"%d" % _measure(nest, count)])
    return min(int(kept), count - 1)


def _measure(nest: Nest, count: int) -> int:
    """Minima over rounds, in which every way has its turn."""
    entries = [_entry(nest, way) for way in range(count)]
    arrays = tuple(_numbers(p.buffer.shape, p.buffer.dtype.np) for p in nest.params)
    times = [float("inf")] * count
    until = time.perf_counter() + SECONDS * count
    for number in range(ROUNDS):
        for way, entry in enumerate(entries):
            started = time.perf_counter()
            entry.run(arrays)
            took = time.perf_counter() - started
            times[way] = min(times[way], took) if number else float("inf")  # the first run touches new memory
        if time.perf_counter() > until and number:
            break
    return min(range(count), key=times.__getitem__)


def _entry(nest: Nest, way: int) -> Entry:
    kernel = schedule_cpu(replace(nest, name="k"), host_target(), way)
    values = [Value(TensorType(p.buffer.shape, p.buffer.dtype)) for p in kernel.params]
    slots = {v: i for i, v in enumerate(values)}
    where: Where = lambda v: ("slot", slots[v])
    launches, nothing = [Launch(kernel, tuple(values))], aligned(0)
    key = cache.key_of(program_text(launches, where), "program")
    return Entry(key, lambda: launches, where, nothing, nothing, len(values))


def _numbers(shape: tuple[int, ...], dtype: Any) -> Array:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return np.ascontiguousarray(rng.standard_normal(shape).astype(dtype))
    return np.zeros(shape, dtype)
