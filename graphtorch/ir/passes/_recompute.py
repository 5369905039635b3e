"""What is computed again by its readers because that moves fewer bytes than storing it.

An epilogue that stores an array and, beside it, a cheap function of it makes memory traffic of what a reader has in
registers anyway; and what only a backward kernel reads need not live until then (T. Chen et al., "Training deep nets
with sublinear memory cost", 2016, where whole layers are computed again). So is what was drawn at random: who knows
the state of the generator needs no mask, as long as it wants each of its elements once.
"""

from __future__ import annotations

from graphtorch.ir.dim import example, surely
from graphtorch.ir.fusible import CHEAP, DRAWS
from graphtorch.ir.graph import Node, Param, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.passes._groups import Group, Groups
from graphtorch.ir.rows import keeps_order, rows_of

#: what has so many times fewer elements may have to be stored for it
SMALL = 16
#: what a reader may compute: attention reads slices where these lie
RECOMPUTED = CHEAP | DRAWS | {"slice"}
#: cheap steps that a value may be away from what is in memory
MOST_BETWEEN = 4


def worth_recomputing(groups: Groups) -> frozenset[Node]:
    """Stored elementwise results whose readers can have them from what is in memory anyway, for fewer bytes."""
    found: set[Node] = set()
    read: dict[Group, set[Value]] = {}
    for node in groups.graph.nodes:
        others = _readers(node, groups)
        made_of = _sources(node, groups, found) if others else None
        if made_of is None:
            continue
        sources, between = made_of
        drawn = any(n.op.name in DRAWS for n in (node, *between))
        if drawn and not _is_read_in_order(node.result, groups, node.result.type.numel):
            continue
        missing = sum(_bytes(v, node) for v in sources if not _stays(v, groups))
        for other in others:
            if other not in read:
                read[other] = groups.inputs(other.nodes)
            missing += sum(_bytes(v, node) for v in sources - read[other])
        if missing < example(node.result.type.nbytes) * (1 + len(others)):
            found |= {node, *between}
    return frozenset(found)


def _bytes(source: Value, node: Node) -> int:
    """What is read of a source: of a slice's no more than the slice."""
    if node.op.name != "slice":
        return example(source.type.nbytes)
    return min(example(v.type.numel) for v in (source, node.result)) * source.type.dtype.itemsize


def _readers(node: Node, groups: Groups) -> set[Group]:
    """The other kernels that read it; none where it is dear, or where one of them would compute it several times."""
    own = groups.of.get(node)
    if own is None or node.op.name not in RECOMPUTED or node.result in groups.kept:
        return set()
    others: set[Group] = set()
    for user in groups.users(node.result):
        group = groups.of.get(user)
        if group is None or not (group is own or user.op.elementwise or rows_of(user) or group.is_closed):
            return set()
        others.add(group)
    return others - {own}


def _is_read_in_order(value: Value, groups: Groups, count: int) -> bool:
    """Whether elementwise work and reductions of rows, over as many elements, alone read it, and at their own index."""
    for user in groups.uses[value]:
        if user not in groups.of and groups.is_free(user):
            stays = user.op.elementwise or keeps_order(user)
            if not (stays and _is_read_in_order(user.result, groups, count)):
                return False
        elif user.op.elementwise:
            if surely("==", user.results[0].type.numel, count) is not True:
                return False
        elif not rows_of(user):
            return False
    return True


def _sources(node: Node, groups: Groups, recomputed: set[Node]) -> tuple[set[Value], set[Node]] | None:
    """What in memory it is made of, and a few nodes between that are in none.

    None where that is neither in memory nor small, or is large and about to be overwritten.
    """
    found: set[Value] = set()
    between: set[Node] = set()
    pending = list(node.operands)
    while pending:
        value = pending.pop()
        source = value.node
        if source is not None and (source in recomputed or (source not in groups.of and groups.is_free(source))):
            pending += source.operands
        elif _stays(value, groups) or example(value.type.nbytes) * SMALL <= example(node.result.type.nbytes):
            found.add(value)
        elif source is not None and len(between) < MOST_BETWEEN and _is_passing(source, groups.of[node], groups):
            between.add(source)
            pending += source.operands
        else:
            return None
    return found, between


def _is_passing(node: Node, group: Group, groups: Groups) -> bool:
    """Whether it is a cheap step within the group, for elementwise steps and reductions of rows."""
    if groups.of.get(node) is not group or node.op.name not in CHEAP | DRAWS:
        return False
    return all(u.op.elementwise or rows_of(u) for u in groups.users(node.result))


def _stays(value: Value, groups: Groups) -> bool:
    """Whether it is in memory for all readers anyway, and as it is now."""
    memory = root(value)
    if isinstance(memory, Param):
        return memory.role != "inout"
    group = groups.of.get(memory.node) if memory.node is not None else None
    return group is None or groups.is_read(memory, set(group.nodes))
