"""Contractions with a stride in the way: one piece for each residue of the output's index.

The input gradient of a convolution of stride s reads g[(y + p - k) // s] where (y + p - k) % s == 0. For y = s*q + r
the condition leaves the k = s*j + k0 with k0 = (r + p) % s, and for them the index is affine: s pieces with a stride of
1, instead of s times as many products, most of them with zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.boxes import ceil_div, extent_of
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.expr import Binary, Const, Expr, Var, linear, substitute, walk
from graphtorch.ir.types import int64


@dataclass(frozen=True)
class Piece:
    """Part of a contraction: loops over outputs and over the domain, the nest's indices by them, and the product."""

    vars: tuple[Var, ...]
    red_vars: tuple[Var, ...]
    index: dict[Var, Expr]
    product: Binary


@dataclass(frozen=True)
class _Residue:
    """Of index ``y`` only those equal to ``r`` modulo ``s``, and then of ``k`` those equal to ``k0``."""

    y: Var
    k: Var
    s: int
    r: int
    k0: int

    def part(self, v: Var, rest: int) -> Var:
        return Var(v.name, int64, max(0, ceil_div(extent_of(v) - rest, self.s)))


def residues(nest: ReduceNest) -> list[Piece]:
    """The pieces of a contraction; one, of the nest as it is, where there is no stride in the way."""
    product = nest.body[0]
    assert isinstance(product, Binary)  # is_contraction saw to it
    return [_piece(nest, product, chosen) for chosen in itertools.product(*_choices(nest, product))]


def _choices(nest: ReduceNest, product: Binary) -> list[list[_Residue]]:
    """For each index that a stride splits, its residues."""
    found: dict[Var, list[_Residue]] = {}
    for terms, offset, s in _conditions(product):
        y = [v for v in terms if v in nest.vars]
        k = [v for v in terms if v in nest.red_vars]
        if any(is_dynamic(extent_of(v)) for v in (*y, *k)):
            continue
        if len(y) == len(k) == 1 and len(terms) == 2 and terms[y[0]] == 1 and y[0] not in found:
            every = [_residue(y[0], k[0], s, r, offset, terms[k[0]]) for r in range(min(s, extent_of(y[0])))]
            if None not in every:
                found[y[0]] = [r for r in every if r]
    return list(found.values())


def _conditions(e: Expr) -> Iterator[tuple[dict[Var, int], int, int]]:
    """(terms, offset, s) of every condition (terms + offset) % s == 0."""
    found: list[Binary] = []
    walk(e, lambda x: found.append(x) if isinstance(x, Binary) and x.fn == "eq" else None)
    for condition in found:
        match condition:
            case Binary(a=Binary(fn="mod", a=term, b=Const(value=s)), b=Const(value=0)):
                form = linear(term)
                if form:
                    yield form[0], form[1], int(s)


def _residue(y: Var, k: Var, s: int, r: int, offset: int, factor: int) -> _Residue | None:
    solutions = [k0 for k0 in range(s) if (r + offset + factor * k0) % s == 0]
    return _Residue(y, k, s, r, solutions[0]) if len(solutions) == 1 else None


def _piece(nest: ReduceNest, product: Binary, chosen: tuple[_Residue, ...]) -> Piece:
    y_parts = {c.y: c.part(c.y, c.r) for c in chosen}
    k_parts = {c.k: c.part(c.k, c.k0) for c in chosen}
    env: dict[Var, Expr] = {c.y: y_parts[c.y] * c.s + c.r for c in chosen}
    env |= {c.k: k_parts[c.k] * c.s + c.k0 for c in chosen}
    whole = substitute(product, env)
    assert isinstance(whole, Binary)  # a product of reads stays one
    return Piece(
        tuple(y_parts.get(v, v) for v in nest.vars),
        tuple(k_parts.get(v, v) for v in nest.red_vars),
        {v: env.get(v, v) for v in nest.vars},
        whole,
    )
