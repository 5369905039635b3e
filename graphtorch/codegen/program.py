"""An aliased graph -> scheduled kernels in order, each with the values behind its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.codegen.lower import LoweredKernel, is_frozen, lower_node, single_node_graph
from graphtorch.codegen.schedule.cpu import schedule_cpu, schedule_part
from graphtorch.codegen.streams import streamed, with_streams
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Buffer
from graphtorch.ir.fusible import is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.text import print_graph
from graphtorch.ir.types import TensorType

#: bytes of a line of the cache
_LINE = 64
#: entries of a program's table of pointers before those of parameters and outputs: arena, scratch, workspace, sections
#: and what is kept
HEADER = 5
#: what a value lies in ("arena", "workspace", "kept" or "slot"), and where in it
Where = Callable[[Value], tuple[str, int]]


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
    streams = streamed(graph, target)

    def once(kernel: Kernel, operands: Sequence[Value]) -> Kernel:
        frozen = [
            is_frozen(o) for o in operands
        ]  # a kernel is cut in two by them (hoist.py), and its name says no more
        return seen.setdefault(f"{kernel.waits} {frozen} {replace(kernel, name='k')}", kernel)

    for node, name in _computing(graph):
        if node.body is not None and node.attrs["kind"] == "bundle":
            launches += _launch_bundle(lower_node(node, name).parts, target, once)
            continue
        past = [r in streams for r in node.results]
        key = _kind(node), *past
        if key not in made:
            nest = lower_node(node, name).nest
            made[key] = once(with_streams(schedule_cpu(nest, target, choose(nest)), nest, past), node.operands)
        launches.append(Launch(made[key], (*node.operands, *node.results)))
    return launches


def _kind(node: Node) -> object:
    """All of a node that its kernel depends on."""
    text = print_graph(node.body or single_node_graph(node), locations=False)
    return text, tuple(map(is_frozen, node.operands))


def _launch_bundle(
    parts: Sequence[LoweredKernel], target: Target, once: Callable[[Kernel, Sequence[Value]], Kernel]
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
        first.append(Launch(once(one.kernel, values), values, meets=False))
        then += [Launch(once(two.kernel, values), values, meets=False)] if two else []
    for stage in filter(None, (first, then)):
        yield from stage[:-1]
        yield replace(stage[-1], meets=True)


def program_text(launches: Sequence[Launch], where: Where) -> str:
    """What identifies the program's machine code: its kernels, and where each argument lies."""
    parts: dict[str, str] = {}
    calls = []
    for launch in launches:
        parts.setdefault(launch.kernel.name, str(launch.kernel))
        places = ",".join(f"{kind}{at}" for kind, at in (place_of(v, where) for v in launch.values))
        calls.append(f"call @{launch.kernel.name}({places}){'' if launch.meets else ' and go on'}")
    return "\n".join((*parts.values(), *calls))


def place_of(value: Value, where: Where) -> tuple[str, int]:
    """Where a value lies that need not be one of the graph's."""
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
