"""An aliased graph -> scheduled kernels in order, each with the values behind its parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.loops import LoopNest, Nest, ReduceNest
from graphtorch.codegen.lower import LoweredKernel, is_frozen, lower_node, single_node_graph
from graphtorch.codegen.schedule.cpu import schedule_cpu, schedule_part
from graphtorch.codegen.streams import streamed, with_streams
from graphtorch.codegen.target import Target
from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.dim import at_sizes
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Buffer
from graphtorch.ir.fusible import is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.ops.branches import cond, sides
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.scan import division
from graphtorch.ir.ops.while_loop import while_loop
from graphtorch.ir.text import print_graph
from graphtorch.ir.types import TensorType

#: bytes of a line of the cache
_LINE = 64
#: entries of a program's table of pointers before those of parameters and outputs: arena, scratch, workspace, sections
#: and what is kept
HEADER = 5
#: bytes that an address moves on with the index of each loop around it: (0 for the outermost loop, bytes)
Strides = tuple[tuple[int, int], ...]
#: what a value lies in ("arena", "workspace", "kept" or "slot"), where in it, and `Strides` within loops, if any. In a
#: program whose sizes are not known it is a number of an address ("listed") instead of a place in the arena. Of a slot
#: there may be an offset in bytes as well.
Place = tuple[str, int] | tuple[str, int, Strides] | tuple[str, int, Strides, int]
Where = Callable[[Value], Place]


@dataclass(frozen=True)
class Launch:
    """A kernel and the values behind its parameters, in order. Equal kernels share one ``kernel``.

    ``meets`` says whether the next launch may need its results, or those of launches before that did not meet.
    """

    kernel: Kernel
    values: tuple[Value, ...]
    meets: bool = True


@dataclass(frozen=True)
class Loop:
    """Steps that run ``length`` times, with the index of slices counting up, or down if ``reverse``."""

    steps: tuple[Step, ...]
    length: int
    reverse: bool

    @property
    def parts(self) -> tuple[tuple[Step, ...], ...]:
        return (self.steps,)

    @property
    def meets(self) -> bool:
        """Whether what comes after it may need anything of it: threads have met at the end of each round."""
        return True


@dataclass(frozen=True)
class Branch:
    """``parts[0]`` if ``pred`` is true, else ``parts[1]``. One thread runs it."""

    pred: Value
    parts: tuple[tuple[Step, ...], ...]
    meets: bool = True


@dataclass(frozen=True)
class While:
    """The one of its ``parts`` as long as ``pred`` is true. One thread runs it."""

    pred: Value
    parts: tuple[tuple[Step, ...], ...]
    meets: bool = True


Step = Launch | Loop | Branch | While


def launches_of(steps: Iterable[Step]) -> Iterator[Launch]:
    """Each launch that the code has, those in loops and branches once."""
    for step in steps:
        if isinstance(step, Launch):
            yield step
        else:
            for part in step.parts:
                yield from launches_of(part)


class Workspace(Value):
    """What launches of a bundle leave for each other, ``at`` an offset in the workspace that they share."""

    __slots__ = ("at",)

    def __init__(self, buffer: Buffer, at: int) -> None:
        super().__init__(TensorType(buffer.shape, buffer.dtype))
        self.at = at


def lower_graph(graph: Graph) -> list[LoweredKernel]:
    """A nest for every node that computes; IRError GT812 for a graph with loops, which are no kernels."""
    for node in filter(is_control_flow, graph.nodes):
        facts = ["compile it for the CPU, or unroll it: write the loop in Python"]
        raise IRError("GT812", f"kernels alone make no {node.op.name}", facts)
    return [lower_node(node, name) for node, name in computing(graph, count())]


def computing(graph: Graph, numbers: Iterator[int]) -> Iterator[tuple[Node, str]]:
    """Nodes with a kernel or a loop, and what that is called. Reshapes have none, nor has what is empty."""
    for node in graph.nodes:
        if is_control_flow(node):
            yield node, node.op.name
        elif node.op is not reshape and any(r.type.numel for r in node.results):
            yield node, f"k{next(numbers)}_{_describe(node)}"


def _describe(node: Node) -> str:
    """The op a kernel is best known by: its first reduction, else the last one."""
    if node.body is None:
        return str(node.op.name)
    named = [n for n in node.body.nodes if is_reduction(n)] or node.body.nodes[-1:]
    return _describe(named[0])


def schedule_graph(graph: Graph, target: Target, choose: Callable[[Nest], int] = lambda _: 0) -> list[Step]:
    """Scheduled kernels and loops in order; ``choose`` gives the way to compute a nest."""
    return _Scheduler(target, choose).steps(graph, streamed(graph, target))


class _Scheduler:
    """Equal nodes are lowered and scheduled once, and a kernel whose text was seen before stands for it: what a layer
    costs that is repeated is its launches."""

    def __init__(self, target: Target, choose: Callable[[Nest], int]) -> None:
        self.target, self.choose = target, choose
        self._seen: dict[str, Kernel] = {}
        self._made: dict[object, Kernel] = {}
        self._numbers = count()

    def steps(self, graph: Graph, streams: Collection[Value] = ()) -> list[Step]:
        """``streams`` are results to be stored past the caches."""
        steps: list[Step] = []
        for node, name in computing(graph, self._numbers):
            if is_control_flow(node):
                steps += self._control(node)
            elif node.body is not None and node.attrs["kind"] == "bundle":
                steps += _launch_bundle(lower_node(node, name).parts, self.target, self._once)
            else:
                steps.append(self._launch(node, name, [r in streams for r in node.results]))
        return steps

    def _control(self, node: Node) -> Iterator[Loop | Branch | While]:
        assert node.body is not None  # all control flow has one
        if node.op is cond:
            yield Branch(node.operands[0], tuple(tuple(self.steps(side)) for side, _ in sides(node)))
        elif node.op is while_loop:
            yield While(node.results[0], (tuple(self.steps(node.body)),))
        elif (length := division(node.attrs).length) and (steps := tuple(self.steps(node.body))):
            yield Loop(steps, int(length), division(node.attrs).reverse)

    def _launch(self, node: Node, name: str, past: list[bool]) -> Launch:
        key = kind_of(node), *past
        if key not in self._made:
            nest = lower_node(node, name).nest
            kernel = with_streams(schedule_cpu(nest, self.target, self.choose(nest)), nest, past)
            self._made[key] = self._once(kernel, node.operands)
        return Launch(self._made[key], (*node.operands, *node.results))

    def _once(self, kernel: Kernel, operands: Sequence[Value]) -> Kernel:
        # a kernel is cut in two by what is frozen (hoist.py), and its name says no more
        frozen = [is_frozen(o) for o in operands]
        return self._seen.setdefault(f"{kernel.waits} {frozen} {replace(kernel, name='k')}", kernel)


def kind_of(node: Node) -> object:
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
            used += (buffer.nbytes + _LINE - 1) // _LINE * _LINE
        values = (*part.operands, *part.results, *left)
        first.append(Launch(once(one.kernel, values), values, meets=False))
        then += [Launch(once(two.kernel, values), values, meets=False)] if two else []
    for stage in filter(None, (first, then)):
        yield from stage[:-1]
        yield replace(stage[-1], meets=True)


def program_text(steps: Sequence[Step], where: Where) -> str:
    """What identifies the program's machine code: its kernels, and where each argument lies."""
    kernels = {launch.kernel.name: str(launch.kernel) for launch in launches_of(steps)}
    return "\n".join((*kernels.values(), *_step_texts(steps, where)))


