"""Kernel IR -> CUDA C. Statements here; expressions are cuda_expr.py's.

A kernel is an ``extern "C"`` function of its parameters' pointers in call order, followed by one for
every `global` allocation; one of several stages (launch.py) is a function for each. Block and thread loops are the
launch: their variables are read from blockIdx and threadIdx, and `launch_geometry` gives the sizes. Pointers are
multiples of 16 bytes: a `vec` loop that copies dense elements is one access (cuda_wide.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from graphtorch.codegen.cuda_expr import CudaExprs, bare, c_type, type_of
from graphtorch.codegen.cuda_prelude import WARP_PRELUDE
from graphtorch.codegen.cuda_tables import PREAMBLE, RESERVED, TABLES
from graphtorch.codegen.cuda_wide import WideAsync, WideCopy, wide_async, wide_copy
from graphtorch.codegen.kernel_grammar import Names
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Prefetch, Stmt, Store, walk
from graphtorch.codegen.launch import (
    Dim3,
    Launch,
    dynamic_shared,
    is_mapped,
    launch_of,
    shared_places,
    stages_of,
    workspaces,
)
from graphtorch.codegen.warp import Commit, Copy, Element, Fragment, Mma, Wait, elements_of
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Buffer, Const, flat_index
from graphtorch.ir.types import int64

_FUNCTIONS = {name for table in TABLES.values() for fn in table for name in (fn, f"{fn}f")}
_UNROLLED = ("unroll", "vec")
_WARP = (Copy, Commit, Wait, Fragment, Mma)
_MMA = {"tf32": "gt_mma_m16n8k8_tf32", "bf16": "gt_mma_m16n8k16_bf16", "f16": "gt_mma_m16n8k16_f16"}
_SPACES = {"local": "", "shared": "__shared__ __align__(16) "}


def emit_cuda(kernel: Kernel, aliased: bool = False) -> str:
    """The CUDA C of ``kernel``, a function for each stage; it needs the preamble that `cuda_source` puts before it.

    ``aliased``: parameters may overlap, because an output is written over an input.
    """
    return "\n".join(_Emitter(stage, aliased).function() for stage in stages_of(kernel))


def cuda_source(kernels: Sequence[Kernel], aliased: bool = False) -> str:
    """One translation unit of several kernels, whose names must differ; ``aliased`` as for `emit_cuda`."""
    names = [c_name(stage) for k in kernels for stage in stages_of(k)]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise IRError("GT826", f"kernels of one name in a CUDA source: {', '.join(twice)}")
    texts = (emit_cuda(k, aliased) for k in kernels)
    return "\n".join([PREAMBLE, *([WARP_PRELUDE] if any(map(_needs_warps, kernels)) else []), *texts])


def _needs_warps(kernel: Kernel) -> bool:
    """Whether the functions for warps are used, or the word for more shared memory."""
    return any(isinstance(s, _WARP) for s in walk(kernel.body)) or any(map(dynamic_shared, stages_of(kernel)))


def c_name(kernel: Kernel) -> str:
    """The symbol of a kernel."""
    name = re.sub(r"\W", "_", kernel.name)
    return f"k{name}" if name[0].isdigit() or name in RESERVED else name


def launch_geometry(kernel: Kernel) -> tuple[Dim3, Dim3]:
    """(grid, block) of a stage, each as (x, y, z). A grid with a 0 in it must not be launched: it is empty."""
    launch = _launch(kernel)
    return launch.grid, launch.block


def _launch(kernel: Kernel) -> Launch:
    launch = launch_of(kernel)
    if launch is None:
        raise IRError("GT825", f"kernel @{kernel.name} cannot be launched: it has no block loops")
    return launch


class _Emitter:
    def __init__(self, kernel: Kernel, aliased: bool) -> None:
        self.kernel = kernel
        self.pointer = "*" if aliased else "* __restrict__"
        self.names = Names(kernel, {*RESERVED, *_FUNCTIONS, c_name(kernel)}, dots=False)
        self.expr = CudaExprs(self.names)
        #: shared memory that the launch gives
        self.dynamic = dynamic_shared(kernel)

    def function(self) -> str:
        threads = math.prod(_launch(self.kernel).block)
        pointers = [self.parameter(p.buffer, p.mode == "in") for p in self.kernel.params]
        pointers += [self.parameter(b, False) for b in workspaces(self.kernel)]
        # what needs much shared memory gets all registers: no more blocks fit a multiprocessor with fewer
        bounds = f"{threads}, 1" if self.dynamic else str(threads)
        head = f'extern "C" __global__ void __launch_bounds__({bounds}) {c_name(self.kernel)}('
        shared = [f"GT_SHARED({self.dynamic});"] if self.dynamic else []
        lines = _indent([*shared, *self.body(self.kernel.body)])
        return "\n".join([f"{head}{', '.join(pointers)}) {{", *lines, "}\n"])

    def parameter(self, buffer: Buffer, read_only: bool) -> str:
        const = "const " if read_only else ""
        return f"{const}{c_type(buffer.dtype)}{self.pointer} {self.names.bind(buffer)}"

    def body(self, body: Body) -> list[str]:
        return [line for s in body for line in self.stmt(s)]

    def stmt(self, s: Stmt) -> list[str]:
        match s:
            case For():
                return self.mapped(s) if is_mapped(s) else self.loop(s)
            case Let():
                value = bare(self.expr(s.value))
                return [f"const {type_of(s.var)} {self.names.bind(s.var)} = {value};"]
            case Store():
                return [self.store(s)]
            case Alloc():
                return self.alloc(s)
            case If():
                return [f"if ({bare(self.expr(s.cond))}) {{", *_indent(self.body(s.body)), "}"]
            case Prefetch():
                return []  # other warps run while one waits for memory
            case Barrier():
                return ["__syncthreads();"]
            case Copy():
                place = (s.value.buffer, flat_index(s.value.buffer.shape, s.value.indices))
                to = (s.buffer, flat_index(s.buffer.shape, s.indices))
                return [self.copied(WideAsync(to, place, s.value.where, s.buffer.dtype.itemsize))]
            case Commit():
                return ["gt_commit();"]
            case Wait():
                return [f"gt_wait<{s.count}>();"]
            case Fragment() | Mma():
                return [self.warp(s)]

    def mapped(self, s: For) -> list[str]:
        """The index of a block or thread; what it governs needs no braces."""
        where, axis = s.kind.split(".")
        return [f"const int {self.names.bind(s.var)} = {where}Idx.{axis};", *self.body(s.body)]

    def loop(self, s: For) -> list[str]:
        if s.kind == "par":
            raise IRError("GT826", f"kernel @{self.kernel.name}: a loop over CPU threads in CUDA code")
        if (copied := wide_copy(s)) is not None:
            return [self.wide(copied)]
        if (copy := wide_async(s)) is not None:
            return [self.copied(copy)]
        extent = self.expr(s.extent)
        name, kind = self.names.bind(s.var), _loop_type(s)
        head = f"for ({kind} {name} = 0; {name} < {extent}; ++{name}) {{"
        pragma = ["#pragma unroll"] if s.kind in _UNROLLED else []
        return [*pragma, head, *_indent(self.body(s.body)), "}"]

    def wide(self, copy: WideCopy) -> str:
        """Several elements by one access."""
        to, source = (self.expr.at(*place) for place in (copy.to, copy.source))
        value = f"*(const {copy.c_type}*)&{source}"
        if copy.where is not None:
            value = f"{self.expr(copy.where)} ? {value} : {copy.c_type}()"
        return f"*({copy.c_type}*)&{to} = {value};"

    def copied(self, copy: WideAsync) -> str:
        """Past registers, behind the thread's back."""
        if copy.nbytes < 4:
            raise IRError(
                "GT826", f"kernel @{self.kernel.name}: a copy of {copy.nbytes} bytes in CUDA code (at least 4)"
            )
        to, source = (self.expr.at(*place) for place in (copy.to, copy.source))
        where = "true" if copy.where is None else bare(self.expr(copy.where))
        return f"gt_copy<{copy.nbytes}>(&{to}, &{source}, {where});"

    def warp(self, s: Fragment | Mma) -> str:
        function = _MMA[s.kind] if isinstance(s, Mma) else f"gt_ldmatrix{'_trans' if s.transposed else ''}"
        return f"{function}({', '.join(map(self.address, elements_of(s)))});"

    def address(self, element: Element) -> str:
        return f"&{self.expr.element(*element)}"

    def store(self, s: Store) -> str:
        guard = "" if s.where is None else f"if ({bare(self.expr(s.where))}) "
        return f"{guard}{self.expr.element(s.buffer, s.indices)} = {bare(self.expr(s.value))};"

    def alloc(self, s: Alloc) -> list[str]:
        if s.space == "global":
            return []
        if s.space not in _SPACES:
            raise IRError("GT826", f"kernel @{self.kernel.name}: memory of a CPU thread in CUDA code")
        if s.space == "shared" and self.dynamic:
            at = shared_places(self.kernel)[0][s.buffer]
            kind = c_type(s.buffer.dtype)
            return [f"{kind}* const {self.names.bind(s.buffer)} = ({kind}*)(gt_shared + {at});"]
        aligned = "__align__(16) " if s.space == "local" and s.buffer.nbytes % 16 == 0 else ""
        space = _SPACES[s.space] + aligned
        return [f"{space}{c_type(s.buffer.dtype)} {self.names.bind(s.buffer)}[{max(s.buffer.numel, 1)}];"]


def _loop_type(s: For) -> str:
    known = isinstance(s.extent, Const) and s.extent.value < 2**31
    return "int" if known or type_of(s.var) == "int" else c_type(int64)


def _indent(lines: Sequence[str]) -> list[str]:
    return [line if line.startswith("#") else f"  {line}" for line in lines]
