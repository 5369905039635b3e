"""Kernel IR -> Python source for the interpreter. Statements here; expressions in interp_expr.py."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphtorch.codegen.kernel_grammar import Names
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Prefetch, Stmt, Store, walk
from graphtorch.codegen.kernel_text import statement_text
from graphtorch.codegen.launch import is_mapped, launch_of
from graphtorch.codegen.warp import Commit, Copy, Element, Fragment, Mma, Wait, elements_of
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Const, Expr, flat_index
from graphtorch.runtime.interp_expr import Exprs


@dataclass
class Source:
    """``text`` defines ``_kernel(*arrays, _reverse)`` over the helpers of interp_rt.py and ``constants``.

    ``sites`` says for each number in a check which statement it stands in and what is checked;
    ``barriers`` describes each barrier.
    """

    text: str = ""
    constants: dict[str, Any] = field(default_factory=dict)
    sites: list[tuple[Stmt, str]] = field(default_factory=list)
    barriers: list[str] = field(default_factory=list)


def translate(kernel: Kernel) -> Source:
    """The Python source of ``kernel``."""
    return _Translator(kernel).run()


class _Translator:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.launch = launch_of(kernel)
        self.names = Names(kernel, {*keyword.kwlist, "range", "int", "abs", "bool"}, dots=False)
        self.source = Source()
        self.exprs = Exprs(self.names, self.source.constants, self.site)
        self.current: Stmt = Barrier()
        self.enclosing: list[Stmt] = []
        self.read_only = {p.buffer for p in kernel.params if p.mode == "in"}
        threads = [s for s in self.launch.loops if s.kind.startswith("thread.")] if self.launch else []
        inside = [s for t in threads[:1] for s in walk(t.body)]
        #: the thread loops whose iterations are generators, outermost first
        self.threads = threads if any(isinstance(s, Barrier | Wait | Fragment | Mma) for s in inside) else []
        #: whether threads have copies under way
        self.copies = any(isinstance(s, Copy | Commit | Wait) for s in inside)

    def site(self, what: str) -> int:
        self.source.sites.append((self.current, what))
        return len(self.source.sites) - 1

    def run(self) -> Source:
        arguments = [self.names.bind(p.buffer) for p in self.kernel.params]
        workspaces = [s for s in walk(self.kernel.body) if isinstance(s, Alloc) and s.space == "global"]
        lines = [self.fresh(s) for s in workspaces]
        lines += self.body(self.kernel.body)
        head = f"def _kernel({', '.join([*arguments, '_reverse'])}):"
        self.source.text = "\n".join([head, *_indent(lines)]) + "\n"
        return self.source

    # ---- statements ----

    def body(self, body: Body) -> list[str]:
        return [line for s in body for line in self.stmt(s)] or ["pass"]

    def stmt(self, s: Stmt) -> list[str]:
        self.current = s
        match s:
            case For():
                return self.loop(s)
            case Let():
                return self.let(s)
            case Store():
                return self.store(s)
            case Alloc():
                return [] if s.space == "global" else [self.fresh(s)]
            case If():
                return [f"if {self.exprs(s.cond)}:", *self.inside(s, s.body)]
            case Prefetch():
                return []
            case Barrier():
                return self.barrier()
            case Copy():
                to = self.exprs.position(s.buffer, s.indices, "a copy to")
                return [f"_copies.add({self.names[s.buffer]}, ({to},), {self.exprs(s.value)})"]
            case Commit():
                return ["_copies.commit()"]
            case Wait():
                return [f"_copies.wait({s.count})"]
            case Fragment() | Mma():
                return self.warp(s)

    def inside(self, s: Stmt, body: Body) -> list[str]:
        self.enclosing.append(s)
        lines = _indent(self.body(body))
        self.enclosing.pop()
        return lines

    def loop(self, s: For) -> list[str]:
        if s in self.threads:
            return self.thread_loop(s)
        extent = self.extent(s)
        name = self.names.bind(s.var)
        parallel = s.kind == "par" or is_mapped(s)
        run = f"_span({extent}, _reverse)" if parallel else f"range({extent})"
        return [f"for {name} in {run}:", *self.inside(s, s.body)]

    def extent(self, s: For) -> str:
        """The number of iterations, no more than the variable claims."""
        text, claim = self.exprs(s.extent), s.var.extent
        if claim is None or (isinstance(s.extent, Const) and s.extent.value <= claim):
            return text
        return f"_claimed({text}, {claim}, {self.site(f'the extent of %{s.var.name}')})"

    def thread_loop(self, s: For) -> list[str]:
        """The outermost thread loop becomes a generator of all thread indices; inner ones read theirs."""
        index = self.threads.index(s)
        name = self.names.bind(s.var)
        if index:
            return [f"{name} = _thread{index}", *self.threads_body(s)]
        arguments = [name, *(f"_thread{i}" for i in range(1, len(self.threads)))]
        extents = ", ".join(str(t.extent.value) for t in self.threads if isinstance(t.extent, Const))
        body = _indent([*(["_copies = _Copies()"] if self.copies else []), *self.threads_body(s)])
        return [f"def _program({', '.join(arguments)}):", *body, f"_run_block(_program, ({extents},), _reverse)"]

    def threads_body(self, s: For) -> list[str]:
        self.enclosing.append(s)
        lines = self.body(s.body)
        self.enclosing.pop()
        return lines

    def let(self, s: Let) -> list[str]:
        value, claim = self.exprs(s.value), s.var.extent
        if claim is not None and s.var.lanes == 1:
            value = self.exprs.within(s.value, value, claim, f"the value of %{s.var.name}")
        return [f"{self.names.bind(s.var)} = {value}"]

    def store(self, s: Store) -> list[str]:
        self.check_store(s)
        where = None if s.where is None else self.exprs(s.where)
        if self.lanes(s) > 1:
            return [self.vector_store(s, where)]
        value = self.exprs(s.value)
        target = f"{self.names[s.buffer]}[{self.exprs.position(s.buffer, s.indices, 'a store to')}]"
        if where is None:
            return [f"{target} = {value}"]
        return [f"_value = {value}", f"if {where}: {target} = _value"]

    def vector_store(self, s: Store, where: str | None) -> str:
        indices = ", ".join(map(self.exprs, s.indices))
        site = self.site(f"a store to %{s.buffer.name}")
        name, value = self.names[s.buffer], self.exprs(s.value)
        return f"_vector_store({name}, ({indices},), {value}, {where}, {self.lanes(s)}, {site})"

    @staticmethod
    def lanes(s: Store) -> int:
        parts: Sequence[Expr | None] = (*s.indices, s.value, s.where)
        return max(e.lanes for e in parts if e is not None)

    def check_store(self, s: Store) -> None:
        if s.buffer in self.read_only or s.value.dtype != s.buffer.dtype or len(s.indices) != len(s.buffer.shape):
            fact = f"statement  {statement_text(self.kernel, s)}"
            message = f"a store to %{s.buffer.name} in kernel @{self.kernel.name} does not fit the buffer"
            raise IRError("GT822", message, [fact, "expected its dtype and number of indices, and no `in` parameter"])

    def fresh(self, s: Alloc) -> str:
        return f"{self.names.bind(s.buffer)} = _fresh({s.buffer.shape}, _d_{s.buffer.dtype.short})"

    def warp(self, s: Fragment | Mma) -> list[str]:
        """All lanes meet, and one call does the work of them all."""
        word = f"_mma_{s.kind}" if isinstance(s, Mma) else f"_fragment{'_t' if s.transposed else ''}"
        number = self.meeting(s)
        counts = (4, 4, 2) if isinstance(s, Mma) else (4, 16 // s.source[0].dtype.itemsize)
        views = ", ".join(map(self.registers, elements_of(s), counts))
        return [f"yield ({number}, {word}, {views})"]

    def registers(self, element: Element, count: int) -> str:
        """``count`` elements from this one on."""
        buffer, indices = element
        site = self.site(f"a warp's access of %{buffer.name}")
        position = self.exprs(flat_index(buffer.shape, indices))
        return f"_view({self.names[buffer]}, {position}, {count}, {site})"

    def barrier(self) -> list[str]:
        """A meeting of threads; outside of threads all is sequential, and there is nothing to wait for."""
        if not self.threads or self.threads[0] not in self.enclosing:
            return []
        return [f"yield {self.meeting(None)}"]

    def meeting(self, s: Fragment | Mma | None) -> int:
        """A number for a barrier, or for a statement of a warp."""
        number = len(self.source.barriers)
        what = f"barrier {number + 1}" if s is None else f"`{statement_text(self.kernel, s)}`"
        self.source.barriers.append(f"{what}, in `{statement_text(self.kernel, self.enclosing[-1])}`")
        return number


def _indent(lines: Sequence[str]) -> list[str]:
    return [f" {line}" for line in lines]
