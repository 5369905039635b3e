"""The logarithm of the gamma function, and its derivatives.

All of them are computed in float64, whatever the dtype is, and rounded once: their formulas lose digits near zeros.
Each stands once, over `_Numbers`: numpy's in eager mode, expressions in a program.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.common import as_int, dtype_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Elementwise, Unary
from graphtorch.ir.types import TensorType, defaults, float64

#: Lanczos' sum for N = 13, g = 6.02..., scaled by exp(g): Boost's `lanczos13m53`, after G. R. Pugh (2004), "An analysis
#: of the Lanczos gamma approximation". A quotient of polynomials, the constant terms first.
_G = 6.024680040776729583740234375
_ABOVE = (
    56906521.91347156388090791033559122686859, 103794043.1163445451906271053616070238554,
    86363131.28813859145546927288977868422342, 43338889.32467613834773723740590533316085,
    14605578.08768506808414169982791359218571, 3481712.15498064590882071018964774556468,
    601859.6171681098786670226533699352302507, 75999.29304014542649875303443598909137092,
    6955.999602515376140356310115515198987526, 449.9445569063168119446858607650988409623,
    19.51992788247617482847860966235652136208, 0.5098416655656676188125178644804694509993,
    0.006061842346248906525783753964555936883222,
)  # fmt: skip
_BELOW = (0.0, 39916800, 120543840, 150917976, 105258076, 45995730, 13339535, 2637558, 357423, 32670, 1925, 66, 1)
#: Bernoulli's numbers B2, B4, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
#: from here on the series in 1 / x^2 of Stirling is good to float64
_FAR = 10


class _Numbers:
    """What the formulas need beside operators, of arrays of float64."""

    log, sin, tan, abs, round = np.log, np.sin, np.tan, np.abs, np.rint
    minimum, where = np.minimum, np.where

    @staticmethod
    def equal(a: Any, b: Any) -> Any:
        return a == b


class _Expressions:
    """The same of expressions."""

    @staticmethod
    def log(x: Expr) -> Expr:
        return expr.unary("log", x)

    @staticmethod
    def sin(x: Expr) -> Expr:
        return expr.unary("sin", x)

    @staticmethod
    def tan(x: Expr) -> Expr:
        return expr.unary("tan", x)

    @staticmethod
    def abs(x: Expr) -> Expr:
        return expr.unary("abs", x)

    @staticmethod
    def round(x: Expr) -> Expr:
        return expr.unary("round", x)

    @staticmethod
    def minimum(a: Expr, b: float) -> Expr:
        return expr.minimum(a, expr.const(b, a.dtype))

    @staticmethod
    def where(cond: Expr, a: Any, b: Any) -> Expr:
        return expr.select(cond, a, b)

    @staticmethod
    def equal(a: Expr, b: float) -> Expr:
        return a.eq(b)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """By Horner's rule, the constant term first."""
    total = x * coefficients[-1] + coefficients[-2]
    for c in coefficients[-3::-1]:
        total = total * x + c
    return total


def _lgamma(m: Any, x: Any) -> Any:
    """log |gamma(x)|: Lanczos' approximation at |x|, and for x < 0 the reflection pi / (sin(pi x) x gamma(-x))."""
    size = m.abs(x)
    near = m.minimum(size, 1e20)  # where the sum has come to its limit, and powers are finite
    tiny = size < 1e-20  # gamma(x) is 1 / x
    scale = m.log(m.where(tiny, near, _polynomial(_ABOVE, near) / _polynomial(_BELOW, near)))
    at = m.where(tiny, -scale, (m.log(size + (_G - 0.5)) - 1) * (size - 0.5) + scale)
    turn = m.abs(m.sin((x - m.round(x)) * math.pi))
    turned = m.log(math.pi / (turn * m.where(tiny, 1, size))) - at
    bounded = m.where(m.equal(size, math.inf), math.inf, m.where(m.equal(turn, 0), math.inf, turned))
    return m.where((x < 0) & (size >= 1e-20), bounded, at)


def _digamma(m: Any, x: Any) -> Any:
    """The derivative of `_lgamma`: Stirling's series beyond 10, psi(x) = psi(x + 1) - 1 / x before, and for x < 0 the
    reflection psi(1 - x) - pi / tan(pi x)."""
    negative = x < 0
    at = m.where(negative, 1 - x, x)
    steps, product = 1, at  # the sum of 1 / (at + i) is steps / product
    for i in range(1, _FAR):
        steps, product = steps * (at + i) + product, product * (at + i)
    near = at < _FAR
    far = m.where(near, at + _FAR, at)
    inverse = 1 / far
    series = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI[:8], 1))
    z = inverse * inverse
    stirling = m.log(far) - inverse * 0.5 - z * _polynomial(series, z)
    found = stirling - m.where(near, steps / product, 0)
    r = x - m.round(x)
    turned = found - math.pi / m.tan(r * math.pi)
    return m.where(negative, m.where(m.equal(r, 0), math.nan, turned), found)


