"""How what the user wrote reads with an operand changed: fixes of expressions, where it is certain which one it is."""

from __future__ import annotations

import ast
from collections.abc import Callable

from graphtorch.frontend.diagnosis.source import Call, calls_at, operator_at
from graphtorch.ir.loc import Loc


def call_of(at: Loc | None, *names: str) -> Call | None:
    """The one call of such a function that begins where ``at`` points to; None where there are none or several."""
    found = [
        c for c in calls_at(at) if c.name in names and at and (c.node.lineno, c.node.col_offset) == (at.line, at.col)
    ]
    return found[0] if len(found) == 1 else None


def operand_of(call: Call) -> str:
    """What a function of one tensor is called on."""
    return call.arguments[0] if _is_function(call) else call.receiver


def _is_function(call: Call) -> bool:
    """``gt.log(x)``, not ``x.log()``."""
    return len(call.node.args) == 1 and not call.node.keywords


def of_changed(at: Loc | None, name: str, change: Callable[[str], str]) -> str:
    """The call of ``name`` with its operand changed; "" where it is not certain what stands there."""
    call = call_of(at, name)
    if call is None or (call.node.args and not _is_function(call)):
        return ""
    changed = change(tied(operand_of(call)))
    if _is_function(call):
        return call.with_arguments([changed], {})
    return f"{tied(changed)}.{call.name}()"


def tied(text: str) -> str:
    """``text`` in parentheses where it is more than a name, a call or the like."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    return text if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant) else f"({text})"


def sides(at: Loc | None, kind: type[ast.operator]) -> tuple[str, str] | None:
    """The operands of the only operator of a kind that begins where ``at`` points to, fit to stand by another one."""
    found = operator_at(at, kind)
    if found is None:
        return None
    try:
        left = ast.parse(found[0], mode="eval").body
    except SyntaxError:
        return None
    same = isinstance(left, ast.BinOp) and isinstance(left.op, kind)
    return None if same else (tied(found[0]), tied(found[1]))
