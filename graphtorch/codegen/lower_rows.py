"""Fusions with several reductions over the same rows, or with a reduction and stored elements -> `RowsNest`.

Every value is known after some number of passes (graphtorch/ir/rows.py). One for each row gets a name; one for each
element is an expression, computed in every pass that needs it. What is dear to compute twice is kept in memory
from its pass on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Param
from graphtorch.codegen.loops import Pass, RowsNest
from graphtorch.ir.dim import example, same
from graphtorch.ir.expr import (
    Buffer,
    BufferSource,
    Compute,
    Expr,
    Load,
    Reduce,
    Source,
    Values,
    Var,
    children,
    reshape_index,
    together,
    with_children,
)
from graphtorch.ir.fusible import CHEAP, is_free, is_reduction
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.low_precision import lower_op
from graphtorch.ir.ops.reduction import merge
from graphtorch.ir.rows import Rows, passes_before
from graphtorch.ir.types import int64

#: operations that take as long as a store and a load, or longer; a function counts as many
DEAR = 8
#: bytes of a row that may be kept
MOST_KEPT = 131_072


def lower_rows(body: Graph, rows: Rows, name: str) -> RowsNest:
    return _RowsLowering(body, rows).nest(name)


@dataclass(frozen=True)
class _Kept:
    """An element's value, computed in pass ``number`` and in memory from then on."""

    number: int
    buffer: Buffer
    index: Values
    value: Expr


