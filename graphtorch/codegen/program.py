"""An aliased graph -> scheduled kernels and one LLVM module with one entry for the whole program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.codegen.lower import LoweredKernel, is_frozen, lower_node, single_node_graph
from graphtorch.codegen.schedule.cpu import schedule_cpu, schedule_part
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Buffer
from graphtorch.ir.fusible import is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.text import strip_locations
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.codegen.emit_llvm import Sections

#: bytes of a line of the cache
_LINE = 64


@dataclass(frozen=True)
class Launch:
    """A kernel and the values behind its parameters, in order. Equal kernels share one ``kernel``.

    ``meets`` says whether the next launch may need its results, or those of launches before that did not meet.
    """

    kernel: Kernel
    values: tuple[Value, ...]
    meets: bool = True


class Workspace(Value):
    """What launches of a bundle leave for each other, ``at`` an offset in the workspace that they share."""

    __slots__ = ("at",)

    def __init__(self, buffer: Buffer, at: int) -> None:
        super().__init__(TensorType(buffer.shape, buffer.dtype))
        self.at = at


def lower_graph(graph: Graph) -> list[LoweredKernel]:
    """A nest for every node that computes."""
    return [lower_node(node, name) for node, name in _computing(graph)]


def _computing(graph: Graph) -> Iterator[tuple[Node, str]]:
    """Nodes with a kernel, and what that is called. Reshapes have none, nor has what is empty."""
    number = 0
    for node in graph.nodes:
        if node.op is not reshape and any(r.type.numel for r in node.results):
            yield node, f"k{number}_{_describe(node)}"
            number += 1


def _describe(node: Node) -> str:
    """The op a kernel is best known by: its first reduction, else the last one."""
    if node.body is None:
        return str(node.op.name)
    named = [n for n in node.body.nodes if is_reduction(n)] or node.body.nodes[-1:]
    return _describe(named[0])


def schedule_graph(graph: Graph, target: Target, choose: Callable[[Nest], int] = lambda _: 0) -> list[Launch]:
    """Scheduled kernels in order; ``choose`` gives the way. Equal nodes are lowered and scheduled once, and a kernel
    whose text was seen before stands for it: what a layer costs that is repeated is its launches."""
    seen: dict[str, Kernel] = {}
    made: dict[object, Kernel] = {}
    launches: list[Launch] = []

    def once(kernel: Kernel) -> Kernel:
        return seen.setdefault(f"{kernel.waits} {replace(kernel, name='k')}", kernel)

    for node, name in _computing(graph):
        if node.body is not None and node.attrs["kind"] == "bundle":
            launches += _launch_bundle(lower_node(node, name).parts, target, once)
            continue
        key = _kind(node)
        if key not in made:
            nest = lower_node(node, name).nest
            made[key] = once(schedule_cpu(nest, target, choose(nest)))
        launches.append(Launch(made[key], (*node.operands, *node.results)))
    return launches


def _kind(node: Node) -> object:
    """All of a node that its kernel depends on."""
    text = strip_locations(str(node.body or single_node_graph(node)))
    return text, tuple(map(is_frozen, node.operands))


def _launch_bundle(
    parts: Sequence[LoweredKernel], target: Target, once: Callable[[Kernel], Kernel]
) -> Iterator[Launch]:
    """All parts, with no meeting but one before those that put together what others have left."""
    first, then, used = list[Launch](), list[Launch](), 0
    for part in parts:
        assert isinstance(part.nest, LoopNest | ReduceNest)  # `lower_node` saw to it
        one, two = schedule_part(part.nest, target)
        left = []
        for buffer in one.memory:
            left.append(Workspace(buffer, used))
            used += -(-buffer.nbytes // _LINE) * _LINE
        values = (*part.operands, *part.results, *left)
        first.append(Launch(once(one.kernel), values, meets=False))
        then += [Launch(once(two.kernel), values, meets=False)] if two else []
    for stage in filter(None, (first, then)):
        yield from stage[:-1]
        yield replace(stage[-1], meets=True)


def program_text(launches: Sequence[Launch], where: Callable[[Value], tuple[str, int]]) -> str:
    """What identifies the program's machine code: its kernels, and where each argument lies."""
    parts: dict[str, str] = {}
    calls = []
    for launch in launches:
        parts.setdefault(launch.kernel.name, str(launch.kernel))
        places = ",".join(f"{kind}{at}" for kind, at in (_place(v, where) for v in launch.values))
        calls.append(f"call @{launch.kernel.name}({places}){'' if launch.meets else ' and go on'}")
    return "\n".join((*parts.values(), *calls))


def _place(value: Value, where: Callable[[Value], tuple[str, int]]) -> tuple[str, int]:
    return ("workspace", value.at) if isinstance(value, Workspace) else where(value)


@dataclass(frozen=True)
class Sizes:
    """Bytes of scratch memory per thread, and of workspace for all threads."""

    scratch: int
    workspace: int