def _polygamma(m: Any, x: Any, n: int) -> Any:
    """Derivative number n >= 1 of `_digamma`: (-1)^(n+1) n! times the sum of (x + i)^-(n+1), whose end is that of Euler
    and Maclaurin. For x < 0 the reflection psi_n(1 - x) = (-1)^n (psi_n(x) + pi (d/dx)^n cot(pi x))."""
    negative, s = x <= 0, n + 1
    at = m.where(negative, 1 - x, x)
    count = _FAR + min(n, 20)
    total = _power(1 / at, s)
    for i in range(1, count):
        total = total + _power(1 / (at + i), s)
    inverse = 1 / (at + count)
    z, term = inverse * inverse, _power(inverse, n)
    end = inverse * 0.5 + 1 / n
    rising: float = s
    for k, b in enumerate(_BERNOULLI, 1):
        inverse_power = _power(z, k)
        end = end + inverse_power * (b * rising / math.factorial(2 * k))
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    sign = 1.0 if n % 2 else -1.0
    found = (total + term * end) * (sign * _factorial(n))
    r = x - m.round(x)
    cot = 1 / m.tan(r * math.pi)
    turned = found * -sign - math.pi ** (n + 1) * _polynomial(_cotangent(n), cot)
    return m.where(negative, m.where(m.equal(r, 0), sign * math.inf, turned), found)


def _factorial(n: int) -> float:
    return float(math.factorial(n)) if n <= 170 else math.inf


def _power(x: Any, n: int) -> Any:
    """x^n by squares."""
    found: Any = None
    while n:
        if n & 1:
            found = x if found is None else found * x
        x, n = x * x, n >> 1
    return found


def _cotangent(n: int) -> tuple[float, ...]:
    """(d/dx)^n cot(x), a polynomial in c = cot(x), whose derivative is -(1 + c^2)."""
    found = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(found)][1:]
        found = [0.0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            found[k] -= c
            found[k + 2] -= c
    return tuple(found)


class _OfGamma(Unary):
    """A function of a real number, computed in float64; integers are computed in the default dtype."""

    to_float = True
    kinds = "f"

    def formula(self, m: Any, x: Any) -> Any:
        raise NotImplementedError

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.formula(_Numbers, np.asarray(x, np.float64))).astype(x.dtype)

    def scalar(self, x: Expr) -> Expr:
        return expr.cast(self.formula(_Expressions, expr.cast(x, float64)), x.dtype)


class Lgamma(_OfGamma):
    """log(|gamma(x)|), infinite at 0 and at negative whole numbers.

    In float64 good to 1e-13 of itself, or 1e-15 near its zeros 1 and 2: the approximation of C. Lanczos (1964).
    """

    name = "lgamma"

    def formula(self, m: Any, x: Any) -> Any:
        return _lgamma(m, x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * digamma(x)


class Digamma(_OfGamma):
    """The derivative of `lgamma`: nan at negative whole numbers, -inf at 0. By Stirling's series."""

    name = "digamma"

    def formula(self, m: Any, x: Any) -> Any:
        return _digamma(m, x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * bind.bind(polygamma_op, x, n=1)


class Polygamma(Elementwise):
    """Derivative number ``n`` of digamma, n >= 1."""

    name = "polygamma"
    kinds = "f"

    def infer(self, x: TensorType, *, n: int) -> TensorType:
        _check_order(n, 1)
        return self.typed(x)

    def ref(self, x: Array, *, n: int) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(_polygamma(_Numbers, np.asarray(x, np.float64), n)).astype(x.dtype)

    def vjp(self, g: Any, _y: Any, x: Any, *, n: int) -> Any:
        return g * bind.bind(polygamma_op, x, n=n + 1)

    def lower(self, x: Source, *, n: int) -> Compute:  # type: ignore[override]
        def body(*i: Expr) -> Expr:
            return expr.cast(_polygamma(_Expressions, expr.cast(x[i], float64), n), x.dtype)

        return compute(x.shape, x.dtype, body)


lgamma, digamma, polygamma_op = register(Lgamma()), register(Digamma()), register(Polygamma())


def _check_order(n: int, least: int) -> None:
    check(n >= least, "GT304", f"n={n} is not allowed", f"expected n >= {least}", kind=ArgumentError)


@composite("gt")
def polygamma(n: int, input: Any) -> Any:
    """Derivative number ``n`` of `digamma`, itself for 0; ArgumentError GT304 for n < 0.

    For n >= 1 it is infinite at 0 and at negative whole numbers. Integers are computed in the default dtype.
    """
    order = as_int(n, "n")
    _check_order(order, 0)
    x = input if dtype_of(input).is_floating_point else to_dtype(input, defaults.dtype)
    return bind.bind(polygamma_op, x, n=order) if order else digamma(x)


@composite("Tensor", name="polygamma")
def _polygamma_of(input: Any, n: int) -> Any:
    """`gt.polygamma` of order ``n``."""
    return polygamma(n, input)


@composite(*EVERYWHERE)
def mvlgamma(input: Any, p: int) -> Any:
    """log of the multivariate gamma function of dimension ``p`` >= 1, for input > (p - 1) / 2.

    The sum of lgamma(input - j / 2) for j < p, and log(pi) p (p - 1) / 4. ArgumentError GT304 for p < 1.
    """
    order = as_int(p, "p")
    check(order >= 1, "GT304", f"p={p} is not allowed", "expected p >= 1", kind=ArgumentError)
    x = input if dtype_of(input).is_floating_point else to_dtype(input, defaults.dtype)
    total = lgamma(x)
    for j in range(1, order):
        total = total + lgamma(x - j / 2)
    return total + math.log(math.pi) * order * (order - 1) / 4
