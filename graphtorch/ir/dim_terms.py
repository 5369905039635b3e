"""Polynomials with integer coefficients in named sizes, and in quotients and remainders of such polynomials.

`Terms` is what a `Dim` (see `dim.py`) is made of: monomials with their coefficients, in one order, so that equal
polynomials are equal tuples. Every named size is at least `LEAST`, which is what bounds come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

#: the smallest that a named size can be
LEAST = 2


@dataclass(frozen=True)
class Symbol:
    """A named size, and the example that stands for it where a number is needed."""

    name: str
    example: int

    def __str__(self) -> str:
        return self.name

    @property
    def least(self) -> int:
        return LEAST

    @property
    def most(self) -> None:
        return None

    def at(self, sizes: Mapping[str, int]) -> int:
        return sizes[self.name]


@dataclass(frozen=True)
class Rounded:
    """``a // b`` or ``a % b`` that is no polynomial; b is positive."""

    fn: str
    a: Terms
    b: Terms

    def __str__(self) -> str:
        sign = "//" if self.fn == "floordiv" else "%"
        b = text(self.b)
        return f"(({text(self.a)}){sign}{b if b.isidentifier() or b.isdigit() else f'({b})'})"

    @property
    def example(self) -> int:
        return self._of(example(self.a), example(self.b))

    @property
    def least(self) -> int | None:
        """At least 0, unless it is the quotient of what may be negative."""
        low = bounds(self.a)[0]
        if self.fn == "mod" or low is None:
            return 0 if self.fn == "mod" else None
        return low // self.divisor if self.divisor else 0 if low >= 0 else None

    @property
    def most(self) -> int | None:
        return self.divisor - 1 if self.fn == "mod" and self.divisor else None

    @property
    def divisor(self) -> int:
        """b where it is a number, else 0."""
        return number(self.b) or 0

    def at(self, sizes: Mapping[str, int]) -> int:
        return self._of(at(self.a, sizes), at(self.b, sizes))

    def _of(self, a: int, b: int) -> int:
        return a // b if self.fn == "floordiv" else a % b


Atom = Symbol | Rounded
#: factors, in order of their text
Monomial = tuple[Atom, ...]
Term = tuple[Monomial, int]
#: monomials and their coefficients, none of them 0, in order of their text
Terms = tuple[Term, ...]


def constant(value: int) -> Terms:
    return (((), value),) if value else ()


def number(terms: Terms) -> int | None:
    """The polynomial as a number, where it is one."""
    if not terms:
        return 0
    return terms[0][1] if len(terms) == 1 and not terms[0][0] else None


def total(terms: Iterable[Term]) -> Terms:
    """The sum of ``terms``."""
    found: dict[Monomial, int] = {}
    for monomial, coefficient in _unrounded(terms):
        found[monomial] = found.get(monomial, 0) + coefficient
    left = [(m, c) for m, c in found.items() if c]
    return tuple(sorted(left, key=lambda t: (-len(t[0]), tuple(map(str, t[0])))))


def times(a: Terms, b: Terms) -> Terms:
    return total((_sorted((*m, *n)), c * d) for (m, c), (n, d) in product(a, b))


def negative(terms: Terms) -> Terms:
    return tuple((m, -c) for m, c in terms)


def example(terms: Terms) -> int:
    return sum(c * math.prod(a.example for a in m) for m, c in terms)


def at(terms: Terms, sizes: Mapping[str, int]) -> int:
    return sum(c * math.prod(a.at(sizes) for a in m) for m, c in terms)


def symbols(terms: Terms) -> set[Symbol]:
    found: set[Symbol] = set()
    for atom in (a for monomial, _ in terms for a in monomial):
        found |= {atom} if isinstance(atom, Symbol) else symbols(atom.a) | symbols(atom.b)
    return found


def has_remainder(terms: Terms) -> bool:
    """Whether there is a ``%`` in it."""
    rounded = [a for monomial, _ in terms for a in monomial if isinstance(a, Rounded)]
    return any(a.fn == "mod" or has_remainder(a.a) or has_remainder(a.b) for a in rounded)


