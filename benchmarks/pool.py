"""What it costs to run a program on several threads: fork and join, a loop that is shared, a wake-up.

    python benchmarks/pool.py [--threads N] [--loops N] [--work N]

The program is ``--loops`` `par` loops of one iteration for each thread, which is ``--work`` additions, called through
ctypes as `Executable` does. What remains of the time of N threads when the Nth part of one thread's is
taken away is what sharing costs. With no work to speak of, the workers mostly come too late to share any.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.codegen.emit_program import emit_program
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.program import HEADER, Launch
from graphtorch.runtime import cpu, threads

KERNEL = """kernel @k(%x: f32[4096] inout) { par %i in THREADS { for %j in WORK {
  store %x[(%i * 16)], (load %x[(%i * 16)] + 1.0) } } }"""
#: gt_launch, called from native code
NATIVE = """
define void @repeat(ptr %launch, ptr %pool, ptr %fn, ptr %arg, i64 %n, ptr %epochs, i64 %count) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i2, %loop]
  call void %launch(ptr %pool, ptr %fn, ptr %arg, i64 %n, ptr %epochs)
  %i2 = add i64 %i, 1
  %more = icmp ult i64 %i2, %count
  br i1 %more, label %loop, label %out
out:
  ret void
}
"""


def program(count: int, loops: int, work: int) -> Callable[[int], tuple[Any, ...]]:
    """What gt_launch takes for a run on so many threads."""
    kernel = parse_kernel(KERNEL.replace("THREADS", str(count)).replace("WORK", str(work)))
    launches: list[Any] = [Launch(kernel, ("x",))] * loops  # type: ignore[arg-type]
    machine = cpu.Machine(cpu.compile_object(emit_program(launches, lambda _: ("slot", 0), 0)))
    x, pool, made = np.zeros(4096, np.float32), threads.pool(), {}
    pool.grow(count)

    def arguments(n: int) -> tuple[Any, ...]:
        if n not in made:
            memory = np.zeros(64 * (2 + loops * (1 + n)), np.uint8)
            table = (ctypes.c_void_p * (HEADER + 1))()
            base = -(-memory.ctypes.data // 64) * 64
            table[3], table[HEADER] = base + 64, x.ctypes.data
            made[n] = machine, memory, table, base
        table, base = made[n][2:]
        return pool.address, machine.address("program"), ctypes.addressof(table), n, base

    return arguments


def fewest(run: Callable[[], Any], times: int, pause: float = 0.0) -> tuple[float, float]:
    """(minimum, median) of microseconds."""
    found = []
    for _ in range(times):
        if pause:
            time.sleep(pause)
        started = time.perf_counter()
        run()
        found.append((time.perf_counter() - started) * 1e6)
    return min(found), float(np.median(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loops", type=int, default=1)
    parser.add_argument("--work", type=int, default=1)
    options = parser.parse_args()
    arguments = program(options.threads, options.loops, options.work)
    launch, address = threads.pool().start, threads.pool().machine.address("gt_launch")
    native = cpu.Machine(cpu.compile_object(NATIVE))
    types = [*[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
    repeat = ctypes.CFUNCTYPE(None, *types)(native.address("repeat"))
    print(f"{options.loops} loops of {options.work} additions; microseconds per run: minimum, median")
    for n in (1, options.threads):
        args = arguments(n)
        inner = [t / 1000 for t in fewest(lambda args=args: repeat(address, *args, 1000), 50)]
        outer = fewest(lambda args=args: launch(*args), 20_000)
        print(f"{n} threads, from native code:        {inner[0]:7.2f} {inner[1]:7.2f}")
        print(f"{n} threads, from Python:             {outer[0]:7.2f} {outer[1]:7.2f}")
    asleep = fewest(lambda: launch(*arguments(options.threads)), 200, pause=0.002)
    print(f"{options.threads} threads, workers asleep before:  {asleep[0]:7.2f} {asleep[1]:7.2f}")


if __name__ == "__main__":
    main()
