"""The contract of containers: layers and parameters that are trained are in ones which a module looks into."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from graphtorch.frontend.diagnosis.paths import listed
from graphtorch.frontend.diagnosis.problem import Problem, Site, finding
from graphtorch.frontend.diagnosis.step import Step
from graphtorch.frontend.diagnosis.unregistered import Unregistered
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc


def registering_problems(step: Step) -> Iterator[Problem]:
    """GT334: an error where nothing trains them, and a note where they were given to an optimizer by hand."""
    for found in step.unregistered:
        lost = [t for _, t in found.tensors if id(t) in step.lost]
        by_hand = [t for _, t in found.tensors if id(t) in step.optimized]
        if lost or by_hand:
            yield _problem(found, lost or by_hand, bool(lost))


def _problem(found: Unregistered, tensors: list[Tensor], lost: bool) -> Problem:
    kind = type(found.container).__name__
    what = "layers" if found.modules else "parameters"
    names = {id(t): name for name, t in found.tensors}
    written = _assignment(found)
    missed = "parameters(), state_dict(), to() and train() do not find them"
    facts = [
        f"{listed([names[id(t)] for t in tensors])}: {missed}",
        "the forward pass uses them, and no optimizer trains them"
        if lost
        else "load_state_dict() will not restore them",
    ]
    fix = _fix(found, written)
    if not fix:
        facts.append(_advice(found))
    at = written.loc if written else _made_at(found)
    at = replace(at, path=found.path.rpartition(".")[0]) if at else None
    owner = f"{type(found.owner).__name__}.{found.name}"
    message = f"{owner} keeps {what} in a plain {kind}, where the module does not count them as its own"
    site = Site(at, found.owner._created_at)
    return finding("GT334", "error" if lost else "note", message, facts, site=site, fix=fix)


def _made_at(found: Unregistered) -> Loc | None:
    return found.modules[0]._created_at if found.modules else None


def _fix(found: Unregistered, written: Assignment | None) -> str:
    """The user's assignment with a container of modules; "" where none holds what is there."""
    flat = list(found.container.values()) if isinstance(found.container, dict) else list(found.container)
    if written is None or not all(isinstance(m, Module) for m in flat):
        return ""
    if isinstance(found.container, dict) and not all(isinstance(k, str) for k in found.container):
        return ""
    name = "ModuleDict" if isinstance(found.container, dict) else "ModuleList"
    given = "" if written.value in ("[]", "{}", "()", "list()", "dict()") else written.value
    return f"{written.target} = {written.prefix}{name}({given})"


def _advice(found: Unregistered) -> str:
    if not found.modules:
        return "assign each to an attribute of its own, or call register_parameter(name, parameter)"
    return "an nn.ModuleList or an nn.ModuleDict, whose keys are strings, counts what it holds; so does an attribute"


# ---- where the user assigns an attribute ----


@dataclass(frozen=True)
class Assignment:
    """``target = value`` in the user's source, each on one line; ``prefix`` is what stands before names of layers."""

    target: str
    value: str
    prefix: str
    loc: Loc


def _assignment(found: Unregistered) -> Assignment | None:
    """The one assignment of the attribute in the class; None where the source has none, or several."""
    near = _made_at(found) or found.owner._created_at
    source = "".join(linecache.getlines(near.file)) if near is not None else ""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    nodes = _in_class(tree, [cls.__name__ for cls in type(found.owner).__mro__], found.name)
    if len(nodes) != 1 or near is None:
        return None
    node = nodes[0]
    target, value = node.targets[0], node.value
    text = _listed(value) if isinstance(value, ast.Tuple) else _on_a_line(source, value)
    layer = next((n for n in ast.walk(value) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)), None)
    called = _on_a_line(source, layer.func.value) if layer is not None else "nn"  # type: ignore[attr-defined]
    prefix = f"{called}." if all(map(str.isidentifier, called.split("."))) else "nn."
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
