"""What nodes may do in a kernel: be its reduction, be computed where they are read, or cost nothing."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.dim import same, surely
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.ops.frames import once
from graphtorch.ir.rows import PLAIN, Rows, keeps_order, passes_before, rows_of
from graphtorch.ir.types import LOW_PRECISION

#: one element of the result reads one element of each operand: may be inlined into a reader
INJECTIVE = frozenset(
    "broadcast_to permute slice pad cat iota one_hot random_uniform max_pool_gather index "
    "as_strided diagonal unfold windows resample".split()
)
#: cost nothing to compute again in every reader
FREE = frozenset(["constant", "broadcast_to", "cast", "iota", "one_hot", "detach", "clone", "permute"])
CONTRACTIONS = frozenset(["dot", "conv", "conv_input_grad", "conv_weight_grad"])
#: kernels that nothing follows; they read operands where these lie
ATTENTION = frozenset(["attention", "attention_grad"])
#: kernels that nothing joins but what is free; attention takes what moves its operands as well
CLOSED = ATTENTION | {"index_put", "index_reduce", "sort"}
#: little enough to compute for each time that a contraction stages its operand
CHEAP = frozenset(
    "add sub mul div neg abs relu where maximum minimum cast".split()
    + "eq ne lt le gt ge logical_and logical_or logical_not".split()
)
#: words of a counter-based generator: made again from 16 bytes of state, but at dozens of operations each
DRAWS = frozenset(["random_uniform"])
#: results of a contraction that are reduced to one by the task that computes them, at most
MOST_TOGETHER = 256
#: operands of all cats in a kernel, at most: for each element that it stores it reads from all of them
MOST_JOINED = 16
#: one after the other along a dimension; as to what joins them they are reductions of as many results as elements
SCANS = frozenset("cumsum cumprod cummax cummin logcumsumexp run_sum recurrence".split())
#: what each element gets from the windows that hold it: a sum where these may be several
SPREADS = frozenset(["max_pool_grad", "window_spread", "fold"])
REDUCTIONS = CONTRACTIONS | PLAIN | SCANS | frozenset(["max_pool", "window_sum", "resample_grad"])


def is_reduction(node: Node) -> bool:
    """Whether the node's lowering has a domain to combine over, or a line to go along."""
    return node.op.name in REDUCTIONS or (node.op.name in SPREADS and not _once(node))


def _once(node: Node) -> bool:
    a: dict[str, Any] = node.attrs
    kernel = a["kernel"] if "kernel" in a else node.operands[0].type.shape[-len(a["size"]) :]
    return once(kernel, a["stride"], a["dilation"])


def is_local(node: Node) -> bool:
    """Whether it reduces rows, or windows that share no elements and end inside, and a task can compute all of one."""
    results, elements = node.results[0].type.numel, node.operands[0].type.numel
    if not (surely("<", results, elements) and surely("<=", elements, results * MOST_TOGETHER)):
        return False
    if node.op.name in ("reduce_sum", "reduce_max", "reduce_min"):
        return True
    a: dict[str, Any] = node.attrs
    if node.op.name not in ("max_pool", "window_sum") or any(a["padding"]):
        return False
    rank = len(a["kernel"])
    sizes = zip(node.operands[0].type.shape[-rank:], node.results[0].type.shape[-rank:], strict=True)
    spans = [d * (k - 1) + 1 for k, d in zip(a["kernel"], a["dilation"], strict=True)]
    every = zip(sizes, spans, a["stride"], strict=True)
    return all(span <= step and (out - 1) * step + span <= n for (n, out), span, step in every)


def is_injective(node: Node) -> bool:
    return node.op.elementwise or node.op.name in INJECTIVE or (node.op.name in SPREADS and _once(node))


def is_free(node: Node) -> bool:
    """Whether computing it again wherever it is read costs nothing; not so if it rounds to 16 bits, to be stored."""
    rounds = node.op.name == "cast" and node.result.type.dtype in LOW_PRECISION
    return (node.op.name in FREE and not rounds) or keeps_order(node)


def rows_in(body: Graph) -> Rows | None:
    """What a fusion goes over that reduces, and goes through rows several times or stores elements; else None."""
    roots = [n for n in body.nodes if is_reduction(n)]
    rows = rows_of(roots[0]) if roots else None
    if rows is None or any(rows_of(n) != rows for n in roots):
        return None
    passes = passes_before(body.nodes, rows) or {}
    again = any(passes[n] > 1 for n in roots) or any(same(o.type.shape, rows.shape) for o in body.outputs)
    return rows if again else None
