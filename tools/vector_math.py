"""`python -m tools.vector_math` writes the numbers of graphtorch/codegen/vector_math: fits and constants.

A fit of a name has the degrees that float32 and float64 need. It takes a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mpmath import mp, mpf

from tools.minimax import Fit, Function, fitted, rounded

OUT = Path(__file__).parent.parent / "graphtorch/codegen/vector_math/coefficients.py"
HEADER = '''"""Coefficients of polynomials, and constants in parts. Written by `python -m tools.vector_math`.

Each name has its numbers for float32 and for float64. `error` is the polynomial's greatest, relative but for ERFC,
before its last coefficients are rounded.
"""
'''
LN2, ONE = mp.log(2), mpf(1)
TINY = mpf("1e-9")
BITS = {32: 24, 64: 53}
#: a little more than intervals are: reductions round
MORE = mpf("1.002")


def _half_log(s: Any) -> Any:
    return mp.log((1 + s) / (1 - s))


def _fourth_root(x: Any) -> Any:
    return mp.root(mp.erfc(x), 4)


#: where the middle of the quotient lies that arguments of erfcx are brought into
ERFCX_MIDDLE = {32: 2, 64: 4}


def _erfcx(size: int) -> Function:
    """(1 + 2 a) exp(a**2) erfc(a), in q = (a - k) / (a + k)."""

    def of_quotient(q: Any) -> Any:
        a = ERFCX_MIDDLE[size] * (1 + q) / (1 - q)
        return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a)

    return of_quotient


def _erfinv(w: Any) -> Any:
    """erfinv(x) / x for w = -log(1 - x**2)."""
    if w < mpf("1e-12"):
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    if w < 2:
        return mp.erfinv(x) / x
    rest = mp.log(mp.exp(-w) / (1 + x))
    return mp.findroot(lambda y: mp.log(mp.erfc(y)) - rest, mp.sqrt(w) * mpf("0.95")) / x


def centred(function: Function, low: Any, high: Any, count: int) -> Fit:
    """In powers of what is above the middle of the interval, with relative errors."""
    middle, half = (mpf(low) + mpf(high)) / 2, (mpf(high) - mpf(low)) / 2
    shifted = lambda u: function(u + middle)  # of two uses
    return Fit(shifted, -half, half, range(count), shifted)


def _erfinv_of_root(s: Any) -> Any:
    return _erfinv(s * s)


def odd(first: int, count: int) -> Sequence[int]:
    return range(first, first + 2 * count, 2)


def relative(function: Function, low: Any, high: Any, powers: Sequence[int], fixed: Function) -> Fit:
    return Fit(function, low, high, powers, function, fixed)


def small(function: Function, high: Any, powers: Sequence[int], fixed: Function = lambda x: x) -> Fit:
    """From 0 to ``high``, with errors relative to x."""
    return Fit(function, TINY, high, powers, lambda x: x, fixed)


#: name -> what it is, and a fit for each size
FITS: dict[str, tuple[str, dict[int, Fit]]] = {
    "EXP": (
        "(exp(x) - 1 - x) / x**2 in [-ln 2 / 2, ln 2 / 2], with the error of exp",
        {
            b: relative(mp.exp, -LN2 / 2 * MORE, LN2 / 2 * MORE, range(2, d + 1), lambda x: 1 + x)
            for b, d in ((32, 6), (64, 11))
        },
    ),
    "EXP2": (
        "(2**x - 1) / x in [-1/2, 1/2]",
        {
            b: relative(lambda x: 2**x, -MORE / 2, MORE / 2, range(1, d + 1), lambda x: ONE)
            for b, d in ((32, 6), (64, 12))
        },
    ),
    "EXPM1": (
        "(exp(x) - 1 - x) / x**2 in [-ln 2 / 2, ln 2 / 2]; 32: better at the ends, where tanh has its greatest errors",
        {
            b: Fit(mp.expm1, -LN2 / 2 * MORE, LN2 / 2 * MORE, range(2, d + 1), weight, lambda x: x)
            for b, d, weight in ((32, 6, lambda x: x * (1 - 2 * x * x)), (64, 12, lambda x: x))
        },
    ),
    "LOG": (
        "(log(1 + x) - x) / x**2 in [sqrt(1/2) - 1, sqrt(2) - 1]; float64: (log((1 + x) / (1 - x)) - 2 x) / x**3",
        {
            32: Fit(mp.log1p, mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, range(2, 11), lambda x: x, lambda x: x),
            64: small(_half_log, mpf("0.1717"), odd(3, 7), lambda x: 2 * x),
        },
    ),
    "SINH": (
        "(sinh(x) - x) / x**3 in [0, 1], in powers of x**2",
        {b: small(mp.sinh, ONE, odd(3, n)) for b, n in ((32, 4), (64, 8))},
    ),
    "ERF": (
        "(erf(x) - x) / x in [0, 0.9], in powers of x**2",
        {b: small(mp.erf, mpf("0.9"), odd(1, n)) for b, n in ((32, 6), (64, 12))},
    ),
    "ERFC": (
        "1 - erfc(x)**(1/4) from 0.9 to where erf(x) is 1",
        {
            b: Fit(lambda x: 1 - _fourth_root(x), mpf("0.9"), high, range(n), lambda x: _fourth_root(x) ** -3 / 4)
            for b, n, high in ((32, 10, mpf("3.95")), (64, 22, mpf("5.95")))
        },
    ),
    "ERFCX": (
        "(1 + 2 a) exp(a**2) erfc(a) in powers of (a - k) / (a + k), k = 2 (32, in float64), 4 (64, from a = 1/2)",
        {
            b: relative(
                _erfcx(b), *((a - ERFCX_MIDDLE[b]) / (a + ERFCX_MIDDLE[b]) for a in ends), range(n), lambda x: mpf(0)
            )
            for b, n, ends in ((32, 12, (TINY, mpf("10.2"))), (64, 23, (mpf("0.49"), mpf("27.3"))))
        },
    ),
    "ERFINV": (
        "erfinv(x) / x in powers of w - 2.5 (32, in float64), w - 1.5 (64), w = -log(1 - x**2) up to 5, and to 3",
        {32: centred(_erfinv, 0, 5, 11), 64: centred(_erfinv, 0, 3, 18)},
    ),
    "ERFINV_FAR": (
        "in powers of sqrt(w) - 3.118 up to 4 (32, in float64), of sqrt(w) - 3.9 up to 6.08 (64, a first guess)",
        {32: centred(_erfinv_of_root, "2.236", 4, 11), 64: centred(_erfinv_of_root, "1.72", "6.08", 17)},
    ),
    "SIN": (
        "(sin(x) - x) / x**3 in [0, pi/4], in powers of x**2; 32 is for float32 computed in float64",
        {b: small(mp.sin, mp.pi / 4 * MORE, odd(3, n)) for b, n in ((32, 4), (64, 7))},
    ),
    "COS": (
        "(cos(x) - 1 + x**2 / 2) / x**4 in [0, pi/4], in powers of x**2; 32 is for float32 computed in float64",
        {
            b: Fit(mp.cos, TINY, mp.pi / 4 * MORE, range(4, 4 + 2 * n, 2), mp.cos, lambda x: 1 - x * x / 2)
            for b, n in ((32, 3), (64, 6))
        },
    ),
    "ATAN": (
        "(atan(x) - x) / x**3 in [0, 1], in powers of x**2",
        {b: small(mp.atan, ONE, odd(3, n)) for b, n in ((32, 9), (64, 21))},
    ),
    "ASIN": (
        "(asin(x) - x) / x**3 in [0, 1/2], in powers of x**2",
        {b: small(mp.asin, mpf("0.5"), odd(3, n)) for b, n in ((32, 5), (64, 12))},
    ),
    "POW_LOG2": (
        "log2((1 + x) / (1 - x)) in powers of x**2 from x (32, in float64), from x**5 (64), for 0 to 0.1716",
        {
            32: small(lambda s: _half_log(s) / LN2, mpf("0.1717"), odd(1, 6), lambda x: mpf(0)),
            64: small(lambda s: _half_log(s) / LN2, mpf("0.1717"), odd(5, 8), lambda s: 2 * (s + s**3 / 3) / LN2),
        },
    ),
}
#: computed in float64 for both sizes
WIDE = {"SIN", "COS", "POW_LOG2", "ERFCX", "ERFINV", "ERFINV_FAR"}


def parts(x: Any, *bits: int) -> list[Any]:
    """``x`` as a sum of numbers with so many bits each."""
    out = []
    for b in bits:
        out.append(rounded(x, b))
        x -= out[-1]
    return out


#: name -> what it is, and its parts for each size
CONSTANTS: dict[str, tuple[str, dict[int, list[Any]]]] = {
    "LN2": (
        "ln 2; the first part, the smaller, times any exponent is exact",
        {32: parts(LN2, 15, 24), 64: parts(LN2, 42, 53)},
    ),
    "LOG2E": ("1 / ln 2", {b: parts(1 / LN2, n, n) for b, n in BITS.items()}),
    "LOG10E": ("1 / ln 10", {b: parts(1 / mp.log(10), n, n) for b, n in BITS.items()}),
    "LOG10_2": (
        "ln 2 / ln 10; the first part times any exponent is exact",
        {32: parts(LN2 / mp.log(10), 15, 24), 64: parts(LN2 / mp.log(10), 42, 53)},
    ),
    "HALF_PI": ("pi / 2, as the sum of two", {b: parts(mp.pi / 2, n, n) for b, n in BITS.items()}),
    "HALF_PI_PARTS": (
        "pi / 2; all parts but the last, times an integer up to 2**20, are exact",
        {64: parts(mp.pi / 2, 33, 33, 33, 53)},
    ),
    "POW_C1": ("2 / ln 2", {64: parts(2 / LN2, 53, 53)}),
    "POW_C3": ("2 / (3 ln 2)", {64: parts(2 / (3 * LN2), 53, 53)}),
}
#: huge arguments of sine and cosine: exponents in steps, up to the greatest, and bits of the parts
TURNS = {32: (1, 104, (29, 53)), 64: (16, 971, (53, 53, 53, 53))}


def turns(step: int, last: int, bits: Sequence[int]) -> list[list[Any]]:
    """2/pi * 2**e mod 4 in parts, for e = 0, step, 2 step, ... up to ``last``."""
    with mp.workdps(800):
        return [parts(2 / mp.pi * mpf(2) ** e % 4, *bits) for e in range(0, last + 1, step)]


def row(values: Sequence[Any], indent: str) -> list[str]:
    """The numbers of a tuple, four in a line; Python's repr gives each back exactly."""
    texts = [repr(float(v)) for v in values]
    return [indent + ", ".join(texts[i : i + 4]) + "," for i in range(0, len(texts), 4)]


