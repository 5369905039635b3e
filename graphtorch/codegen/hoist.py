"""Work on frozen parameters, out of kernels and into a program that runs once: weights are packed once.

A phase of a kernel (a statement at its top) moves if it reads only frozen parameters and what moved before it, and
writes only workspace of the kernel. That workspace is then kept from call to call: a parameter of the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphtorch.codegen.kernel_ir import (
    Alloc,
    Kernel,
    Param,
    Stmt,
    buffers_read,
    buffers_written,
    walk,
)
from graphtorch.codegen.lower import is_frozen
from graphtorch.codegen.program import Launch, Step
from graphtorch.ir.expr import Buffer
from graphtorch.ir.graph import Value
from graphtorch.ir.types import TensorType

_ALIGN = 64


@dataclass
class Hoisted:
    """Launches that run ``once``, and those of every call; ``offsets`` of values in the memory that is kept."""

    once: list[Launch] = field(default_factory=list)
    program: list[Step] = field(default_factory=list)
    offsets: dict[Value, int] = field(default_factory=dict)
    kept_bytes: int = 0

    def keep(self, buffer: Buffer) -> Value:
        value = Value(TensorType(buffer.shape, buffer.dtype))
        self.offsets[value] = self.kept_bytes
        self.kept_bytes += -(-buffer.nbytes // _ALIGN) * _ALIGN
        return value


def hoist(launches: Sequence[Step]) -> Hoisted:
    """``launches`` with what can be done once taken out. Loops and branches stay: they know values by other names."""
    out = Hoisted()
    halves: dict[tuple[Kernel, tuple[int, ...]], _Halves | None] = {}
    for launch in launches:
        if not isinstance(launch, Launch):
            out.program.append(launch)
            continue
        frozen = tuple(i for i, v in enumerate(launch.values) if is_frozen(v))
        key = launch.kernel, frozen
        if key not in halves:
            halves[key] = _split(launch.kernel, frozen)
        found = halves[key]
        if found is None:
            out.program.append(launch)
            continue
        kept = tuple(map(out.keep, found.kept))
        out.once.append(Launch(found.once, (*(launch.values[i] for i in frozen), *kept)))
        out.program.append(replace(launch, kernel=found.rest, values=(*launch.values, *kept)))
    return out


@dataclass(frozen=True)
class _Halves:
    once: Kernel
    rest: Kernel
    kept: tuple[Buffer, ...]


def _split(kernel: Kernel, frozen: tuple[int, ...]) -> _Halves | None:
    """``kernel`` as two; None where nothing can be done once, or nothing is frozen: what reads no parameter at all then
    has no memory to be kept in."""
    if not frozen:
        return None
    workspace = [s.buffer for s in kernel.body if isinstance(s, Alloc) and s.space == "global"]
    params = [kernel.params[i] for i in frozen]
    known = {p.buffer for p in params}
    kept: list[Buffer] = []
    moved: list[Stmt] = []
    for s in kernel.body:
        own = {a.buffer for a in walk([s]) if isinstance(a, Alloc)}
        reads, writes = buffers_read([s]) - own, buffers_written([s]) - own
        if writes and writes.issubset(workspace) and reads <= known | writes:
            moved.append(s)
            kept += [b for b in workspace if b in writes and b not in kept]
            known |= writes
    others = [s for s in kernel.body if s not in moved]
    if not moved or not buffers_written(others).isdisjoint(kept):
        return None
    rest = [s for s in others if not (isinstance(s, Alloc) and s.buffer in kept)]
    once = Kernel(f"{kernel.name}_once", (*params, *(Param(b, "out") for b in kept)), tuple(moved))
    after = Kernel(kernel.name, (*kernel.params, *(Param(b, "in") for b in kept)), tuple(rest))
    return _Halves(once, after, tuple(kept))
