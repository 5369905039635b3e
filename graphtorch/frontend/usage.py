"""How much memory a program takes, said before it runs: the caller's, its own, and what lies in it at the peak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.program import Program
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.types import TensorType
from graphtorch.runtime import threads
from graphtorch.runtime.executable import Executable

_SHOWN = 12


@dataclass(frozen=True)
class Live:
    """A value in the arena when most of it is in use.

    ``made_by`` names the op, ``path`` the module ("layer1.0.conv1"), ``line`` the user's
    line ("net.py:17"); both are "" where they are not known.
    """

    type: TensorType
    made_by: str
    path: str
    line: str

    @property
    def nbytes(self) -> int:
        return self.type.nbytes

    def __str__(self) -> str:
        where = f'"{self.path}" ({self.line})' if self.path and self.line else self.path or self.line
        return f"{_mb(self.nbytes)}  {self.type!s:<22} {self.made_by} {where}".rstrip()


@dataclass(frozen=True)
class MemoryReport:
    """Bytes that a call takes at most, part by part. `peak` is their sum; what Python and the machine code take is not
    in it. Memory of the program is allocated once and kept from call to call.

    ``inputs`` are the arguments; ``state`` what modules and optimizers hold, ``constants`` other tensors that the
    function captures; ``frozen`` what freeze=True computes once of state, and weights in the order that kernels read;
    ``results`` what the call returns, ``gradients`` what it leaves in `.grad`, ``saved`` what backward needs of
    forward; ``arena`` all that lives between kernels, ``workspace`` what threads share inside of a kernel, ``scratch``
    what each of ``threads`` has for itself; ``live`` the values in the largest arena when most of it is in use.
    """

    name: str
    threads: int
    inputs: int
    state: int
    constants: int
    frozen: int
    results: int
    gradients: int
    saved: int
    arena: int
    workspace: int
    scratch: int
    live: tuple[Live, ...]

    @property
    def peak(self) -> int:
        """Bytes in use at most, those of arguments and state included."""
        return self.inputs + self.state + self.constants + self.added

    @property
    def added(self) -> int:
        """Bytes at most beside arguments and state, which are there before the first call."""
        own = self.arena + self.workspace + self.scratch * self.threads
        return own + self.frozen + self.results + self.gradients + self.saved

    def __str__(self) -> str:
        parts = [
            ("inputs", self.inputs), ("state", self.state), ("constants", self.constants), ("frozen", self.frozen),
            ("results", self.results), ("gradients", self.gradients), ("saved for backward", self.saved),
            ("arena", self.arena), ("workspace", self.workspace),
            (f"scratch of {self.threads} threads", self.scratch * self.threads),
        ]  # fmt: skip
        lines = [f"{self.name}: {_mb(self.peak).strip()} at most, {_mb(self.added).strip()} beside inputs and state"]
        lines += [f"  {_mb(size)}  {name}" for name, size in parts if size]
        if self.live:
            lines.append(f"in the arena at its peak ({len(self.live)} values):")
        lines += [f"  {value}" for value in self.live[:_SHOWN]]
        rest = self.live[_SHOWN:]
        if rest:
            lines.append(f"  {_mb(sum(v.nbytes for v in rest))}  {len(rest)} more")
        return "\n".join(lines)


def memory_of(name: str, program: Program) -> MemoryReport:
    """What ``program`` takes, on as many threads as there are now."""
    traced, results = program.traced, program.forward.face.outputs
    made, all_made = len(traced.outputs), len(traced.outputs) + traced.grad_count
    executables = [e for e in (program.once, program.forward, program.backward) if e is not None]
    widest = max(executables, key=lambda e: e.face.arena_bytes)
    captured = [(b.tensor, b.param) for b in traced.tracer.captures if isinstance(b.tensor, Tensor)]
    state = [t for t, p in captured if p.label or p.role == "inout"]
    return MemoryReport(
        name,
        threads.get_num_threads(),
        inputs=_held(b.tensor for b in traced.tracer.inputs),
        state=_held(state),
        constants=_held(t for t, p in captured if not (p.label or p.role == "inout")),
        frozen=_bytes(program.once.face.outputs if program.once else ()) + sum(e.kept_bytes for e in executables),
        results=_bytes(results[:made]),
        gradients=_bytes(results[made:all_made]) + program.results.replaced_bytes + _of_backward(program),
        saved=_bytes(results[all_made:]),
        arena=sum(e.face.arena_bytes for e in executables),
        workspace=sum(e.workspace_bytes for e in executables),
        scratch=sum(e.scratch_bytes for e in executables),
        live=tuple(_live(widest)),
    )


def _held(tensors: Iterable[Any]) -> int:
    """Bytes of the memory that tensors view, once where several share it; those of a trace have none, but a type."""
    found: dict[int, int] = {}
    for t in tensors:
        memory = t._storage.array
        found[id(t._storage)] = t.aval.nbytes if memory is None else memory.nbytes
    return sum(found.values())


def _bytes(types: Iterable[TensorType]) -> int:
    return sum(t.nbytes for t in types)


def _of_backward(program: Program) -> int:
    return _bytes(program.backward.face.outputs) if program.backward else 0


def _live(executable: Executable) -> Iterator[Live]:
    """The largest first."""
    for value in sorted(executable.plan.live_at_peak(), key=lambda v: -v.type.nbytes):
        yield _described(value)


def _described(value: Value) -> Live:
    """In the words of the user's program: where a fusion's result was computed, not where the fusion begins."""
    node = value.node
    assert node is not None  # parameters are not in the arena
    source: Node = node
    if node.op is fusion and node.body is not None:
        source = node.body.outputs[value.index].node or node
    locs = source.locs or node.locs
    path = next((loc.path for loc in locs if loc.path), "")
    line = locs[0].show().split()[0] if locs else ""
    return Live(value.type, source.op.name, path, line)


def _mb(nbytes: int) -> str:
    return f"{nbytes / 1e6:9.3f} MB"
