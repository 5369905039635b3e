"""Functions of real numbers as instructions on vectors: no calls of a math library, for any number of lanes.

`FORMULAS` has them by the names of ir/expr. Errors are in docs/accuracy.md; the decision is ADR 12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphtorch.codegen.vector_math.base import F32, F64, Lanes, Place
from graphtorch.codegen.vector_math.error_function import erf, erfc, erfinv
from graphtorch.codegen.vector_math.exponential import exp, exp2, expm1, sigmoid
from graphtorch.codegen.vector_math.hyperbolic import cosh, sinh, tanh
from graphtorch.codegen.vector_math.hypotenuse import hypot
from graphtorch.codegen.vector_math.inverse import acos, asin, atan, atan2
from graphtorch.codegen.vector_math.inverse_hyperbolic import acosh, asinh, atanh
from graphtorch.codegen.vector_math.logarithm import log, log1p, log2, log10
from graphtorch.codegen.vector_math.power import pow_
from graphtorch.codegen.vector_math.quotient import quotient
from graphtorch.codegen.vector_math.remainder import fmod
from graphtorch.codegen.vector_math.trigonometric import cos, sin, tan

__all__ = ["FORMULAS", "Place", "emit", "quotient"]

FORMULAS: dict[str, Callable[..., Lanes]] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log, "log2": log2, "log10": log10, "log1p": log1p,
    "tanh": tanh, "sigmoid": sigmoid, "sinh": sinh, "cosh": cosh, "asinh": asinh, "acosh": acosh, "atanh": atanh,
    "erf": erf, "erfc": erfc, "erfinv": erfinv, "hypot": hypot, "fmod": fmod,
    "sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan, "atan2": atan2, "pow": pow_,
}  # fmt: skip


def emit(formula: Callable[..., Lanes], place: Place, itemsize: int, *operands: Any) -> Any:
    """The value of ``formula`` of ``operands``, floats of ``itemsize`` bytes."""
    format = F32 if itemsize == 4 else F64
    return formula(*(Lanes(place, format.kind, x) for x in operands)).value
