"""The user's source: the call that stands on a line, and how it reads with an argument changed.

A fix is an edit of what the user wrote, so that the expressions which stay are theirs.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.ir.graph import Node
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import PUBLIC


@dataclass(frozen=True)
class Call:
    """A call in the user's source. ``text`` is all of it, on one line; ``function`` is what is called, as written."""

    node: ast.Call
    source: str

    @property
    def text(self) -> str:
        return self._of(self.node)

    @property
    def function(self) -> str:
        return self._of(self.node.func)

    @property
    def receiver(self) -> str:
        """What a method is called on: ``x`` of ``x.view(-1)``; "" for a function."""
        return self._of(self.node.func.value) if isinstance(self.node.func, ast.Attribute) else ""

    @property
    def is_method(self) -> bool:
        """Whether it is called on a value, ``x.softmax(1)``, and not found in a module: ``F.softmax(x, 1)``."""
        names = self.receiver.split(".")
        return bool(self.receiver) and not (names[0] in _imported(self.source) or names[-1] in _MODULES)

    @property
    def name(self) -> str:
        """The last name of the function: ``Conv2d`` of ``nn.Conv2d``."""
        return self.function.rpartition(".")[2]

    @property
    def arguments(self) -> list[str]:
        """The positional arguments, as written; a starred one with its star."""
        return [self._of(a) for a in self.node.args]

    @property
    def keywords(self) -> dict[str, str]:
        """The keyword arguments, as written."""
        return {k.arg: self._of(k.value) for k in self.node.keywords if k.arg}

    @property
    def starred(self) -> bool:
        """Whether some arguments are not written out: ``*args``, ``**kwargs``."""
        return any(isinstance(a, ast.Starred) for a in self.node.args) or any(k.arg is None for k in self.node.keywords)

    def argument(self, name: str, parameters: Sequence[str]) -> ast.expr | None:
        """The expression given for the parameter ``name``, None where it is left to its default."""
        position = parameters.index(name) if name in parameters else len(self.node.args)
        if position < len(self.node.args):
            return self.node.args[position]
        return next((k.value for k in self.node.keywords if k.arg == name), None)

    def with_argument(self, name: str, text: str, parameters: Sequence[str], *more: str) -> str:
        """The call with ``text`` for the parameter ``name``, one of ``parameters``; ``more`` are such pairs."""
        arguments, keywords = self.arguments, self.keywords
        for key, value in zip((name, *more[::2]), (text, *more[1::2]), strict=True):
            position = parameters.index(key)
            if position < len(arguments):
                arguments[position] = value
            else:
                keywords[key] = value
        return self.with_arguments(arguments, keywords)

    def with_arguments(self, arguments: Sequence[str], keywords: dict[str, str]) -> str:
        """The call with other arguments."""
        return f"{self.function}({', '.join([*arguments, *(f'{k}={v}' for k, v in keywords.items())])})"

    @property
    def literals(self) -> tuple[list[Any], dict[str, Any]] | None:
        """The arguments, where all of them are written out as numbers, strings and the like."""
        try:
            given = {k.arg: ast.literal_eval(k.value) for k in self.node.keywords if k.arg}
            return ([ast.literal_eval(a) for a in self.node.args], given) if not self.starred else None
        except ValueError:
            return None

    def text_of(self, node: ast.AST) -> str:
        """A part of the call, as written."""
        return self._of(node)

    def replacing(self, node: ast.expr, text: str) -> str:
        """The call with another text for a part of it."""
        whole, part = (ast.get_source_segment(self.source, n) or "" for n in (self.node, node))
        before = _offset(self.source, node) - _offset(self.source, self.node)
        return " ".join(f"{whole[:before]}{text}{whole[before + len(part) :]}".split())

    def renamed(self, name: str) -> str:
        """The call of another function beside the one that is called: ``F.softmax(x)`` as ``F.log_softmax(x)``."""
        return self.function.removesuffix(self.name) + name + self.text.removeprefix(self.function)

    def _of(self, node: ast.AST) -> str:
        return " ".join((ast.get_source_segment(self.source, node) or "").split())


def call_at(at: Loc | None, *names: str) -> Call | None:
    """The call that ``at`` points to, of a function whose last name is one of ``names``; None where there is none.

    Of several such that begin at the same point (``f(x)(y)``) it is the outermost.
    """
    return next((c for c in calls_at(at) if not names or c.name in names), None)


def module_call_at(at: Loc | None, name: str) -> Call | None:
    """The call of a module that ``at`` points to; ``name`` is what the module that holds it calls it.

    Of ``self.fc(x).view(-1)`` it is the inner one: by its name, or else because the others are methods of its result.
    """
    found = [c for c in calls_at(at) if at is not None and (c.node.lineno, c.node.col_offset) == (at.line, at.col)]
    named = [c for c in found if c.name == name]
    while len(found) > 1 and isinstance(found[0].node.func, ast.Attribute):
        del found[0]
    return next(iter(named or found or calls_at(at)), None)


