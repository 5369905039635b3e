"""Launches -> LLVM IR: a function for each kernel, and the entry, which all threads run: it calls them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_llvm import Sections, declare_kernel, emit_kernel
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.llvm_parallel import Team, const
from graphtorch.codegen.llvm_tables import I64, PTR
from graphtorch.codegen.program import HEADER, Launch, Where, place_of
from graphtorch.codegen.target import Target

#: launches in one function
MOST_LAUNCHES = 64


def emit_program(launches: Sequence[Launch], where: Where, scratch: int, target: Target | None = None) -> str:
    """LLVM IR text with ``void @program(i8** table, i64 thread, i64 threads, i64 epoch)`` and ``i64 @sections()``.

    It is for ``target``, or this CPU.

    table: arena, scratch, workspace, sections and what is kept (the header), then the parameters, then the outputs.
    ``sections()`` says how many sections there are: memory for them is the caller's business.
    """
    module = ll.Module("program")
    functions = {kernel: emit_kernel(module, legal, True, target) for kernel, legal in _legalized(launches)}
    for function, _ in functions.values():
        function.linkage = "internal"
    _emit_entry(module, launches, functions, where, scratch)
    return str(module)


def emit_parts(launches: Sequence[Launch], where: Where, scratch: int) -> Iterator[str]:
    """`emit_program` in modules that are to be linked: one for each kernel, and the last with the entry."""
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
    where: Where,
    scratch: int,
) -> None:
    """``program`` and ``sections``; ``functions`` gives each kernel's function and its sections.

    Many launches are several functions, one after the other: LLVM takes quadratic time for registers of a long one.
    """
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


@dataclass(frozen=True)
class Run:
    """Launches that follow each other on one thread, or a ``parallel`` one, which all threads share."""

    launches: Sequence[Launch]
    parallel: bool

    @property
    def meets(self) -> bool:
        """Whether what comes after it may need anything of it. That need not be of its last launch."""
        return any(launch.meets for launch in self.launches)


def _batches(launches: Sequence[Launch], functions: Mapping[Kernel, tuple[Any, Sections]]) -> list[list[Run]]:
    """So many of them to a function; threads meet before another one begins."""
    batches: list[list[Run]] = [[]]
    count = 0
    for run in _runs(launches, lambda launch: functions[launch.kernel][1].count > 0):
        if count and count + len(run.launches) > MOST_LAUNCHES and batches[-1][-1].meets:
            batches.append([])
            count = 0
        batches[-1].append(run)
        count += len(run.launches)
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
            yield (done := Run(run, parallel=False))
            others, run = not done.meets, []
        if parallel:
            yield Run([launch], parallel=True)
            others = not launch.meets
        else:
            run.append(launch)
    if run:
        yield Run(run, parallel=False)


def _emit_batch(
    module: Any,
    function: Any,
    batch: Sequence[Run],
    functions: Mapping[Kernel, tuple[Any, Sections]],
    where: Where,
    scratch: int,
    first_section: int,
) -> int:
    """The body of ``function``, whose sections are numbered from ``first_section``; the number after them."""
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
            kind, at = place_of(value, where)
            raw = slot(HEADER + at) if kind == "slot" else b.gep(memories.get(kind, arena), const(at))
            args.append(b.convert("bitcast", raw, wanted.type))
        place = team.reserve(sections.count)
        b.call(kernel, [*args, own, workspace, *who, place])
        team.joins(place, sections.open)

    for run in batch:
        with nullcontext() if run.parallel else team.section(const(1)):
            for launch in run.launches:
                call(launch)
        if run.meets:
            team.meet()
    b.give()
    entry.branch(function.blocks[1])
    return team.count
