"""Angles and hyperbolas: sine, cosine, tangent, their hyperbolic relatives, and the inverses of all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir.op import composite, register
from graphtorch.ir.ops.common import dtype_of, to_dtype
from graphtorch.ir.ops.elementwise import EVERYWHERE, Array, Binary
from graphtorch.ir.ops.functions import FloatUnary, rsqrt
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.types import defaults


class Sin(FloatUnary):
    name = "sin"
    function = np.sin

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * cos(x)


class Cos(FloatUnary):
    name = "cos"
    function = np.cos

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return -(g * sin(x))


class Tan(FloatUnary):
    name = "tan"
    function = np.tan

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * (1 + y * y)


sin, cos, tan = register(Sin()), register(Cos()), register(Tan())


class Asin(FloatUnary):
    name = "asin"
    function = np.arcsin

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * rsqrt((1 - x) * (1 + x))


class Acos(FloatUnary):
    name = "acos"
    function = np.arccos

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return -(g * rsqrt((1 - x) * (1 + x)))


class Atan(FloatUnary):
    name = "atan"
    function = np.arctan

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / (1 + x * x)


asin, acos, atan = register(Asin()), register(Acos()), register(Atan())


class Atan2(Binary):
    """The angle of the point (other, input), from -pi to pi; integers are computed in the default dtype."""

    name = "atan2"
    to_float = True
    kinds = "f"

    def ref(self, y: Array, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.arctan2(y, x)

    def vjp(self, g: Any, _angle: Any, y: Any, x: Any) -> Any:
        square = y * y + x * x
        share = where(eq(square, 0), 0, g / square)
        return share * x, -(share * y)


class Hypot(Binary):
    """The square root of the sum of two squares, which may be too great or too small for the dtype."""

    name = "hypot"
    kinds = "f"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.hypot(a, b)

    def vjp(self, g: Any, y: Any, a: Any, b: Any) -> Any:
        return g * (a / y), g * (b / y)


atan2, hypot = register(Atan2()), register(Hypot())


class Sinh(FloatUnary):
    name = "sinh"
    function = np.sinh

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * cosh(x)


class Cosh(FloatUnary):
    name = "cosh"
    function = np.cosh

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * sinh(x)


class Tanh(FloatUnary):
    name = "tanh"
    surface = ("gt", "Tensor", "F")
    function = np.tanh

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * (1 - y * y)


sinh, cosh, tanh = register(Sinh()), register(Cosh()), register(Tanh())


class Asinh(FloatUnary):
    name = "asinh"
    function = np.arcsinh

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * rsqrt(1 + x * x)


class Acosh(FloatUnary):
    name = "acosh"
    function = np.arccosh

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * rsqrt((x - 1) * (x + 1))


class Atanh(FloatUnary):
    name = "atanh"
    function = np.arctanh

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / ((1 - x) * (1 + x))


asinh, acosh, atanh = register(Asinh()), register(Acosh()), register(Atanh())


@composite("gt", "Tensor")
def rad2deg(input: Any) -> Any:
    """Angles of radians in degrees; integers are computed in the default dtype."""
    return _floats(input) * (180 / math.pi)


@composite("gt", "Tensor")
def deg2rad(input: Any) -> Any:
    """Angles of degrees in radians; integers are computed in the default dtype."""
    return _floats(input) * (math.pi / 180)


def _floats(x: Any) -> Any:
    return x if dtype_of(x).is_floating_point else to_dtype(x, defaults.dtype)


#: of the series of sin(a) / a: the next one is below 2**-60 for a of 1/2
_SINC_TERMS = 7


@composite(*EVERYWHERE)
def sinc(input: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0, where the gradient is 0. Integers are computed in the default dtype.

    Below an angle of 1/2 it is the series of sin(a) / a, whose derivative has all its digits there;
    cos(a) / a - sin(a) / a^2 is the difference of two numbers that are close to each other, or both infinite.
    """
    angle = _floats(input) * math.pi
    small = angle.abs() < 0.5
    far, square = where(small, 1, angle), where(small, angle * angle, 0)
    near: Any = 1.0
    for k in range(_SINC_TERMS, 0, -1):  # Horner
        near = 1 - square * near / (2 * k * (2 * k + 1))
    return where(small, near, sin(far) / far)
