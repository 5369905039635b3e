"""Expressions of legalized Kernel IR as LLVM values, by the tables of llvm_tables.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.kernel_ir import Stmt, body_of, exprs_of
from graphtorch.codegen.llvm_sizes import Sizes
from graphtorch.codegen.llvm_tables import (
    I1,
    I64,
    UNARY,
    Instructions,
    binary,
    cast,
    constant,
    llvm_type,
    memory_type,
    suffix,
    zero,
)
from graphtorch.ir import expr as E
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.expr import Buffer, Expr
from graphtorch.ir.types import bool_, int64

#: longer steps gather element by element
MOST_STEP = 4


def _strided_mask(lanes: int, step: int, part: int, starts: Sequence[int]) -> list[int]:
    """Lanes that part ``part`` has of a strided vector; the others stay."""
    low = step * (lanes - 1) if step < 0 else 0
    at = [step * lane - low for lane in range(lanes)]
    mine = [min(p // lanes, len(starts) - 1) == part for p in at]
    return [lanes + p - starts[part] if own else lane for lane, (p, own) in enumerate(zip(at, mine, strict=True))]


_LEAVES = frozenset((E.Const, E.Var))


def _is_scalar(e: Expr) -> bool:
    """Whether it is a whole number or a condition, and one for all lanes."""
    return e.dtype in (int64, bool_) and e.lanes == 1


class _Scope:
    """The expressions that are known in it, by id (held, so that none comes to mean another), and who loads."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Expr, Any]] = {}
        self.places: dict[tuple[Buffer, int, int], tuple[Expr, Any]] = {}
        self.readers: dict[Buffer, list[int]] = {}

    def add(self, e: Expr, value: Any, buffers: frozenset[Buffer]) -> None:
        self.known[id(e)] = e, value
        for buffer in buffers:
            self.readers.setdefault(buffer, []).append(id(e))


