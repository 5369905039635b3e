"""The text of every stage below Graph IR, for dumps and for `python -m graphtorch.opt --stage`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.loops import BundleNest, LoopNest, ReduceNest, ScanNest, ScatterNest, SortNest
from graphtorch.codegen.program import lower_graph, memory_sizes, schedule_graph
from graphtorch.codegen.target import host_target
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Graph
from graphtorch.ir.ops.gradient import has_gradients
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
    return dict.fromkeys(launch.kernel for launch in schedule_graph(_scheduled(graph), host_target()))


def fusion_text(graph: Graph) -> str:
    """What becomes one kernel, the bytes that it moves, and why the rest stays apart."""
    if any(n.op.name == "fusion" for n in graph.nodes):
        raise IRError("GT812", "the graph was fused already", ["leave out fuse: the report is of what it would do"])
    return Fuse().explain(run_passes(graph, SIMPLIFY))


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
    launches = schedule_graph(scheduled, host_target())
    values = {v: i for i, v in enumerate(dict.fromkeys(v for launch in launches for v in launch.values))}
    return emit_program(launches, lambda v: ("slot", values[v]), memory_sizes(launches).scratch)


def cuda_text(graph: Graph) -> str:
    """CUDA C of every kernel."""
    from graphtorch.codegen.emit_cuda import cuda_source
    from graphtorch.codegen.schedule.cuda import schedule_cuda

    nests = [k.nest for k in lower_graph(_scheduled(graph, OPTIMIZE_CUDA))]
    if any(isinstance(n, SortNest) for n in nests):
        raise IRError("GT826", "sort has no CUDA C form yet", ["sort on the CPU, or leave it out of the program"])
    single = [n for n in nests if isinstance(n, LoopNest | ReduceNest | ScatterNest | ScanNest | BundleNest)]
    if len(single) < len(nests):
        raise IRError(
            "GT812", "the graph was fused for the CPU", ["for CUDA the pass is fuse{chains=False, rows=False}"]
        )
    return cuda_source([schedule_cuda(n) for n in single])
