"""The worker pool: native threads that sleep until a program runs, then run it together.

A program is one native function that every thread calls with its number; the threads meet at
barriers between kernels, so that a step costs one wake-up and no return to Python. The pool's code
is LLVM IR below. Workers spin for some microseconds and then sleep on a futex (Linux) or poll.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from typing import Any

import numpy as np

from graphtorch.ir.errors import ArgumentError
from graphtorch.ir.ops.common import as_int

_FUTEX = {"x86_64": 202, "aarch64": 98, "arm64": 98}.get(platform.machine(), 0) if sys.platform == "linux" else 0

# pool: i32 generation @0, i32 sleepers @64, i32 busy @128, i32 done @192, {ptr fn, ptr arg, i64 n} @256,
# barrier: i64 count @320, i64 phase @384
_IR = """
declare i32 @sched_yield()
declare i32 @usleep(i32)
declare i64 @syscall(i64, ...)

define void @gt_relax() nounwind {
  RELAX
  ret void
}

; The wait between two looks at what others should change: short at first, then another thread may have the CPU.
define internal i64 @gt_wait(i64 %i) nounwind {
  %long = icmp ugt i64 %i, 4000
  br i1 %long, label %yield, label %relax
yield:
  %y = call i32 @sched_yield()
  br label %again
relax:
  call void @gt_relax()
  br label %again
again:
  %i2 = add i64 %i, 1
  ret i64 %i2
}

define void @gt_barrier(ptr %bar, i64 %n) nounwind {
entry:
  %one = icmp sle i64 %n, 1
  br i1 %one, label %out, label %arrive
arrive:
  %phasep = getelementptr i8, ptr %bar, i64 64
  %phase = load atomic i64, ptr %phasep acquire, align 8
  %old = atomicrmw add ptr %bar, i64 1 acq_rel
  %want = sub i64 %n, 1
  %last = icmp eq i64 %old, %want
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %bar release, align 8
  %next = add i64 %phase, 1
  store atomic i64 %next, ptr %phasep release, align 8
  br label %out
spin:
  %i = phi i64 [0, %arrive], [%i2, %wait]
  %now = load atomic i64, ptr %phasep acquire, align 8
  %moved = icmp ne i64 %now, %phase
  br i1 %moved, label %out, label %wait
wait:
  %i2 = call i64 @gt_wait(i64 %i)
  br label %spin
out:
  ret void
}

define void @gt_worker(ptr %pool, i64 %id, i32 %first) nounwind {
entry:
  br label %idle
idle:
  %seen = phi i32 [%first, %entry], [%gen, %served]
  br label %poll
poll:
  %i = phi i64 [0, %idle], [%i2, %again]
  %gen = load atomic i32, ptr %pool acquire, align 4
  %new = icmp ne i32 %gen, %seen
  br i1 %new, label %serve, label %wait
wait:
  %i2 = add i64 %i, 1
  %long = icmp ugt i64 %i2, 20000
  br i1 %long, label %sleep, label %relax
relax:
  call void @gt_relax()
  br label %again
sleep:
  SLEEP
  br label %again
again:
  br label %poll
serve:
  %np = getelementptr i8, ptr %pool, i64 272
  %n = load i64, ptr %np
  %mine = icmp slt i64 %id, %n
  br i1 %mine, label %run, label %served
run:
  %fnp = getelementptr i8, ptr %pool, i64 256
  %fn = load ptr, ptr %fnp
  %argp = getelementptr i8, ptr %pool, i64 264
  %arg = load ptr, ptr %argp
  call void %fn(ptr %arg, i64 %id, i64 %n)
  %donep = getelementptr i8, ptr %pool, i64 192
  %d = atomicrmw add ptr %donep, i32 1 acq_rel
  br label %served
served:
  br label %idle
}

