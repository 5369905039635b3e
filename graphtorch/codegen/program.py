"""An aliased graph -> scheduled kernels and one LLVM module with one entry for the whole program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.loops import Nest
from graphtorch.codegen.lower import LoweredKernel, is_frozen, lower_node, single_node_graph
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.target import Target
from graphtorch.ir.fusible import is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.text import strip_locations


@dataclass(frozen=True)
class Launch:
    """A kernel and the values behind its parameters, in order. Equal kernels share one ``kernel``."""

    kernel: Kernel
    values: tuple[Value, ...]


def lower_graph(graph: Graph) -> list[LoweredKernel]:
    """A nest for every node that computes (reshapes do not)."""
    return [lower_node(node, name) for name, node in _named(graph)]


def _named(graph: Graph) -> list[tuple[str, Node]]:
    """Nodes that become kernels, and their names."""
    computing = [n for n in graph.nodes if n.op is not reshape and any(r.type.numel for r in n.results)]
    return [(f"k{number}_{_describe(node)}", node) for number, node in enumerate(computing)]


def _describe(node: Node) -> str:
    """The op a kernel is best known by: its first reduction, else the last one."""
    if node.body is None:
        return str(node.op.name)
    named = [n for n in node.body.nodes if is_reduction(n)] or node.body.nodes[-1:]
    return str(named[0].op.name)


def schedule_graph(graph: Graph, target: Target, choose: Callable[[Nest], int] = lambda _: 0) -> list[Launch]:
    """Scheduled kernels in order; a kernel whose text was seen before stands for it. ``choose`` gives the way.

    Nodes that read the same are scheduled once.
    """
    of_nodes: dict[tuple[object, ...], Kernel] = {}
    seen: dict[str, Kernel] = {}
    launches = []
    for name, node in _named(graph):
        key = _identity(node)
        if key not in of_nodes:
            nest = lower_node(node, name).nest
            kernel = schedule_cpu(nest, target, choose(nest))
            of_nodes[key] = seen.setdefault(str(replace(kernel, name="k")), kernel)
        launches.append(Launch(of_nodes[key], (*node.operands, *node.results)))
    return launches


def _identity(node: Node) -> tuple[object, ...]:
    """All that the kernel of a node depends on: what it computes, and which operands stay as they are."""
    body = node.body or single_node_graph(node)
    return strip_locations(str(body)), *map(is_frozen, node.operands)


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


def emit_program(
    launches: Sequence[Launch], where: Callable[[Value], tuple[str, int]], scratch: int, target: Target | None = None
) -> str:
    """LLVM IR text with ``void @program(i8** table, i64 thread, i64 threads, i64 epoch)`` and ``i64 @sections()``.

    It is for ``target``, or this CPU.

    table: arena, scratch, workspace, sections and what is kept (the header), then the parameters, then the outputs.
    ``sections()`` says how many sections there are: memory for them is the caller's business.
    """
    from graphtorch.codegen import llvm_text as ll
    from graphtorch.codegen.emit_llvm import emit_kernel

    module = ll.Module("program")
    functions = {kernel: emit_kernel(module, legal, True, target) for kernel, legal in _legalized(launches)}
    for function, _ in functions.values():
        function.linkage = "internal"
    _emit_entry(module, launches, functions, where, scratch)
    return str(module)


def emit_parts(launches: Sequence[Launch], where: Callable[[Value], tuple[str, int]], scratch: int) -> Iterator[str]:
    """`emit_program` in modules that are to be linked: one for each kernel, and the last with the entry."""
    from graphtorch.codegen import llvm_text as ll
    from graphtorch.codegen.emit_llvm import declare_kernel, emit_kernel

    entry = ll.Module("program")
    functions: dict[Kernel, tuple[ll.Function, int]] = {}
    for kernel, legal in _legalized(launches):
        module = ll.Module(kernel.name)
        _, sections = emit_kernel(module, legal, aliased=True)
        functions[kernel] = declare_kernel(entry, legal), sections
        yield str(module)
    _emit_entry(entry, launches, functions, where, scratch)
    yield str(entry)


def _legalized(launches: Sequence[Launch]) -> Iterator[tuple[Kernel, Kernel]]:
    """Every kernel once, and its legal form."""
    return ((kernel, legalize(kernel)) for kernel in dict.fromkeys(launch.kernel for launch in launches))


def _emit_entry(
    module: Any,
    launches: Sequence[Launch],
    functions: Mapping[Kernel, tuple[Any, int]],
    where: Callable[[Value], tuple[str, int]],
    scratch: int,
) -> None:
    """``program`` and ``sections``; ``functions`` gives each kernel's function and how many sections it has."""
    from graphtorch.codegen import llvm_text as ll
    from graphtorch.codegen.llvm_parallel import Team, const
    from graphtorch.codegen.llvm_tables import I64, PTR

    program = ll.Function(module, "program", ll.VOID, [ll.pointer(PTR), I64, I64, I64])
    table, *who = program.args
    entry, b = (ll.Builder(program, program.block(name)) for name in ("entry", "body"))

    def slot(index: int) -> Any:
        return b.load(b.gep(table, const(index)))

    arena, scratch_base, workspace, memory, kept = (slot(i) for i in range(HEADER))
    own = b.gep(scratch_base, b.binary("mul", who[0], const(scratch)))
    team = Team(module, entry, b, (*who, memory))

    def call(launch: Launch) -> None:
        (function, sections), args = functions[launch.kernel], []
        for value, wanted in zip(launch.values, function.args, strict=False):
            kind, at = where(value)
            raw = slot(HEADER + at) if kind == "slot" else b.gep(kept if kind == "kept" else arena, const(at))
            args.append(b.convert("bitcast", raw, wanted.type))
        b.call(function, [*args, own, workspace, *who, team.reserve(sections)])

    for parallel, group in groupby(launches, lambda launch: functions[launch.kernel][1] > 0):
        # neighbours that one thread runs are one section; a parallel kernel has its own, and waits at its end
        with nullcontext() if parallel else team.section(const(1)):
            for launch in group:
                call(launch)
        team.meet()
    b.give()
    entry.branch(program.blocks[1])
    count = ll.Function(module, "sections", I64, [])
    ll.Builder(count, count.block("entry")).give(const(team.count))


#: entries of the pointer table before those of parameters and outputs: arena, scratch, workspace, sections, kept
HEADER = 5
