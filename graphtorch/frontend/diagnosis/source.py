"""The user's source: the call that stands on a line, and how it reads with an argument changed.

A fix is an edit of what the user wrote, so that the expressions which stay are theirs.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.ir.loc import Loc


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

    def with_argument(self, name: str, text: str, parameters: Sequence[str]) -> str:
        """The call with ``text`` for the parameter ``name``, one of ``parameters`` in order."""
        arguments, keywords = self.arguments, self.keywords
        position = parameters.index(name)
        if position < len(arguments):
            arguments[position] = text
        else:
            keywords[name] = text
        return self.with_arguments(arguments, keywords)

    def with_arguments(self, arguments: Sequence[str], keywords: dict[str, str]) -> str:
        """The call with other arguments."""
        return f"{self.function}({', '.join([*arguments, *(f'{k}={v}' for k, v in keywords.items())])})"

    def _of(self, node: ast.AST) -> str:
        return " ".join((ast.get_source_segment(self.source, node) or "").split())


def call_at(at: Loc | None, *names: str) -> Call | None:
    """The call that ``at`` points to, of a function whose last name is one of ``names``; None where there is none.

    Of several such that begin at the same point (``f(x)(y)``) it is the outermost.
    """
    return next((c for c in calls_at(at) if not names or c.name in names), None)


def operator_at(at: Loc | None, kind: type[ast.operator]) -> tuple[str, str] | None:
    """The operands of the ``a @ b`` (or another operator) that begins where ``at`` points to, as written."""
    if at is None or not at.line:
        return None
    source = "".join(linecache.getlines(at.file))
    for node in _nodes(source):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, kind)
            and (node.lineno, node.col_offset) == (at.line, at.col)
        ):
            left, right = (ast.get_source_segment(source, side) or "" for side in (node.left, node.right))
            return left, right
    return None


def calls_at(at: Loc | None) -> list[Call]:
    """The calls that begin where ``at`` points to, outermost first; those that go on over its line come last."""
    if at is None or not at.line:
        return []
    source = "".join(linecache.getlines(at.file))
    calls = [n for n in _nodes(source) if isinstance(n, ast.Call)]
    nodes = [n for n in calls if n.lineno <= at.line <= (n.end_lineno or n.lineno)]
    here = [n for n in nodes if (n.lineno, n.col_offset) == (at.line, at.col)]
    there = sorted((n for n in nodes if n not in here), key=lambda n: (at.line - n.lineno, n.col_offset))
    return [Call(n, source) for n in (*sorted(here, key=_extent, reverse=True), *there)]


def _extent(node: ast.Call) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


@functools.lru_cache(64)
def _nodes(source: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(source)))
    except SyntaxError:  # a line of an interactive console that is no whole statement
        return ()