def memory_sizes(launches: Sequence[Launch]) -> Sizes:
    from graphtorch.codegen.emit_llvm import scratch_bytes, workspace_bytes

    kernels = [launch.kernel for launch in launches]
    left = [v.at + v.type.nbytes for launch in launches for v in launch.values if isinstance(v, Workspace)]
    workspace = max([*map(workspace_bytes, kernels), *left], default=0)
    return Sizes(max(map(scratch_bytes, kernels), default=0), workspace)


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
    functions: dict[Kernel, tuple[ll.Function, Sections]] = {}
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
    functions: Mapping[Kernel, tuple[Any, Sections]],
    where: Callable[[Value], tuple[str, int]],
    scratch: int,
) -> None:
    """``program`` and ``sections``; ``functions`` gives each kernel's function and its sections.

    Many launches are several functions, one after the other: LLVM takes quadratic time for registers of a long one.
    """
    from graphtorch.codegen import llvm_text as ll
    from graphtorch.codegen.llvm_parallel import const
    from graphtorch.codegen.llvm_tables import I64, PTR

    types = [ll.pointer(PTR), I64, I64, I64]
    batches = _batches(launches, functions)
    names = ["program"] if len(batches) < 2 else [f"part{i}" for i in range(len(batches))]
    parts, sections = [ll.Function(module, name, ll.VOID, types) for name in names], 0
    for part, batch in zip(parts, batches, strict=True):
        sections = _emit_batch(module, part, batch, functions, where, scratch, sections)
    if len(parts) > 1:
        program = ll.Function(module, "program", ll.VOID, types)
        b = ll.Builder(program, program.block("entry"))
        for part in parts:
            part.linkage = "internal"
            b.call(part, program.args)
        b.give()
    count = ll.Function(module, "sections", I64, [])
    ll.Builder(count, count.block("entry")).give(const(sections))


#: launches that follow each other on one thread, or one that all threads share
Run = tuple[bool, list[Launch]]


def _batches(launches: Sequence[Launch], functions: Mapping[Kernel, tuple[Any, Sections]]) -> list[list[Run]]:
    """So many of them to a function; threads meet before another one begins."""
    batches: list[list[Run]] = [[]]
    count = 0
    for parallel, run in _runs(launches, lambda launch: functions[launch.kernel][1].count > 0):
        if count and count + len(run) > MOST_LAUNCHES and batches[-1][-1][1][-1].meets:
            batches.append([])
            count = 0
        batches[-1].append((parallel, run))
        count += len(run)
    return batches


def _runs(launches: Sequence[Launch], is_parallel: Callable[[Launch], bool]) -> Iterator[Run]:
    """Launches by themselves if they have sections of their own; neighbours that one thread runs are one section.

    That thread goes on after a meeting, since it has all that it ran, but not where others have run something too.
    """
    run: list[Launch] = []
    others = False  # have not met
    for launch in launches:
        parallel = is_parallel(launch)
        full = len(run) >= MOST_LAUNCHES and run[-1].meets
        if run and (parallel or full or (others and run[-1].meets)):
            yield False, run
            others, run = not run[-1].meets, []
        if parallel:
            yield True, [launch]
            others = not launch.meets
        else:
            run.append(launch)
    if run:
        yield False, run


def _emit_batch(
    module: Any,
    function: Any,
    batch: Sequence[Run],
    functions: Mapping[Kernel, tuple[Any, Sections]],
    where: Callable[[Value], tuple[str, int]],
    scratch: int,
    first_section: int,
) -> int:
    """The body of ``function``, whose sections are numbered from ``first_section``; the number after them."""
    from graphtorch.codegen import llvm_text as ll
    from graphtorch.codegen.llvm_parallel import Team, const

    table, *who = function.args
    entry, b = (ll.Builder(function, function.block(name)) for name in ("entry", "body"))

    def slot(index: int) -> Any:
        return b.load(b.gep(table, const(index)))

    arena, scratch_base, workspace, memory, kept = (slot(i) for i in range(HEADER))
    own = b.gep(scratch_base, b.binary("mul", who[0], const(scratch)))
    team = Team(module, entry, b, (*who, memory), first_section)

    memories = {"kept": kept, "workspace": workspace}

    def call(launch: Launch) -> None:
        (kernel, sections), args = functions[launch.kernel], []
        for value, wanted in zip(launch.values, kernel.args, strict=False):
            kind, at = _place(value, where)
            raw = slot(HEADER + at) if kind == "slot" else b.gep(memories.get(kind, arena), const(at))
            args.append(b.convert("bitcast", raw, wanted.type))
        place = team.reserve(sections.count)
        b.call(kernel, [*args, own, workspace, *who, place])
        team.joins(place, sections.open)

    for parallel, run in batch:
        with nullcontext() if parallel else team.section(const(1)):
            for launch in run:
                call(launch)
        if run[-1].meets:
            team.meet()
    b.give()
    entry.branch(function.blocks[1])
    return team.count


#: launches in one function
MOST_LAUNCHES = 64
#: entries of the pointer table before those of parameters and outputs: arena, scratch, workspace, sections, kept
HEADER = 5
