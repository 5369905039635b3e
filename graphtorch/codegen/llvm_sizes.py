"""Sizes that are not known, in machine code: a number for each name, given to a function, and arithmetic on those.

A kernel takes the names that it needs as its last arguments. What is made of them is computed once, where it begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import cast

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.llvm_tables import I64
from graphtorch.ir import dim_terms
from graphtorch.ir.dim import Dim, is_dynamic
from graphtorch.ir.dim_terms import Atom, Symbol, Terms


class Sizes:
    """What sizes come to in a function: ``names`` are its numbers for them, and ``b`` is where it begins."""

    def __init__(self, b: ll.Builder, names: Mapping[str, ll.Value]) -> None:
        self.b, self.names = b, names
        self._made: dict[Terms, ll.Value] = {}

    @staticmethod
    def of_arguments(b: ll.Builder, names: Sequence[str], arguments: Sequence[ll.Value]) -> Sizes:
        """Those of a function that takes them as ``arguments``."""
        return Sizes(b, dict(zip(names, arguments, strict=True)))

    def of(self, x: int) -> ll.Value:
        """``x``, which may be a number."""
        return self._of(cast(Dim, x).terms) if is_dynamic(x) else ll.Constant(I64, x)

    def _of(self, terms: Terms) -> ll.Value:
        known = dim_terms.number(terms)
        if known is not None:
            return ll.Constant(I64, known)
        if terms not in self._made:
            products = [self._product(c, monomial) for monomial, c in terms]
            self._made[terms] = reduce(lambda a, b: self.b.binary("add nsw", a, b), products)
        return self._made[terms]

    def _product(self, coefficient: int, monomial: Sequence[Atom]) -> ll.Value:
        factors = [self._atom(a) for a in monomial]
        if coefficient != 1 or not factors:
            factors.append(ll.Constant(I64, coefficient))
        return reduce(lambda a, b: self.b.binary("mul nsw", a, b), factors)

    def _atom(self, atom: Atom) -> ll.Value:
        if isinstance(atom, Symbol):
            return self.names[atom.name]
        a, b, quotient = self._of(atom.a), self._of(atom.b), atom.fn == "floordiv"
        least, _ = dim_terms.bounds(atom.a)
        if least is not None and least >= 0:
            return self.b.binary("udiv" if quotient else "urem", a, b)
        rest = self.b.binary("srem", a, b)  # b is positive
        below = self.b.compare("icmp slt", rest, ll.Constant(I64, 0))
        if not quotient:
            return self.b.select(below, self.b.binary("add", rest, b), rest)
        return self.b.binary("add", self.b.binary("sdiv", a, b), self.b.convert("sext", below, I64))
