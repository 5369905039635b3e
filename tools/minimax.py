"""Polynomials of least maximal error: the fits of tools/vector_math.py.

The algorithm is Remez' second: solve for the polynomial whose weighted error alternates on n + 1 points, move the
points to where that error is greatest, repeat. All in 60 digits, by mpmath. Then the lowest coefficients are rounded to
the format one by one, and the others fitted again to what is left; the rest are rounded at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import lu_solve, matrix, mp, mpf

mp.dps = 60
Function = Callable[[Any], Any]
#: points on which errors are looked at, for each coefficient
DENSE = 24


@dataclass(frozen=True)
class Fit:
    """``fixed(x) + sum of c[i] * x**powers[i]`` for ``function`` in [low, high], with errors in units of ``weight``."""

    function: Function
    low: Any
    high: Any
    powers: Sequence[int]
    weight: Function
    fixed: Function = lambda x: mpf(0)

    def rest(self, x: Any) -> Any:
        return self.function(x) - self.fixed(x)


def rounded(x: Any, bits: int) -> Any:
    """``x`` to so many significant bits."""
    if x == 0:
        return mpf(0)
    scale = mpf(2) ** (bits - 1 - int(mp.floor(mp.log(abs(x), 2))))
    return mp.nint(x * scale) / scale


def remez(fit: Fit, powers: Sequence[int], known: dict[int, Any]) -> tuple[dict[int, Any], Any]:
    """(coefficients for ``powers``, the maximal weighted error), where those that are ``known`` stay."""
    n = len(powers)
    low, high = mpf(fit.low), mpf(fit.high)
    count = DENSE * (n + 1)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mpf(1) / 3) / count) for i in range(count)]
    rest = [fit.rest(x) - sum(c * x**p for p, c in known.items()) for x in grid]
    weight = [abs(fit.weight(x)) * mp.sign(x) ** powers[0] for x in grid]  # the lowest power changes sign with x
    at = [min(count - 1, int((i + 0.5) * count / (n + 1))) for i in range(n + 1)]
    coefficients: dict[int, Any] = {}
    for _ in range(30):
        rows = [[grid[j] ** p for p in powers] + [(-1) ** i * weight[j]] for i, j in enumerate(at)]
        solved = lu_solve(matrix(rows), matrix([rest[j] for j in at]))
        coefficients = dict(zip(powers, solved, strict=False))
        errors = [(rest[j] - sum(c * x**p for p, c in coefficients.items())) / weight[j] for j, x in enumerate(grid)]
        moved = _extrema(errors, n + 1)
        if len(moved) < n + 1 or moved == at:
            break
        at = moved
    return coefficients, max(map(abs, errors))


def _extrema(errors: Sequence[Any], wanted: int) -> list[int]:
    """Where the error is greatest between two changes of its sign; the smallest are left out."""
    best: list[int] = []
    for j, error in enumerate(errors):
        if best and (error > 0) == (errors[best[-1]] > 0):
            if abs(error) > abs(errors[best[-1]]):
                best[-1] = j
        else:
            best.append(j)
    while len(best) > wanted:
        size = [abs(errors[j]) for j in best]
        least = min(range(len(best)), key=size.__getitem__)
        if len(best) == wanted + 1 or least in (0, len(best) - 1):
            best.pop(0 if size[0] < size[-1] else -1)
        else:  # with its smaller neighbour, so that signs go on alternating
            other = least - 1 if size[least - 1] < size[least + 1] else least + 1
            best = [j for i, j in enumerate(best) if i not in (least, other)]
    return best


def fitted(fit: Fit, bits: int, exact: int = 3) -> tuple[list[Any], Any]:
    """(coefficients rounded to the format, the maximal weighted error before the last are rounded)."""
    known: dict[int, Any] = {}
    powers = list(fit.powers)
    for _ in range(min(exact, len(powers) - 1)):
        found, _ = remez(fit, powers, known)
        known[powers[0]] = rounded(found[powers[0]], bits)
        powers.pop(0)
    found, error = remez(fit, powers, known)
    known |= {p: rounded(c, bits) for p, c in found.items()}
    return [known[p] for p in fit.powers], error
