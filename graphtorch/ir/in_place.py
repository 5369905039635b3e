"""Which memory a kernel may write a result over while it reads it: only elements that it reads where it writes.

What a kernel promises depends on its loops (codegen/loops.py):

- a loop over elements, fused or of one elementwise op, computes all results of an index before it stores one,
- a reduction or contraction reads what only its epilogue reads at the index that the epilogue writes, once, when
  the sum of that index is done; so an operand of the reduction itself may not be written over,
- rows gone through several times read elements again in later passes: they may be written over by what the last
  pass stores, and what is one number for each row by another such number, which is stored when the row is done,
- kernels of a bundle run side by side: each may write over what it alone reads, as it may by itself,
- a reduction of a contraction's results (a chain) stores results of two sizes in an order of its own: never.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.dim import same
from graphtorch.ir.fusible import is_reduction, rows_in
from graphtorch.ir.graph import Graph, Node, Param, Value
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.rows import Rows, passes_before, rows_of, stays_in_row


def root(value: Value) -> Value:
    """The value whose memory this one is: reshapes share their operand's."""
    while value.node is not None and value.node.op is reshape:
        value = value.node.operands[0]
    return value


#: the readers of each value within a bundle
Readers = Callable[[Node], Mapping[Value, Sequence[Node]]]


def readers_in(bundle: Node) -> Mapping[Value, Sequence[Node]]:
    """The nodes of ``bundle`` that read each value of it."""
    assert bundle.body is not None  # it is a bundle
    return bundle.body.uses()


def may_overwrite(
    node: Node, memory: Value, result: Value, at: Sequence[int] | None = None, readers: Readers = readers_in
) -> bool:
    """Whether the kernel of ``node`` may store ``result``, one of its results, over ``memory``, the root of operands.

    Elements have to be as wide: then an element of the one is where that of the other is. ``at`` are the numbers of
    these operands, where the caller knows them: a bundle has thousands. One who asks for thousands of results remembers
    the ``readers`` in each bundle, too.
    """
    shape = result.type.shape
    operands = [i for i, o in enumerate(node.operands) if root(o) is memory] if at is None else at
    alike = all(same(node.operands[i].type.shape, shape) for i in operands)
    if not alike or memory.type.dtype.itemsize != result.type.dtype.itemsize:
        return False
    if is_control_flow(node):
        return False
    if node.body is None:
        return node.op.elementwise
    if node.attrs["kind"] == "bundle":
        params, output = [node.body.params[i] for i in operands], node.body.outputs[result.index]
        return _alone_in_bundle(readers(node), params, output)
    rows = rows_in(node.body)
    inside: set[Value] = {node.body.params[i] for i in operands}
    if rows is None:
        single = sum(map(is_reduction, node.body.nodes)) <= 1 or rows_side_by_side(node.body)
        return single and all(same(r.type.shape, shape) for r in node.results) and _reads_own(node.body, inside, None)
    if not rows.has_each(shape) and not _stored_last(node.body, rows, node.body.outputs[result.index]):
        return False
    return _reads_own(node.body, inside, rows)


def _alone_in_bundle(readers: Mapping[Value, Sequence[Node]], params: Sequence[Param], output: Value) -> bool:
    """Whether the kernel that makes ``output`` alone reads the memory, and may write over it."""
    found = {n for p in params for n in readers[p]}
    maker = output.node
    if maker is None or found - {maker}:
        return False
    return not found or (len(params) == 1 and may_overwrite(maker, params[0], output))


def rows_side_by_side(body: Graph) -> bool:
    """Whether its reductions are plain ones over the same rows: they are computed together, not in a chain."""
    found = {rows_of(n) for n in body.nodes if is_reduction(n)}
    return len(found) == 1 and None not in found


def _stored_last(body: Graph, rows: Rows, output: Value) -> bool:
    """Whether elements are stored in the last pass, in which all else of that element has been read."""
    after = passes_before(body.nodes, rows)
    if after is None or output.node is None or not same(output.type.shape, rows.shape):
        return False
    last = max(
        after[n] - is_reduction(n) for n in body.nodes if is_reduction(n) or same(n.results[0].type.shape, rows.shape)
    )
    return after[output.node] >= last


def _reads_own(body: Graph, inside: set[Value], rows: Rows | None) -> bool:
    """Whether what is computed of the values ``inside``, at any index, reads them at that index alone."""
    reached: set[Value] = set(inside)
    for node in body.nodes:
        if reached.isdisjoint(node.operands):
            continue
        in_row = rows is not None and (rows_of(node) == rows or stays_in_row(node, rows))
        if not node.op.elementwise and not in_row:
            return False
        reached.update(node.results)
    return True
