"""Sections: what the threads of a launch share. Here the code around them; runtime/pool_ir.py has what it calls.

A section is a `par` loop, or statements that one thread runs (a loop of one iteration). Threads claim its
iterations until none are left, and do not wait for each other there. `meet` waits until the sections since the
last meeting are done: for the iterations, not for the threads, so that a thread that the system
holds back holds nobody up unless it is within an iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.llvm_tables import I1, I64, PTR

_LINE = 64
#: more than there are chunks of a section, for as many threads as there may be
PARTS = 1 << 16


def const(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


class Team:
    """The threads that run a function: thread ``thread`` of ``threads``, in launch ``epoch``.

    ``memory`` holds sections: a line for each, and one more per thread; the function's own begin with ``first``.
    """

    def __init__(self, module: ll.Module, entry: ll.Builder, b: ll.Builder, args: Any, first: int = 0) -> None:
        self.module, self.entry, self.b = module, entry, b
        self.thread, self.threads, self.epoch, self.memory = args
        self.count = first
        self._pending: list[tuple[Any, Any]] = []
        #: numbers of the sections that nobody has waited for, and how many iterations each has
        self.open: list[tuple[int, int]] = []
        self._work: Any = None

    def reserve(self, count: int) -> Any:
        """Where the next ``count`` sections lie."""
        lines = self.b.binary("mul", self.b.binary("add", self.threads, const(1)), const(self.count * _LINE))
        self.count += count
        return self.b.gep(self.memory, lines)

    @contextmanager
    def section(self, extent: Any, changes: bool = False) -> Iterator[tuple[Any, Any]]:
        """Code in the block runs for each chunk [start, stop) of ``extent`` iterations that this thread claims.

        Chunks are counted on from run to run: if ``extent`` is another in each, so that there are always as many,
        threads share `PARTS` instead, and the iterations that fall into each.
        """
        if changes:
            with self.section(const(PARTS)) as ends:
                start, stop = (self.b.binary("udiv", self.b.binary("mul", e, extent), const(PARTS)) for e in ends)
                yield start, stop
            return
        b, place = self.b, self.reserve(1)
        if self._work is None:
            self._work = self.entry.alloca(ll.array(I64, 4), 8)
        for field in (2, 3):  # nothing claimed yet
            b.store(const(0), self._field(field))
        claim, chunk, done = (b.function.block(name) for name in ("claim", "chunk", "done"))
        b.branch(claim)
        b.block = claim
        types = [PTR, I64, I64, I64, I64, PTR]
        work = b.convert("bitcast", self._work, PTR)
        args = [place, self.thread, self.threads, self.epoch, extent, work]
        b.branch_if(b.call(self.module.declare("gt_claim", I1, types), args), chunk, done)
        b.block = chunk
        yield b.load(self._field(0)), b.load(self._field(1))
        b.branch(claim)
        b.block = done
        self._pending.append((place, extent))
        self.open.append((self.count - 1, int(extent.ref) if isinstance(extent, ll.Constant) else 0))

    def joins(self, place: Any, sections: Sequence[tuple[int, int]]) -> None:
        """Threads have been through a function that left these sections of its own open, which begin at ``place``."""
        for number, extent in sections:
            lines = self.b.binary("mul", self.b.binary("add", self.threads, const(1)), const(number * _LINE))
            self._pending.append((self.b.gep(place, lines), const(extent)))

    def meet(self) -> None:
        """Wait for the sections since the last meeting."""
        wait = self.module.declare("gt_await", ll.VOID, [PTR, I64, I64, I64])
        for place, extent in self._pending:
            self.b.call(wait, [place, self.threads, self.epoch, extent])
        self._pending, self.open = [], []

    def _field(self, index: int) -> Any:
        return self.b.gep(self._work, const(0), const(index), inbounds=True)
