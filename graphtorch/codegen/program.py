"""An aliased graph -> scheduled kernels and one LLVM module with one entry for the whole program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.loops import Nest
from graphtorch.codegen.lower import LoweredKernel, lower_node
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.target import Target
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.ops.movement import reshape


@dataclass(frozen=True)
class Launch:
    """A kernel and the values behind its parameters, in order. Equal kernels share one ``kernel``."""

    kernel: Kernel
    values: tuple[Value, ...]


def lower_graph(graph: Graph) -> list[LoweredKernel]:
    """A nest for every node that computes (reshapes do not)."""
    out: list[LoweredKernel] = []
    for node in graph.nodes:
        if node.op is reshape or all(r.type.numel == 0 for r in node.results):
            continue
        out.append(lower_node(node, f"k{len(out)}_{_describe(node)}"))
    return out


def _describe(node: Any) -> str:
    """The op a kernel is best known by: its reduction, else the last one."""
    if node.body is None:
        return str(node.op.name)
    from graphtorch.ir.passes.fuse import is_reduction

    named = [n for n in node.body.nodes if is_reduction(n)] or node.body.nodes[-1:]
    return str(named[-1].op.name)


def schedule_graph(graph: Graph, target: Target, choose: Callable[[Nest], int] = lambda _: 0) -> list[Launch]:
    """Scheduled kernels in order; a kernel whose text was seen before stands for it. ``choose`` gives the way."""
    seen: dict[str, Kernel] = {}
    launches = []
    for lowered in lower_graph(graph):
        kernel = schedule_cpu(lowered.nest, target, choose(lowered.nest))
        text = str(replace(kernel, name="k"))
        kernel = seen.setdefault(text, kernel)
        launches.append(Launch(kernel, (*lowered.operands, *lowered.results)))
    return launches


def program_text(launches: Sequence[Launch], where: Callable[[Value], tuple[str, int]]) -> str:
    """What identifies the program's machine code: its kernels, and where each argument lies."""
    parts: dict[str, str] = {}
    calls = []
    for launch in launches:
        parts.setdefault(launch.kernel.name, str(launch.kernel))
        places = ",".join(f"{kind}{at}" for kind, at in map(where, launch.values))
        calls.append(f"call @{launch.kernel.name}({places})")
    return "\n".join((*parts.values(), *calls))


@dataclass(frozen=True)
class Sizes:
    """Bytes of scratch memory per thread, and of workspace for all threads."""

    scratch: int
    workspace: int


def memory_sizes(launches: Sequence[Launch]) -> Sizes:
    from graphtorch.codegen.emit_llvm import scratch_bytes, workspace_bytes

    kernels = [launch.kernel for launch in launches]
    return Sizes(max(map(scratch_bytes, kernels), default=0), max(map(workspace_bytes, kernels), default=0))


def emit_program(launches: Sequence[Launch], where: Callable[[Value], tuple[str, int]], scratch: int) -> str:
    """LLVM IR text with ``void @program(i8** table, i64 thread, i64 threads, i64 epoch)`` and ``i64 @sections()``.

    table: arena, scratch, workspace, sections and what is kept (the header), then the parameters, then the outputs.
    ``sections()`` says how many sections there are: memory for them is the caller's business.
    """
    import llvmlite.ir as ll

    from graphtorch.codegen.emit_llvm import emit_kernel, section_count
    from graphtorch.codegen.llvm_parallel import Team, const
    from graphtorch.codegen.llvm_tables import I64, PTR

    module = ll.Module("program")
    kernels = {kernel: legalize(kernel) for kernel in dict.fromkeys(launch.kernel for launch in launches)}
    functions = {kernel: emit_kernel(module, legal, aliased=True) for kernel, legal in kernels.items()}
    sections = {kernel: section_count(legal) for kernel, legal in kernels.items()}
    program = ll.Function(module, ll.FunctionType(ll.VoidType(), [PTR.as_pointer(), I64, I64, I64]), "program")
    table, *who = program.args
    entry, b = (ll.IRBuilder(program.append_basic_block(name)) for name in ("entry", "body"))

    def slot(index: int) -> Any:
        return b.load(b.gep(table, [const(index)]))

    arena, scratch_base, workspace, memory, kept = (slot(i) for i in range(HEADER))
    own = b.gep(scratch_base, [b.mul(who[0], const(scratch))])
    team = Team(module, entry, b, (*who, memory))

    def call(launch: Launch) -> None:
        function, args = functions[launch.kernel], []
        for value, wanted in zip(launch.values, function.args, strict=False):
            kind, at = where(value)
            raw = slot(HEADER + at) if kind == "slot" else b.gep(kept if kind == "kept" else arena, [const(at)])
            args.append(b.bitcast(raw, wanted.type))
        b.call(function, [*args, own, workspace, *who, team.reserve(sections[launch.kernel])])

    for parallel, group in groupby(launches, lambda launch: sections[launch.kernel] > 0):
        # neighbours that one thread runs are one section; a parallel kernel has its own, and waits at its end
        with nullcontext() if parallel else team.section(const(1)):
            for launch in group:
                call(launch)
        team.meet()
    b.ret_void()
    entry.branch(program.blocks[1])
    count = ll.Function(module, ll.FunctionType(I64, []), "sections")
    ll.IRBuilder(count.append_basic_block("entry")).ret(const(team.count))
    return str(module)


#: entries of the pointer table before those of parameters and outputs: arena, scratch, workspace, sections, kept
HEADER = 5