class Values(Instructions):
    """The values of expressions, each computed once in a scope; ``memory`` is where buffers lie.

    ``settled`` are buffers of one number that the kernel does not write. LLVM does not see that: results may lie
    anywhere. ``sizes`` says what sizes come to that are not known.
    """

    def __init__(
        self,
        module: ll.Module,
        b: ll.Builder,
        entry: ll.Builder,
        fused: bool,
        settled: frozenset[Buffer] = frozenset(),
        halves: bool = False,
        sizes: Sizes | None = None,
    ) -> None:
        super().__init__(module, b, fused, halves)
        self.entry, self.settled = entry, settled
        self.sizes = sizes or Sizes(entry, {})
        self.memory: dict[Buffer, Any] = {}
        self._fixed: dict[tuple[Buffer, Any, int], Any] = {}
        self.vars: dict[E.Var, Any] = {}
        self.scopes = [_Scope()]
        self._read: dict[int, tuple[Expr, frozenset[Buffer]]] = {}
        self._found: dict[int, tuple[Stmt, list[Expr]]] = {}
        self._free: dict[int, tuple[Expr, frozenset[E.Var]]] = {}

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is computed or named inside is not known after it: its block need not have run."""
        self.scopes.append(_Scope())
        names = dict(self.vars)
        yield
        self.vars = names
        self.scopes.pop()

    def forget(self, buffer: Buffer) -> None:
        """After a store: what was loaded before may have changed."""
        for scope in self.scopes:
            for key in scope.readers.pop(buffer, ()):
                scope.known.pop(key, None)

    def of(self, e: Expr) -> Any:
        kind = type(e)
        if kind in _LEAVES:
            return _EXPRESSIONS[kind](self, e)
        key = id(e)
        for scope in reversed(self.scopes):
            known = scope.known.get(key)
            if known is not None:
                return known[1]
        result = _EXPRESSIONS[kind](self, e)
        self.scopes[-1].add(e, result, self._buffers(e))
        return result

    def _buffers(self, e: Expr) -> frozenset[Buffer]:
        """What the expression loads from."""
        known = self._read.get(id(e))
        if known is not None:
            return known[1]
        found = frozenset[Buffer]().union(*map(self._buffers, E.children(e)))
        if isinstance(e, E.Load):
            found |= {e.buffer}
        self._read[id(e)] = e, found
        return found

    def hoist(self, body: Sequence[Stmt]) -> None:
        """Compute what a loop's ``body`` has of `_wholes` that do not depend on it, before it: wholes, not parts."""
        bound = self.vars.keys()
        seen: set[int] = set()
        pending = [e for s in body for e in self._wholes(s)]
        while pending:
            e = pending.pop()
            if id(e) in seen or type(e) in _LEAVES:
                continue
            seen.add(id(e))
            if self._variables(e) <= bound:
                self.of(e)
            else:
                pending += E.children(e)

    def _wholes(self, s: Stmt) -> list[Expr]:
        """The whole numbers and the conditions in a statement, and in those within it, that load nothing; and what is
        made of settled numbers alone."""
        known = self._found.get(id(s))
        if known is not None:
            return known[1]
        out: dict[int, Expr] = {}
        seen: set[int] = set()
        pending = list(exprs_of(s))
        while pending:
            e = pending.pop()
            if id(e) in seen or type(e) in _LEAVES:
                continue
            seen.add(id(e))
            buffers = self._buffers(e)
            if (_is_scalar(e) and not buffers) or (e.lanes == 1 and buffers and buffers <= self.settled):
                out[id(e)] = e
            else:
                pending += E.children(e)
        for inner in body_of(s):
            out |= {id(e): e for e in self._wholes(inner)}
        found = list(out.values())
        self._found[id(s)] = s, found
        return found

    def _variables(self, e: Expr) -> frozenset[E.Var]:
        known = self._free.get(id(e))
        if known is not None:
            return known[1]
        found = frozenset({e}) if isinstance(e, E.Var) else frozenset().union(*map(self._variables, E.children(e)))
        self._free[id(e)] = e, found
        return found

    def load(self, e: E.Load) -> Any:
        index = e.indices[0]
        if e.lanes == 1:
            value = self._load_scalar(e, index)
        elif isinstance(index, E.Ramp) and index.step == 1:
            value = self._load_vector(e, index)
        elif isinstance(index, E.Ramp) and e.where is None and abs(index.step) <= MOST_STEP:
            value = self._load_strided(e, index)
        elif isinstance(index, E.Splat) and e.where is None:
            value = self.b.splat(self.b.load(self.address(e.buffer, index.x)), e.lanes)
        else:
            value = self._gather(e, index)
        if e.dtype.kind == "b":
            value = self.b.convert("trunc", value, llvm_type(e.dtype, e.lanes))
        return value

    def _load_scalar(self, e: E.Load, index: Expr) -> Any:
        if e.where is None:
            return self.b.load(self.address(e.buffer, index))
        inside = self.of(e.where)
        safe = self.b.select(inside, self.of(index), ll.Constant(I64, 0))
        loaded = self.b.load(self.b.gep(self.memory[e.buffer], safe, inbounds=True))
        return self.b.select(inside, loaded, zero(memory_type(e.dtype)))

    def _load_vector(self, e: E.Load, index: E.Ramp) -> Any:
        kind = memory_type(e.dtype, e.lanes)
        if e.where is None:
            return self.b.load(self.address(e.buffer, index.base, e.lanes), align=e.dtype.itemsize)
        address = self.b.gep(self.memory[e.buffer], self.of(index.base))  # perhaps before the buffer
        address = self.b.convert("bitcast", address, ll.pointer(kind))
        if isinstance(e.where, E.Splat):  # one condition for all lanes
            safe = self.b.select(self.of(e.where.x), address, self._zeros(kind))
            return self.b.load(safe, align=e.dtype.itemsize)
        name = f"llvm.masked.load.{suffix(e.dtype, e.lanes)}.p0"
        function = self.module.declare(name, kind, [address.type, ll.vector(I1, e.lanes), kind])
        return self.b.call(function, [address, self.of(e.where), zero(kind)], align={0: e.dtype.itemsize})

    def _load_strided(self, e: E.Load, index: E.Ramp) -> Any:
        """Whole vectors from the first element to the last, and of them every so many-th lane."""
        n, step = e.lanes, index.step
        span = abs(step) * (n - 1) + 1
        starts = [*range(0, span - n, n), span - n]
        first = index.base + (step * (n - 1) if step < 0 else 0)
        kind = memory_type(e.dtype, n)
        value: Any = ll.poison(kind)
        for i, start in enumerate(starts):
            part = self.b.load(self.address(e.buffer, first + start, n), align=e.dtype.itemsize)
            value = self.b.shuffle(value, part, _strided_mask(n, step, i, starts))
        return value

    def _zeros(self, kind: Any) -> Any:
        """Where a vector of zeros lies."""
        return self.module.constant(f"zeros.{kind.count}.{kind.element.text}", zero(kind))

    def _gather(self, e: E.Load, index: Expr) -> Any:
        positions, mask = self.of(index), None if e.where is None else self.of(e.where)
        if mask is not None:
            positions = self.b.select(mask, positions, zero(positions.type))
        out: Any = ll.poison(memory_type(e.dtype, e.lanes))
        for lane in range(e.lanes):
            at = self.b.extract(positions, lane)
            one = self.b.load(self.b.gep(self.memory[e.buffer], at, inbounds=True))
            out = self.b.insert(out, one, lane)
        if mask is None:
            return out
        return self.b.select(mask, out, zero(memory_type(e.dtype, e.lanes)))

    def ramp(self, e: E.Ramp) -> Any:
        steps = ll.Constant(ll.vector(I64, e.lanes), [ll.Constant(I64, i * e.step) for i in range(e.lanes)])
        return self.b.binary("add", self.b.splat(self.of(e.base), e.lanes), steps)

    def address(self, buffer: Buffer, index: Expr, lanes: int = 1) -> Any:
        """A pointer to so many elements. One to a fixed place is made once: an unrolled tile has many uses of few."""
        if isinstance(index, E.Const):
            key = buffer, index.value, lanes
            if key not in self._fixed:
                self._fixed[key] = self._pointer(self.entry, buffer, self.of(index), lanes)
            return self._fixed[key]
        place = buffer, id(index), lanes
        for scope in reversed(self.scopes):
            if place in scope.places:
                return scope.places[place][1]
        pointer = self._pointer(self.b, buffer, self.of(index), lanes)
        if not self._buffers(index):
            self.scopes[-1].places[place] = index, pointer
        return pointer

    def _pointer(self, b: ll.Builder, buffer: Buffer, position: Any, lanes: int) -> Any:
        address = b.gep(self.memory[buffer], position, inbounds=True)
        return address if lanes == 1 else b.convert("bitcast", address, ll.pointer(memory_type(buffer.dtype, lanes)))


_EXPRESSIONS: dict[type, Callable[[Values, Any], Any]] = {
    E.Const: lambda self, e: self.sizes.of(e.value) if is_dynamic(e.value) else constant(e),
    E.Var: lambda self, e: self.vars[e],
    E.Load: Values.load,
    E.Unary: lambda self, e: UNARY[e.fn](self, e, self.of(e.x)),
    E.Binary: lambda self, e: binary(self, e, self.of(e.a), self.of(e.b)),
    E.Select: lambda self, e: self.b.select(self.of(e.cond), self.of(e.a), self.of(e.b)),
    E.Cast: lambda self, e: cast(self, e, self.of(e.x)),
    E.Ramp: Values.ramp,
    E.Splat: lambda self, e: self.b.splat(self.of(e.x), e.lanes),
}
