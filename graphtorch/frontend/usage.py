"""How much memory a program takes, said before it runs: the caller's, its own, and what lies in it at the peak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.program import Program
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.sized import Sizes, type_at
from graphtorch.ir.types import TensorType
from graphtorch.runtime import threads
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.plan import Plan

if TYPE_CHECKING:
    from graphtorch.runtime.cuda_executable import CudaExecutable

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


def memory_of(name: str, program: Program, sizes: Sizes) -> MemoryReport:
    """What ``program`` takes for these ``sizes`` of its names, on as many threads as there are now."""
    traced, results = program.traced, [type_at(o, sizes) for o in program.forward.face.outputs]
    made, all_made = len(traced.outputs), len(traced.outputs) + traced.grad_count
    replaced = program.at(sizes).results.replaced_bytes
    executables = [e for e in (program.once, program.forward, program.backward) if e is not None]
    takes = [_takes(e, sizes) for e in executables]
    arena, _, _, plan = max(takes, key=lambda t: t[0])
    captured = [(b.tensor, b.param) for b in traced.tracer.captures if isinstance(b.tensor, Tensor)]
    state = [t for t, p in captured if p.label or p.role == "inout"]
    return MemoryReport(
        name,
        threads.get_num_threads(),
        inputs=_held((b.tensor for b in traced.tracer.inputs), sizes),
        state=_held(state, sizes),
        constants=_held((t for t, p in captured if not (p.label or p.role == "inout")), sizes),
        frozen=_bytes(program.once.face.outputs if program.once else ()) + sum(e.kept_bytes for e in executables),
        results=_bytes(results[:made]),
        gradients=_bytes(results[made:all_made]) + replaced + _of_backward(program, sizes),
        saved=_bytes(results[all_made:]),
        arena=sum(t[0] for t in takes),
        workspace=sum(t[1] for t in takes),
        scratch=sum(t[2] for t in takes),
        live=tuple(_live(plan, sizes)) if arena else (),
    )


def _takes(executable: Executable | CudaExecutable, sizes: Sizes) -> tuple[int, int, int, Plan]:
    """Bytes of its arena, its workspace and its scratch memory, and its plan."""
    layout = executable.layout_at(tuple(sizes[name] for name in executable.names))
    if layout is not None:
        return layout.arena, layout.workspace, layout.scratch, layout.plan
    return executable.face.arena_bytes, executable.workspace_bytes, executable.scratch_bytes, executable.plan


def _held(tensors: Iterable[Any], sizes: Sizes) -> int:
    """Bytes of the memory that tensors view, once where several share it; those of a trace have none, but a type."""
    found: dict[int, int] = {}
    for t in tensors:
        memory = t._storage.array
        found[id(t._storage)] = type_at(t.aval, sizes).nbytes if memory is None else memory.nbytes
    return sum(found.values())


def _bytes(types: Iterable[TensorType]) -> int:
    return sum(t.nbytes for t in types)


def _of_backward(program: Program, sizes: Sizes) -> int:
    return _bytes(type_at(o, sizes) for o in program.backward.face.outputs) if program.backward else 0


def _live(plan: Plan, sizes: Sizes) -> Iterator[Live]:
    """The largest first."""
    found = [(value, type_at(value.type, sizes)) for value in plan.live_at_peak()]
    for value, type_ in sorted(found, key=lambda pair: -pair[1].nbytes):
        yield _described(value, type_)


def _described(value: Value, type_: TensorType) -> Live:
    """In the words of the user's program: where a fusion's result was computed, not where the fusion begins."""
    node = value.node
    assert node is not None  # parameters are not in the arena
    source: Node = node
    if node.op is fusion and node.body is not None:
        source = node.body.outputs[value.index].node or node
    locs = source.locs or node.locs
    path = next((loc.path for loc in locs if loc.path), "")
    line = locs[0].show().split()[0] if locs else ""
    return Live(type_, source.op.name, path, line)


def _mb(nbytes: int) -> str:
    return f"{nbytes / 1e6:9.3f} MB"
