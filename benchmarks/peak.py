"""What the machine can do: float32 FMAs per second from registers, and bytes copied per second.

python -m benchmarks.peak [--threads N]
"""

from __future__ import annotations

import argparse
import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.codegen.target import host_target
from graphtorch.runtime.cpu import Machine, compile_object

Run = Callable[[], float]
CALL_SECONDS = 0.01
COPY_BYTES = 1 << 28


def kernel(lanes: int, accumulators: int) -> str:
    """LLVM IR: @fma(n, p) does n rounds of independent FMAs, enough of them to hide their latency.

    Factors come from memory, and each sum begins with another element of it, so nothing folds, and no two sums are
    found to be one; x * 0.5 + 0.5 stays near 1, so nothing becomes denormal. ``p`` has a vector for each sum.
    """
    vec, each = f"<{lanes} x float>", range(accumulators)
    starts = "\n".join(
        f"  %p{k} = getelementptr {vec}, ptr %p, i64 {k}\n  %v{k} = load {vec}, ptr %p{k}, align 4" for k in each
    )
    phis = "\n".join(f"  %a{k} = phi {vec} [%v{k}, %entry], [%c{k}, %loop]" for k in each)
    fmas = "\n".join(f"  %c{k} = call {vec} @llvm.fma.v{lanes}f32({vec} %a{k}, {vec} %b, {vec} %b)" for k in each)
    sums = "\n".join(f"  %s{k + 1} = fadd {vec} %s{k}, %c{k}" for k in each)
    return f"""
declare {vec} @llvm.fma.v{lanes}f32({vec}, {vec}, {vec})
define void @fma(i64 %n, ptr %p) {{
entry:
  %b = load {vec}, ptr %p, align 4
{starts}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
{phis}
{fmas}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %out
out:
  %s0 = fadd {vec} %b, %b
{sums}
  store {vec} %s{accumulators}, ptr %p, align 4
  ret void
}}
"""


def on_threads(threads: int, work: Callable[[int], None]) -> float:
    """Seconds that ``work(0)``, ``work(1)``, ... take side by side; ``work`` must release the GIL."""
    barrier = threading.Barrier(threads)
    spans = [(0.0, 0.0)] * threads

    def body(index: int) -> None:
        barrier.wait()
        start = time.perf_counter()
        work(index)
        spans[index] = start, time.perf_counter()

    others = [threading.Thread(target=body, args=(i,)) for i in range(1, threads)]
    for thread in others:
        thread.start()
    body(0)
    for thread in others:
        thread.join()
    return max(end for _, end in spans) - min(start for start, _ in spans)


def fma_rate(threads: int) -> Run:
    """A function that measures once, for about CALL_SECONDS: GFLOP/s of ``threads`` threads."""
    target = host_target()
    lanes, accumulators = target.lanes(4), 24 if target.registers > 16 else 12
    machine = Machine(compile_object(kernel(lanes, accumulators)))
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(machine.address("fma"))
    data = np.empty((threads, accumulators * lanes), np.float32)

    def measure(rounds: int) -> float:
        data[:] = 0.5
        seconds = on_threads(threads, lambda i: call(rounds, data[i].ctypes.data))
        return 2e-9 * lanes * accumulators * rounds * threads / seconds

    rounds = 1 << 16
    rounds = max(1, int(measure(rounds) * 1e9 * CALL_SECONDS / (2 * lanes * accumulators * threads)))
    run: Any = lambda: measure(rounds)
    run.machine = machine  # keeps the code alive
    return run


def copy_rate(threads: int) -> Run:
    """A function that measures once: GB/s of a copy beyond the caches, read and written bytes together."""
    source, target = (np.full((threads, COPY_BYTES // threads), i, np.uint8) for i in (1, 0))

    def measure() -> float:
        seconds = on_threads(threads, lambda i: np.copyto(target[i], source[i]))
        return 2e-9 * source.size / seconds

    return measure


def best(run: Run, times: int = 50) -> float:
    return max(run() for _ in range(times))


def measure_all(threads: int) -> dict[str, float]:
    """The best of some runs each: per core, on all threads, and the copy."""
    return {
        "fma_gflops_1": best(fma_rate(1)),
        "fma_gflops": best(fma_rate(threads)),
        "copy_gb_s": best(copy_rate(threads), 10),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    found = measure_all(parser.parse_args().threads)
    print("  ".join(f"{name} {value:.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
