"""Matrix products and convolutions that are compared with cuBLAS's and cuDNN's; `variants` tries other tiles."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from graphtorch.codegen import nvcc
from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.emit_cuda import cuda_source
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.launch import dynamic_shared, stages_of
from graphtorch.codegen.schedule import cuda_contract, cuda_mma, cuda_pack
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.codegen.schedule.cuda_mma import MmaTile
from graphtorch.codegen.warp import DEPTH
from graphtorch.ir.types import DType, TensorType, bfloat16, float16, float32
from tests.codegen.nests import nest_of

Shape = tuple[int, ...]
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
    MmaTile(128, 128, (2, 2), 64, 2), MmaTile(128, 128, (2, 2), 64, 3), MmaTile(128, 128, (2, 2), 16, 4),
    MmaTile(128, 128, (2, 4), 32, 3), MmaTile(256, 128, (4, 2), 32, 3), MmaTile(128, 256, (2, 4), 32, 3),
    MmaTile(128, 256, (2, 4), 32, 4), MmaTile(128, 256, (2, 4), 64, 3), MmaTile(64, 128, (1, 4), 32, 3),
    MmaTile(64, 128, (1, 2), 32, 3), MmaTile(64, 256, (1, 4), 32, 2), MmaTile(64, 64, (2, 2), 32, 4),
]  # fmt: skip
_ROUNDED = 'asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));'
#: other ways to the factors of TF32: none, so that the tensor cores cut bits off; and a product that is unbiased then
ROUNDINGS = {
    "cut off": (_ROUNDED, "y = __float_as_uint(x);"),
    "scaled and cut off": (_ROUNDED, "y = __float_as_uint(x * 1.000338f);"),
}
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
        layer("r18 256@14", c["r18 256@14"], "weight", "tf32"), layer("r18 512@7", c["r18 512@7"], "input", "tf32"),
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
    words: tuple[str, str] = ("", "")  # of the CUDA C, and what stands for them
    cubin: bytes = b""


def entries(works: Sequence[Work]) -> list[Entry]:
    return [Entry(w, w.kernel()) for w in works]


def variants() -> list[Entry]:
    """Each tile that fits into shared memory; other ways to round; images turned first, and as they lie."""
    found = []
    for work in tiled("tf32")[1:]:
        with mock.patch.object(cuda_pack, "LEAST_READS", 1 << 30):
            found.append(Entry(work, work.kernel(), "images as they lie"))
        with mock.patch.object(cuda_pack, "MOST_PLACES", 1 << 30):
            found.append(Entry(work, work.kernel(), "images turned"))
    for work in (*tiled("tf32"), *tiled("bf16")):
        found.append(Entry(work, work.kernel(), "copies by L1", ("cp.async.cg", "cp.async.ca")))
    for work in tiled("tf32")[:3]:
        found += [Entry(work, work.kernel(), name, words) for name, words in ROUNDINGS.items()]
    for work in (*tiled("tf32"), *tiled("bf16")):
        for tile in TILES:
            if tile.depth // DEPTH[work.precision] % 2:  # type: ignore[index]
                continue
            with forced(tile):
                kernel = work.kernel()
            if max(map(dynamic_shared, stages_of(kernel))) <= MOST_SHARED:
                found.append(Entry(work, kernel, shown(tile)))
    return sorted(found, key=lambda e: (e.work.precision, e.work.name))


def compiled(every: Sequence[Entry], arch: str) -> None:
    """All of them, by several nvcc at a time."""

    def one(numbered: tuple[int, Entry]) -> None:
        n, e = numbered
        e.kernel = replace(e.kernel, name=f"k{n}_{e.kernel.name}")
        e.cubin = nvcc.compile_cubin(
            cuda_source([e.kernel]).replace(*e.words) if e.words[0] else cuda_source([e.kernel]), arch
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, enumerate(every)))
