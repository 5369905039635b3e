"""Legalized Kernel IR -> LLVM IR, through llvmlite's builder. Statements here; expressions by llvm_expr.py.

Every kernel is a function

    void @name(T* param..., i8* scratch, i8* workspace, i64 thread, i64 threads, i8* barrier)

that all threads call. A `par` loop gives each thread a contiguous share of its iterations; top-level
statements without one run on thread 0. After a top-level `par` loop, and where thread 0 hands over,
the threads meet at a barrier (`needs_barrier`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ll

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Stmt, Store, exprs_of, walk
from graphtorch.codegen.llvm_expr import Values
from graphtorch.codegen.llvm_tables import I64, PTR, declare, memory_type
from graphtorch.ir.expr import Buffer, Expr, Load, Ramp
from graphtorch.ir.expr import walk as walk_expr

_ALIGN = 64
#: bigger `local` arrays go to scratch memory: registers cannot hold them
STACK_LIMIT = 16_384


def aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN


def scratch_bytes(kernel: Kernel) -> int:
    """Scratch memory that each thread needs for `thread` buffers and big local ones."""
    return sum(aligned(s.buffer.nbytes) for s in walk(kernel.body) if isinstance(s, Alloc) and _in_scratch(s))


def workspace_bytes(kernel: Kernel) -> int:
    """Memory that all threads share for `global` buffers."""
    return sum(aligned(s.buffer.nbytes) for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "global")


def _in_scratch(s: Alloc) -> bool:
    return s.space == "thread" or (s.space == "local" and s.buffer.nbytes > STACK_LIMIT)


def emit_kernel(module: ll.Module, kernel: Kernel, aliased: bool = False) -> ll.Function:
    """Add the function of a legalized kernel to ``module``; ``aliased``: parameters may overlap."""
    types = [memory_type(p.buffer.dtype).as_pointer() for p in kernel.params]
    signature = ll.FunctionType(ll.VoidType(), [*types, PTR, PTR, I64, I64, PTR])
    function = ll.Function(module, signature, kernel.name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    for argument in function.args[: len(types)]:
        if not aliased:
            argument.add_attribute("noalias")
    _Emitter(module, function, kernel).run()
    return function


def barrier_function(module: ll.Module) -> ll.Function:
    """The pool's barrier: of a place in memory, and of how many threads meet there."""
    return declare(module, "gt_barrier", ll.VoidType(), [PTR, I64])


