"""Sizes that are not known: what stands in a shape for a dimension that `gt.compile` is told is dynamic.

A `Dim` is a polynomial in named sizes ("B"), see `dim_terms.py`. It takes the place of an int wherever sizes are
computed: it says that it is one (`isinstance(d, int)`), and its operators give ints where the names cancel. What it is
not is a number: where Python code needs one, or asks a question whose answer depends on the size, the answer is that of
an example, and the guards that are being recorded keep the question (`dim_guards.py`).

Every named size is at least 2: 0 and 1 mean something else (nothing to do, broadcasting), so programs for those
are made for them alone. Many questions have one answer for all sizes then, and are no guards.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeGuard, cast

from graphtorch.ir import dim_guards, dim_terms
from graphtorch.ir.dim_guards import Guard, Guards, recorded
from graphtorch.ir.dim_terms import LEAST, Symbol, Terms

__all__ = [
    "LEAST",
    "Dim",
    "Guard",
    "Guards",
    "Symbol",
    "at_sizes",
    "divides",
    "example",
    "is_dynamic",
    "names_of",
    "range_of",
    "recorded",
    "same",
    "surely",
    "symbol",
    "symbols_of",
]


class Dim:
    """A size by its terms. Made by `symbol`, and by arithmetic."""

    __slots__ = ("terms",)
    #: so that numpy's numbers leave arithmetic with it to it
    __array_ufunc__ = None

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance() sees: code that takes ints takes sizes."""
        return int

    def __reduce__(self) -> tuple[object, tuple[Terms]]:
        return Dim, (self.terms,)

    def __repr__(self) -> str:
        return dim_terms.text(self.terms)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __hash__(self) -> int:
        return hash(self.terms)

    # ---- arithmetic ----

    def __add__(self, other: int) -> int:
        if not _is_int(other):
            return NotImplemented if not isinstance(other, float) else cast(int, float(self) + other)
        return _size(dim_terms.total([*self.terms, *_terms(other)]))

    __radd__ = __add__

    def __neg__(self) -> int:
        return _as_int(Dim(dim_terms.negative(self.terms)))

    def __pos__(self) -> int:
        return _as_int(self)

    def __abs__(self) -> int:
        return _as_int(self) if self >= 0 else -self

    def __sub__(self, other: int) -> int:
        return self + -other

    def __rsub__(self, other: int) -> int:
        return -self + other

    def __mul__(self, other: int) -> int:
        if not _is_int(other):
            return NotImplemented if not isinstance(other, float) else cast(int, float(self) * other)
        return _size(dim_terms.times(self.terms, _terms(other)))

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
        if _is_int(exponent) and not is_dynamic(exponent) and exponent >= 0:
            return math.prod([_as_int(self)] * exponent)
        return cast(int, self.__index__() ** exponent)

    def __rpow__(self, base: float) -> float:
        return float(base ** self.__index__())

    # ---- questions ----

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and _ask("==", _as_int(self), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: float) -> bool:
        return _ask("<", _as_int(self), other)

    def __le__(self, other: float) -> bool:
        return _ask("<=", _as_int(self), other)

    def __gt__(self, other: float) -> bool:
        return not self <= other

    def __ge__(self, other: float) -> bool:
        return not self < other

    def __bool__(self) -> bool:
        return self != 0

    # ---- as a plain number: the program is for this size alone ----

    def __index__(self) -> int:
        number = dim_terms.example(self.terms)
        _ask("==", _as_int(self), number)  # for the guard
        return number

    __int__ = __trunc__ = __floor__ = __ceil__ = __index__

    def __round__(self, digits: int | None = None) -> int:
        return _as_int(self) if digits is None else round(self.__index__(), digits)

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
    return dim_terms.example(_terms(x)) if is_dynamic(x) else x


def at_sizes(x: int, sizes: Mapping[str, int]) -> int:
    """``x`` for these sizes of the names."""
    return dim_terms.at(_terms(x), sizes) if is_dynamic(x) else x


