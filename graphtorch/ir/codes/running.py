"""Runs the programs of the registry, and hears what they bring forth."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphtorch.ir.codes.record import Code
from graphtorch.ir.errors import GraphTorchError

#: the file that messages name
_FILE = "example.py"
#: how a message begins: "ShapeError GT102 in conv2d: ...", "warning GT331: ..."
_HEAD = re.compile(r"(?:\w+ )?(GT\d{3})\b")


@dataclass(frozen=True)
class Said:
    """An error, a warning, or a problem of a report. ``code`` is "" for a warning that has none; ``kind`` is the class
    of the error or of the warning; ``severity`` as in `Code`; ``text`` is the whole message.
    """

    code: str
    kind: str
    severity: str
    text: str


def run(program: str) -> list[Said]:
    """What ``program`` brings forth: warnings, then the problems of its variable ``report``, then what it raises.

    What it prints is dropped, and the environment is as before. An exception that is no GraphTorchError goes through.
    """
    namespace: dict[str, Any] = {"__name__": "example"}
    raised: list[Said] = []
    with _apart(program), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(program, _FILE, "exec"), namespace)
        except GraphTorchError as error:
            raised.append(Said(error.code, type(error).__name__, "error", str(error)))
        warned = [_of_warning(w.message) for w in caught]
        problems = getattr(namespace.get("report"), "problems", ())
        return [*warned, *map(_of_problem, problems), *raised]


def message(code: Code) -> str:
    """What the example of ``code`` prints."""
    return "\n\n".join(said.text for said in run(code.example) if said.code == code.code)


def _of_warning(warning: Warning | str) -> Said:
    text = str(warning)
    head = _HEAD.match(text)
    return Said(head[1] if head else "", type(warning).__name__, "warning", text)


def _of_problem(problem: Any) -> Said:
    return Said(problem.code, type(problem.error).__name__, problem.severity, str(problem))


@contextlib.contextmanager
def _apart(program: str) -> Iterator[None]:
    """The lines of ``program`` can be looked up, and what it does to the process is undone."""
    environment, lines = dict(os.environ), linecache.cache.get(_FILE)
    linecache.cache[_FILE] = len(program), None, program.splitlines(True), _FILE
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        linecache.cache.pop(_FILE)
        if lines is not None:
            linecache.cache[_FILE] = lines
