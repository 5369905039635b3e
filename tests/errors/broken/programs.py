"""Programs as text, which runs with graphtorch or with torch."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

NETS = Path(__file__).parent / "nets"


@dataclass(frozen=True)
class Broken:
    """A net with mistakes: each of ``edits`` is (text as it works, text as it is broken), found once in the net.

    ``problems`` are the code and the module of each problem that is to be found: ``"GT109 fc1"``.
    """

    name: str
    net: str
    edits: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    @property
    def heading(self) -> str:
        """The mistakes, in a line each."""
        return "".join(f"# {works.strip()!r} became {broken.strip()!r}\n" for works, broken in self.edits)

    @cached_property
    def program(self) -> Program:
        source = net(self.net).source
        for works, broken in self.edits:
            if source.count(works) != 1:
                raise ValueError(f"{self.name}: {works!r} stands {source.count(works)} times in {self.net}.py")
            source = source.replace(works, broken)
        return Program(self.net, source)


@dataclass(frozen=True)
class Program:
    """A program by the text of its file, ``name``.py."""

    name: str
    source: str

    @property
    def file(self) -> str:
        return f"{self.name}.py"

    def run(self, library: str = "graphtorch") -> dict[str, Any]:
        """The names that the file defines. Messages show its lines, from a file that is nowhere."""
        names: dict[str, Any] = {"__name__": self.name}
        _execute(self.source.replace("graphtorch", library), self.file, names)
        return names


#: how a program is checked: the last line of what the user runs
MAIN = "report = gt.check(net, *inputs(), loss=loss, targets=targets())"


def check(names: dict[str, Any], **changed: Any) -> Any:
    """What `gt.check` reports of a program that ran, with some of its names ``changed``."""
    names = {**names, **changed}
    _execute(MAIN, "main.py", names)
    return names["report"]


def _execute(source: str, file: str, names: dict[str, Any]) -> None:
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), names)


def net(name: str) -> Program:
    """A net that works."""
    return Program(name, (NETS / f"{name}.py").read_text(encoding="utf-8"))


def names() -> list[str]:
    """Of all nets."""
    return sorted(path.stem for path in NETS.glob("*.py"))


def broken(name: str, net: str, works: str, broken: str, *problems: str) -> Broken:
    """A net with one mistake."""
    return Broken(name, net, ((works, broken),), problems)