def operator_at(at: Loc | None, kind: type[ast.operator | ast.cmpop]) -> tuple[str, str] | None:
    """The operands of the ``a @ b`` (or another operator) that begins where ``at`` points to, as written."""
    if at is None or not at.line:
        return None
    source = _text(at.file)
    for node in _nodes(source):
        if not isinstance(node, ast.BinOp | ast.Compare) or (node.lineno, node.col_offset) != (at.line, at.col):
            continue
        op, other = (node.op, node.right) if isinstance(node, ast.BinOp) else (node.ops[0], node.comparators[0])
        if isinstance(op, kind):
            left, right = (ast.get_source_segment(source, side) or "" for side in (node.left, other))
            return left, right
    return None


#: what the operators of Python call
_OPERATORS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.MatMult: "matmul", ast.Pow: "pow",
    ast.FloorDiv: "floor_divide", ast.Mod: "remainder",
}  # fmt: skip


def public_name(node: Node) -> str:
    """What the user called to make a node: by the source, the public function that stands where it came from.

    The name of the op where that is one, where several functions begin there, or where there is no source.
    """
    at, op = node.locs[0] if node.locs else None, node.op.name
    if at is None:
        return op
    names = {c.name for c in calls_at(at) if (c.node.lineno, c.node.col_offset) == (at.line, at.col)}
    names = {n for n in names if any(n in table for table in PUBLIC.values())}
    names |= {name for kind, name in _OPERATORS.items() if not names and operator_at(at, kind)}
    return names.pop() if len(names) == 1 and op not in names else op


def function_around(at: Loc | None) -> tuple[str, int]:
    """The innermost function that ``at`` lies in, by its file and line; the line is 0 outside of any."""
    if at is None:
        return "", 0
    return at.file, _functions_of(_text(at.file)).get(at.line, 0)


@functools.lru_cache(64)
def _functions_of(source: str) -> dict[int, int]:
    """The line where the innermost function begins that each line is in."""
    found: dict[int, int] = {}
    for node in _nodes(source):  # outer ones come first
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno))
    return found


def assigned(file: str, cls: str, attribute: str) -> Iterator[tuple[Call, Loc]]:
    """Calls whose results are assigned to ``self.attribute`` in the methods of the class ``cls``."""
    source = _text(file)
    classes = (n for n in _nodes(source) if isinstance(n, ast.ClassDef) and n.name == cls)
    for node in (n for c in classes for n in ast.walk(c) if isinstance(n, ast.Assign)):
        names = [t.attr for t in node.targets if isinstance(t, ast.Attribute)]
        if attribute in names and isinstance(node.value, ast.Call):
            yield Call(node.value, source), Loc(file, node.value.lineno, node.value.col_offset)


#: what modules of functions are called where the line that imports them is in another file, as in a notebook
_MODULES = frozenset(("gt", "torch", "F", "functional"))


@functools.lru_cache(64)
def _imported(source: str) -> frozenset[str]:
    """The names that the imports of a file bind."""
    found = (n for n in _nodes(source) if isinstance(n, ast.Import | ast.ImportFrom))
    return frozenset(a.asname or a.name.partition(".")[0] for n in found for a in n.names)


def _text(file: str) -> str:
    return "".join(linecache.getlines(file))


def calls_at(at: Loc | None) -> list[Call]:
    """The calls that begin where ``at`` points to, outermost first; those that go on over its line come last."""
    if at is None or not at.line:
        return []
    source = _text(at.file)
    nodes = _calls_of(source).get(at.line, [])
    here = [n for n in nodes if (n.lineno, n.col_offset) == (at.line, at.col)]
    there = sorted((n for n in nodes if n not in here), key=lambda n: (at.line - n.lineno, n.col_offset))
    return [Call(n, source) for n in (*sorted(here, key=_extent, reverse=True), *there)]


@functools.lru_cache(64)
def _calls_of(source: str) -> dict[int, list[ast.Call]]:
    """The calls that go over each line."""
    found: dict[int, list[ast.Call]] = {}
    for node in (n for n in _nodes(source) if isinstance(n, ast.Call)):
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            found.setdefault(line, []).append(node)
    return found


def _offset(source: str, node: ast.expr) -> int:
    """Where ``node`` begins, in characters; columns count bytes."""
    lines = source.splitlines(keepends=True)
    line = lines[node.lineno - 1].encode()[: node.col_offset].decode()
    return sum(map(len, lines[: node.lineno - 1])) + len(line)


def _extent(node: ast.Call) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


@functools.lru_cache(64)
def _nodes(source: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(source)))
    except SyntaxError:  # a line of an interactive console that is no whole statement
        return ()
