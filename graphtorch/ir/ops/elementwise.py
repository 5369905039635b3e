"""Ops that map each element by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import (
    broadcast,
    broadcast_shapes,
    dtype_of,
    is_handle,
    lift,
    result_dtype,
    same_types,
    shape_of,
    to_dtype,
    unify,
)
from graphtorch.ir.types import TENSOR_DTYPES, DType, TensorType, bool_, float32, int64

Array = Any
EVERYWHERE = ("gt", "Tensor")


class Elementwise(Op):
    """Operands of one shape and dtype; the public call promotes and broadcasts."""

    elementwise = True
    #: integers and bools are computed in float32
    to_float: ClassVar[bool] = False
    #: kinds of dtype that the op takes
    kinds: ClassVar[str] = "fiub"
    result: ClassVar[DType | None] = None

    #: one element of the result, from one element of each operand
    scalar: Callable[..., Expr]

    def unified(self, *args: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Operands of the promoted dtype and the common shape."""
        dtype = result_dtype(*args)
        if self.to_float and not dtype.is_floating_point:
            dtype = float32
        return unify(*args, dtype=dtype), {}

    def typed(self, *xs: TensorType) -> TensorType:
        """The result's type; operands must be of one type that the op takes."""
        t = same_types(*xs)
        check(
            t.dtype.kind in self.kinds,
            "GT203",
            f"{self.name} does not take {t.dtype!r}",
            f"expected a dtype of kind {', '.join(_KIND_NAMES[k] for k in self.kinds)}",
            kind=DTypeError,
        )
        return t.with_dtype(self.result) if self.result else t

    def lower(self, *xs: Source) -> Compute:
        dtype = self.result or xs[0].dtype
        return compute(xs[0].shape, dtype, lambda *i: self.scalar(*(x[i] for x in xs)))


_KIND_NAMES = {"f": "float", "i": "int", "u": "uint", "b": "bool"}


class Unary(Elementwise):
    surface: ClassVar[tuple[str, ...]] = EVERYWHERE

    def infer(self, x: TensorType) -> TensorType:
        return self.typed(x)

    def prepare(self, input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.unified(input)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary(self.name, x)


class Binary(Elementwise):
    surface: ClassVar[tuple[str, ...]] = EVERYWHERE

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        return self.typed(input, other)

    def prepare(self, input: Any, other: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.unified(input, other)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.binary(self.name, a, b)


# ---- constants and casts --------------------------------------------------------------------------


class Constant(Op):
    """A number, as a 0-d tensor."""

    name = "constant"
    nondifferentiable = True
    elementwise = True

    def infer(self, *, value: bool | int | float, dtype: DType) -> TensorType:
        whole = dtype.kind not in "iu" or -(2**63) <= value < 2**64  # not so for nan
        check(
            whole,
            "GT304",
            f"{value!r} is not a number of {dtype!r}",
            "expected a finite number of at most 64 bits",
            kind=ArgumentError,
        )
        return TensorType((), dtype)

    def ref(self, *, value: bool | int | float, dtype: DType) -> Array:
        return np.asarray(value).astype(dtype.np)

    def lower(self, *, value: bool | int | float, dtype: DType) -> Compute:
        return compute((), dtype, lambda: expr.const(value, dtype))


constant = register(Constant())


class Cast(Op):
    """Another dtype. Floats become integers by truncation; nan and what does not fit are unspecified."""

    name = "cast"
    elementwise = True

    def infer(self, x: TensorType, *, dtype: DType) -> TensorType:
        check(
            dtype in TENSOR_DTYPES,
            "GT203",
            f"no tensor has the dtype {dtype!r}",
            f"expected one of {', '.join(d.name for d in TENSOR_DTYPES)}",
            kind=DTypeError,
        )
        return x.with_dtype(dtype)

    def ref(self, x: Array, *, dtype: DType) -> Array:
        with np.errstate(invalid="ignore"):
            return x.astype(dtype.np)

    def vjp(self, g: Any, _y: Any, _x: Any, *, dtype: DType) -> Any:
        source = dtype_of(_x)
        return to_dtype(g, source) if source.is_floating_point and dtype.is_floating_point else None

    def lower(self, x: Source, *, dtype: DType) -> Compute:
        if dtype == bool_:
            return compute(x.shape, dtype, lambda *i: x[i].ne(0) if x.dtype != bool_ else x[i])
        return compute(x.shape, dtype, lambda *i: expr.cast(x[i], dtype))


cast = register(Cast())


class Detach(Op):
    """The same values, with no path for gradients."""

    name = "detach"
    surface = ("gt", "Tensor")
    is_view = True
    nondifferentiable = True
    elementwise = True

    def infer(self, input: TensorType) -> TensorType:
        return input

    def ref(self, input: Array) -> Array:
        return input.view()

    def lower(self, input: Source) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: input[i])


detach = register(Detach())


class Clone(Op):
    """A copy in row-major order; gradients pass."""

    name = "clone"
    surface = ("gt", "Tensor")
    elementwise = True

    def infer(self, input: TensorType) -> TensorType:
        return input

    def ref(self, input: Array) -> Array:
        return np.array(input, order="C")

    def vjp(self, g: Any, _y: Any, _input: Any) -> Any:
        return g

    def lower(self, input: Source) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: input[i])


