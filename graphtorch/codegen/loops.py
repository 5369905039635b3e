"""What lowering gives to the schedules of both targets: one nest of loops per kernel, not yet ordered.

A nest says what is computed for each index, and nothing of how: no tiles, no threads, no vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import Param
from graphtorch.ir.expr import Attention, AttentionGrad, Buffer, Const, Expr, Values, Var


@dataclass(frozen=True, eq=False)
class LoopNest:
    """For every index of ``shape`` each output gets its value: ``out[vars] = expr``.

    The expressions share subexpressions by identity and read ``params`` through `Load`.
    """

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    outputs: tuple[tuple[Buffer, Expr], ...]


@dataclass(frozen=True, eq=False)
class ReduceNest:
    """For every index of ``shape``: ``combine`` over all indices of ``domain``, then the outputs.

    ``init``, ``body``, ``combine`` and ``kind`` are those of `ir.expr.Reduce`; an output is a buffer and
    a function from the final accumulators to the value stored at ``buffer[vars]`` (which may load
    other parameters at ``vars``). ``contraction`` says that the body is a product of two reads; ``frozen`` are the
    parameters that stay as they are from call to call, so that what is done to them alone can be done once. ``op`` is
    the name of the op that reduces.
    """

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    domain: tuple[int, ...]
    red_vars: tuple[Var, ...]
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    kind: str
    outputs: tuple[tuple[Buffer, Callable[[Values], Expr]], ...]
    contraction: bool = False
    frozen: frozenset[Buffer] = frozenset()
    op: str = ""


@dataclass(frozen=True, eq=False)
class ChainNest:
    """``first``, a contraction, and ``then``, a reduction of its results, which ``first`` stores in ``link``.

    ``link`` has the shape of ``first``. It is one of ``params`` where others read it, too; else it need not exist.
    """

    name: str
    params: tuple[Param, ...]
    first: ReduceNest
    link: Buffer
    then: ReduceNest


@dataclass(frozen=True, eq=False)
class Pass:
    """Once through a row: ``stores`` of elements, and a reduction (of no accumulators, where there is none).

    After it ``accumulators`` name what was found, and ``lets`` what is made of that, one for a row each.
    """

    stores: tuple[tuple[Buffer, tuple[Expr, ...], Expr], ...]
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    kind: str
    accumulators: tuple[Var, ...]
    lets: tuple[tuple[Var, Expr], ...]


@dataclass(frozen=True, eq=False)
class RowsNest:
    """For every index of ``shape``, a row: passes over all indices of ``domain`` in turn, and then the outputs.

    A pass may read what is known after an earlier one, and ``scratch``, which has an element for each of the row.
    """

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    domain: tuple[int, ...]
    red_vars: tuple[Var, ...]
    passes: tuple[Pass, ...]
    outputs: tuple[tuple[Buffer, Expr], ...]
    scratch: tuple[Buffer, ...]


@dataclass(frozen=True, eq=False)
class AttentionNest:
    """Attention, or its gradient, over ``params``; ``outputs`` has None for a result that nobody reads."""

    name: str
    params: tuple[Param, ...]
    body: Attention | AttentionGrad
    outputs: tuple[Buffer | None, ...]


@dataclass(frozen=True, eq=False)
class ScatterNest:
    """``output[vars] = init``; then for every index of ``domain``, in order, ``combine(old, term)`` takes the place of
    ``old`` where the indices along ``dims`` are ``rows``.

    There is a ``term`` for all indices of the other ``vars``, on which ``rows`` may depend as well. Where one of these
    is out of range, ``unknown`` is the term of every element (of those at these other indices), unless it is 0.
    """

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    dims: tuple[int, ...]
    domain: tuple[int, ...]
    red_vars: tuple[Var, ...]
    output: Buffer
    init: Expr
    rows: tuple[Expr, ...]
    term: Expr
    combine: Callable[[Expr, Expr], Expr]
    unknown: Const


@dataclass(frozen=True, eq=False)
class SortNest:
    """For every index of ``shape`` but that along ``dim``: the first ``k`` of ``source`` in order, in ``values``, and
    which they are, in ``places`` (either is None where nobody reads it)."""

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    dim: int
    source: Expr
    k: int
    descending: bool
    values: Buffer | None
    places: Buffer | None


@dataclass(frozen=True, eq=False)
class ScanNest:
    """At every index of ``shape``: ``combine`` over ``body`` at all indices up to it along ``dim``, then the outputs.

    The line begins at its other end with ``reverse``. ``init``, ``body`` and ``combine`` are those of `ir.expr.Scan`.
    An output is a function from the accumulators to the value stored at ``buffer[vars]``, which may load at ``vars``.
    """

    name: str
    params: tuple[Param, ...]
    shape: tuple[int, ...]
    vars: tuple[Var, ...]
    dim: int
    reverse: bool
    init: tuple[Const, ...]
    body: tuple[Expr, ...]
    combine: Callable[[Values, Values], Values]
    outputs: tuple[tuple[Buffer, Callable[[Values], Expr]], ...]


@dataclass(frozen=True, eq=False)
class BundleNest:
    """``nests`` that do not depend on each other, over loops of their own; parameters are theirs, results last."""

    name: str
    nests: tuple[LoopNest | ReduceNest, ...]

    @property
    def params(self) -> tuple[Param, ...]:
        every = [p for n in self.nests for p in n.params]
        return (*(p for p in every if p.mode == "in"), *(p for p in every if p.mode != "in"))


Nest = LoopNest | ReduceNest | ChainNest | RowsNest | ScatterNest | ScanNest | SortNest | AttentionNest | BundleNest
