"""Sizes that are not known, in machine code: a number for each name, which a function is given, and arithmetic on those.

A kernel takes the names that it needs as its last arguments. What is made of them is computed once, where it begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import cast

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.llvm_tables import I64
from graphtorch.ir.dim import Atom, Dim, Symbol, Terms, is_dynamic, surely


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
        if not is_dynamic(x):
            return ll.Constant(I64, x)
        terms = x.terms
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
        a, b = (self.of(size(terms)) for terms in (atom.a, atom.b))
        quotient = atom.fn == "floordiv"
        if surely("<=", 0, size(atom.a)):
            return self.b.binary("udiv" if quotient else "urem", a, b)
        rest = self.b.binary("srem", a, b)
        below = self.b.compare("icmp slt", rest, ll.Constant(I64, 0))
        if not quotient:
            return self.b.select(below, self.b.binary("add", rest, b), rest)
        towards_zero = self.b.binary("sdiv", a, b)
        return self.b.binary("add", towards_zero, self.b.convert("sext", below, I64))


def size(terms: Terms) -> int:
    """The size, or the number, that ``terms`` are."""
    named = any(monomial for monomial, _ in terms)
    return cast(int, Dim(terms)) if named else sum(c for _, c in terms)