class _RowsLowering:
    def __init__(self, body: Graph, rows: Rows) -> None:
        found = passes_before(body.nodes, rows)
        if found is None:
            raise ValueError(f"a row of {rows} is read by another one in {body.name}")
        self.body, self.rows, self.after = body, rows, found
        self.i = tuple(Var(f"i{d}", int64, n) for d, n in enumerate(rows.outer))
        self.k = tuple(Var(f"k{d}", int64, n) for d, n in enumerate(rows.inner))
        self.element = merge(self.i, self.k, rows.dims)
        self.inputs = [Buffer(p.name, p.type.shape, p.type.dtype) for p in body.params]
        self.sources: dict[Value, Source] = {
            p: BufferSource(b, b.shape) for p, b in zip(body.params, self.inputs, strict=True)
        }
        self.outputs = {
            o: Buffer(f"out{n}", rows.shape if self._is_element(o) else rows.outer, o.type.dtype)
            for n, o in enumerate(body.outputs)
        }
        count = 1 + max(self._pass_of(n) for n in body.nodes)
        self.reduces: list[list[tuple[Reduce, tuple[Var, ...]]]] = [[] for _ in range(count)]
        self.lets: list[list[tuple[Var, Expr]]] = [[] for _ in range(count)]
        self.kept: dict[Buffer, _Kept] = {}
        self.names = 0
        self.dear = self._dear()

    def nest(self, name: str) -> RowsNest:
        for node in self.body.nodes:
            self._add(node)
        params = (*(Param(b, "in") for b in self.inputs), *(Param(b, "out") for b in self.outputs.values()))
        results = [(b, self._at_row(self.sources[o])) for o, b in self.outputs.items() if not self._is_element(o)]
        outputs = set(self.outputs.values())
        scratch = tuple(b for b in self.kept if b not in outputs)
        passes = tuple(map(self._pass, range(len(self.reduces))))
        return RowsNest(name, params, self.rows.outer, self.i, self.rows.inner, self.k, passes, tuple(results), scratch)

    # ---- what is computed when ----

    def _is_element(self, value: Value) -> bool:
        return same(value.type.shape, self.rows.shape)

    def _pass_of(self, node: Node) -> int:
        """The pass in which it is computed, if it is computed once."""
        return self.after[node] - is_reduction(node) if self._counts(node) else 0

    def _counts(self, node: Node) -> bool:
        return is_reduction(node) or self._is_element(node.results[0])

    def _dear(self) -> set[Node]:
        """Values of elements that several passes need, and that are not to be computed again."""
        if example(self.rows.length) * max(v.type.dtype.itemsize for v in self.outputs) > MOST_KEPT:
            return set()
        cost, uses = _costs(self.body), self.body.uses()
        needed: dict[Node, set[int]] = {}
        dear: set[Node] = set()
        for node in reversed(self.body.nodes):
            needed[node] = {self.after[node]} if node.results[0] in self.outputs else set()
            for user in (u for r in node.results for u in uses[r]):
                needed[node] |= self._passes_of(user, needed, dear)
            alone = self._is_element(node.results[0]) and len(node.results) == 1 and not is_free(node)
            if alone and cost[node] >= DEAR and max(needed[node], default=0) > self.after[node]:
                dear.add(node)
        return dear

    def _passes_of(self, user: Node, needed: dict[Node, set[int]], dear: set[Node]) -> set[int]:
        """The passes in which ``user`` reads an operand at the element that is being looked at."""
        if is_reduction(user) or user in dear:
            return {self._pass_of(user)}
        return needed[user] if user.op.elementwise else set()

    # ---- nodes ----

    def _add(self, node: Node) -> None:
        lowered = lower_op(node, [self.sources[o] for o in node.operands])
        results: tuple[Source, ...]
        if isinstance(lowered, Reduce):
            results = self._reduced(node, lowered)
        else:
            results = lowered if isinstance(lowered, tuple) else (lowered,)
            if node in self.dear:
                results = (self._keep(node, results[0]),)
            elif self.after[node] and not self._is_element(node.results[0]) and not is_free(node):
                results = (self._named(node, results[0]),)
        self.sources.update(zip(node.results, results, strict=True))

    def _name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names - 1}"

    def _reduced(self, node: Node, lowered: Reduce) -> tuple[Source, ...]:
        accumulators = tuple(Var(self._name("acc"), e.dtype) for e in lowered.init)
        self.reduces[self.after[node] - 1].append((lowered, accumulators))
        finals = lowered.post(accumulators)
        return tuple(_of_row(r, e) for r, e in zip(node.results, finals, strict=True))

    def _named(self, node: Node, source: Source) -> Source:
        """A row's number, computed once after the pass that finds it."""
        var = Var(self._name("r"), source.dtype)
        self.lets[self.after[node] - 1].append((var, self._at_row(source)))
        return _of_row(node.result, var)

    def _at_row(self, source: Source) -> Expr:
        return source[reshape_index(self.rows.outer, source.shape, self.i)]

    def _keep(self, node: Node, source: Source) -> Source:
        buffer, index = self.outputs.get(node.result), self.element
        if buffer is None:
            buffer, index = Buffer(self._name("keep"), self.rows.inner, source.dtype), self.k
        self.kept[buffer] = _Kept(self.after[node], buffer, index, source[self.element])
        element = self.element

        def read(*at: Expr) -> Expr:  # a transpose reads another element, which is computed
            here = all(a is b for a, b in zip(at, element, strict=True))
            return Load(buffer, index) if here else source[at]

        return Compute(source.shape, source.dtype, read)

    # ---- passes ----

    def _pass(self, number: int) -> Pass:
        now = {b: kept.value for b, kept in self.kept.items() if kept.number == number}
        memo: dict[int, tuple[Expr, Expr]] = {}

        def here(e: Expr) -> Expr:
            return _instead(e, now, memo)

        stores = [(k.buffer, k.index, here(k.value)) for k in self.kept.values() if k.number == number]
        for value, buffer in self.outputs.items():
            if self._is_element(value) and self._known(value) == number and buffer not in self.kept:
                stores.append((buffer, self.element, here(self.sources[value][self.element])))
        if not self.reduces[number]:
            return Pass(tuple(stores), (), (), _nothing, "add", (), tuple(self.lets[number]))
        reduce = together([r for r, _ in self.reduces[number]])
        accumulators = tuple(a for _, accs in self.reduces[number] for a in accs)
        body = tuple(map(here, reduce.body(self.i, self.k)))
        lets = tuple(self.lets[number])
        return Pass(tuple(stores), reduce.init, body, reduce.combine, reduce.kind, accumulators, lets)

    def _known(self, value: Value) -> int:
        return self.after[value.node] if value.node is not None else 0


def _costs(body: Graph) -> dict[Node, int]:
    """Operations that it takes to have each node's result from what the kernel reads."""
    cost: dict[Node, int] = {}
    for node in body.nodes:
        own = 0 if is_free(node) else 1 if node.op.name in CHEAP else DEAR
        cost[node] = own + sum(cost[o.node] for o in dict.fromkeys(node.operands) if o.node is not None)
    return cost


def _nothing(_old: Values, _new: Values) -> Values:
    return ()


def _of_row(value: Value, e: Expr) -> Compute:
    """A row's number at any index: `passes_before` has seen that it is read in that row alone."""
    return Compute(value.type.shape, value.type.dtype, lambda *_: e)


def _instead(e: Expr, values: dict[Buffer, Expr], memo: dict[int, tuple[Expr, Expr]]) -> Expr:
    """``e`` with these values for what is loaded from the buffers."""
    if id(e) not in memo:
        if isinstance(e, Load) and e.buffer in values:
            new = _instead(values[e.buffer], values, memo)
        else:
            old: Sequence[Expr] = children(e)
            kids = [_instead(c, values, memo) for c in old]
            new = e if all(a is b for a, b in zip(kids, old, strict=True)) else with_children(e, kids)
        memo[id(e)] = e, new
    return memo[id(e)][1]
