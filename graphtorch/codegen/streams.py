"""Results too large for the caches, which are written past them.

A store in the cache first reads the line that it changes, and pushes out another, which is written in turn: three
transfers for one. Where a program's output is as large as half of the last cache, and the program does not read it,
its kernel's parameter becomes a `stream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphtorch.codegen.kernel_ir import Kernel, Store, buffers_read
from graphtorch.codegen.loops import LoopNest, Nest, RowsNest
from graphtorch.codegen.target import Target
from graphtorch.ir.dim import divides, example
from graphtorch.ir.expr import Expr, linear
from graphtorch.ir.graph import Graph, Param, Value
from graphtorch.ir.in_place import root

#: what fresh memory of numpy is aligned to, in bytes, and so what one store past the caches may be
STREAM_BYTES = 16
#: a cache larger than this is shared by more than one program
_MOST_CACHE = 32 * 1024 * 1024


def streamed(graph: Graph, target: Target) -> set[Value]:
    """Outputs that are large, and that nothing reads or has as its memory."""
    least = min(target.l3, _MOST_CACHE) // 2
    read = {root(o) for n in graph.nodes for o in n.operands if not n.results or root(n.results[0]) is not root(o)}
    kept = {root(v) for v in graph.updates.values()}
    large = {root(o) for o in graph.outputs if example(o.type.nbytes) >= least}
    return {v for v in large - read - kept if not isinstance(v, Param)}


def with_streams(kernel: Kernel, nest: Nest, results: Sequence[bool]) -> Kernel:
    """``kernel`` with those of its ``results`` marked, if it stores elements in order and does not read them again."""
    if not any(results) or not isinstance(nest, LoopNest | RowsNest):
        return kernel
    first, read = len(kernel.params) - len(results), buffers_read(kernel.body)
    outs = zip(kernel.params[first:], results, strict=True)
    marked = (replace(p, mode="stream") if past and p.buffer not in read else p for p, past in outs)
    return replace(kernel, params=(*kernel.params[:first], *marked))


def is_aligned(s: Store, position: Expr) -> bool:
    """Whether what ``s`` stores, and ``position`` in its buffer, are whole numbers of `STREAM_BYTES`."""
    form, each = linear(position), STREAM_BYTES // s.buffer.dtype.itemsize
    return form is not None and all(divides(each, c) for c in (s.value.lanes, form[1], *form[0].values()))
