"""Expressions of Kernel IR as Python expressions: tables by kind of dtype, for scalars and for vectors.

Scalar floats are numpy scalars, integers and bools are Python's (integers wrap where they could leave
their dtype); vectors are numpy arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.codegen.kernel_grammar import INFIX, Names
from graphtorch.ir.expr import (
    COMPARE,
    Binary,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
    bounds,
    children,
)
from graphtorch.ir.types import DType, int64

_INFIX = {fn: f"({{0}} {symbol} {{1}})" for fn, symbol in INFIX.items()}
_COMPARE = {fn: _INFIX[fn] for fn in COMPARE}
_BITS = {fn: _INFIX[fn] for fn in ("and", "or", "xor")}
_NP_SAME_NAME = "exp exp2 expm1 log log1p log2 log10 sqrt sin cos tan tanh floor ceil trunc sinh cosh".split()
_NP_BINARY = {fn: f"_np.{fn}({{0}}, {{1}})" for fn in ("fmod", "hypot", "copysign")}
_NP_UNARY = {
    **{fn: f"_np.{fn}({{0}})" for fn in _NP_SAME_NAME},
    "round": "_np.rint({0})", "asin": "_np.arcsin({0})", "acos": "_np.arccos({0})", "atan": "_np.arctan({0})",
    "asinh": "_np.arcsinh({0})", "acosh": "_np.arccosh({0})", "atanh": "_np.arctanh({0})",
}  # fmt: skip
_SAME = dict.fromkeys(("floor", "ceil", "trunc", "round"), "{0}")

# kind of dtype -> function -> template; integers of WRAPS get their dtype's range afterwards
SCALAR: dict[str, dict[str, str]] = {
    "f": {
        **_COMPARE, **{fn: _INFIX[fn] for fn in ("add", "sub", "mul", "div")}, **_NP_UNARY, **_NP_BINARY,
        "floordiv": "_np.floor_divide({0}, {1})", "mod": "_np.remainder({0}, {1})", "pow": "_np.power({0}, {1})",
        "atan2": "_np.arctan2({0}, {1})", "min": "_min({0}, {1})", "max": "_max({0}, {1})",
        "neg": "(-{0})", "abs": "abs({0})", "not": "({0} == 0)",
        "erf": "_erf({0})", "erfc": "_erfc({0})", "erfinv": "_erfinv({0})", "sigmoid": "_sigmoid({0})",
    },
    "i": {
        **_COMPARE, **_BITS, **_SAME, **{fn: _INFIX[fn] for fn in ("add", "sub", "mul", "shl", "shr")},
        "floordiv": "_int_floordiv({0}, {1})", "mod": "_int_mod({0}, {1})", "div": "_int_div({0}, {1})",
        "fmod": "_int_fmod({0}, {1})", "pow": "_int_pow({0}, {1})",
        "min": "_min({0}, {1})", "max": "_max({0}, {1})", "neg": "(-{0})", "abs": "abs({0})", "not": "(~{0})",
    },
    "b": {
        **_COMPARE, **_BITS, **_SAME, "add": "({0} | {1})", "mul": "({0} & {1})",
        "min": "({0} & {1})", "max": "({0} | {1})", "not": "(not {0})", "abs": "{0}",
    },
}  # fmt: skip
SCALAR["u"] = SCALAR["i"]
WRAPS = frozenset("add sub mul shl pow neg abs not floordiv div".split())

_NP_VECTOR = {
    **_INFIX, **_NP_UNARY, **_NP_BINARY, "floordiv": "_np.floor_divide({0}, {1})", "mod": "_np.remainder({0}, {1})",
    "pow": "_np.power({0}, {1})", "atan2": "_np.arctan2({0}, {1})", "min": "_np.minimum({0}, {1})",
    "max": "_np.maximum({0}, {1})", "neg": "(-{0})", "abs": "_np.abs({0})",
    "erf": "_vector_erf({0})", "erfc": "_vector_erfc({0})", "erfinv": "_vector_erfinv({0})",
    "sigmoid": "_sigmoid({0})",
    "zip_low": "_zip({0}, {1}, 0)", "zip_high": "_zip({0}, {1}, 1)",
}  # fmt: skip
VECTOR: dict[str, dict[str, str]] = {
    "f": {**_NP_VECTOR, "not": "({0} == 0)"},
    "i": {**_NP_VECTOR, **_SAME, "not": "(~{0})", "div": "_vector_int_div({0}, {1})"},
    "u": {**_NP_VECTOR, **_SAME, "not": "(~{0})", "div": "_vector_int_div({0}, {1})"},
    "b": {**_NP_VECTOR, **_SAME, "not": "(~{0})", "add": "({0} | {1})", "mul": "({0} & {1})", "abs": "{0}"},
}


def wrapped(text: str, e: Expr) -> str:
    """``text`` brought into the range of its integer dtype, unless it is known to be there."""
    bits = 8 * e.dtype.itemsize
    if e.dtype.kind == "u":
        return f"({text} & {(1 << bits) - 1})"
    half = 1 << (bits - 1)
    low, high = bounds(e) if e.dtype == int64 else (-math.inf, math.inf)
    return text if -half <= low and high < half else f"(({text} + {half} & {2 * half - 1}) - {half})"


class Exprs:
    """Translates expressions; ``site(what)`` gives a number for a check that can fail."""

    def __init__(self, names: Names, constants: dict[str, Any], site: Callable[[str], int]) -> None:
        self.names, self.constants, self.site = names, constants, site

    def __call__(self, e: Expr) -> str:
        return self.scalar(e) if e.lanes == 1 else self.vector(e)

    # ---- scalars ----

    def scalar(self, e: Expr) -> str:
        match e:
            case Const():
                return self.const(e)
            case Var():
                return self.names[e]
            case Load():
                return self.load(e)
            case Unary() | Binary():
                return self.apply(e, SCALAR)
            case Select():
                return self.select(e)
            case Cast():
                return _cast(self(e.x), e)
        raise TypeError(f"not a scalar: {e!r}")

    def const(self, e: Const) -> str:
        if e.dtype.kind != "f":
            return f"({e.value})" if e.value < 0 else str(e.value)
        value = e.dtype.np.type(e.value)
        name = f"_c{e.dtype.short}_{value.tobytes().hex()}"
        self.constants[name] = value
        return name

    def apply(self, e: Unary | Binary, table: dict[str, dict[str, str]]) -> str:
        """A function of the table, by the dtype of its operands."""
        operands = children(e)
        template = table[operands[0].dtype.kind].get(e.fn)
        if template is None:
            raise TypeError(f"{e.fn} of {operands[0].dtype.short} is not defined")
        text = template.format(*map(self, operands))
        return wrapped(text, e) if e.lanes == 1 and e.dtype.kind in "iu" and e.fn in WRAPS else text

    def select(self, e: Select) -> str:
        cond, a, b = self(e.cond), self(e.a), self(e.b)
        plain = not (_reads(e.a) or _reads(e.b))
        return f"({a} if {cond} else {b})" if plain else f"_both({cond}, {a}, {b})"

    def load(self, e: Load) -> str:
        position = self.position(e.buffer, e.indices, "a load of")
        name = self.names[e.buffer]
        item = f"{name}[{position}]" if e.dtype.kind == "f" else f"{name}.item({position})"
        item = item.replace(".item(())", ".item()")
        return item if e.where is None else f"({item} if {self(e.where)} else {self.const(_zero(e.dtype))})"

    def position(self, buffer: Buffer, indices: Sequence[Expr], access: str) -> str:
        """The subscript of an element, checked where it is not known to be inside."""
        what = f"{access} %{buffer.name}"
        parts = [self.within(i, self(i), n, what) for i, n in zip(indices, buffer.shape, strict=True)]
        return ", ".join(parts) or "()"

    def within(self, e: Expr, text: str, size: int, what: str) -> str:
        low, high = bounds(e)
        return text if low >= 0 and high < size else f"_checked({text}, {size}, {self.site(what)})"

    # ---- vectors ----

    def vector(self, e: Expr) -> str:
        match e:
            case Var():
                return self.names[e]
            case Load():
                indices = ", ".join(map(self, e.indices))
                where = None if e.where is None else self(e.where)
                site = self.site(f"a load of %{e.buffer.name}")
                return f"_vector_load({self.names[e.buffer]}, ({indices},), {where}, {e.lanes}, {site})"
            case Unary() | Binary():
                return self.apply(e, VECTOR)
            case Select():
                return f"_np.where({self(e.cond)}, {self(e.a)}, {self(e.b)})"
            case Cast():
                return f"{self(e.x)}.astype(_d_{e.dtype.short})"
            case Ramp():
                return f"({self.counting(e)} + {self(e.base)})"
            case Splat():
                return f"_np.full({e.lanes}, {self(e.x)}, _d_{e.dtype.short})"
        raise TypeError(f"not a vector: {e!r}")

    def counting(self, e: Ramp) -> str:
        """0, step, ... as a constant."""
        steps = "" if e.step == 1 else f"by{e.step}".replace("-", "m")
        name = f"_ramp{e.lanes}{steps}_{e.dtype.short}"
        self.constants[name] = np.arange(e.lanes, dtype=e.dtype.np) * e.dtype.np.type(e.step)
        return name


def _zero(dtype: DType) -> Const:
    return Const({"f": 0.0, "b": False}.get(dtype.kind, 0), dtype)


def _reads(e: Expr) -> bool:
    return isinstance(e, Load) or any(map(_reads, children(e)))


def _cast(text: str, e: Cast) -> str:
    source, target = e.x.dtype, e.dtype
    match source.kind, target.kind:
        case _, "b":
            return f"({text} != 0)"
        case (("f" | "b"), "f"):
            return f"_{target.short}({text})"
        case _, "f":  # through the integer's own type: a Python int would be rounded twice
            return f"_{target.short}(_{source.short}({text}))"
        case "f", _:
            return f"_to_int({text}, _d_{target.short})"
        case "b", _:
            return f"int({text})"
    return wrapped(text, e)