class _Emitter:
    def __init__(self, module: ll.Module, function: ll.Function, kernel: Kernel) -> None:
        self.module, self.function, self.kernel = module, function, kernel
        self.entry = ll.IRBuilder(function.append_basic_block("entry"))
        self.b = ll.IRBuilder(function.append_basic_block("body"))
        self.values = Values(module, self.b)
        count = len(kernel.params)
        self.values.memory.update(zip((p.buffer for p in kernel.params), function.args[:count], strict=True))
        self.scratch, self.workspace, self.thread, self.threads, self.barrier = function.args[count:]
        self.scratch_at = self.workspace_at = 0

    def run(self) -> None:
        self._top(self.kernel.body)
        self.b.ret_void()
        self.entry.branch(self.function.blocks[1])

    def _top(self, body: Body) -> None:
        """`par` loops run on all threads, what stands between them on thread 0.

        The threads meet before a phase that reads what an earlier one wrote.
        """
        written: set[Buffer] = set()
        for parallel, phase in _phases(body):
            if any(written & _buffers_read(s) for s in phase):
                self._meet()
                written.clear()
            written |= {w.buffer for w in walk(phase) if isinstance(w, Store)}
            if parallel:
                self._body(phase)
                continue
            with self.b.if_then(self.b.icmp_signed("==", self.thread, ll.Constant(I64, 0))):
                self._body(phase)

    def _meet(self) -> None:
        self.b.call(barrier_function(self.module), [self.barrier, self.threads])

    def _body(self, body: Sequence[Stmt]) -> None:
        with self.values.scope():
            for s in body:
                _STATEMENTS[type(s)](self, s)

    def _let(self, s: Let) -> None:
        self.values.vars[s.var] = self.values.of(s.value)

    def _if(self, s: If) -> None:
        with self.b.if_then(self.values.of(s.cond)):
            self._body(s.body)

    def _alloc(self, s: Alloc) -> None:
        if s.space == "global":
            at, self.workspace_at = self.workspace_at, self.workspace_at + aligned(s.buffer.nbytes)
            self.values.memory[s.buffer] = self._part(self.workspace, at, s.buffer)
        elif _in_scratch(s):
            at, self.scratch_at = self.scratch_at, self.scratch_at + aligned(s.buffer.nbytes)
            self.values.memory[s.buffer] = self._part(self.scratch, at, s.buffer)
        else:
            cell = self.entry.alloca(ll.ArrayType(memory_type(s.buffer.dtype), max(1, s.buffer.numel)))
            cell.align = _ALIGN
            zero = ll.Constant(I64, 0)
            self.values.memory[s.buffer] = self.entry.gep(cell, [zero, zero], inbounds=True)

    def _part(self, memory: Any, at: int, buffer: Buffer) -> Any:
        raw = self.entry.gep(memory, [ll.Constant(I64, at)])
        return self.entry.bitcast(raw, memory_type(buffer.dtype).as_pointer())

    def _for(self, s: For) -> None:
        extent = self.values.of(s.extent)
        start, stop = ll.Constant(I64, 0), extent
        if s.kind == "par":
            start = self.b.sdiv(self.b.mul(self.thread, extent), self.threads)
            after = self.b.add(self.thread, ll.Constant(I64, 1))
            stop = self.b.sdiv(self.b.mul(after, extent), self.threads)
        elif s.kind != "for":
            raise ValueError(f"a {s.kind} loop in CPU code: {self.kernel.name}")
        head = self.b.block
        loop, done = self.b.append_basic_block("loop"), self.b.append_basic_block("done")
        self.b.cbranch(self.b.icmp_signed("<", start, stop), loop, done)
        self.b.position_at_end(loop)
        i = self.b.phi(I64, s.var.name)
        i.add_incoming(start, head)
        self.values.vars[s.var] = i
        self._body(s.body)
        following = self.b.add(i, ll.Constant(I64, 1), flags=["nuw", "nsw"])
        i.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", following, stop), loop, done)
        self.b.position_at_end(done)

    def _store(self, s: Store) -> None:
        value = self.values.of(s.value)
        if s.buffer.dtype.kind == "b":
            value = self.b.zext(value, memory_type(s.buffer.dtype, s.value.lanes))
        if s.where is None:
            self._put(s, value)
        else:
            with self.b.if_then(self.values.of(s.where)), self.values.scope():
                self._put(s, value)
        self.values.forget(s.buffer)

    def _put(self, s: Store, value: Any) -> None:
        lanes, index = s.value.lanes, s.indices[0]
        if lanes == 1:
            self.b.store(value, self.values.address(s.buffer, index))
        elif isinstance(index, Ramp):
            address = self.b.bitcast(self.values.address(s.buffer, index.base), value.type.as_pointer())
            self.b.store(value, address, align=s.buffer.dtype.itemsize)
        else:
            self._scatter(s.buffer, self.values.of(index), value, lanes)

    def _scatter(self, buffer: Buffer, positions: Any, value: Any, lanes: int) -> None:
        for lane in range(lanes):
            at = self.values.lane(positions, lane)
            one = self.values.lane(value, lane)
            self.b.store(one, self.b.gep(self.values.memory[buffer], [at], inbounds=True))


_STATEMENTS: dict[type, Callable[[_Emitter, Any], None]] = {
    Alloc: _Emitter._alloc,
    Barrier: lambda self, _: self._meet(),
    For: _Emitter._for,
    If: _Emitter._if,
    Let: _Emitter._let,
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


def _buffers_read(s: Stmt) -> set[Buffer]:
    found: set[Buffer] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, Load):
            found.add(e.buffer)

    for inner in walk([s]):
        for e in exprs_of(inner):
            walk_expr(e, visit)
    return found
