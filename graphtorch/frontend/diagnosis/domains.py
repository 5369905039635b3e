"""Functions that are infinite or nan outside of their domain, or whose gradient is: logarithms, roots, quotients."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

from graphtorch.frontend.diagnosis.interval import Interval, number
from graphtorch.frontend.diagnosis.problem import Problem, finding
from graphtorch.frontend.diagnosis.provenance import is_greatest_of, is_sum_of, moved, root
from graphtorch.frontend.diagnosis.subject import Subject
from graphtorch.frontend.diagnosis.written import call_of, of_changed, operand_of, sides
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.loc import Loc
from graphtorch.ir.types import greatest_finite


def loc_of(node: Node) -> Loc | None:
    return node.locs[0] if node.locs else None


def note(
    subject: Subject, node: Node, code: str, message: str, facts: list[str], fix: str, position: int = 0
) -> Problem:
    """A note about an operand of a node."""
    return finding(
        code,
        "note",
        message,
        facts,
        site=subject.site(node),
        operands=[subject.operand(node, position)],
        fix=fix,
    )


# ---- logarithms -----------------------------------------------------------------------------------


def _log(subject: Subject, node: Node) -> Problem | None:
    start = -1.0 if node.op.name == "log1p" else 0.0
    x, value = subject.interval(node.operands[0]), moved(node.operands[0])
    if x.low == -math.inf or x.low > start or (x.nonzero and x.low == start):
        return None
    if x.low == start == 0 and x.vanishing:
        return _log_of_vanishing(subject, node, value)
    if x.low < start:
        message, facts = f"{node.op.name} takes numbers above {start:g}, and this one can be less", ["there it is nan"]
    else:
        message = f"{node.op.name} takes numbers above {start:g}, and this one can be {start:g}"
        facts = ["there it is -inf, and its gradient inf"]
    loc = loc_of(node)
    least = "1e-6" if start == 0 else "-1 + 1e-6"
    fix = of_changed(loc, node.op.name, lambda t: f"{t}.clamp(min={least})") if x.high > start else ""
    return note(subject, node, "GT340", message, [*facts, *_one_less_sigmoid(node.operands[0])], fix)


def _one_less_sigmoid(value: Value) -> list[str]:
    """What to say of 1 - sigmoid(x)."""
    less = moved(value).node
    if less is None or less.op.name != "sub":
        return []
    of = root(less.operands[1]).node
    is_gate = of is not None and of.op.name == "sigmoid"
    return ["log(1 - sigmoid(x)) is F.logsigmoid(-x), which is never infinite"] if is_gate else []


def _log_of_vanishing(subject: Subject, node: Node, value: Value) -> Problem | None:
    """The logarithm of a softmax or a sigmoid, which are rounded to 0. Of other such nothing is said."""
    if is_softmax(value):
        name, better, wrong = "softmax", "log_softmax", "where a score is 104 less than the greatest"
    elif value.node is not None and value.node.op.name == "sigmoid":
        name, better, wrong = "sigmoid", "logsigmoid", "for numbers below -104"
    else:
        return None
    message = f"{node.op.name} of a {name} is -inf where that is rounded to 0"
    facts = [f"{name} is 0 in float32 {wrong}; {better} has no such limit"]
    fix = _in_one_call(node, name, better) if node.op.name == "log" else ""
    return note(subject, node, "GT340", message, facts, fix)


def _in_one_call(node: Node, name: str, better: str) -> str:
    """``gt.log(gt.softmax(x, -1))`` as ``gt.log_softmax(x, -1)``, where both stand in one expression."""
    outer = call_of(loc_of(node), "log")
    if outer is None:
        return ""
    inner = _parsed(operand_of(outer))
    if inner is None or _last_name(inner) != name:
        return ""
    arguments = [ast.unparse(a) for a in inner.args] + [f"{k.arg}={ast.unparse(k.value)}" for k in inner.keywords]
    function = ast.unparse(inner.func)
    if better == "logsigmoid":
        given = arguments or [function.rpartition(".")[0]]
        return f"F.logsigmoid({given[0]})"
    return f"{function[: -len(name)]}{better}({', '.join(arguments)})"


def _parsed(text: str) -> ast.Call | None:
    try:
        body = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return body if isinstance(body, ast.Call) else None


def _last_name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def is_softmax(value: Value) -> bool:
    """Whether ``value`` is exp(x - max x) over its sum."""
    node = value.node
    if node is None or node.op.name != "div" or not is_sum_of(node.operands[1], node.operands[0]):
        return False
    shifted = exponent_of(node.operands[0])
    less = shifted.node if shifted is not None else None
    return less is not None and less.op.name == "sub" and is_greatest_of(less.operands[1], less.operands[0])


def exponent_of(value: Value) -> Value | None:
    """x of exp(x)."""
    made = root(value).node
    return made.operands[0] if made is not None and made.op.name == "exp" else None


# ---- roots ----------------------------------------------------------------------------------------


def _root(subject: Subject, node: Node) -> Problem | None:
    x, name = subject.interval(node.operands[0]), node.op.name
    if x.low == -math.inf or x.positive:
        return None
    loc = loc_of(node)
    if x.low < 0:
        message, facts = f"{name} takes no negative numbers, and this one can be negative", ["there it is nan"]
        return note(subject, node, "GT341", message, facts, _kept_above(node, "clamp(min=1e-6)"))
    if name == "rsqrt":
        message, facts = "rsqrt of 0 is inf, and this number can be 0", ["its gradient there is not finite"]
    elif subject.flows(node.operands[0]):
        message = f"the gradient of {name} is infinite at 0, and this number can be 0"
        facts = ["times a gradient of 0, as of two equal vectors, it is nan"]
    else:
        return None
    fix = of_changed(loc, name, lambda t: f"{t} + 1e-6") or _power_of(node, lambda t: f"({t} + 1e-6)")
    return note(subject, node, "GT341", message, facts, fix)


def _kept_above(node: Node, method: str) -> str:
    loc = loc_of(node)
    return of_changed(loc, node.op.name, lambda t: f"{t}.{method}") or _power_of(node, lambda t: f"{t}.{method}")


def _power_of(node: Node, change: Callable[[str], str]) -> str:
    """``x ** 0.5`` with x changed."""
    found = sides(loc_of(node), ast.Pow)
    return f"{change(found[0])} ** {found[1]}" if found else ""


def _power(subject: Subject, node: Node) -> Problem | None:
    base, exponent = (subject.interval(o) for o in node.operands)
    e = exponent.low
    known = e == exponent.high and not math.isinf(base.low) and node.result.type.dtype.kind == "f"
    if not known or base.positive or (e >= 0 and e == math.floor(e)):
        return None
    more, kept = (lambda t: f"({t} + 1e-6)"), (lambda t: f"{t}.clamp(min=1e-6)")
    if base.low < 0 and e != math.floor(e):
        message = f"a power of {e:g} takes no negative numbers, and this one can be negative"
        return note(subject, node, "GT341", message, ["there it is nan"], _power_of(node, kept))
    if e < 0 and base.may_be_zero:
        message = f"a power of {e:g} divides by this number, which can be 0"
        return note(
            subject, node, "GT342", message, ["there it is inf"], _power_of(node, more) if base.low >= 0 else ""
        )
    if 0 < e < 1 and base.may_be_zero and subject.flows(node.operands[0]):
        message = f"the gradient of a power of {e:g} is infinite at 0, and this number can be 0"
        return note(subject, node, "GT341", message, ["times a gradient of 0 it is nan"], _power_of(node, more))
    return None


# ---- quotients ------------------------------------------------------------------------------------


def _quotient(subject: Subject, node: Node) -> Problem | None:
    b = subject.interval(node.operands[-1])
    if not b.may_be_zero or b.vanishing or not subject.says_something(node.operands[-1]):
        return None
    if _is_constant_zero(node.operands[-1]):
        return None  # said by whoever wrote it: nan and inf are made so
    a = subject.interval(node.operands[0]) if len(node.operands) > 1 else number(1)
    result = "nan" if a.low == a.high == 0 else "inf or nan" if a.may_be_zero else "inf"
    whole = node.result.type.dtype.kind != "f"
    facts = ["compiled, the quotient by 0 is 0; eager mode raises" if whole else f"the quotient by 0 is {result}"]
    return note(subject, node, "GT342", "this divisor can be 0", facts, _safe_quotient(node, b), len(node.operands) - 1)


def _is_constant_zero(value: Value) -> bool:
    made = moved(value).node
    return made is not None and made.op.name == "constant"


def _safe_quotient(node: Node, b: Interval) -> str:
    loc = loc_of(node)
    found = sides(loc, _OPERATORS[node.op.name]) if node.op.name in _OPERATORS else None
    if found is None or b.low < 0:
        return ""
    divisor = f"{found[1]}.clamp(min=1)" if b.whole else f"({found[1]} + 1e-6)"
    return f"{found[0]} {_SIGNS[node.op.name]} {divisor}"


_OPERATORS: dict[str, type[ast.operator]] = {"div": ast.Div, "floor_divide": ast.FloorDiv, "remainder": ast.Mod}
_SIGNS = {"div": "/", "floor_divide": "//", "remainder": "%"}


# ---- others ---------------------------------------------------------------------------------------


def _within(low: float, high: float, ends: bool) -> Callable[[Subject, Node], Problem | None]:
    """A function of numbers in [low, high], infinite at the ends unless they belong to it (``ends``)."""

    def look(subject: Subject, node: Node) -> Problem | None:
        x = subject.interval(node.operands[0])
        below = math.isfinite(x.low) and (x.low < low or (x.low == low and not ends))
        above = math.isfinite(x.high) and (x.high > high or (x.high == high and not ends))
        if not below and not above:
            return None
        outside = x.low < low or x.high > high
        left, right = ("[" if ends else "(", "]" if ends else ")") if high < math.inf else ("[", ")")
        where_ = "outside" if outside else "at an end"
        message = f"{node.op.name} takes numbers in {left}{low:g}, {high:g}{right}, and this one can be {where_}"
        facts = ["outside it is nan" if outside else "there it is infinite"]
        spare = "" if ends else " + 1e-6", "" if ends else " - 1e-6"
        bounds = f"min={low:g}" if high == math.inf else f"{low:g}{spare[0]}, {high:g}{spare[1]}"
        fix = of_changed(loc_of(node), node.op.name, lambda t: f"{t}.clamp({bounds})")
        return note(subject, node, "GT343", message, facts, fix)

    return look


def _overflow(inverse: Callable[[float], float]) -> Callable[[Subject, Node], Problem | None]:
    """A function that grows beyond all numbers of the dtype at ``inverse`` of the greatest."""

    def look(subject: Subject, node: Node) -> Problem | None:
        x, dtype = subject.interval(node.operands[0]), node.result.type.dtype
        most = inverse(greatest_finite(dtype))
        if x.low <= most and not most < x.high < math.inf:
            return None
        may = "is" if x.low > most else "can be"
        message = f"{node.op.name} overflows {dtype.name} above {most:.4g}, and this number {may} greater"
        return note(subject, node, "GT344", message, ["there it is inf"], "")

    return look


DOMAINS: dict[str, Callable[[Subject, Node], Problem | None]] = {
    "log": _log, "log2": _log, "log10": _log, "log1p": _log,
    "sqrt": _root, "rsqrt": _root, "pow": _power,
    "div": _quotient, "reciprocal": _quotient, "floor_divide": _quotient, "remainder": _quotient,
    "acos": _within(-1, 1, True), "asin": _within(-1, 1, True), "acosh": _within(1, math.inf, True),
    "atanh": _within(-1, 1, False), "erfinv": _within(-1, 1, False), "logit": _within(0, 1, False),
    "exp": _overflow(math.log), "expm1": _overflow(math.log), "exp2": _overflow(math.log2),
    "sinh": _overflow(math.asinh), "cosh": _overflow(math.acosh),
}  # fmt: skip
