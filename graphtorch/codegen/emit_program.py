"""Launches -> LLVM IR: a function for each kernel, and the entry, which all threads run: it calls them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_llvm import Sections, declare_kernel, emit_kernel
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.llvm_parallel import Team, const
from graphtorch.codegen.llvm_sizes import Sizes
from graphtorch.codegen.llvm_tables import I64, PTR, memory_type
from graphtorch.codegen.names import names_in, names_of_program
from graphtorch.codegen.program import (
    HEADER,
    Branch,
    Launch,
    Loop,
    Step,
    Where,
    While,
    launches_of,
    place_of,
)
from graphtorch.codegen.target import Target
from graphtorch.ir.graph import Value

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


#: a kernel's function, its sections, and the names whose sizes it takes
Made = tuple[ll.Function, Sections, tuple[str, ...]]
#: what one thread may run
Alone = Launch | Branch | While
#: the table, and thread, threads and epoch; functions within loops take the index of each loop as well
_WHO = (ll.pointer(PTR), I64, I64, I64)


def _emit_entry(
    module: ll.Module, steps: Sequence[Step], functions: Mapping[Kernel, Made], where: Where, scratch: int
) -> None:
    """``program`` and ``sections``; ``functions`` gives each kernel's function and its sections."""
    entry = _Entry(module, functions, where, scratch, names_of_program(steps))
    program = ll.Function(module, "program", ll.VOID, _WHO)
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

    def __init__(
        self,
        module: ll.Module,
        functions: Mapping[Kernel, Made],
        where: Where,
        scratch: int,
        names: tuple[str, ...],
    ) -> None:
        self.module, self.functions, self.where, self.scratch = module, functions, where, scratch
        self.names = names
        self.sections = self._loops = 0

    def sequence(self, function: ll.Function, steps: Sequence[Step]) -> None:
        """The body of ``function``: what runs ``steps`` in order.

        Many launches are several functions, one after the other: LLVM takes quadratic time for registers of a long one.
        """
        batches = _batches(steps, self.functions)
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
        made = ll.Function(self.module, name, ll.VOID, [*_WHO, *[I64] * (args - len(_WHO))])
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
        frame = _Frame(self, function, entry, b)
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


class _Frame:
    """What a function that calls kernels has at hand: the table's entries, and the team of its threads."""

    def __init__(self, owner: _Entry, function: ll.Function, entry: ll.Builder, b: ll.Builder) -> None:
        self.owner, self.b = owner, b
        self._table, *self._who = function.args[: len(_WHO)]
        self._indices = function.args[len(_WHO) :]
        arena, scratch, self._workspace, sections, kept = (self._slot(i) for i in range(HEADER))
        self._list = b.convert("bitcast", arena, ll.pointer(I64))
        names = {name: self._listed(1 + number) for number, name in enumerate(owner.names)}
        self._sizes = Sizes(b, names)
        each = self._listed(0) if names else const(owner.scratch)
        self._own = b.gep(scratch, b.binary("mul", self._who[0], each))
        self._memories = {"kept": kept, "workspace": self._workspace, "arena": arena}
        self.team = Team(owner.module, entry, b, (*self._who, sections), owner.sections)

    def _slot(self, index: int) -> ll.Value:
        return self.b.load(self.b.gep(self._table, const(index)))

    def _listed(self, index: int) -> ll.Value:
        return self.b.load(self.b.gep(self._list, const(index)))

    def run(self, step: Alone, parts: Sequence[ll.Function]) -> None:
        match step:
            case Launch():
                self._call(step)
            case Branch():
                self._branch(step, parts)
            case While():
                self._while(step, parts[0])

    def _branch(self, step: Branch, parts: Sequence[ll.Function]) -> None:
        b = self.b
        blocks = [b.function.block(name) for name in ("then", "else")]
        after = b.function.block("after")
        b.branch_if(self._is_true(step.pred), *blocks)
        for block, part in zip(blocks, parts, strict=True):
            b.block = block
            self._call_alone(part)
            b.branch(after)
        b.block = after

    def _while(self, step: While, part: ll.Function) -> None:
        b = self.b
        test, again, after = (b.function.block(name) for name in ("test", "again", "after"))
        b.branch(test)
        b.block = test
        b.branch_if(self._is_true(step.pred), again, after)
        b.block = again
        self._call_alone(part)
        b.branch(test)
        b.block = after

    def _is_true(self, pred: Value) -> ll.Value:
        byte = self.b.load(self.b.convert("bitcast", self._address(pred), ll.pointer(memory_type(pred.type.dtype))))
        return self.b.compare("icmp ne", byte, ll.Constant(byte.type, 0))

    def _call_alone(self, part: ll.Function) -> None:
        """This thread runs it as a team of one, which counts no sections: others may run it or not, as often as it is
        needed."""
        self.b.call(part, [self._table, self._who[0], const(1), const(0), *self._indices])

    def _call(self, launch: Launch) -> None:
        (kernel, sections, names), args = self.owner.functions[launch.kernel], list[ll.Value]()
        for value, wanted in zip(launch.values, kernel.args, strict=False):
            args.append(self.b.convert("bitcast", self._address(value), wanted.type))
        place = self.team.reserve(sections.count)
        sizes = [self._sizes.names[name] for name in names]
        self.b.call(kernel, [*args, self._own, self._workspace, *self._who, place, *sizes])
        self.team.joins(place, sections.open)

    def _address(self, value: Value) -> ll.Value:
        kind, at, strides = place_of(value, self.owner.where)
        if kind == "listed":
            place = self.b.gep(self._list, const(1 + len(self.owner.names) + at))
            found = self.b.load(self.b.convert("bitcast", place, ll.pointer(PTR)))
        elif kind == "slot":
            found = self._slot(HEADER + at)
        else:
            found = self.b.gep(self._memories[kind], self._sizes.of(at))
        for loop, nbytes in strides:
            found = self.b.gep(found, self.b.binary("mul", self._indices[loop], const(nbytes)))
        return found
