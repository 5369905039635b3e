"""Functions that torch knows by a second name."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.arithmetic import abs_, clamp, div, mul, neg, sign, sub
from graphtorch.ir.ops.elementwise import EVERYWHERE
from graphtorch.ir.ops.joining import cat, vstack
from graphtorch.ir.ops.logic import ge, gt, le, lt, ne
from graphtorch.ir.ops.products import outer
from graphtorch.ir.ops.rounding import trunc
from graphtorch.ir.ops.trigonometry import acos, acosh, asin, asinh, atan, atan2, atanh

ALIASES: dict[str, Any] = {
    "absolute": abs_, "arccos": acos, "arccosh": acosh, "arcsin": asin, "arcsinh": asinh, "arctan": atan,
    "arctan2": atan2, "arctanh": atanh, "clip": clamp, "divide": div, "fix": trunc, "greater": gt,
    "greater_equal": ge, "less": lt, "less_equal": le, "multiply": mul, "negative": neg, "not_equal": ne,
    "sgn": sign, "subtract": sub, "true_divide": div,
}  # fmt: skip

#: of functions that are no methods
FUNCTIONS: dict[str, Any] = {"concat": cat, "concatenate": cat, "ger": outer, "row_stack": vstack}

for name, function in (ALIASES | FUNCTIONS).items():
    for namespace in EVERYWHERE if name in ALIASES else ("gt",):
        PUBLIC[namespace][name] = function
