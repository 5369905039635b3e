"""One library on one workload, in a process of its own; started by run.py, and idle unless told to go.

It builds, makes the first call, saves its result for the check, and answers each line of stdin that has a
number of seconds with the times of as many steps as fit, in ms. Every answer is one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.machine import cpus, forget_peak_memory, peak_memory

CHECKED_STEPS = 3
LEAST_STEPS = 3


def burst(step: Callable[[], Any], seconds: float) -> list[float]:
    """Times in ms, after one step that is not timed: it wakes threads and fills caches."""
    step()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_STEPS or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def rates(step: Callable[[], Any], seconds: float) -> list[float]:
    """What ``step`` measured, again and again; at least once."""
    end = time.perf_counter() + seconds
    found = [step()]
    while time.perf_counter() < end:
        found.append(step())
    return found


def prepare(task: dict[str, Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The step, and what is known once it has run: the time of its first call."""
    import numpy as np

    from benchmarks import peers, workloads

    work, peer = workloads.BY_NAME[task["workload"]], peers.BY_NAME[task["peer"]]
    step = peer.build(work, task["threads"], task["model_file"])
    built = peak_memory()
    forget_peak_memory()
    start = time.perf_counter()
    results = [np.array(step())]
    first = time.perf_counter() - start
    if work.kind == "train":  # the later losses see the gradients
        results += [np.array(step()) for _ in range(CHECKED_STEPS - 1)]
    np.save(task["result_file"], np.stack(results))
    return step, {"first_call_s": first, "version": peer.version(), "build_mb": built / 2**20}


def prepare_machine(task: dict[str, Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The measure of the machine: once and all of it, or ("peak", "copy") one of them again in every round."""
    from benchmarks import peak

    facts = peak.measure_all(task["threads"]) if task["peer"] == "machine" else {}
    rate = peak.copy_rate if task["peer"] == "copy" else peak.fma_rate
    return rate(task["threads"]), facts


def serve(task: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
    of_machine = task["workload"] is None
    step, facts = (prepare_machine if of_machine else prepare)(task)
    answer({"ready": facts})
    for line in sys.stdin:
        seconds = float(line)
        answer({"rates": rates(step, seconds)} if of_machine else {"ms": burst(step, seconds)})
    answer({"peak_mb": peak_memory() / 2**20})


def main() -> None:
    # Libraries print; the answers keep stdout for themselves, and what is printed goes to stderr.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=out, flush=True)

    task = json.loads(sys.argv[1])
    chosen = cpus(task["threads"])
    if chosen:
        os.sched_setaffinity(0, chosen)
    try:
        serve(task, answer)
    except Exception as error:
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]})
    out.flush()
    os._exit(0)  # without waiting for any library's threads


if __name__ == "__main__":
    main()