clone = register(Clone())


# ---- one operand ----------------------------------------------------------------------------------


class Neg(Unary):
    name = "neg"
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.negative(x)

    def vjp(self, g: Any, _y: Any, _x: Any) -> Any:
        return -g


neg = register(Neg())


class Abs(Unary):
    name = "abs"
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.abs(x)

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * sign(x)


abs_ = register(Abs())


class Sign(Unary):
    name = "sign"
    nondifferentiable = True

    def ref(self, x: Array) -> Array:
        if x.dtype == np.bool_:
            return x.copy()
        return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype) if x.dtype.kind == "f" else np.sign(x)

    def scalar(self, x: Expr) -> Expr:
        if x.dtype == bool_:
            return x
        one, zero = expr.const(1, x.dtype), expr.const(0, x.dtype)
        return expr.select(x > 0, one, expr.select(x < 0, -one, zero) if x.dtype.kind != "u" else zero)


sign = register(Sign())


class FloatUnary(Unary):
    """A function of a real number; integers are computed in float32."""

    to_float = True
    kinds = "f"
    function: ClassVar[Any]

    def ref(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return type(self).function(x)


class Exp(FloatUnary):
    name = "exp"
    function = np.exp

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * y


exp = register(Exp())


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


class Sqrt(FloatUnary):
    name = "sqrt"
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


class Sin(FloatUnary):
    name = "sin"
    function = np.sin

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * cos(x)


sin = register(Sin())


class Cos(FloatUnary):
    name = "cos"
    function = np.cos

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return -(g * sin(x))


cos = register(Cos())


class Tanh(FloatUnary):
    name = "tanh"
    surface = ("gt", "Tensor", "F")
    function = np.tanh

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return g * (1 - y * y)


tanh = register(Tanh())


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
        small = expr.unary("exp", -expr.unary("abs", x))
        one = expr.const(1, x.dtype)
        return expr.select(x >= 0, one, small) / (small + one)


sigmoid = register(Sigmoid())


class Erf(FloatUnary):
    name = "erf"

    def ref(self, x: Array) -> Array:
        return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype) if x.size else x.copy()

    def vjp(self, g: Any, _y: Any, x: Any) -> Any:
        return g * exp(-(x * x)) * (2 / math.sqrt(math.pi))


erf = register(Erf())


class Relu(Unary):
    """max(x, 0); nan stays nan."""

    name = "relu"
    surface = ("gt", "Tensor", "F")
    kinds = "fiu"

    def ref(self, x: Array) -> Array:
        return np.maximum(x, x.dtype.type(0))

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        return where(y > 0, g, 0)

    def scalar(self, x: Expr) -> Expr:
        return expr.maximum(x, expr.const(0, x.dtype))


relu = register(Relu())


