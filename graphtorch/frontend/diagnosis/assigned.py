"""Where the user's source assigns an attribute of a class."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.ir.loc import Loc


@dataclass(frozen=True)
class Assignment:
    """``target = value`` in the user's source, each on one line; ``prefix`` is what stands before names of layers."""

    target: str
    value: str
    prefix: str
    loc: Loc


def assignment(cls: type, attribute: str, near: Loc | None) -> Assignment | None:
    """The one assignment of ``self.attribute`` in the class; None where the source has none, or several.

    ``near`` is a line of the file that the class stands in.
    """
    source = "".join(linecache.getlines(near.file)) if near is not None else ""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    nodes = _in_class(tree, [c.__name__ for c in cls.__mro__], attribute)
    if len(nodes) != 1 or near is None:
        return None
    node = nodes[0]
    target, value = node.targets[0], node.value
    text = _listed(value) if isinstance(value, ast.Tuple) else _on_a_line(source, value)
    layer = next((n for n in ast.walk(value) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)), None)
    called = _on_a_line(source, layer.func.value) if layer is not None else "nn"  # type: ignore[attr-defined]
    prefix = f"{called}." if called.rpartition(".")[2] == "nn" else "nn."
    return Assignment(_on_a_line(source, target), text, prefix, Loc(near.file, node.lineno, node.col_offset))


def _in_class(tree: ast.AST, classes: Sequence[str], attribute: str) -> list[ast.Assign]:
    """The assignments of the attribute in the first of the classes that has any."""
    for name in classes:
        bodies = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name]
        nodes = [n for body in bodies for n in ast.walk(body) if isinstance(n, ast.Assign) and _assigns(n, attribute)]
        if nodes:
            return nodes
    return []


def _assigns(node: ast.Assign, name: str) -> bool:
    target = node.targets[0]
    is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.attr == name
    return is_own and len(node.targets) == 1


def _on_a_line(source: str, node: ast.AST) -> str:
    """As the user wrote it, where that is one line."""
    text = ast.get_source_segment(source, node) or ""
    return ast.unparse(node) if "\n" in text else text


def _listed(value: ast.Tuple) -> str:
    return f"[{', '.join(map(ast.unparse, value.elts))}]"