def entry(size: int, values: Sequence[Any], note: str = "") -> list[str]:
    return [f"    {size}: ({note}", *row(values, "        "), "    ),"]


def fit_lines() -> Iterator[str]:
    for name, (text, fits) in FITS.items():
        yield from (f"#: {text}", f"{name}: Numbers = {{")
        for size, fit in fits.items():
            values, error = fitted(fit, 53 if name in WIDE else BITS[size], 1 if name == "ERFC" else 2)
            print(f"{name} {size}: {len(values)} coefficients, {float(mp.log(error, 2)):.1f} bits", flush=True)
            yield from entry(size, values, f"  # error 2**{float(mp.log(error, 2)):.1f}")
        yield "}"


def constant_lines() -> Iterator[str]:
    for name, (text, sizes) in CONSTANTS.items():
        yield from (f"#: {text}", f"{name}: Numbers = {{")
        for size, values in sizes.items():
            yield from entry(size, values)
        yield "}"


def turn_lines() -> Iterator[str]:
    yield '"""2/pi * 2**e mod 4 in parts, for e in steps of STEP from 0. Written by `python -m tools.vector_math`."""'
    yield from ("", "# fmt: off", "TURNS: dict[int, tuple[tuple[float, ...], ...]] = {")
    for size, (step, last, bits) in TURNS.items():
        yield f"    {size}: ("
        rows = [f"({', '.join(repr(float(v)) for v in values)})," for values in turns(step, last, bits)]
        count = 2 if len(bits) == 2 else 1
        yield from ("        " + " ".join(rows[i : i + count]) for i in range(0, len(rows), count))
        yield "    ),"
    yield from ("}", f"STEP = {{{', '.join(f'{size}: {step}' for size, (step, _, _) in TURNS.items())}}}")


def main() -> None:
    lines = [HEADER, "Numbers = dict[int, tuple[float, ...]]", "", "# fmt: off"]
    OUT.write_text("\n".join((*lines, *fit_lines(), *constant_lines())) + "\n", encoding="utf-8")
    (OUT.parent / "turns.py").write_text("\n".join(turn_lines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
