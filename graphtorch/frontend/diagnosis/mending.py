"""The fix of an error as an edit of the user's line: what a `Mend` says, written with the user's own expressions."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from graphtorch.frontend.diagnosis.edits import Edit, Given
from graphtorch.frontend.diagnosis.layers import edited_constructor, is_layer
from graphtorch.frontend.diagnosis.source import Call, calls_at
from graphtorch.frontend.nn.loss import Loss
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.errors import GraphTorchError, Mend
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import PUBLIC, parameters_of

#: expressions that a method call can follow, and an operator stand beside, as they are
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)
_NAME = re.compile(r"{(\w+)}")
#: what layers call the number of their outputs
_WIDTHS = ("out_features", "out_channels")


def fix_of(error: GraphTorchError, op: str, operands: Sequence[tuple[str, Any]]) -> str:
    """The fix of an error that leaves the public function ``op``, which was given ``operands``; "" for none."""
    mend, owner, path = error.mend, None, ""
    if mend is None or not _takes(op, mend):
        return error.fix
    if mend.by_layer:
        scores = next((o for name, o in operands if name == "input"), None)
        _, scope = getattr(scores, "_origin", None) or ("", None)
        owner, path = (scope.owner, scope.path) if scope else (None, "")
    return with_layer(error, mend, op, owner, path)


def _takes(op: str, mend: Mend) -> bool:
    """Whether ``op`` is a loss, and has the parameters that are to be given otherwise."""
    parameters = parameters_of(PUBLIC["F"][op]) if op in PUBLIC["F"] else ()
    return {"input", "target", *(name for call in mend.calls for name, _ in call)} <= set(parameters)


def with_layer(error: GraphTorchError, mend: Mend, op: str, owner: Any, path: str) -> str:
    """The fix of ``error``, where ``owner`` may be the layer that gave what the loss takes; the trail then says so."""
    width = next((w for w in _WIDTHS if hasattr(owner, w)), None)
    if not isinstance(owner, Module) or not is_layer(owner) or owner._created_at is None:
        width = None
    if width is not None and isinstance(owner, Module):
        error.trail = [f"{getattr(owner, width)} classes are what {layer_name(owner, path)} gives"]
    if not mend.outputs:
        return mended(mend, op, error.loc, error.created)
    return edited_constructor(owner, width, mend.outputs) if width else ""


def layer_name(layer: Module, path: str) -> str:
    """`Softmax "2" (net.py:7)`."""
    return type(layer).__name__ + (f' "{path}"' if path else "") + place_of(layer._created_at)


def place_of(loc: Loc | None) -> str:
    """` (net.py:7)`; "" where that is not known."""
    return f" ({loc.show().split(' ', 1)[0]})" if loc is not None and loc.line else ""


def edits_of(error: GraphTorchError, number: int) -> Iterator[Edit]:
    """What ``error.fix`` says of the call of a public function, the ``number``th of a run, as edits to be tried."""
    for arguments in error.mend.calls if error.mend is not None and error.fix else ():
        yield Given(error.fix, (("function", number),), functools.partial(_changed, error.op, arguments))


def _changed(
    op: str, edits: Sequence[tuple[str, str]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call after the edits, which are expressions that this package wrote."""
    given = {**dict(zip(parameters_of(PUBLIC["F"][op]), args, strict=False)), **kwargs}
    new = {
        name: eval(_NAME.sub(r"\1", text), {"gt": importlib.import_module("graphtorch")}, given) for name, text in edits
    }
    return (), {**given, **new}


@functools.lru_cache(256)
def mended(mend: Mend, op: str, at: Loc | None, created: Loc | None = None) -> str:
    """What the user's call at ``at`` reads after the edit; ``created`` is where a loss module that ran was made."""
    call, parameters = loss_call(at, op), parameters_of(PUBLIC["F"][op])
    if call is None:
        return mend.otherwise
    edits = [_edited(call, dict(arguments), op, parameters, created) for arguments in mend.calls]
    return " or ".join(edits) if all(edits) else mend.otherwise


def _edited(call: Call, arguments: dict[str, str], op: str, parameters: Sequence[str], created: Loc | None) -> str:
    if call.name != op and not arguments.keys() <= {"input", "target"}:
        return with_setting(created, arguments)
    positional, keywords = call.arguments, call.keywords
    for name, template in arguments.items():
        text = _filled(template, call, parameters)
        if text is None:
            return ""
        at = parameters.index(name)
        if at < len(positional):
            positional[at] = text
        else:
            keywords[name] = text
    return call.with_arguments(positional, keywords)


def _filled(template: str, call: Call, parameters: Sequence[str]) -> str | None:
    """``template`` with the user's expressions; None where one is not there."""
    given = {name: call.argument(name, parameters) for name in _NAME.findall(template)}
    if None in given.values():
        return None
    alone = _NAME.fullmatch(template) is not None
    return _NAME.sub(lambda m: _text(call, given[m[1]], alone), template)


def _text(call: Call, node: ast.expr | None, alone: bool) -> str:
    text = "" if node is None else " ".join((ast.get_source_segment(call.source, node) or "").split())
    return text if alone or isinstance(node, _ATOMS) else f"({text})"


def with_setting(created: Loc | None, arguments: dict[str, str], cls: str = "") -> str:
    """The user's constructor call of a loss with keyword arguments set, or of the class ``cls`` in its place; "" where
    no loss was constructed at ``created``."""
    found = [
        c for c in calls_at(created) if created and (c.node.lineno, c.node.col_offset) == (created.line, created.col)
    ]
    call = found[-1] if found else None  # of ``nn.MSELoss()(output, target)`` the inner one
    if call is None or call.starred or not _is_loss(call.name):
        return ""
    return call.renamed(cls) if cls else call.with_arguments(call.arguments, {**call.keywords, **arguments})


def _is_loss(name: str) -> bool:
    """Whether a class of the package of that name is a loss."""
    found = [Loss]
    for cls in found:
        found += cls.__subclasses__()
    return any(cls.__name__ == name and cls.__module__.startswith("graphtorch.") for cls in found)


def loss_call(at: Loc | None, op: str) -> Call | None:
    """The user's call of the loss ``op``, or of a module that calls it; None where it cannot be read.

    ``crit(output, target).backward()`` begins where ``crit(output, target)`` does: the inner call is the loss. That of
    ``make(a, b)(output, target)`` is the outer one.
    """
    if at is None:
        return None
    found = [c for c in calls_at(at) if (c.node.lineno, c.node.col_offset) == (at.line, at.col)]
    found = [c for c in found if len(c.arguments) + len(c.keywords) >= 2]
    named = [c for c in found if c.name == op]
    if named:
        found = named
    while len(found) > 1 and found[-2].node.func is found[-1].node:
        del found[-1]
    return found[-1] if found and not found[-1].starred else None
