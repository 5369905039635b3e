"""Exponentials, logarithms, roots, and activations."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.expr import Expr
from graphtorch.ir.op import register
from graphtorch.ir.ops.elementwise import Array, Unary
from graphtorch.ir.ops.logic import logical_and, where


class FloatUnary(Unary):
    """A function of a real number; integers are computed in the default dtype."""

    to_float = True
    kinds = "f"
    function: ClassVar[Any]

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return type(self).function(x)


class Exp(FloatUnary):
    name = "exp"
    ufunc = np.exp
    function = np.exp

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * y


exp = register(Exp())


class Exp2(FloatUnary):
    name = "exp2"
    function = np.exp2

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * y * math.log(2)


exp2 = register(Exp2())


class Expm1(FloatUnary):
    """exp(x) - 1, exact where x is small."""

    name = "expm1"
    function = np.expm1

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * (y + 1)


expm1 = register(Expm1())


class Log(FloatUnary):
    name = "log"
    function = np.log

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / x


log = register(Log())


class Log1p(FloatUnary):
    name = "log1p"
    function = np.log1p

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / (x + 1)


log1p = register(Log1p())


class Log2(FloatUnary):
    name = "log2"
    function = np.log2

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / (x * math.log(2))


log2 = register(Log2())


class Log10(FloatUnary):
    name = "log10"
    function = np.log10

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g / (x * math.log(10))


log10 = register(Log10())


class Logit(FloatUnary):
    """log(x / (1 - x)); the public function is in combining.py."""

    name = "logit"
    surface = ()

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.log(x / (1 - x))

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        inside = logical_and(x >= 0, x <= 1)
        return where(inside, g / (x * (1 - x)), math.nan)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary("log", x / (expr.const(1, x.dtype) - x))


logit_of = register(Logit())


class Sqrt(FloatUnary):
    name = "sqrt"
    ufunc = np.sqrt
    function = np.sqrt

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g / (y * 2)


sqrt = register(Sqrt())


class Rsqrt(FloatUnary):
    name = "rsqrt"

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return (1 / np.sqrt(x)).astype(x.dtype)

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * (y * y * y) * -0.5

    def scalar(self, x: Expr) -> Expr:
        return expr.const(1, x.dtype) / expr.unary("sqrt", x)


rsqrt = register(Rsqrt())


class Reciprocal(FloatUnary):
    """1 / input; integers are computed in the default dtype."""

    name = "reciprocal"
    function = np.reciprocal

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return -(g * y * y)

    def scalar(self, x: Expr) -> Expr:
        return 1 / x


reciprocal = register(Reciprocal())


class Sigmoid(FloatUnary):
    """1 / (1 + exp(-x)), with no overflow on either side."""

    name = "sigmoid"
    surface = ("gt", "Tensor", "F")

    def ref(self, x: Array) -> Array:
        small = np.exp(-np.abs(x))
        return (np.where(x >= 0, 1, small) / (1 + small)).astype(x.dtype)

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * y * (1 - y)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary("sigmoid", x)


sigmoid = register(Sigmoid())


class Relu(Unary):
    """max(x, 0); nan stays nan."""

    name = "relu"
    surface = ("gt", "Tensor", "F")
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.maximum(x, x.dtype.type(0))

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return where(y <= 0, 0, g)  # so that it passes at nan, as torch's does

    def scalar(self, x: Expr) -> Expr:
        return expr.maximum(x, expr.const(0, x.dtype))


relu = register(Relu())
