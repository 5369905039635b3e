"""Launches -> LLVM IR: a function for each kernel, and the entry, which all threads run: it calls them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_frame import WHO, Alone, Frame, Made, Owner
from graphtorch.codegen.emit_llvm import declare_kernel, emit_kernel
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.llvm_parallel import const
from graphtorch.codegen.llvm_tables import I64
from graphtorch.codegen.names import names_in, names_of_program
from graphtorch.codegen.program import Launch, Loop, Step, Where, launches_of
from graphtorch.codegen.target import Target

#: launches in one function
MOST_LAUNCHES = 64


def emit_program(steps: Sequence[Step], where: Where, scratch: int, target: Target | None = None) -> str:
    """LLVM IR text with ``void @program(i8** table, i64 thread, i64 threads, i64 epoch)`` and ``i64 @sections()``.

    It is for ``target``, or this CPU.

    table: arena, scratch, workspace, sections and what is kept (the header), then the parameters, then the outputs.
    ``sections()`` says how many sections there are: memory for them is the caller's business.

    Where sizes are not known there is a list in place of the arena: bytes of scratch memory of each thread, the size of
    each of `names_of_program`, and the addresses of what would lie in the arena.
    """
    module = ll.Module("program")
    functions: dict[Kernel, Made] = {}
    for kernel, legal in _legalized(steps):
        function, sections = emit_kernel(module, legal, True, target)
        function.linkage = "internal"
        functions[kernel] = function, sections, names_in(legal)
    _emit_entry(module, steps, functions, where, scratch)
    return str(module)


def emit_parts(steps: Sequence[Step], where: Where, scratch: int) -> Iterator[str]:
    """`emit_program` in modules that are to be linked: one for each kernel, and the last with the entry."""
    entry = ll.Module("program")
    functions: dict[Kernel, Made] = {}
    for kernel, legal in _legalized(steps):
        module = ll.Module(kernel.name)
        _, sections = emit_kernel(module, legal, aliased=True)
        functions[kernel] = declare_kernel(entry, legal), sections, names_in(legal)
        yield str(module)
    _emit_entry(entry, steps, functions, where, scratch)
    yield str(entry)


def _legalized(steps: Sequence[Step]) -> Iterator[tuple[Kernel, Kernel]]:
    """Every kernel once, and its legal form."""
    return ((kernel, legalize(kernel)) for kernel in dict.fromkeys(launch.kernel for launch in launches_of(steps)))


def _emit_entry(
    module: ll.Module, steps: Sequence[Step], functions: Mapping[Kernel, Made], where: Where, scratch: int
) -> None:
    """``program`` and ``sections``; ``functions`` gives each kernel's function and its sections."""
    entry = _Entry(Owner(module, functions, where, scratch, names_of_program(steps, where)))
    program = ll.Function(module, "program", ll.VOID, WHO)
    entry.sequence(program, steps)
    count = ll.Function(module, "sections", I64, [])
    ll.Builder(count, count.block("entry")).give(const(entry.sections))


@dataclass(frozen=True)
class Run:
    """Launches and branches that follow each other on one thread, or a ``parallel`` one, which all threads share."""

    launches: Sequence[Alone]
    parallel: bool

    @property
    def meets(self) -> bool:
        """Whether what comes after it may need anything of it. That need not be of its last launch."""
        return any(launch.meets for launch in self.launches)


def _batches(steps: Sequence[Step], functions: Mapping[Kernel, Made]) -> list[list[Run | Loop]]:
    """So many of them to a function; threads meet before another one begins."""
    batches: list[list[Run | Loop]] = [[]]
    count = 0
    for run in _runs(steps, lambda launch: functions[launch.kernel][1].count > 0):
        size = len(run.launches) if isinstance(run, Run) else 1
        if count and count + size > MOST_LAUNCHES and batches[-1][-1].meets:
            batches.append([])
            count = 0
        batches[-1].append(run)
        count += size
    return batches


