"""rematerialize: what forward computes of little, and a product of backward has at hand, does not wait for backward.

A layer norm's result is read twice: by the product that follows, and by the gradient of that product's weight, which
comes so late that all that is saved for backward is live meanwhile. The gradient of its operand comes a moment before,
and its kernel reads what the norm was made of. So this kernel stores the result again, which costs no more than the
store, and the first one dies where forward is done with it (T. Chen et al., "Training deep nets with sublinear memory
cost", 2016, where what is dropped is computed by a pass over whole layers).

It runs on kernels, when their order is known, and does nothing unless the most that is live at once goes down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from graphtorch.ir.dim import example, same
from graphtorch.ir.fusible import CHEAP, is_reduction
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.ops.fusion import fusion
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.passes._recompute import SMALL

#: what is computed again: cheap steps, and numbers spread over elements
STEPS = CHEAP | {"broadcast_to", "constant"}
#: of those, at most
MOST_STEPS = 16
#: readers of a source that are looked at, the last ones: many values may have it as theirs
MOST_READERS = 64
#: the part of the peak that has to go for it to be worth while
WORTH = 1 / 32


@dataclass(frozen=True)
class Rematerialize:
    """``least`` is the number of bytes from which on a value is looked at."""

    least: int = 1 << 16
    name: ClassVar[str] = "rematerialize"

    def run(self, graph: Graph) -> Graph:
        plan = _Plan(graph)
        again = [a for node in plan.crossing(self.least) if (a := plan.again(node)) is not None]
        if not again or plan.peak_with(again) > plan.peak * (1 - WORTH):
            return graph
        return _rewritten(graph, again)


@dataclass(frozen=True)
class Again:
    """``value`` is stored a second time by the product ``host``, by ``steps`` of the body of its maker. ``sources``
    are what these read, in the maker's body and in the graph."""

    value: Value
    host: Node
    steps: tuple[Node, ...]
    sources: dict[Value, Value]


@dataclass
class _Plan:
    """When things happen in a graph whose kernels run in order, and what is live meanwhile."""

    graph: Graph
    position: dict[Node, int] = field(init=False)

    def __post_init__(self) -> None:
        self.position = {n: i for i, n in enumerate(self.graph.nodes)}
        self.uses = self.graph.uses()
        self.kept = set(map(root, self.graph.results()))
        #: the last node that reads it, by way of other names of its memory as well
        self.last: dict[Value, int] = {}
        for position, node in enumerate(self.graph.nodes):
            for operand in node.operands:
                self.last[root(operand)] = position
        self.written = {p: self.position.get(n, -1) for p, v in self.graph.updates.items() if (n := root(v).node)}

    @cached_property
    def _spans(self) -> dict[Value, tuple[int, int]]:
        """The first and the last node of each value that has memory of its own, and is not the caller's."""
        made = ((i, r) for i, n in enumerate(self.graph.nodes) if n.op is not reshape for r in n.results)
        return {r: (i, self.last.get(r, i)) for i, r in made if r not in self.kept}

    @cached_property
    def _peak(self) -> tuple[int, int]:
        return _most((v, *span) for v, span in self._spans.items())

    @property
    def peak(self) -> int:
        """The most bytes that are live at once."""
        return self._peak[0]

    def peak_with(self, again: Iterable[Again]) -> int:
        """The same, if these values die where they are computed again, and live from there once more."""
        spans = [(v, *span) for v, span in self._spans.items()]
        cut = {a.value: self.position[a.host] for a in again}
        early = [(v, begin, self._last_before(v, cut[v]) if v in cut else end) for v, begin, end in spans]
        return _most([*early, *((v, at, self.last[v]) for v, at in cut.items())])[0]

    def crossing(self, least: int) -> Iterator[Value]:
        """Results of kernels that wait at the peak for somebody to read them."""
        _, peak = self._peak
        for value, (begin, end) in self._spans.items():
            fused = value.node is not None and value.node.op is fusion
            if fused and begin < peak < end and example(value.type.nbytes) >= least:
                yield value

    def again(self, value: Value) -> Again | None:
        """How the value is made once more, after the peak and before the first that reads it there; or None."""
        maker, (_, peak) = value.node, self._peak
        assert maker is not None  # it is a result of one
        found = _steps(maker, value)
        late = min((i for i in self._reads(value) if i > peak), default=None)
        if found is None or late is None or self._has_old_name(value):
            return None
        steps, sources = found
        large = [v for v in sources.values() if example(v.type.nbytes) * SMALL > example(value.type.nbytes)]
        for host in reversed(self.uses[large[0]][-MOST_READERS:] if large else ()):
            if peak < self._at(host) < late and self._may_host(host, value, large, sources.values()):
                return Again(value, host, steps, sources)
        return None

    def _at(self, node: Node) -> int:
        return self.position[node]

    def _reads(self, value: Value) -> Iterator[int]:
        """Positions of what reads the value, and of what reads it by other names."""
        for user in self.uses[value]:
            yield self.position[user]
            if user.op is reshape:
                yield from self._reads(user.result)

    def _has_old_name(self, value: Value) -> bool:
        """Whether a name from before the peak is read behind it: that would go on to mean the first one."""
        _, peak = self._peak
        names = [u.result for u in self.uses[value] if u.op is reshape and self.position[u] <= peak]
        return any(i > peak for name in names for i in self._reads(name))

    def _last_before(self, value: Value, position: int) -> int:
        return max((i for i in self._reads(value) if i < position), default=self.position[value.node])  # type: ignore[index]

    def _may_host(self, host: Node, value: Value, large: Iterable[Value], sources: Iterable[Value]) -> bool:
        """Whether it is a product over the value's elements that reads all that is ``large`` where it stores; and what
        it would read is still as it was."""
        body, at = host.body, self.position[host]
        if body is None or host.attrs.get("kind") != "contract" or sum(map(is_reduction, body.nodes)) != 1:
            return False
        if not all(same(r.type.shape, value.type.shape) for r in host.results):
            return False
        if any(self.written.get(root(s), at) < at for s in sources):  # type: ignore[call-overload]
            return False
        return all(v in host.operands and _is_read_in_place(body, host.operands.index(v)) for v in large)


