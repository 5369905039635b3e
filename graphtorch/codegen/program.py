"""An aliased graph -> scheduled kernels and one LLVM module with one entry for the whole program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphtorch.codegen.kernel_ir import Kernel, has_parallel_loop
from graphtorch.codegen.legalize import legalize
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


def schedule_graph(graph: Graph, target: Target) -> list[Launch]:
    """Scheduled kernels in order; a kernel whose text was seen before stands for it."""
    seen: dict[str, Kernel] = {}
    launches = []
    for lowered in lower_graph(graph):
        kernel = schedule_cpu(lowered.nest, target)
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
    """LLVM IR text with ``void @program(i8** table, i64 thread, i64 threads)``.

    table: arena, scratch, workspace and barrier (the header), then the parameters, then the outputs.
    """
    import llvmlite.ir as ll

    from graphtorch.codegen.emit_llvm import barrier_function, emit_kernel
    from graphtorch.codegen.llvm_tables import I64, PTR

    module = ll.Module("program")
    functions: dict[Kernel, Any] = {}
    for launch in launches:
        if launch.kernel not in functions:
            functions[launch.kernel] = emit_kernel(module, legalize(launch.kernel), aliased=True)
    entry = ll.Function(module, ll.FunctionType(ll.VoidType(), [PTR.as_pointer(), I64, I64]), "program")
    table, thread, threads = entry.args
    b = ll.IRBuilder(entry.append_basic_block("entry"))

    def slot(index: int) -> Any:
        return b.load(b.gep(table, [ll.Constant(I64, index)]))

    arena, scratch_base, workspace, barrier = (slot(i) for i in range(HEADER))
    own = b.gep(scratch_base, [b.mul(thread, ll.Constant(I64, scratch))])
    parallel_before = None
    for launch in launches:
        parallel = has_parallel_loop(launch.kernel.body)
        if parallel_before is not None and (parallel or parallel_before):
            b.call(barrier_function(module), [barrier, threads])
        parallel_before = parallel
        function = functions[launch.kernel]
        args = []
        for value, wanted in zip(launch.values, function.args, strict=False):
            kind, at = where(value)
            raw = b.gep(arena, [ll.Constant(I64, at)]) if kind == "arena" else slot(HEADER + at)
            args.append(b.bitcast(raw, wanted.type))
        b.call(function, [*args, own, workspace, thread, threads, barrier])
    b.ret_void()
    return str(module)


#: entries of the pointer table before those of parameters and outputs: arena, scratch, workspace, barrier
HEADER = 4
