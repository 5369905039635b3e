"""Sizes that are not known: what stands in a shape for a dimension that `gt.compile` is told is dynamic.

A `Dim` is a polynomial with integer coefficients in named sizes ("B") and in quotients, remainders and the like of such
polynomials. It takes the place of an int wherever sizes are computed: it says that it is one (`isinstance(d, int)`),
and its operators give ints where the names cancel. What it is not is a number: where Python code needs one, or asks a
question whose answer depends on the size, the answer is that of an example, and the `Guards` that are being recorded
keep the question. A program is right for all sizes for which its guards hold. That is how torch's SymInt works.

Every named size is at least `LEAST`: 0 and 1 mean something else (nothing to do, broadcasting), so programs for those
are made for them alone. Many questions have one answer for all sizes then, and are no guards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import product
from typing import TypeGuard, cast

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
        return f"({_text(self.a)} {sign} {_text(self.b)})"

    @property
    def example(self) -> int:
        return self._of(_example(self.a), _example(self.b))

    @property
    def least(self) -> int | None:
        """At least 0, unless it is the quotient of what may be negative."""
        low = _range(self.a)[0]
        return 0 if self.fn == "mod" or (low is not None and low >= 0) else None

    @property
    def most(self) -> int | None:
        return self.divisor - 1 if self.fn == "mod" and self.divisor else None

    @property
    def divisor(self) -> int:
        """b where it is a number, else 0."""
        return self.b[0][1] if self.b[0][0] == () and len(self.b) == 1 else 0

    def at(self, sizes: Mapping[str, int]) -> int:
        return self._of(_at(self.a, sizes), _at(self.b, sizes))

    def _of(self, a: int, b: int) -> int:
        return a // b if self.fn == "floordiv" else a % b


Atom = Symbol | Rounded
#: factors, in order of their text
Monomial = tuple[Atom, ...]
#: monomials and their coefficients, none of them 0, in order of their text
Terms = tuple[tuple[Monomial, int], ...]


class Dim:
    """A size by its terms. Made by `symbol`, and by arithmetic."""

    __slots__ = ("terms",)

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance() sees: code that takes ints takes sizes."""
        return int

    def __reduce__(self) -> tuple[object, tuple[Terms]]:
        return Dim, (self.terms,)

    def __repr__(self) -> str:
        return _text(self.terms)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __hash__(self) -> int:
        return hash(self.terms)

    # ---- arithmetic ----

    def __add__(self, other: int) -> int:
        return NotImplemented if not isinstance(other, int) else _made([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> int:
        return _made([(m, -c) for m, c in self.terms])

    def __pos__(self) -> int:
        return _as_int(self)

    def __abs__(self) -> int:
        return _as_int(self) if self >= 0 else -self

    def __sub__(self, other: int) -> int:
        return self + -other

    def __rsub__(self, other: int) -> int:
        return -self + other

    def __mul__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented if not isinstance(other, float) else float(self) * other  # type: ignore[return-value]
        pairs = product(self.terms, _terms(other))
        return _made([(_sorted((*m, *n)), a * b) for (m, a), (n, b) in pairs])

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> int:
        return _divmod(_as_int(self), other)[0]

    def __rfloordiv__(self, other: int) -> int:
        return _divmod(other, _as_int(self))[0]

    def __mod__(self, other: int) -> int:
        return _divmod(_as_int(self), other)[1]

    def __rmod__(self, other: int) -> int:
        return _divmod(other, _as_int(self))[1]

    def __divmod__(self, other: int) -> tuple[int, int]:
        return _divmod(_as_int(self), other)

    def __rdivmod__(self, other: int) -> tuple[int, int]:
        return _divmod(other, _as_int(self))

    def __pow__(self, exponent: int) -> int:
        return math.prod([_as_int(self)] * exponent)

    # ---- questions ----

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and _ask("==", self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: float) -> bool:
        return _ask("<", self, other)

    def __le__(self, other: float) -> bool:
        return _ask("<=", self, other)

    def __gt__(self, other: float) -> bool:
        return not self <= other

    def __ge__(self, other: float) -> bool:
        return not self < other

    def __bool__(self) -> bool:
        return self != 0

    # ---- as a plain number: the program is for this size alone ----

    def __index__(self) -> int:
        number = example(_as_int(self))
        return number if self == number else number  # the guard is what is wanted

    __int__ = __trunc__ = __floor__ = __ceil__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __truediv__(self, other: float) -> float:
        return self.__index__() / other

    def __rtruediv__(self, other: float) -> float:
        return other / self.__index__()


def symbol(name: str, example: int) -> int:
    """The size called ``name``; ``example`` is a size that it may have."""
    return _as_int(Dim((((Symbol(name, example),), 1),)))


def is_dynamic(x: object) -> TypeGuard[int]:
    """Whether ``x`` is a size that is not known."""
    return type(x) is Dim


def example(x: int) -> int:
    """``x`` for the example of each name: for choices that are right for any size, and best for some."""
    return _example(x.terms) if type(x) is Dim else x


def at_sizes(x: int, sizes: Mapping[str, int]) -> int:
    """``x`` for these sizes of the names."""
    return _at(x.terms, sizes) if type(x) is Dim else x


def names_of(x: int) -> set[str]:
    """The named sizes that ``x`` depends on."""
    return {s.name for s in symbols_of(x)}


def symbols_of(x: int) -> set[Symbol]:
    found: set[Symbol] = set()
    waiting = [x.terms] if type(x) is Dim else []
    while waiting:
        for atom in (a for monomial, _ in waiting.pop() for a in monomial):
            if isinstance(atom, Symbol):
                found.add(atom)
            else:
                waiting += [atom.a, atom.b]
    return found


def range_of(x: int) -> tuple[int | None, int | None]:
    """The least and the greatest that ``x`` can be, whatever the sizes are; None where it has no bound."""
    return _range(x.terms) if type(x) is Dim else (x, x)


def surely(fn: str, a: float, b: float) -> bool | None:
    """``a fn b``, for "<", "<=" and "==", where it is the same for all sizes; else None. It is no guard."""
    if not (is_dynamic(a) or is_dynamic(b)):
        return _COMPARE[fn](a, b)
    if not (isinstance(a, int) and isinstance(b, int)):  # an infinite one, as bounds are
        return _COMPARE[fn](*(float(x) if not is_dynamic(x) else 0.0 for x in (a, b)))
    low, high = range_of(a - b)
    return _surely[fn](-math.inf if low is None else low, math.inf if high is None else high)


def divides(divisor: int, x: int) -> bool:
    """Whether ``x`` is a multiple of ``divisor`` for all sizes. It is no guard."""
    rest = x % divisor
    return not is_dynamic(rest) and rest == 0


# ---- guards ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guard:
    """A question ``x fn 0``, and how it was answered."""

    fn: str
    x: int
    answer: bool

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return _COMPARE[self.fn](at_sizes(self.x, sizes), 0) == self.answer

    def __str__(self) -> str:
        fn = self.fn if self.answer else {"==": "!=", "<": ">=", "<=": ">"}[self.fn]
        names, rest = _sides(cast(Dim, self.x).terms)
        return f"{names} {fn} {rest}"


@dataclass
class Guards:
    """The questions that were asked, each once and in order, and who wants to hear of new ones."""

    asked: dict[Guard, None] = field(default_factory=dict)

    def add(self, guard: Guard) -> None:
        self.asked.setdefault(guard)

    def hold(self, sizes: Mapping[str, int]) -> bool:
        return all(g.holds(sizes) for g in self.asked)


_recording: ContextVar[Guards | None] = ContextVar("guards", default=None)


@contextmanager
def recorded(guards: Guards) -> Iterator[Guards]:
    """Questions asked within are answered by example, and kept in ``guards``."""
    token = _recording.set(guards)
    try:
        yield guards
    finally:
        _recording.reset(token)


def _ask(fn: str, a: float, b: float) -> bool:
    known = surely(fn, a, b)
    if known is not None:
        return known
    assert isinstance(a, int) and isinstance(b, int)  # others are known
    guards, x = _recording.get(), a - b
    if guards is None:
        raise RuntimeError(f"whether {a} {fn} {b} depends on the size, and nobody keeps the question")
    guard = Guard(fn, x, _COMPARE[fn](example(x), 0))
    guards.add(guard)
    return guard.answer


_COMPARE = {"==": lambda a, b: bool(a == b), "<": lambda a, b: bool(a < b), "<=": lambda a, b: bool(a <= b)}


def _equal(low: float, high: float) -> bool | None:
    if low > 0 or high < 0:
        return False
    return True if low == high == 0 else None


def _less(low: float, high: float) -> bool | None:
    return True if high < 0 else False if low >= 0 else None


def _less_or_equal(low: float, high: float) -> bool | None:
    return True if high <= 0 else False if low > 0 else None


_surely = {"==": _equal, "<": _less, "<=": _less_or_equal}


# ---- terms ----------------------------------------------------------------------------------------


def _as_int(dim: Dim) -> int:
    """For the type checker: a Dim where an int is wanted."""
    return cast(int, dim)


def _terms(x: int) -> Terms:
    return x.terms if type(x) is Dim else ((((), int(x)),) if x else ())


def _sorted(factors: Monomial) -> Monomial:
    return tuple(sorted(factors, key=str))


def _made(terms: list[tuple[Monomial, int]]) -> int:
    """The sum of ``terms``: an int where no name is left."""
    total: dict[Monomial, int] = {}
    for monomial, coefficient in _unrounded(terms):
        total[monomial] = total.get(monomial, 0) + coefficient
    left = [(m, c) for m, c in total.items() if c]
    if not left or (len(left) == 1 and not left[0][0]):
        return left[0][1] if left else 0
    return _as_int(Dim(tuple(sorted(left, key=lambda t: ([-len(t[0]), *map(str, t[0])])))))


def _unrounded(terms: Iterable[tuple[Monomial, int]]) -> Iterator[tuple[Monomial, int]]:
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


def _example(terms: Terms) -> int:
    return sum(c * math.prod(a.example for a in m) for m, c in terms)


def _at(terms: Terms, sizes: Mapping[str, int]) -> int:
    return sum(c * math.prod(a.at(sizes) for a in m) for m, c in terms)


def _divmod(a: int, b: int) -> tuple[int, int]:
    """Terms that the divisor divides leave the remainder; what is left of them is a polynomial, or one new atom."""
    if not isinstance(b, int):
        return NotImplemented
    if not b > 0:  # no size is divided by such a number
        return divmod(a.__index__(), b.__index__())
    whole, rest = [], []
    for monomial, c in _terms(a):
        quotient = _quotient(monomial, c, b)
        (rest if quotient is None else whole).append((monomial, c) if quotient is None else quotient)
    done, left = _made(whole), _made(rest)
    if surely("<=", 0, left) and surely("<", left, b):
        return done, left
    if not (is_dynamic(left) or is_dynamic(b)):
        return done + left // b, left % b
    pair = _terms(left), _terms(b)
    atoms = (_as_int(Dim((((Rounded(fn, *pair),), 1),))) for fn in ("floordiv", "mod"))
    quotient, remainder = atoms
    return done + quotient, remainder


def _quotient(monomial: Monomial, coefficient: int, by: int) -> tuple[Monomial, int] | None:
    """The term divided by ``by``, where that is one term that divides it."""
    terms = _terms(by)
    if len(terms) != 1 or coefficient % terms[0][1]:
        return None
    factors = list(monomial)
    for atom in terms[0][0]:
        if atom not in factors:
            return None
        factors.remove(atom)
    return tuple(factors), coefficient // terms[0][1]


def _range(terms: Terms) -> tuple[int | None, int | None]:
    """Each factor as what it is at least and what is above that: where all that is above has one sign, that bounds."""
    above: dict[Monomial, int] = {}
    high_rest = low_rest = 0
    for monomial, coefficient in terms:
        if len(monomial) == 1 and monomial[0].most is not None:
            ends = sorted((coefficient * (monomial[0].least or 0), coefficient * monomial[0].most))
            low_rest, high_rest = low_rest + ends[0], high_rest + ends[1]
            continue
        if any(a.least is None for a in monomial):
            return None, None
        for chosen in product((True, False), repeat=len(monomial)):
            kept = tuple(a for a, keep in zip(monomial, chosen, strict=True) if keep)
            least = math.prod(a.least or 0 for a, keep in zip(monomial, chosen, strict=True) if not keep)
            above[kept] = above.get(kept, 0) + coefficient * least
    base = above.pop((), 0)
    low = base + low_rest if all(c >= 0 for c in above.values()) else None
    high = base + high_rest if all(c <= 0 for c in above.values()) else None
    return low, high


def _text(terms: Terms) -> str:
    """``784*B + 3``."""
    parts = []
    for monomial, c in terms:
        factors = [*([] if abs(c) == 1 and monomial else [str(abs(c))]), *map(str, monomial)]
        parts.append(("- " if c < 0 else "+ ") + "*".join(factors))
    text = " ".join(parts).removeprefix("+ ") or "0"
    return f"-{text[2:]}" if text.startswith("- ") else text


def _sides(terms: Terms) -> tuple[str, str]:
    """The names, and the number on the other side of a comparison."""
    named = tuple((m, c) for m, c in terms if m)
    return _text(named), str(-sum(c for m, c in terms if not m))