class LogicalNot(Unary):
    name = "logical_not"
    nondifferentiable = True
    result = bool_

    def ref(self, x: Array) -> Array:
        return np.logical_not(x)

    def scalar(self, x: Expr) -> Expr:
        return expr.unary("not", x) if x.dtype == bool_ else x.eq(0)


logical_not = register(LogicalNot())


# ---- two operands ---------------------------------------------------------------------------------


class Add(Binary):
    name = "add"

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        return self.unified(input, other if alpha == 1 else mul(other, alpha))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.add(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, g

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else a + b


add = register(Add())


class Sub(Binary):
    name = "sub"
    kinds = "fiu"

    def prepare(self, input: Any, other: Any, *, alpha: int | float = 1) -> Any:
        return self.unified(input, other if alpha == 1 else mul(other, alpha))

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.subtract(a, b)

    def vjp(self, g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        return g, -g


sub = register(Sub())


class Mul(Binary):
    name = "mul"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.multiply(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        return g * b, g * a

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else a * b


mul = register(Mul())


class Div(Binary):
    """True division; integers are computed in float32."""

    name = "div"
    to_float = True
    kinds = "f"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.divide(a, b)

    def vjp(self, g: Any, y: Any, _a: Any, b: Any) -> Any:
        return g / b, -(g * y / b)


div = register(Div())


class Pow(Binary):
    """input ** exponent. Of integers it wraps; to a negative exponent it is 0 unless the base is 1 or -1."""

    name = "pow"
    kinds = "fiu"

    def prepare(self, input: Any, exponent: Any) -> Any:
        operands, attrs = self.unified(input, exponent)
        check(
            isinstance(exponent, float) or is_handle(exponent) or exponent >= 0 or dtype_of(operands[0]).kind == "f",
            "GT304",
            f"exponent={exponent!r} is not allowed for integers",
            "expected exponent >= 0; convert the base first with .to(graphtorch.float32)",
            kind=ArgumentError,
        )
        return operands, attrs

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            if a.dtype.kind != "i":
                return np.power(a, b)
            odd = np.where(a == -1, 1 - 2 * (b & 1), 0)
            return np.where(b < 0, np.where(a == 1, 1, odd), np.power(a, np.maximum(b, 0))).astype(a.dtype)

    def vjp(self, g: Any, y: Any, a: Any, b: Any) -> Any:
        at_zero = where(eq(b, 0), 0, b * pow_(a, b - 1))
        grows = where(logical_and(eq(a, 0), ge(b, 0)), 0, y * log(a))
        return g * at_zero, g * grows

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return expr.binary("pow", a, b) if a.dtype.kind == "f" else _int_pow(a, b)


def _int_pow(a: Expr, b: Expr) -> Expr:
    """By squaring: a to the 1, 2, 4, ..., multiplied where the bit of b is set."""
    one, signed = expr.const(1, a.dtype), a.dtype.kind == "i"
    known = int(b.value) if isinstance(b, expr.Const) and b.value >= 0 else None
    result: Expr = one
    factor = a
    for bit in range(8 * a.dtype.itemsize - signed if known is None else known.bit_length()):
        factor = factor * factor if bit else a
        if known is None:
            is_set = expr.binary("and", expr.binary("shr", b, bit), one).ne(0)
            result = expr.select(is_set, result * factor, result)
        elif known >> bit & 1:
            result = factor if result is one else result * factor
    if known is not None or not signed:
        return result
    odd = expr.select(a.eq(-1), one - (b & one) * 2, expr.const(0, a.dtype))
    return expr.select(b < 0, expr.select(a.eq(1), one, odd), result)


pow_ = register(Pow())


class Maximum(Binary):
    """The greater of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "maximum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.maximum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a < b, 0, half), where(b < a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b if a.dtype == bool_ else expr.maximum(a, b)


maximum = register(Maximum())


class Minimum(Binary):
    """The smaller of two, nan if either is; equal operands share the gradient in halves, as in torch."""

    name = "minimum"

    def ref(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.minimum(a, b)

    def vjp(self, g: Any, _y: Any, a: Any, b: Any) -> Any:
        half = where(eq(a, b), g * 0.5, g)
        return where(a > b, 0, half), where(b > a, 0, half)

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b if a.dtype == bool_ else expr.minimum(a, b)


minimum = register(Minimum())


class Compare(Binary):
    nondifferentiable = True
    result = bool_
    function: ClassVar[Any]

    def ref(self, a: Array, b: Array) -> Array:
        return type(self).function(a, b)


class Eq(Compare):
    name = "eq"
    function = np.equal


class Ne(Compare):
    name = "ne"
    function = np.not_equal


class Lt(Compare):
    name = "lt"
    function = np.less


class Le(Compare):
    name = "le"
    function = np.less_equal


class Gt(Compare):
    name = "gt"
    function = np.greater


class Ge(Compare):
    name = "ge"
    function = np.greater_equal


eq, ne, lt = register(Eq()), register(Ne()), register(Lt())
le, gt, ge = register(Le()), register(Gt()), register(Ge())


class Logical(Binary):
    """Works on truth values: what is not bool is compared with 0 first."""

    nondifferentiable = True
    kinds = "b"
    result = bool_
    function: ClassVar[Any]

    def prepare(self, input: Any, other: Any) -> Any:
        return unify(to_dtype(input, bool_), to_dtype(other, bool_), dtype=bool_), {}

    def ref(self, a: Array, b: Array) -> Array:
        return type(self).function(a, b)


class LogicalAnd(Logical):
    name = "logical_and"
    function = np.logical_and

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a & b


class LogicalOr(Logical):
    name = "logical_or"
    function = np.logical_or

    def scalar(self, a: Expr, b: Expr) -> Expr:
        return a | b


logical_and, logical_or = register(LogicalAnd()), register(LogicalOr())


# ---- three operands -------------------------------------------------------------------------------


class Where(Op):
    """``input`` where the condition holds, else ``other``."""

    name = "where"
    surface = ("gt",)
    elementwise = True

    def prepare(self, condition: Any, input: Any, other: Any) -> Any:
        check(
            dtype_of(condition) == bool_,
            "GT204",
            "the condition must be bool",
            f"expected graphtorch.bool, got {dtype_of(condition)!r}",
            kind=DTypeError,
        )
        dtype = result_dtype(input, other)
        values = [to_dtype(lift(v, dtype), dtype) for v in (input, other)]
        shape = broadcast_shapes(shape_of(condition), *map(shape_of, values))
        return (broadcast(condition, shape), *(broadcast(v, shape) for v in values)), {}

    def infer(self, condition: TensorType, input: TensorType, other: TensorType) -> TensorType:
        check(
            condition.dtype == bool_,
            "GT204",
            "the condition must be bool",
            f"expected graphtorch.bool, got {condition.dtype!r}",
            kind=DTypeError,
        )
        same_types(condition.with_dtype(input.dtype), input, other)
        return input

    def ref(self, condition: Array, input: Array, other: Array) -> Array:
        return np.where(condition, input, other)

    def vjp(self, g: Any, _y: Any, condition: Any, _input: Any, _other: Any) -> Any:
        return None, where(condition, g, 0), where(condition, 0, g)

    def lower(self, condition: Source, input: Source, other: Source) -> Compute:
        return compute(input.shape, input.dtype, lambda *i: expr.select(condition[i], input[i], other[i]))


where = register(Where())


# ---- composites -----------------------------------------------------------------------------------


@composite("gt", "Tensor")
def square(input: Any) -> Any:
    """The square of each element; bools are squared in int64."""
    x = to_dtype(input, int64) if dtype_of(input) == bool_ else input
    return mul(x, x)


@composite("gt", "Tensor")
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Each element limited to [min, max]; either bound may be left out. The bounds pass gradients."""
    check(
        min is not None or max is not None,
        "GT301",
        "clamp needs min or max",
        "expected a number or a tensor for at least one of them",
        kind=ArgumentTypeError,
    )
    out = input if min is None else where(lt(input, min), min, input)
    return out if max is None else where(gt(out, max), max, out)


@composite("gt", "Tensor")
def isnan(input: Any) -> Any:
    """True where the element is nan."""
    return ne(input, input)