define void @gt_launch(ptr %pool, ptr %fn, ptr %arg, i64 %n) nounwind {
entry:
  %single = icmp sle i64 %n, 1
  br i1 %single, label %alone, label %lock
lock:
  %busyp = getelementptr i8, ptr %pool, i64 128
  %taken = atomicrmw xchg ptr %busyp, i32 1 acq_rel
  %busy = icmp ne i32 %taken, 0
  br i1 %busy, label %alone, label %start
alone:
  call void %fn(ptr %arg, i64 0, i64 1)
  ret void
start:
  %fnp = getelementptr i8, ptr %pool, i64 256
  store ptr %fn, ptr %fnp
  %argp = getelementptr i8, ptr %pool, i64 264
  store ptr %arg, ptr %argp
  %np = getelementptr i8, ptr %pool, i64 272
  store i64 %n, ptr %np
  %donep = getelementptr i8, ptr %pool, i64 192
  store atomic i32 0, ptr %donep release, align 4
  %g = atomicrmw add ptr %pool, i32 1 seq_cst
  WAKE
  br label %mine
mine:
  call void %fn(ptr %arg, i64 0, i64 %n)
  %others = sub i64 %n, 1
  %want = trunc i64 %others to i32
  br label %join
join:
  %i = phi i64 [0, %mine], [%i2, %wait]
  %done = load atomic i32, ptr %donep acquire, align 4
  %all = icmp eq i32 %done, %want
  br i1 %all, label %out, label %wait
wait:
  %i2 = call i64 @gt_wait(i64 %i)
  br label %join
out:
  store atomic i32 0, ptr %busyp release, align 4
  ret void
}
"""
_SLEEP_FUTEX = """
  %sp = getelementptr i8, ptr %pool, i64 64
  %s0 = atomicrmw add ptr %sp, i32 1 seq_cst
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %pool, i64 128, i32 %seen, ptr null, ptr null, i64 0)
  %s1 = atomicrmw sub ptr %sp, i32 1 seq_cst
"""
_WAKE_FUTEX = """
  %sp = getelementptr i8, ptr %pool, i64 64
  %s = load atomic i32, ptr %sp seq_cst, align 4
  %any = icmp ne i32 %s, 0
  br i1 %any, label %wake, label %mine0
wake:
  %r = call i64 (i64, ...) @syscall(i64 NUMBER, ptr %pool, i64 129, i64 2147483647, ptr null, ptr null, i64 0)
  br label %mine0
mine0:
"""


def pool_ir() -> str:
    """The pool's LLVM IR for this machine."""
    relax = 'call void asm sideeffect "pause", ""()' if platform.machine() in ("x86_64", "AMD64") else ""
    sleep = _SLEEP_FUTEX if _FUTEX else "%r = call i32 @usleep(i32 100)"
    wake = _WAKE_FUTEX if _FUTEX else ""
    # The block that precedes `mine` differs with and without the wake-up; `mine` has no phi, so any may.
    return _IR.replace("SLEEP", sleep).replace("WAKE", wake).replace("RELAX", relax).replace("NUMBER", str(_FUTEX))


class Pool:
    """Workers for this process. `launch` is safe from several Python threads: who finds the pool busy runs alone."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine  # keeps the code alive
        self.memory = np.zeros(512 + 64, np.uint8)
        self.address = -(-self.memory.ctypes.data // 64) * 64
        self.barrier = self.address + 320
        worker, launch = machine.address("gt_worker"), machine.address("gt_launch")
        self._worker = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32)(worker)
        self.launch = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(launch)
        self.workers = 0
        self.lock = threading.Lock()

    def grow(self, threads: int) -> None:
        """Have at least ``threads - 1`` workers."""
        with self.lock:
            while self.workers < threads - 1:
                self.workers += 1
                generation = ctypes.c_int32.from_address(self.address).value
                args = (self.address, self.workers, generation)
                threading.Thread(target=self._worker, args=args, daemon=True, name="graphtorch").start()


_pool: Pool | None = None
_lock = threading.Lock()
_threads: int | None = None


def pool() -> Pool:
    """This process's pool; a forked child makes its own."""
    global _pool
    with _lock:
        if _pool is None:
            from graphtorch.runtime.cpu import load_pool

            _pool = Pool(load_pool())
    return _pool


def _forget() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def get_num_threads() -> int:
    """Threads that compiled programs use: set_num_threads, else GRAPHTORCH_NUM_THREADS, else every CPU."""
    global _threads
    if _threads is None:
        given = os.environ.get("GRAPHTORCH_NUM_THREADS", "")
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _threads = int(given) if given.isdigit() and int(given) > 0 else available
    return _threads


def set_num_threads(count: int) -> None:
    """Use ``count`` >= 1 threads from the next call on. Results do not depend on it."""
    global _threads
    count = as_int(count, "count")
    if not 1 <= count <= 256:
        raise ArgumentError("GT304", f"count={count} is not allowed", ["expected 1 <= count <= 256"])
    _threads = count
