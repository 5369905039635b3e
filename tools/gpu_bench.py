"""Kernels of ours beside cuBLAS's and cuDNN's, by way of torch: errors from float64, and rates.

Both work on the same random tensors of torch's, and are timed as CUDA graphs of several calls, so that neither Python
nor launches count.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from ctypes import c_uint64
from typing import Any

from tests.gpu.driver import Gpu
from tests.gpu.harness import Loaded
from tools.gpu_products import Entry, Work

SAMPLES = 9
#: microseconds that a sample should take
SAMPLE = 3000
#: errors, relative to float64, that are right in any case
ERRORS = {"fp32": 2e-6, "tf32": 4e-4, "bf16": 2.5e-3, "f16": 3e-4}


class Bench:
    """Measures entries; results of float64 and torch's figures are kept for the next entry of the same work."""

    def __init__(self, gpu: Gpu, torch: Any) -> None:
        self.gpu, self.torch = gpu, torch
        torch.backends.cudnn.benchmark = True
        self.named = ("", "")

    def line(self, e: Entry) -> str:
        """One row: ours, torch's, the ratio of their times, and the errors of both from float64."""
        if (e.work.name, e.work.precision) != self.named:
            self._begin(e.work)
        ours, error = self._ours(e)
        rate = e.work.flops / ours / 1e6
        wrong = "" if error <= max(2 * self.their_error, ERRORS[e.work.precision]) else "  WRONG"
        mine = f"{e.work.name:22} {e.work.precision:4} {ours:8.1f} {rate:6.1f} {error:8.1e}"
        if e.tile:
            return f"{mine} {e.tile}{wrong}"
        theirs = f"{self.their_time:8.1f} {e.work.flops / self.their_time / 1e6:6.1f} {self.their_error:8.1e}"
        return f"{mine} {theirs} {self.their_time / ours:5.2f}{wrong}"

    def _begin(self, work: Work) -> None:
        torch, self.named = self.torch, (work.name, work.precision)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = work.precision == "tf32"
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16}.get(work.precision, torch.float32)
        torch.cuda.empty_cache()
        self.operands = [torch.randn(s, device="cuda", dtype=dtype) for s in work.shapes]
        self.want = work.theirs(torch, *(x.double() for x in self.operands))
        found = work.theirs(torch, *self.operands)
        self.their_error = self._error(found)
        self.out = torch.empty_like(found, memory_format=torch.contiguous_format)
        self.their_time = self._graph_time(lambda: work.theirs(torch, *self.operands))

    def _error(self, found: Any) -> float:
        return float((found.double() - self.want).norm() / self.want.norm())

    def _ours(self, e: Entry) -> tuple[float, float]:
        """Microseconds, and the error of a first run into memory full of nan."""
        torch, before = self.torch, len(self.gpu.memory)
        self.out.fill_(float("nan"))
        torch.cuda.synchronize()
        addresses = [x.data_ptr() for x in (*self.operands, self.out)]
        launches = Loaded(self.gpu, e.kernel, self.gpu.load(e.cubin)).on(addresses)

        def run() -> None:
            for launch in launches:
                self.gpu.launch(launch)

        run()
        self.gpu.synchronize()
        error = self._error(self.out)
        once = min(self.gpu.times(run, 2, 1))
        count = max(1, min(50, int(SAMPLE / max(once, 1))))
        replay = self.gpu.capture(lambda: [run() for _ in range(count)])  # type: ignore[arg-type, return-value]
        time = statistics.median(self.gpu.times(replay, SAMPLES, 2)) / count
        for address in self.gpu.memory[before:]:
            self.gpu.call("cuMemFree_v2", c_uint64(address))
        del self.gpu.memory[before:]
        return time, error if error == error else float("inf")

    def _graph_time(self, work: Callable[[], Any]) -> float:
        """Of torch, in the same way."""
        torch = self.torch
        for _ in range(3):
            work()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        count = max(1, min(50, int(SAMPLE / max(start.elapsed_time(end) * 1000, 1))))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(count):
                work()
        graph.replay()
        found = []
        for _ in range(SAMPLES):
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            found.append(start.elapsed_time(end) * 1000 / count)
        return statistics.median(found)


HEAD = f"{'work':22} {'':4} {'us':>8} {'TF/s':>6} {'error':>8} {'torch us':>8} {'TF/s':>6} {'error':>8} speed"
