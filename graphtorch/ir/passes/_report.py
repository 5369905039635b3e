"""What fuse decided, as text: the bytes that each kernel moves, and why it reads others' results from memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from graphtorch.ir.graph import Node, Value
from graphtorch.ir.passes._groups import Group, Groups

Reasons = Mapping[tuple[Node, Node], str]


def report(groups: Groups, reasons: Reasons) -> str:
    """A paragraph for each kernel, in the order in which they run; values have the numbers of the fused graph."""
    return "\n".join(line for paragraph in _Report(groups, reasons).paragraphs() for line in paragraph) + "\n"


class _Report:
    def __init__(self, groups: Groups, reasons: Reasons) -> None:
        self.groups = groups
        self.steps = [s for s in groups.in_order() if not isinstance(s, Group) or self._stored(s)]
        self.kernels = [s for s in self.steps if isinstance(s, Group)]
        self.names = self._names()
        #: by kernels: those of the nodes that the pass looked at
        self.reasons: dict[tuple[Group, Group], str] = {}
        for (reader, source), reason in reasons.items():
            a, b = groups.of.get(reader), groups.of.get(source)
            if a is not None and b is not None and a is not b:
                self.reasons.setdefault((a, b), reason)

    def _names(self) -> dict[Value, str]:
        """As the fused graph is printed."""
        names: dict[Value, str] = {p: f"%{p.name}" for p in self.groups.graph.params}
        count = 0
        for step in self.steps:
            for value in self._stored(step) if isinstance(step, Group) else step.results:
                names[value] = f"%{count}"
                count += 1
        return names

    def _stored(self, group: Group) -> list[Value]:
        members = set(group.nodes)
        nodes = self.groups.with_free(group.nodes)
        return [r for n in nodes if n in members for r in n.results if self.groups.is_read(r, members)]

    def paragraphs(self) -> Iterator[list[str]]:
        apart = sum(map(self._apart, self.kernels))
        moved = sum(self._moved(g) for g in self.kernels)
        nodes = sum(len(g.nodes) for g in self.kernels)
        total = f"{_size(moved)} moved, {_size(apart)} by a kernel for each node"
        yield [f"{nodes} nodes, {len(self.kernels)} kernels; {total}"]
        for number, group in enumerate(self.kernels):
            yield [*self._head(number, group), *self._again(group), *self._neighbours(group)]

    def _head(self, number: int, group: Group) -> list[str]:
        results = ", ".join(self.names[v] for v in self._stored(group))
        reads, writes = _bytes(self.groups.inputs(group.nodes)), _bytes(self._stored(group))
        saved = self._apart(group) - reads - writes
        ops = " ".join(n.op.name for n in group.nodes)
        line = f"  reads {_size(reads)}, writes {_size(writes)}"
        return [
            f"\n{number}: {results} ({group.kind}): {ops}",
            line + (f"; each node by itself would move {_size(saved)} more" if len(group.nodes) > 1 else ""),
        ]

    def _again(self, group: Group) -> list[str]:
        """What is not stored, since its readers have it for fewer bytes."""
        found = [n for n in self.groups.with_free(group.nodes) if n in self.groups.recomputed]
        if not found:
            return []
        ops = ", ".join(f"{n.op.name} {n.result.type}" for n in found)
        return [f"  computes again, instead of reading it: {ops}"]

    def _neighbours(self, group: Group) -> list[str]:
        """The kernels whose results it reads, and why they are others."""
        lines = []
        for source in self.kernels:
            read = [v for v in self._stored(source) if v in self._inputs(group)]
            if read and source is not group:
                values = ", ".join(self.names[v] for v in read)
                reason = self.reasons.get((group, source), "a reshape stands between them, which names memory")
                lines.append(f"  reads {values} of {self.kernels.index(source)}: {reason}")
        return lines

    def _inputs(self, group: Group) -> set[Value]:
        """What it reads, also under another shape."""
        found = set(self.groups.inputs(group.nodes))
        for value in list(found):
            while value.node is not None and value.node.op.name == "reshape" and value.node not in self.groups.of:
                value = value.node.operands[0]
                found.add(value)
        return found

    def _moved(self, group: Group) -> int:
        return _bytes(self.groups.inputs(group.nodes)) + _bytes(self._stored(group))

    def _apart(self, group: Group) -> int:
        """Bytes that its nodes would move, each a kernel with what is free."""
        return sum(_bytes(self._read(n)) + _bytes(n.results) for n in group.nodes)

    def _read(self, node: Node) -> set[Value]:
        """Operands; of free ones, what they are made of."""
        found: set[Value] = set()
        pending = list(node.operands)
        while pending:
            value = pending.pop()
            source = value.node
            if source is not None and source not in self.groups.of and self.groups.is_free(source):
                pending += source.operands
            else:
                found.add(value)
        return found


def _bytes(values: Iterable[Value]) -> int:
    return sum(v.type.nbytes for v in values)


def _size(count: int) -> str:
    """Bytes, in the unit that fits."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
