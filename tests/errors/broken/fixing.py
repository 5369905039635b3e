"""Applies the fix of a message to the text of a program, as a user does who reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from graphtorch.frontend.diagnosis.problem import Problem
from tests.errors.broken.programs import Program

#: a program after a fix, and what is to be done with the model and the inputs that it makes
Fixed = tuple[Program, Callable[[Any], None], Callable[[tuple[Any, ...]], tuple[Any, ...]]]


def fixed(program: Program, problem: Problem) -> Fixed:
    """The program with the edit that ``problem.fix`` says, at the line that it names or at one that the message shows."""
    text, lines = _place(program, problem)
    source, model, inputs = program.source, lambda _: None, lambda given: given
    if text.startswith("give the model input"):
        inputs = _input(text.removeprefix("give the model "))
    elif match := re.fullmatch(r'(\w+)=(.+) for "(.+)"', text):
        model = _attribute(*match.groups())
    elif match := re.fullmatch(r'leave out \w+ "(.+)"', text):
        model = _without(match[1])
    else:
        source = _edited(source, text, lines)
    return Program(program.name, source), model, inputs


def _place(program: Program, problem: Problem) -> tuple[str, list[int]]:
    named = re.fullmatch(r"(.*) \((\w+\.py):(\d+)\)", problem.fix)
    if named:
        assert named[2] == program.file
        return named[1], [int(named[3])]
    return problem.fix, [at.line for at in reversed(problem.locations) if at.file == program.file]


def _edited(source: str, text: str, lines: list[int]) -> str:
    """The source with the expression that ``text`` is about replaced, on one of ``lines``."""
    if text.startswith("leave out "):
        return _replaced(source, text.removeprefix("leave out "), "", lines)
    for between, change in ((" in place of ", "{new}"), (" before ", "{new}, {old}")):
        if between in text:
            new, old = text.split(between)
            return _replaced(source, old, change.format(new=new, old=old), lines)
    return _replaced(source, _counterpart(source, text, lines), text, lines)


def _replaced(source: str, old: str, new: str, lines: list[int]) -> str:
    """``old``, which stands on one of ``lines`` or begins there; with nothing in its place its comma goes too."""
    pattern = r"\s*".join(re.escape(part) for part in re.findall(r"\w+|\W", old) if part.strip())
    for line in lines:
        start = sum(map(len, source.splitlines(keepends=True)[: line - 1]))
        found = re.compile(pattern + ("" if new else r",\s*")).search(source, start)
        if found and source.count("\n", 0, found.start()) + 1 == line:
            return source[: found.start()] + new + source[found.end() :]
    raise AssertionError(f"{old!r} stands on none of the lines {lines}")


def _counterpart(source: str, text: str, lines: list[int]) -> str:
    """The expression of the program that ``text`` is a new version of: a call of the same function, the same product."""
    new = ast.parse(text, mode="eval").body
    whole = ast.unparse(new.value) if isinstance(new, ast.Subscript) else ""
    for line in lines:
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.expr) or node.lineno != line:
                continue
            same_call = (
                isinstance(node, ast.Call)
                and isinstance(new, ast.Call)
                and ast.unparse(node.func) == ast.unparse(new.func)
            )
            same_product = (
                isinstance(node, ast.BinOp) and isinstance(new, ast.BinOp) and isinstance(node.op, ast.MatMult)
            )
            if same_call or same_product or (whole and ast.unparse(node) == whole):
                return ast.get_source_segment(source, node) or ""
    raise AssertionError(f"nothing on the lines {lines} is like {text!r}")


def _input(expression: str) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    return lambda given: (eval(expression, {"input": given[0]}), *given[1:])


def _attribute(name: str, value: str, path: str) -> Callable[[Any], None]:
    """The layer at ``path`` made with another argument."""

    def change(model: Any) -> None:
        from graphtorch.frontend.diagnosis.layers import remade

        _put(model, path, remade(model.get_submodule(path), **{name: ast.literal_eval(value)}))

    return change


def _without(path: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        from graphtorch import nn

        _put(model, path, nn.Identity())

    return change


def _put(model: Any, path: str, module: Any) -> None:
    holder, _, name = path.rpartition(".")
    setattr(model.get_submodule(holder), name, module)
