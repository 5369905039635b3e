"""One function of a program's entry: what it has at hand, and its calls of kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_llvm import Sections
from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.llvm_parallel import Team, const
from graphtorch.codegen.llvm_sizes import Sizes
from graphtorch.codegen.llvm_tables import I64, PTR, memory_type
from graphtorch.codegen.program import HEADER, Branch, Launch, Where, While, place_of
from graphtorch.ir.graph import Value

#: a kernel's function, its sections, and the names whose sizes it takes
Made = tuple[ll.Function, Sections, tuple[str, ...]]
#: what one thread may run
Alone = Launch | Branch | While
#: the table, and thread, threads and epoch; functions within loops take the index of each loop as well
WHO = (ll.pointer(PTR), I64, I64, I64)


@dataclass(frozen=True, eq=False)
class Owner:
    """A program: its module and kernels, where values lie, bytes of scratch memory of a thread, and names of sizes that
    are not known."""

    module: ll.Module
    functions: Mapping[Kernel, Made]
    where: Where
    scratch: int
    names: tuple[str, ...]


class Frame:
    """What a function that calls kernels has at hand: the table's entries, and the team of its threads, whose sections
    are counted from ``first``."""

    def __init__(self, owner: Owner, first: int, function: ll.Function, entry: ll.Builder, b: ll.Builder) -> None:
        self.owner, self.b = owner, b
        self._table, *self._who = function.args[: len(WHO)]
        self._indices = function.args[len(WHO) :]
        arena, scratch, self._workspace, sections, kept = (self._slot(i) for i in range(HEADER))
        self._list = b.convert("bitcast", arena, ll.pointer(I64))
        names = {name: self._listed(1 + number) for number, name in enumerate(owner.names)}
        self._sizes = Sizes(b, names)
        each = self._listed(0) if names else const(owner.scratch)
        self._own = b.gep(scratch, b.binary("mul", self._who[0], each))
        self._memories = {"kept": kept, "workspace": self._workspace, "arena": arena}
        self.team = Team(owner.module, entry, b, (*self._who, sections), first)

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
        kind, at, strides, offset = place_of(value, self.owner.where)
        if kind == "listed":
            place = self.b.gep(self._list, const(1 + len(self.owner.names) + at))
            found = self.b.load(self.b.convert("bitcast", place, ll.pointer(PTR)))
        elif kind == "slot":
            found = self._slot(HEADER + at)
            found = self.b.gep(found, const(offset)) if offset else found
        else:
            found = self.b.gep(self._memories[kind], self._sizes.of(at))
        for loop, nbytes in strides:
            found = self.b.gep(found, self.b.binary("mul", self._indices[loop], self._sizes.of(nbytes)))
        return found
