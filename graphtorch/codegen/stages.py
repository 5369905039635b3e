"""The text of every stage below Graph IR, for dumps and for `python -m graphtorch.opt --stage`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.loops import SortNest
from graphtorch.codegen.program import Place, Strides, Workspace, launches_of, lower_graph, memory_sizes, schedule_graph
from graphtorch.codegen.target import host_target
from graphtorch.ir.control_flow import counts, is_control_flow
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Graph, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.links import links
from graphtorch.ir.ops.gradient import has_gradients
from graphtorch.ir.passes.carries import Carries
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import Pass, run_passes
from graphtorch.ir.pipeline import OPTIMIZE, OPTIMIZE_CUDA, SIMPLIFY


def _scheduled(graph: Graph, passes: Sequence[Pass] = OPTIMIZE) -> Graph:
    """Gradients expanded, groups and aliases, where the graph does not have them yet."""
    if not any(n.op.name == "fusion" for n in graph.nodes):
        return run_passes(graph, passes)
    if has_gradients(graph):
        facts = ["put autodiff before fuse, or leave out the passes: a stage runs all that it needs"]
        raise IRError("GT812", "the graph was fused before autodiff ran: no code can be made of gradient nodes", facts)
    return graph


def _kernels(graph: Graph) -> Iterable[Kernel]:
    """Scheduled for this CPU, each once."""
    return dict.fromkeys(x.kernel for x in launches_of(schedule_graph(_scheduled(graph), host_target())))


def fusion_text(graph: Graph) -> str:
    """What becomes one kernel, the bytes that it moves, and why the rest stays apart."""
    if any(n.op.name == "fusion" for n in graph.nodes):
        raise IRError("GT812", "the graph was fused already", ["leave out fuse: the report is of what it would do"])
    return Fuse().explain(run_passes(graph, (*SIMPLIFY, Carries())))


def kernels_text(graph: Graph) -> str:
    """Kernel IR as scheduled for this CPU."""
    return "\n".join(map(str, _kernels(graph)))


def scheduled_text(graph: Graph) -> str:
    """Kernel IR after legalization: flat buffers, vectors spelled out."""
    return "\n".join(str(legalize(k)) for k in _kernels(graph))


def llvm_text(graph: Graph) -> str:
    """The LLVM IR of the whole program, before LLVM's passes."""
    from graphtorch.codegen.emit_program import emit_program

    scheduled = _scheduled(graph)
    steps, linked = schedule_graph(scheduled, host_target()), dict(_links(scheduled, 0))
    number: dict[Value, int] = {}

    def where(value: Value) -> Place:
        if isinstance(value, Workspace) or root(value) not in linked:
            return "slot", number.setdefault(value, len(number)), ()
        outside, strides = linked[root(value)]
        kind, at, *around = where(outside)
        return kind, at, (*(around[0] if around else ()), *strides)

    return emit_program(steps, where, memory_sizes(steps).scratch)


def _links(graph: Graph, depth: int) -> Iterator[tuple[Value, tuple[Value, Strides]]]:
    """What bodies of loops take and give, what it is outside of the loop, and the way from round to round."""
    for node in filter(is_control_flow, graph.nodes):
        assert node.body is not None  # loops have bodies
        for inside, (outside, nbytes) in links(node).items():
            yield inside, (outside, ((depth, nbytes),) if nbytes else ())
        yield from _links(node.body, depth + counts(node))


def cuda_text(graph: Graph) -> str:
    """CUDA C of every kernel."""
    from graphtorch.codegen.emit_cuda import cuda_source
    from graphtorch.codegen.schedule.cuda import CudaNest, schedule_cuda

    nests = [k.nest for k in lower_graph(_scheduled(graph, OPTIMIZE_CUDA))]
    if any(isinstance(n, SortNest) for n in nests):
        raise IRError("GT826", "sort has no CUDA C form yet", ["sort on the CPU, or leave it out of the program"])
    single = [n for n in nests if isinstance(n, CudaNest)]
    if len(single) < len(nests):
        raise IRError(
            "GT812",
            "the graph was fused for the CPU",
            ["for CUDA the pass is fuse{prologues=False, chains=False, longest_row=8192}"],
        )
    return cuda_source([schedule_cuda(n) for n in single])