def divided(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """``divmod(a, b)`` for a positive b.

    Terms that b divides leave the remainder; what is left of them is a polynomial, or one new atom.
    """
    whole: list[Term] = []
    rest: list[Term] = []
    for term in a:
        quotient = _quotient(term, b)
        (rest if quotient is None else whole).append(term if quotient is None else quotient)
    done, left = total(whole), total(rest)
    if _within(left, b):
        return done, left
    above = total([*left, *b])
    if _within(above, b):  # as -1 is
        return total([*done, *constant(-1)]), above
    x, y = number(left), number(b)
    if x is not None and y is not None:
        return total([*done, *constant(x // y)]), constant(x % y)
    quotient_and_rest = [(((Rounded(fn, left, b),), 1),) for fn in ("floordiv", "mod")]
    return total([*done, *quotient_and_rest[0]]), quotient_and_rest[1]


def _within(x: Terms, b: Terms) -> bool:
    """Whether ``0 <= x < b`` for all sizes."""
    low, room = bounds(x)[0], bounds(total([*b, *negative(x)]))[0]
    return low is not None and low >= 0 and room is not None and room > 0


def _quotient(term: Term, by: Terms) -> Term | None:
    """The term divided by ``by``, where that is one term that divides it."""
    monomial, coefficient = term
    if len(by) != 1 or coefficient % by[0][1]:
        return None
    factors = list(monomial)
    for atom in by[0][0]:
        if atom not in factors:
            return None
        factors.remove(atom)
    return tuple(factors), coefficient // by[0][1]


def _unrounded(terms: Iterable[Term]) -> Iterator[Term]:
    """``a // 4 * 4`` as ``a - a % 4``, whose bounds are known."""
    for monomial, c in terms:
        found = next((a for a in monomial if isinstance(a, Rounded) and a.fn == "floordiv" and a.divisor), None)
        if found is None or c % found.divisor:
            yield monomial, c
            continue
        others = list(monomial)
        others.remove(found)
        less = (((Rounded("mod", found.a, found.b),), -1),)
        each = c // found.divisor
        yield from _unrounded((_sorted((*others, *m)), each * n) for m, n in (*found.a, *less))


def bounds(terms: Terms) -> tuple[int | None, int | None]:
    """The least and the greatest that it can be; None where that is not known.

    Each factor is what it is at least and what is above that: where all that is above has one sign, that bounds.
    """
    above: dict[Monomial, int] = {}
    low_rest = high_rest = 0
    for monomial, coefficient in terms:
        if len(monomial) == 1 and monomial[0].most is not None:
            ends = sorted((coefficient * (monomial[0].least or 0), coefficient * monomial[0].most))
            low_rest, high_rest = low_rest + ends[0], high_rest + ends[1]
            continue
        if any(a.least is None for a in monomial):
            return None, None
        for kept, least in _parts(monomial):
            above[kept] = above.get(kept, 0) + coefficient * least
    base = above.pop((), 0)
    low = base + low_rest if all(c >= 0 for c in above.values()) else None
    high = base + high_rest if all(c <= 0 for c in above.values()) else None
    return low, high


def _parts(monomial: Monomial) -> Iterator[Term]:
    """The product of ``(least + what is above)`` of all factors, multiplied out."""
    for chosen in product((True, False), repeat=len(monomial)):
        factors = list(zip(monomial, chosen, strict=True))
        yield tuple(a for a, above in factors if above), math.prod(a.least or 0 for a, above in factors if not above)


def _sorted(factors: Monomial) -> Monomial:
    return tuple(sorted(factors, key=str))


def text(terms: Terms) -> str:
    """``784*B + 3``, ``((B + 1)//2)``: an expression of Python, and of IR text (`ir/text.py`)."""
    parts = []
    for monomial, c in terms:
        factors = [*([] if abs(c) == 1 and monomial else [str(abs(c))]), *map(str, monomial)]
        parts.append(("- " if c < 0 else "+ ") + "*".join(factors))
    joined = " ".join(parts).removeprefix("+ ") or "0"
    return f"-{joined[2:]}" if joined.startswith("- ") else joined


def sides(terms: Terms) -> tuple[Terms, Terms]:
    """``a`` and ``b`` with ``a - b == terms``: names that are added, and what is taken away or a number."""
    left = tuple((m, c) for m, c in terms if m and c > 0)
    return left, negative(tuple(t for t in terms if t not in left))
