"""A graph that went through OPTIMIZE_CUDA -> kernels in order, each with the values behind its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.lower import lower_node
from graphtorch.codegen.program import computing, kind_of
from graphtorch.codegen.schedule.cuda import CudaNest, schedule_cuda
from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.errors import DeviceError
from graphtorch.ir.graph import Graph, Node, Value


@dataclass(frozen=True)
class CudaLaunch:
    """A kernel, the values behind its parameters, and the node that it is of. Equal kernels are one object."""

    kernel: Kernel
    values: tuple[Value, ...]
    node: Node


def cuda_launches(graph: Graph) -> list[CudaLaunch]:
    """All kernels of ``graph``; DeviceError GT407 for an op that has none on a GPU, such as sort, or a loop."""
    return list(_launches(graph))


def _launches(graph: Graph) -> Iterator[CudaLaunch]:
    made: dict[object, Kernel] = {}
    seen: dict[str, Kernel] = {}
    for node, name in computing(graph, count()):
        if is_control_flow(node):
            raise _no_kernel(node)
        key = kind_of(node)
        if key not in made:
            kernel = _scheduled(node, name)
            made[key] = seen.setdefault(str(replace(kernel, name="k")), kernel)
        lowered = lower_node(node, name) if node.body is not None and node.attrs["kind"] == "bundle" else None
        values = (*lowered.operands, *lowered.results) if lowered else (*node.operands, *node.results)
        yield CudaLaunch(made[key], values, node)


def _scheduled(node: Node, name: str) -> Kernel:
    inside = [node] if node.body is None else list(node.body.nodes)
    if not all(n.body is not None or hasattr(n.op, "lower") for n in inside):
        raise _no_kernel(node)
    nest = lower_node(node, name).nest
    if not isinstance(nest, CudaNest):
        raise _no_kernel(node)
    return schedule_cuda(nest)


def ops_of(node: Node) -> list[str]:
    """The names of what is computed, those in a fusion each."""
    inside: Iterable[Node] = node.body.nodes if node.body is not None else ()
    return list(dict.fromkeys(n.op.name for n in inside)) or [node.op.name]


def describe(node: Node) -> str:
    """The ops of a kernel, and where the user wrote them."""
    places = list(dict.fromkeys(loc.show() if hasattr(loc, "show") else str(loc) for loc in node.locs))
    return ", ".join(ops_of(node)) + (f" at {', '.join(places[:3])}" if places else "")


def _no_kernel(node: Node) -> DeviceError:
    return DeviceError(
        "GT407",
        f"{node.op.name if node.body is None else ', '.join(ops_of(node))} has no kernel for a GPU",
        [describe(node)],
        "call it outside of gt.compile, where it runs on the CPU and its result is copied",
    )