def _runs(steps: Sequence[Step], is_parallel: Callable[[Launch], bool]) -> Iterator[Run | Loop]:
    """Launches by themselves if they have sections of their own; neighbours that one thread runs are one section.

    That thread goes on after a meeting, since it has all that it ran, but not where others have run something too.
    """
    run: list[Alone] = []
    others = False  # have not met
    for step in steps:
        parallel = isinstance(step, Loop) or (isinstance(step, Launch) and is_parallel(step))
        full = len(run) >= MOST_LAUNCHES and run[-1].meets
        if run and (parallel or full or (others and run[-1].meets)):
            yield (done := Run(run, parallel=False))
            others, run = not done.meets, []
        if isinstance(step, Loop):
            yield step
            others = False
        elif parallel:
            yield Run([step], parallel=True)
            others = not step.meets
        else:
            run.append(step)
    if run:
        yield Run(run, parallel=False)


class _Entry:
    """Writes the functions that call kernels: every thread runs them all.

    Sections are counted over all functions; those within a loop are used again in each round, with an epoch of its own.
    """

    def __init__(self, owner: Owner) -> None:
        self.owner, self.sections, self._loops = owner, 0, 0

    def sequence(self, function: ll.Function, steps: Sequence[Step]) -> None:
        """The body of ``function``: what runs ``steps`` in order.

        Many launches are several functions, one after the other: LLVM takes quadratic time for registers of a long one.
        """
        batches = _batches(steps, self.owner.functions)
        if len(batches) < 2:
            self._batch(function, batches[0])
            return
        b = ll.Builder(function, function.block("entry"))
        for number, batch in enumerate(batches):
            part = self._function(f"{function.name}_part{number}", len(function.args))
            self._batch(part, batch)
            b.call(part, function.args)
        b.give()

    def _function(self, name: str, args: int) -> ll.Function:
        made = ll.Function(self.owner.module, name, ll.VOID, [*WHO, *[I64] * (args - len(WHO))])
        made.linkage = "internal"
        return made

    def _loop(self, loop: Loop, args: int) -> ll.Function:
        """A function that runs a loop; ``args`` are those of the function around it, which it takes as well.

        Round t of run e has epoch (e - 1) * length + t + 1: epochs of its sections count up by one from round to round.
        """
        name, self._loops = f"loop{self._loops}", self._loops + 1
        step = self._function(f"{name}_step", args + 1)
        self.sequence(step, loop.steps)
        function = self._function(name, args)
        first, head, out = (function.block(block) for block in ("entry", "round", "done"))
        b, length, one = ll.Builder(function, first), const(loop.length), const(1)
        table, thread, threads, epoch, *indices = function.args
        before = b.binary("mul", b.binary("sub", epoch, one), length)
        b.branch(head)
        b.block = head
        t = b.phi(I64)
        following = b.binary("add", t, one)
        index = b.binary("sub", const(loop.length - 1), t) if loop.reverse else t
        b.call(step, [table, thread, threads, b.binary("add", before, following), *indices, index])
        t.add(const(0), first)
        t.add(following, head)
        b.branch_if(b.compare("icmp ult", following, length), head, out)
        b.block = out
        b.give()
        return function

    def _part(self, steps: Sequence[Step], args: int) -> ll.Function:
        """A function that runs a branch, or a step of a while loop."""
        function = self._function(f"part{self._loops}", args)
        self._loops += 1
        self.sequence(function, steps)
        return function

    def _batch(self, function: ll.Function, batch: Sequence[Run | Loop]) -> None:
        """The body of ``function``. At its end threads have met."""
        loops = [self._loop(item, len(function.args)) for item in batch if isinstance(item, Loop)]
        alone = [
            step for item in batch if isinstance(item, Run) for step in item.launches if not isinstance(step, Launch)
        ]
        parts = {id(step): [self._part(part, len(function.args)) for part in step.parts] for step in alone}
        entry, b = (ll.Builder(function, function.block(name)) for name in ("entry", "body"))
        frame = Frame(self.owner, self.sections, function, entry, b)
        for item in batch:
            if isinstance(item, Loop):
                frame.team.meet()
                b.call(loops.pop(0), function.args)
                continue
            with nullcontext() if item.parallel else frame.team.section(const(1)):
                for step in item.launches:
                    frame.run(step, parts.get(id(step), []))
            if item.meets:
                frame.team.meet()
        frame.team.meet()
        b.give()
        entry.branch(function.blocks[1])
        self.sections = frame.team.count
