"""Matrix products and convolutions of ours beside cuBLAS's and cuDNN's, by way of torch: errors from float64, rates.

Both work on the same random tensors of torch's, and are timed as CUDA graphs of several calls, so that neither Python
nor launches count. `variants` tries other tiles for a few of them.
"""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from graphtorch.codegen import nvcc
from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.emit_cuda import cuda_source
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.schedule import cuda_contract, cuda_mma
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.codegen.schedule.cuda_mma import MmaTile
from graphtorch.ir.types import DType, TensorType, bfloat16, float16, float32
from tests.codegen.nests import nest_of
from tests.gpu.driver import Gpu
from tests.gpu.harness import Loaded

Shape = tuple[int, ...]
#: errors, relative to float64, that are right in any case
ERRORS = {"fp32": 2e-6, "tf32": 4e-4, "bf16": 2.5e-3, "f16": 3e-4}
SAMPLES = 9
#: microseconds that a sample should take
SAMPLE = 3000
PRECISIONS: dict[str, DType] = {"fp32": float32, "tf32": float32, "bf16": bfloat16, "f16": float16}


@dataclass(frozen=True)
class Conv:
    """A layer: its images, its weights."""

    x: Shape
    w: Shape
    stride: int = 1
    padding: int = 1

    @property
    def y(self) -> Shape:
        size = [(n + 2 * self.padding - k) // self.stride + 1 for n, k in zip(self.x[2:], self.w[2:], strict=True)]
        return (self.x[0], self.w[0], *size)

    @property
    def attrs(self) -> dict[str, Any]:
        return {"stride": (self.stride,) * 2, "padding": (self.padding,) * 2, "dilation": (1, 1), "groups": 1}

    @property
    def flops(self) -> int:
        n, o, h, w = self.y
        return 2 * n * o * h * w * self.w[1] * self.w[2] * self.w[3]


@dataclass(frozen=True)
class Work:
    """An op of ours over operands of these shapes, and the same of torch."""

    name: str
    op: str
    shapes: tuple[Shape, ...]
    attrs: tuple[tuple[str, Any], ...]
    flops: int
    theirs: Callable[..., Any]
    precision: str

    @property
    def types(self) -> list[TensorType]:
        return [TensorType(s, PRECISIONS[self.precision]) for s in self.shapes]

    def kernel(self) -> Kernel:
        tf32 = self.precision == "tf32"
        nest = nest_of(self.op, *self.types, **dict(self.attrs))
        return schedule_cuda(nest, CudaTarget(tf32_matmul=tf32, tf32_conv=tf32))  # type: ignore[arg-type]


def product(n: int, precision: str) -> Work:
    return Work(f"x @ y {n}", "dot", ((n, n), (n, n)), (), 2 * n**3, lambda _t, x, y: x @ y, precision)


def layer(name: str, c: Conv, kind: str, precision: str) -> Work:
    """``kind``: "forward", "input" or "weight"."""

    def backward(torch: Any, g: Any, x: Any, w: Any, which: Sequence[bool]) -> Any:
        at = ([c.stride] * 2, [c.padding] * 2, [1, 1], False, [0, 0], 1)
        found = torch.ops.aten.convolution_backward(g, x, w, None, *at, [*which, False])
        return found[0] if which[0] else found[1]

    def input_grad(torch: Any, g: Any, w: Any) -> Any:
        return backward(torch, g, g.new_empty(c.x), w, (True, False))

    def weight_grad(torch: Any, g: Any, x: Any) -> Any:
        return backward(torch, g, x, g.new_empty(c.w), (False, True))

    def forward(torch: Any, x: Any, w: Any) -> Any:
        return torch.conv2d(x, w, None, c.stride, c.padding)

    ops: dict[str, tuple[str, tuple[Shape, ...], dict[str, Any], Callable[..., Any]]] = {
        "forward": ("conv", (c.x, c.w), {}, forward),
        "input": ("conv_input_grad", (c.y, c.w), {"size": c.x[2:]}, input_grad),
        "weight": ("conv_weight_grad", (c.y, c.x), {"kernel": c.w[2:]}, weight_grad),
    }
    op, shapes, more, theirs = ops[kind]
    return Work(f"{name} {kind}", op, shapes, tuple((c.attrs | more).items()), c.flops, theirs, precision)


LAYERS = {
    "r18 7x7 s2": Conv((64, 3, 224, 224), (64, 3, 7, 7), 2, 3),
    "r18 64@56": Conv((64, 64, 56, 56), (64, 64, 3, 3)),
    "r18 128@28 s2": Conv((64, 64, 56, 56), (128, 64, 3, 3), 2),
    "r18 128@28": Conv((64, 128, 28, 28), (128, 128, 3, 3)),
    "r18 1x1 s2": Conv((64, 128, 28, 28), (256, 128, 1, 1), 2, 0),
    "r18 256@14": Conv((64, 256, 14, 14), (256, 256, 3, 3)),
    "r18 512@7": Conv((64, 512, 7, 7), (512, 512, 3, 3)),
    "cifar 3>32": Conv((64, 3, 32, 32), (32, 3, 5, 5), 1, 2),
    "cifar 32>32": Conv((64, 32, 16, 16), (32, 32, 5, 5), 1, 2),
    "cifar 32>64": Conv((64, 32, 8, 8), (64, 32, 5, 5), 1, 2),
}


def products() -> list[Work]:
    sizes = {"fp32": (1024, 4096), "tf32": (1024, 2048, 4096, 8192), "bf16": (1024, 2048, 4096, 8192), "f16": (4096,)}
    return [product(n, p) for p, every in sizes.items() for n in every]


def convs() -> list[Work]:
    kinds = ("forward", "input", "weight")
    every = [layer(name, c, kind, p) for p in ("tf32", "fp32") for name, c in LAYERS.items() for kind in kinds]
    return [w for w in every if w.op != "conv_input_grad" or w.shapes[1][1] > 3]  # nobody asks for that of an image


#: tiles for `variants`: (rows, columns, warps, depth, stages)
TILES = [
    MmaTile(128, 128, (2, 2), 32, 2), MmaTile(128, 128, (2, 2), 32, 3), MmaTile(128, 128, (2, 2), 32, 4),
    MmaTile(128, 128, (2, 2), 64, 3), MmaTile(128, 128, (2, 4), 32, 3), MmaTile(128, 128, (2, 2), 16, 4),
    MmaTile(256, 128, (4, 2), 32, 3), MmaTile(128, 256, (2, 4), 32, 3), MmaTile(128, 256, (2, 4), 64, 2),
    MmaTile(64, 128, (1, 4), 32, 3), MmaTile(64, 128, (2, 2), 32, 3), MmaTile(64, 256, (1, 4), 32, 2),
    MmaTile(64, 256, (2, 4), 32, 3), MmaTile(64, 64, (2, 2), 32, 4),
]  # fmt: skip
#: the most shared memory of a block
MOST_SHARED = 227 * 1024


def tiled(precision: str) -> list[Work]:
    """What `variants` tries tiles for."""
    c = LAYERS
    if precision != "tf32":
        return [product(4096, precision)]
    return [
        product(4096, "tf32"), layer("r18 64@56", c["r18 64@56"], "forward", "tf32"),
        layer("r18 128@28", c["r18 128@28"], "forward", "tf32"), layer("r18 128@28", c["r18 128@28"], "weight", "tf32"),
        layer("r18 512@7", c["r18 512@7"], "input", "tf32"),
    ]  # fmt: skip


@contextlib.contextmanager
def forced(tile: MmaTile | cuda_contract.Tile | None) -> Iterator[None]:
    """Every product has this tile."""
    where = cuda_mma if isinstance(tile, MmaTile) else cuda_contract
    with mock.patch.object(where, "tile_of", lambda *_: tile) if tile else contextlib.nullcontext():
        yield


def shown(tile: MmaTile) -> str:
    return f"{tile.rows}x{tile.columns}x{tile.depth} w{tile.warps[0]}x{tile.warps[1]} s{tile.stages}"


@dataclass
class Entry:
    """A kernel to be measured."""

    work: Work
    kernel: Kernel
    tile: str = ""
    cubin: bytes = b""


def entries(works: Sequence[Work]) -> list[Entry]:
    return [Entry(w, w.kernel()) for w in works]


def variants() -> list[Entry]:
    """Each tile that fits into shared memory."""
    from graphtorch.codegen.launch import dynamic_shared, stages_of

    found = []
    for work in (*tiled("tf32"), *tiled("bf16")):
        for tile in TILES:
            with forced(tile):
                kernel = work.kernel()
            if max(map(dynamic_shared, stages_of(kernel))) <= MOST_SHARED:
                found.append(Entry(work, kernel, shown(tile)))
    return found


def compiled(every: Sequence[Entry], arch: str) -> None:
    """All of them, by several nvcc at a time."""

    def one(numbered: tuple[int, Entry]) -> None:
        n, e = numbered
        e.kernel = replace(e.kernel, name=f"k{n}_{e.kernel.name}")
        e.cubin = nvcc.compile_cubin(cuda_source([e.kernel]), arch)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, enumerate(every)))


