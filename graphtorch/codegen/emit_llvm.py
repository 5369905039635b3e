"""Legalized Kernel IR -> LLVM IR, through the builder of llvm_text.py. Statements here; expressions by llvm_expr.py.

Every kernel is a function

    void @name(T* param..., i8* scratch, i8* workspace, i64 thread, i64 threads, i64 epoch, i8* sections, i64 size...)

A kernel without a top-level `par` loop is called by one thread. Any other is called by all: each `par` loop, and
what stands between two, is a section, whose iterations the threads claim (llvm_parallel.py). They
wait before a phase that touches what an earlier one wrote, and at the end of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.kernel_ir import (
    Alloc,
    Barrier,
    Body,
    For,
    If,
    Kernel,
    Let,
    Prefetch,
    Stmt,
    Store,
    buffers_read,
    buffers_written,
    walk,
)
from graphtorch.codegen.llvm_expr import Values
from graphtorch.codegen.llvm_parallel import Team
from graphtorch.codegen.llvm_sizes import Sizes
from graphtorch.codegen.llvm_tables import I64, PTR, memory_type
from graphtorch.codegen.names import names_in
from graphtorch.codegen.streams import STREAM_BYTES, is_aligned
from graphtorch.codegen.target import Target, host_target
from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr import Buffer, Const, Ramp

_ALIGN = 64
#: bigger `local` arrays go to scratch memory: registers cannot hold them
STACK_LIMIT = 16_384
#: what LLVM asks of a prefetch: a read, to be kept near, of data
_TO_BE_READ_SOON = 0, 3, 1


def aligned(n: int) -> int:
    return (n + _ALIGN - 1) // _ALIGN * _ALIGN


def scratch_bytes(kernel: Kernel) -> int:
    """Scratch memory that each thread needs for `thread` buffers and big local ones; the kernel need not be legal."""
    return sum(copies * aligned(s.buffer.nbytes) for s, copies in _allocations(kernel.body) if _in_scratch(s))


def _allocations(body: Body, lanes: int = 1, copies: int = 1) -> Iterator[tuple[Alloc, int]]:
    """Each with room for all lanes of the loops around it, and how many copies unrolling makes of it."""
    for s in body:
        match s:
            case Alloc():
                wide = Buffer(s.buffer.name, (lanes * s.buffer.numel,), s.buffer.dtype)
                yield Alloc(wide, s.space), copies
            case For(kind="vec", extent=Const(value=n)):
                yield from _allocations(s.body, lanes * int(n), copies)
            case For(kind="unroll", extent=Const(value=n)):
                yield from _allocations(s.body, lanes, copies * int(n))
            case For() | If():
                yield from _allocations(s.body, lanes, copies)


def workspace_bytes(kernel: Kernel) -> int:
    """Memory that all threads share for `global` buffers."""
    return sum(aligned(s.buffer.nbytes) for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "global")


@dataclass(frozen=True)
class Sections:
    """How many a kernel has, none where one thread runs it, and which are open at its end: numbers and iterations."""

    count: int
    open: tuple[tuple[int, int], ...] = ()


def section_count(kernel: Kernel) -> int:
    """Sections of a legalized kernel; none where one thread runs it."""
    phases = _phases(kernel.body)
    return len(phases) if any(parallel for parallel, _ in phases) else 0


def _in_scratch(s: Alloc) -> bool:
    nbytes = s.buffer.nbytes
    return s.space == "thread" or (s.space == "local" and (is_dynamic(nbytes) or nbytes > STACK_LIMIT))


def declare_kernel(module: ll.Module, kernel: Kernel) -> ll.Function:
    """The function of a legalized kernel, without its code."""
    types = [ll.pointer(memory_type(p.buffer.dtype)) for p in kernel.params]
    sizes = [I64] * len(names_in(kernel))
    return ll.Function(module, kernel.name, ll.VOID, [*types, PTR, PTR, I64, I64, I64, PTR, *sizes])


def emit_kernel(
    module: ll.Module, kernel: Kernel, aliased: bool = False, target: Target | None = None
) -> tuple[ll.Function, Sections]:
    """Add a legalized kernel to ``module``: its function, and its sections. ``aliased``: parameters may overlap."""
    function = declare_kernel(module, kernel)
    function.attributes = " nounwind"
    if not aliased:
        function.argument_attributes[: len(kernel.params)] = [" noalias"] * len(kernel.params)
    emitter = _Emitter(module, function, kernel, target or host_target())
    emitter.run()
    return function, Sections(section_count(kernel), tuple(emitter.team.open))


class _Emitter:
    def __init__(self, module: ll.Module, function: ll.Function, kernel: Kernel, target: Target) -> None:
        self.module, self.function, self.kernel = module, function, kernel
        self.entry, self.b = (ll.Builder(function, function.block(name)) for name in ("entry", "body"))
        numbers = {p.buffer for p in kernel.params if p.mode == "in" and surely("==", p.buffer.numel, 1)}
        settled = frozenset(numbers - buffers_written(kernel.body))
        count = len(kernel.params)
        sizes = Sizes.of_arguments(self.entry, names_in(kernel), function.args[count + 6 :])
        self.values = Values(module, self.b, self.entry, target.fused, settled, target.halves, sizes)
        self.values.memory.update(zip((p.buffer for p in kernel.params), function.args[:count], strict=True))
        self.streams = {p.buffer for p in kernel.params if p.mode == "stream"}
        self.scratch, self.workspace = function.args[count : count + 2]
        self.team = Team(module, self.entry, self.b, function.args[count + 2 : count + 6])
        self.scratch_at = self.workspace_at = 0

    def run(self) -> None:
        self._top(self.kernel.body)
        if self.streams:
            self.b.fence()
        self.b.give()
        self.entry.branch(self.function.blocks[1])

    def _top(self, body: Body) -> None:
        """Phases are sections. The threads meet before a phase that has a buffer in common with an earlier one, where
        either of them writes it."""
        if not section_count(self.kernel):
            self._body(body)
            return
        read: set[Buffer] = set()
        written: set[Buffer] = set()
        private = {s.buffer for s in body if isinstance(s, Alloc) and s.space != "global"}
        for parallel, phase in _phases(body):
            reads, writes = buffers_read(phase), buffers_written(phase)
            for buffer in private & reads - writes:  # the thread that fills it need not be the one that reads it
                raise ValueError(f"%{buffer.name} is a thread's own, and read in another phase: {self.kernel.name}")
            if written & (reads | writes) or read & writes:
                self.team.meet()
                read, written = set(), set()
            read |= reads
            written |= writes
            self._phase(parallel, phase)
        if self.kernel.waits:
            self.team.meet()

    def _phase(self, parallel: bool, phase: list[Stmt]) -> None:
        if not parallel:
            with self.team.section(ll.Constant(I64, 1)):
                self._body(phase)
            return
        *allocs, last = phase
        assert isinstance(last, For)  # see _phases
        with self.values.scope():
            for s in allocs:
                _STATEMENTS[type(s)](self, s)
            changes = isinstance(last.extent, Const) and is_dynamic(last.extent.value)
            with self.team.section(self.values.of(last.extent), changes) as (start, stop):
                self._range(last, start, stop)

    def _body(self, body: Sequence[Stmt]) -> None:
        with self.values.scope():
            for s in body:
                _STATEMENTS[type(s)](self, s)

    def _let(self, s: Let) -> None:
        self.values.vars[s.var] = self.values.of(s.value)

    def _if(self, s: If) -> None:
        with self.b.when(self.values.of(s.cond)):
            self._body(s.body)

    def _alloc(self, s: Alloc) -> None:
        """Memory for the buffer: the same for each copy of the statement, in an unrolled loop."""
        if s.buffer in self.values.memory:
            return
        if s.space == "global":
            at, self.workspace_at = self.workspace_at, self.workspace_at + aligned(s.buffer.nbytes)
            self.values.memory[s.buffer] = self._part(self.workspace, at, s.buffer)
        elif _in_scratch(s):
            at, self.scratch_at = self.scratch_at, self.scratch_at + aligned(s.buffer.nbytes)
            self.values.memory[s.buffer] = self._part(self.scratch, at, s.buffer)
        else:
            kind = memory_type(s.buffer.dtype)
            cell = self.entry.alloca(ll.array(kind, max(1, s.buffer.numel)), _ALIGN)
            self.values.memory[s.buffer] = self.entry.convert("bitcast", cell, ll.pointer(kind))

    def _part(self, memory: Any, at: int, buffer: Buffer) -> Any:
        raw = self.entry.gep(memory, self.values.sizes.of(at))
        return self.entry.convert("bitcast", raw, ll.pointer(memory_type(buffer.dtype)))

    def _for(self, s: For) -> None:
        """One thread runs all iterations, also those of a `par` loop that is not at the top."""
        if s.kind not in ("for", "par"):
            raise ValueError(f"a {s.kind} loop in CPU code: {self.kernel.name}")
        self._range(s, ll.Constant(I64, 0), self.values.of(s.extent))

    def _range(self, s: For, start: Any, stop: Any) -> None:
        self.values.hoist(s.body)
        head = self.b.block
        loop, done = self.function.block("loop"), self.function.block("done")
        self.b.branch_if(self.b.compare("icmp slt", start, stop), loop, done)
        self.b.block = loop
        around, self.values.steady = self.values.steady, frozenset(self.values.vars)
        i = self.b.phi(I64)
        i.add(start, head)
        for buffer in buffers_written(s.body):
            self.values.forget(buffer)  # in later rounds it is not what was loaded before the loop
        with self.values.scope():
            self.values.vars[s.var] = i
            self._body(s.body)
        following = self.b.binary("add nuw nsw", i, ll.Constant(I64, 1))
        i.add(following, self.b.block)
        self.b.branch_if(self.b.compare("icmp slt", following, stop), loop, done)
        self.b.block, self.values.steady = done, around

    def _store(self, s: Store) -> None:
        value = self.values.of(s.value)
        if s.buffer.dtype.kind == "b":
            value = self.b.convert("zext", value, memory_type(s.buffer.dtype, s.value.lanes))
        if s.where is None:
            self._put(s, value)
        else:
            with self.b.when(self.values.of(s.where)), self.values.scope():
                self._put(s, value)
        self.values.forget(s.buffer)

    def _put(self, s: Store, value: Any) -> None:
        lanes, index = s.value.lanes, s.indices[0]
        if lanes == 1:
            self.b.store(value, self.values.address(s.buffer, index))
        elif isinstance(index, Ramp) and index.step == 1 and s.buffer in self.streams and is_aligned(s, index.base):
            self._stream(s.buffer, index, value, lanes)
        elif isinstance(index, Ramp) and index.step == 1:
            self.b.store(value, self.values.address(s.buffer, index.base, lanes), align=s.buffer.dtype.itemsize)
        else:
            self._scatter(s.buffer, self.values.of(index), value, lanes)

    def _stream(self, buffer: Buffer, index: Ramp, value: Any, lanes: int) -> None:
        """Past the caches, by as much as is aligned: the cache line is filled by several stores in turn."""
        each = STREAM_BYTES // buffer.dtype.itemsize
        for start in range(0, lanes, each):
            part = self.b.shuffle(value, value, range(start, start + each))
            self.b.stream(part, self.values.address(buffer, index.base + start, each), STREAM_BYTES)

    def _prefetch(self, s: Prefetch) -> None:
        """Of an element that may lie outside of the buffer, so no address of the rest of the kernel."""
        address = self.b.gep(self.values.memory[s.buffer], self.values.of(s.indices[0]))
        function = self.module.declare("llvm.prefetch.p0", ll.VOID, [address.type, *[ll.integer(32)] * 3])
        self.b.call(function, [address, *(ll.Constant(ll.integer(32), n) for n in _TO_BE_READ_SOON)])

    def _scatter(self, buffer: Buffer, positions: Any, value: Any, lanes: int) -> None:
        for lane in range(lanes):
            at, one = self.b.extract(positions, lane), self.b.extract(value, lane)
            self.b.store(one, self.b.gep(self.values.memory[buffer], at, inbounds=True))


_STATEMENTS: dict[type, Callable[[_Emitter, Any], None]] = {
    Alloc: _Emitter._alloc,
    Barrier: lambda self, _: None,  # in one thread; sections have meetings of their own
    For: _Emitter._for,
    If: _Emitter._if,
    Let: _Emitter._let,
    Prefetch: _Emitter._prefetch,
    Store: _Emitter._store,
}


def _phases(body: Body) -> list[tuple[bool, list[Stmt]]]:
    """Each `par` loop by itself; the statements between them together; allocations with what follows."""
    phases: list[tuple[bool, list[Stmt]]] = []
    allocs: list[Stmt] = []
    for s in body:
        parallel = isinstance(s, For) and s.kind == "par"
        if isinstance(s, Alloc):
            allocs.append(s)
        elif not parallel and phases and not phases[-1][0]:
            phases[-1][1].extend([*allocs, s])
            allocs = []
        else:
            phases.append((parallel, [*allocs, s]))
            allocs = []
    return phases