def _step_texts(steps: Sequence[Step], where: Where) -> Iterator[str]:
    for step in steps:
        if isinstance(step, Launch):
            args = ",".join(_place_text(v, where) for v in step.values)
            yield f"call @{step.kernel.name}({args}){'' if step.meets else ' and go on'}"
            continue
        if isinstance(step, Loop):
            yield f"{step.length} times{' reversed' if step.reverse else ''}"
        else:
            yield f"{type(step).__name__} {_place_text(step.pred, where)}"
        for part in step.parts:
            yield from ("{", *_step_texts(part, where), "}")


def _place_text(value: Value, where: Where) -> str:
    kind, at, strides, offset = place_of(value, where)
    return f"{kind}{at}{f'+{offset}' if offset else ''}{strides or ''}"


def place_of(value: Value, where: Where) -> tuple[str, int, Strides, int]:
    """Where a value lies that need not be one of the graph's; without strides, or an offset, () and 0."""
    found = ("workspace", value.at) if isinstance(value, Workspace) else where(value)
    return (*found, *((), 0)[len(found) - 2 :])


@dataclass(frozen=True)
class Sizes:
    """Bytes of scratch memory per thread, and of workspace for all threads."""

    scratch: int
    workspace: int


@dataclass(frozen=True)
class Needs:
    """Bytes that each of the kernels needs of the memory that they share one after the other."""

    scratch: frozenset[int]
    workspace: frozenset[int]

    def at(self, sizes: Mapping[str, int]) -> Sizes:
        """The most of them, for these sizes of the names."""
        scratch, workspace = ([at_sizes(n, sizes) for n in each] for each in (self.scratch, self.workspace))
        return Sizes(max(scratch, default=0), max(workspace, default=0))


def memory_needs(steps: Sequence[Step]) -> Needs:
    """What `memory_sizes` is the most of."""
    from graphtorch.codegen.emit_llvm import scratch_bytes, workspace_bytes

    launches = list(launches_of(steps))
    kernels = dict.fromkeys(launch.kernel for launch in launches)
    left = [v.at + v.type.nbytes for launch in launches for v in launch.values if isinstance(v, Workspace)]
    return Needs(frozenset(map(scratch_bytes, kernels)), frozenset([*map(workspace_bytes, kernels), *left]))


def memory_sizes(steps: Sequence[Step]) -> Sizes:
    """Memory that the kernels of a program share, if its sizes are known."""
    return memory_needs(steps).at({})