class Bench:
    """Measures entries; results of float64 and torch's figures are kept for the next entry of the same work."""

    def __init__(self, gpu: Gpu, torch: Any) -> None:
        self.gpu, self.torch = gpu, torch
        torch.backends.cudnn.benchmark = True
        self.work: Work | None = None

    def line(self, e: Entry) -> str:
        """One row: ours, torch's, the ratio of their times, and the errors of both from float64."""
        if e.work is not self.work:
            self._begin(e.work)
        ours, error = self._ours(e)
        rate = e.work.flops / ours / 1e6
        wrong = "" if error <= max(2 * self.their_error, ERRORS[e.work.precision]) else "  WRONG"
        theirs = f"{self.their_time:9.1f} {e.work.flops / self.their_time / 1e6:7.1f}"
        return (
            f"{e.work.name:24} {e.work.precision:5} {e.tile:22} {ours:9.1f} {rate:7.1f} {theirs} "
            f"{self.their_time / ours:6.2f} {error:8.1e} {self.their_error:8.1e}{wrong}"
        )

    def _begin(self, work: Work) -> None:
        torch, self.work = self.torch, work
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = work.precision == "tf32"
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16}.get(work.precision, torch.float32)
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
        del self.gpu.memory[before:]  # workspaces are few, and are freed with the context
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


HEAD = (
    f"{'work':24} {'':5} {'tile':22} {'us':>9} {'TFLOP/s':>7} {'torch us':>9} {'TFLOP/s':>7} {'speed':>6} "
    f"{'error':>8} {'torch':>8}"
)