def _steps(maker: Node, value: Value) -> tuple[tuple[Node, ...], dict[Value, Value]] | None:
    """The nodes of the maker's body that make the value of what it reads and of its other results, and these."""
    body = maker.body
    assert body is not None  # it is a fusion
    result = body.outputs[value.index]
    ends: dict[Value, Value] = dict(zip(body.params, maker.operands, strict=True))
    ends |= {o: r for o, r in zip(body.outputs, maker.results, strict=True) if o is not result}
    wanted, sources, pending = set[Node](), dict[Value, Value](), [result]
    while pending:
        inside = pending.pop()
        if inside in ends:
            sources[inside] = ends[inside]
            continue
        node = inside.node
        if node is None or node.op.name not in STEPS or len(wanted) > MOST_STEPS:
            return None
        wanted.add(node)
        pending += node.operands
    return tuple(n for n in body.nodes if n in wanted), sources


def _is_read_in_place(body: Graph, number: int) -> bool:
    """Whether elementwise steps over the body's results alone read that parameter."""
    param, shape = body.params[number], body.outputs[0].type.shape
    readers = [n for n in body.nodes if param in n.operands]
    return all(n.op.elementwise and same(n.results[0].type.shape, shape) for n in readers)


def _most(spans: Iterable[tuple[Value, int, int]]) -> tuple[int, int]:
    """(the most bytes that are live at once, the first node at which they are)."""
    changes: dict[int, int] = {}
    for value, begin, end in spans:
        nbytes = example(value.type.nbytes)
        changes[begin] = changes.get(begin, 0) + nbytes
        changes[end + 1] = changes.get(end + 1, 0) - nbytes
    most, when, live = 0, -1, 0
    for at in sorted(changes):
        live += changes[at]
        if live > most:
            most, when = live, at
    return most, when


def _rewritten(graph: Graph, again: Iterable[Again]) -> Graph:
    """The graph in which readers after a host have what that stores."""
    by_host: dict[Node, list[Again]] = {}
    for a in again:
        by_host.setdefault(a.host, []).append(a)
    out, now = Graph(graph.name), dict[Value, Value]()
    for p in graph.params:
        now[p] = Param(p.name, p.type, p.role, p.label)
        out.params.append(now[p])  # type: ignore[arg-type]
    with Builder(out) as builder:
        for node in graph.nodes:
            hosted = by_host.get(node, [])
            host = _with_steps(node, hosted) if hosted else node
            extra = dict.fromkeys(v for a in hosted for v in a.sources.values() if v not in node.operands)
            made = builder.clone(host, [now[o] for o in (*node.operands, *extra)])
            now.update(zip((*node.results, *(a.value for a in hosted)), made, strict=True))
    out.outputs = [now[o] for o in graph.outputs]
    out.updates = {now[p]: now[v] for p, v in graph.updates.items()}  # type: ignore[misc]
    return out


def _with_steps(host: Node, hosted: Iterable[Again]) -> Node:
    """The host with the steps in its body, the values as further results, and what the steps read, where it does not
    read that itself, as further operands."""
    old = host.body
    assert old is not None  # it is a fusion
    body, inner, locs = Graph(old.name), dict[Value, Value](), dict.fromkeys(host.locs)
    known: dict[Value, Value] = {}

    def param(value: Value) -> Value:
        made = Param(f"a{len(body.params)}", value.type)
        body.params.append(made)
        known[value] = made
        return made

    inner.update((p, param(o)) for p, o in zip(old.params, host.operands, strict=True))
    with Builder(body) as builder:
        for node in old.nodes:
            inner.update(zip(node.results, builder.clone(node, [inner[o] for o in node.operands]), strict=True))
        body.outputs = [inner[o] for o in old.outputs]
        for again in hosted:
            env = {inside: known.get(v) or param(v) for inside, v in again.sources.items()}
            for node in again.steps:
                locs.update(dict.fromkeys(node.locs))
                env.update(zip(node.results, builder.clone(node, [env[o] for o in node.operands]), strict=True))
            body.outputs.append(env[again.steps[-1].result])
    return Node(fusion, tuple(known), host.attrs, [o.type for o in body.outputs], tuple(locs), body)
