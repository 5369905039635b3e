"""How a kernel maps to the CUDA grid: which of its loops are blocks and threads, and how many there are.

A launch is one chain: each level holds `let`s and `alloc`s, then the next `block.*` or `thread.*` loop as its last
statement, blocks outside of threads. Shared memory belongs to a block, so it is allocated outside of the threads.
Several chains in the body of a kernel are launches in turn: what one leaves in a `global` workspace, the next reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Alloc, Body, For, Kernel, Let, Param, Stmt, walk
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Buffer, Const

Dim3 = tuple[int, int, int]
_AXES = "xyz"
MAX_THREADS = 1024
#: the greatest number of blocks along x, y and z
MAX_GRID: Dim3 = (2**31 - 1, 65_535, 65_535)
#: bytes of shared memory that a kernel may declare; beyond them it is given at the launch
STATIC_SHARED = 48 * 1024
_SHARED_ALIGNMENT = 16


@dataclass(frozen=True)
class Launch:
    """The mapped loops, outermost first. A grid with a 0 in it means that there is nothing to launch."""

    loops: tuple[For, ...]

    @property
    def grid(self) -> Dim3:
        return self._extents("block")

    @property
    def block(self) -> Dim3:
        return self._extents("thread")

    def _extents(self, prefix: str) -> Dim3:
        found = {s.kind: int(s.extent.value) for s in self.loops if isinstance(s.extent, Const)}
        x, y, z = (found.get(f"{prefix}.{axis}", 1) for axis in _AXES)  # type: ignore[call-overload]
        return x, y, z


def is_mapped(stmt: object) -> bool:
    """Whether a statement is a loop over blocks or threads."""
    return isinstance(stmt, For) and stmt.kind.startswith(("block.", "thread."))


def workspaces(kernel: Kernel) -> tuple[Buffer, ...]:
    """What a kernel takes beside its parameters, in order."""
    return tuple(s.buffer for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "global")


def shared_places(stage: Kernel) -> tuple[dict[Buffer, int], int]:
    """Where each of the shared arrays of a stage begins, and how many bytes they take together."""
    places: dict[Buffer, int] = {}
    end = 0
    for s in walk(stage.body):
        if isinstance(s, Alloc) and s.space == "shared":
            places[s.buffer] = end
            end += -(-s.buffer.nbytes // _SHARED_ALIGNMENT) * _SHARED_ALIGNMENT
    return places, end


def dynamic_shared(stage: Kernel) -> int:
    """Bytes of shared memory that a launch of ``stage`` asks for; 0 where the kernel declares its own.

    More than `STATIC_SHARED` has to be allowed first (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES).
    """
    size = shared_places(stage)[1]
    return size if size > STATIC_SHARED else 0


def stages_of(kernel: Kernel) -> tuple[Kernel, ...]:
    """The kernels that are launched in turn, each with one chain: ``kernel`` itself, if that has no more.

    Their parameters are those of ``kernel`` and then its workspaces.
    """
    if sum(map(is_mapped, kernel.body)) < 2:
        return (kernel,)
    params = (*kernel.params, *(Param(b, "inout") for b in workspaces(kernel)))
    bodies: list[list[Stmt]] = [[]]
    for stmt in kernel.body:
        if not (isinstance(stmt, Alloc) and stmt.space == "global"):
            bodies[-1].append(stmt)
        if is_mapped(stmt):
            bodies.append([])
    _require(not bodies.pop(), kernel, "statements stand after its last loop")
    return tuple(Kernel(f"{kernel.name}.{i}", params, tuple(body)) for i, body in enumerate(bodies))


def launch_of(kernel: Kernel) -> Launch | None:
    """The launch of ``kernel``; None when it has no mapped loops. IRError GT825 when they form no chain."""
    mapped = [s for s in walk(kernel.body) if isinstance(s, For) and is_mapped(s)]
    if not mapped:
        return None
    launch = Launch(_chain(kernel, kernel.body))
    _require(len(launch.loops) == len(mapped), kernel, "its block and thread loops are not one chain")
    kinds = [s.kind for s in launch.loops]
    _require(len(set(kinds)) == len(kinds), kernel, f"a kind of loop occurs twice: {', '.join(kinds)}")
    _require(all(isinstance(s.extent, Const) for s in launch.loops), kernel, "an extent is not constant")
    _require(sorted(kinds, key=_is_thread) == kinds, kernel, "a block loop stands inside of a thread loop")
    x, y, z = launch.block
    _require(x * y * z <= MAX_THREADS, kernel, f"{x * y * z} threads in a block (at most {MAX_THREADS})")
    _require(all(n <= most for n, most in zip(launch.grid, MAX_GRID, strict=True)), kernel, f"the grid {launch.grid}")
    _require(_shared_by_blocks(launch), kernel, "shared memory is allocated inside of a thread loop")
    return launch


def _require(ok: bool, kernel: Kernel, what: str) -> None:
    if not ok:
        raise IRError("GT825", f"kernel @{kernel.name} cannot be launched: {what}")


def _is_thread(kind: str) -> bool:
    return kind.startswith("thread.")


def _chain(kernel: Kernel, body: Body) -> tuple[For, ...]:
    """The mapped loops from ``body`` inwards."""
    if not any(map(is_mapped, body)):
        return ()
    *before, last = body
    ok = isinstance(last, For) and is_mapped(last) and all(isinstance(s, Let | Alloc) for s in before)
    _require(ok, kernel, "a block or thread loop has neighbours other than let and alloc before it")
    assert isinstance(last, For)
    return (last, *_chain(kernel, last.body))


def _shared_by_blocks(launch: Launch) -> bool:
    threads = [s for s in launch.loops if _is_thread(s.kind)]
    return not any(isinstance(s, Alloc) and s.space == "shared" for t in threads[:1] for s in walk(t.body))