def names_of(x: int) -> set[str]:
    """The named sizes that ``x`` depends on."""
    return {s.name for s in symbols_of(x)}


def symbols_of(x: int) -> set[Symbol]:
    """The named sizes that ``x`` depends on, with their examples."""
    return dim_terms.symbols(_terms(x)) if is_dynamic(x) else set()


def range_of(x: int) -> tuple[int | None, int | None]:
    """The least and the greatest that ``x`` can be, whatever the sizes are; None where it has no bound."""
    return dim_terms.bounds(_terms(x)) if is_dynamic(x) else (x, x)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"==": operator.eq, "<": operator.lt, "<=": operator.le}


def surely(fn: str, a: float, b: float) -> bool | None:
    """``a fn b``, for "<", "<=" and "==", where it is the same for all sizes; else None. It is no guard."""
    if not (is_dynamic(a) or is_dynamic(b)):  # most often, and code generation asks often
        return _COMPARE[fn](a, b)
    question = _question(fn, a, b)
    return question if isinstance(question, bool) else dim_guards.known(*question)


def same(a: Hashable, b: Hashable) -> bool:
    """Whether shapes (or types, or lists of sizes) are equal for all sizes. It is no guard.

    What is equal by chance has another hash, and ``==`` would ask.
    """
    return hash(a) == hash(b) and a == b


def divides(divisor: int, x: int) -> bool:
    """Whether ``x`` is a multiple of ``divisor`` for all sizes. It is no guard."""
    rest = x % divisor
    return not is_dynamic(rest) and rest == 0


def _ask(fn: str, a: float, b: float) -> bool:
    if not isinstance(b, int | float):
        return NotImplemented
    question = _question(fn, a, b)
    return question if isinstance(question, bool) else dim_guards.ask(*question)


#: no array has so many elements
_TOO_MANY = 2**62


def _question(fn: str, a: float, b: float) -> bool | tuple[str, Terms]:
    """``a fn b`` as ``x fn 0``; its answer where no name is in it, or a number that is larger than any size."""
    a, b = (math.copysign(math.inf, x) if type(x) is int and abs(x) >= _TOO_MANY else x for x in (a, b))
    fraction = next((x for x in (a, b) if isinstance(x, float)), 0.0)
    if not (is_dynamic(a) or is_dynamic(b)):
        return dim_guards.compare(fn, a, b)
    if not math.isfinite(fraction):
        return dim_guards.compare(fn, *(x if isinstance(x, float) else 0.0 for x in (a, b)))
    if not fraction.is_integer():  # a whole number is below it or above it
        if fn == "==":
            return False
        fn = "<="
    return fn, _terms((a if _is_int(a) else math.ceil(a)) - (b if _is_int(b) else math.floor(b)))


def _size(terms: Terms) -> int:
    """The size with these terms: an int where no name is left."""
    number = dim_terms.number(terms)
    return _as_int(Dim(terms)) if number is None else number


def _is_int(x: object) -> TypeGuard[int]:
    """Whether it is a size or an integer, numpy's too."""
    return isinstance(x, int) or hasattr(x, "__index__")


def _as_int(dim: Dim) -> int:
    """For the type checker: a Dim where an int is wanted."""
    return cast(int, dim)


def _terms(x: int) -> Terms:
    return cast(Dim, x).terms if is_dynamic(x) else dim_terms.constant(operator.index(x))


def _divmod(a: int, b: int) -> tuple[int, int]:
    if not (_is_int(a) and _is_int(b)):
        return divmod(a.__index__(), b) if is_dynamic(a) else divmod(a, b.__index__())
    if not b > 0:  # no size is divided by such a number
        return divmod(a.__index__(), b.__index__())
    quotient, rest = dim_terms.divided(_terms(a), _terms(b))
    return _size(quotient), _size(rest)
