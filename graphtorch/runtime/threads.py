"""The worker pool: native threads that sleep until a program runs, then run it together.

A program is one native function that every thread calls with its number; the threads claim the iterations
of its loops, so that a step costs one wake-up and no return to Python. The native code is in pool_ir.py.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from typing import Any, TypeVar

import numpy as np

from graphtorch.ir.errors import ArgumentError
from graphtorch.ir.ops.common import as_int
from graphtorch.runtime.gather import load_launch

L = TypeVar("L")
#: a thread that waits looks for about this long, and then sleeps
SPIN_SECONDS = 50e-6
#: threads that a program may use
MOST = 256


class Pool:
    """Workers for this process. Programs are run by `launch`, which reads the addresses of arrays, or by `start` on a
    table that holds them. Both are safe from several Python threads: who finds the pool busy runs alone."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine  # keeps the code alive
        self.memory = np.zeros(512 + 64, np.uint8)
        self.address = -(-self.memory.ctypes.data // 64) * 64
        function, pointer, word = ctypes.CFUNCTYPE, ctypes.c_void_p, ctypes.c_int64
        self._worker = function(None, pointer, word, word)(machine.address("gt_worker"))
        self.start = function(None, pointer, pointer, pointer, word, pointer)(machine.address("gt_launch"))
        spin, set_rounds = (function(None, word)(machine.address(name)) for name in ("gt_spin", "gt_set_rounds"))
        set_rounds(max(1, int(SPIN_SECONDS / _seconds_of_a_round(spin))))
        self.launch = load_launch(machine)
        self.workers = 0
        self.lock = threading.Lock()

    def grow(self, threads: int) -> None:
        """Have at least ``threads - 1`` workers."""
        with self.lock:
            while self.workers < threads - 1:
                self.workers += 1
                worker = threading.Thread(target=self._work, args=(self.workers,), daemon=True, name="graphtorch")
                worker.start()

    def _work(self, number: int) -> None:
        """Never returns: as a method of the pool, it keeps the pool's memory until the process ends."""
        self._worker(self.address, number, 0)


def _seconds_of_a_round(spin: Any, rounds: int = 500) -> float:
    """How long one look of a waiting thread takes here; it differs tenfold between processors."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        spin(rounds)
        times.append(time.perf_counter() - started)
    return min(times) / rounds


_pool: Pool | None = None
_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_threads: int | None = None


def pool() -> Pool:
    """This process's pool; a forked child makes its own."""
    global _pool
    found = _pool
    if found is not None:
        return found
    with _lock:
        if _pool is None:
            from graphtorch.runtime.cpu import load_pool

            _pool = Pool(load_pool())
        return _pool


def fork_safe(lock: L) -> L:
    """``lock``; a forked child finds it open, since the thread that held it is not there."""
    _locks.add(lock)
    return lock


def _forget() -> None:
    global _pool
    _pool = None
    for lock in tuple(_locks):
        lock._at_fork_reinit()


_lock = fork_safe(threading.Lock())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def get_num_threads() -> int:
    """Threads that compiled programs use: set_num_threads, else GRAPHTORCH_NUM_THREADS, else every CPU.

    ArgumentError GT304 when that variable is neither empty nor a number from 1 to 256.
    """
    global _threads
    if _threads is None:
        given = os.environ.get("GRAPHTORCH_NUM_THREADS", "").strip()
        _threads = _from_environment(given) if given else min(processors(), MOST)
    return _threads


def processors() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _from_environment(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST):
        facts = [f"expected a number from 1 to {MOST} in the environment, or nothing for every CPU"]
        raise ArgumentError("GT304", f"GRAPHTORCH_NUM_THREADS={given!r} is not allowed", facts)
    return int(given)


def set_num_threads(count: int) -> None:
    """Use ``count`` >= 1 threads from the next call on. Results do not depend on it."""
    global _threads
    count = as_int(count, "count")
    if not 1 <= count <= MOST:
        raise ArgumentError("GT304", f"count={count} is not allowed", [f"expected 1 <= count <= {MOST}"])
    _threads = count
