"""Where a node comes from: the user's line and the path of the module that was running."""

from __future__ import annotations

import copy
import functools
import linecache
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Protocol

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: what the name of a file that this package has written or made begins with (frontend/signature.py makes some); and
#: that of copy.py, which calls __deepcopy__ for the user
OWN_FILES = (_PACKAGE, "<graphtorch ", copy.__file__)


@dataclass(frozen=True)
class Loc:
    """A line of user code. ``path`` is the module path (``"features.0"``), "" outside of any module."""

    file: str
    line: int
    col: int
    path: str = ""

    def __str__(self) -> str:
        import json  # which costs 3 ms, and few programs are printed

        tail = f" {json.dumps(self.path)}" if self.path else ""
        return f"@{json.dumps(self.file)}:{self.line}:{self.col}{tail}"

    def source(self) -> str:
        """The text of the line, stripped; "" when the file cannot be read."""
        linecache.checkcache(self.file)
        return linecache.getline(self.file, self.line).strip()

    def show(self) -> str:
        """``net.py:41      x = self.features(x)``, as in error messages."""
        return f"{os.path.basename(self.file) + ':' + str(self.line):<14} {self.source()}"


class ScopeOwner(Protocol):
    """What can stand on the scope stack: a module, which knows its children's names."""

    def _scope_name(self, child: object) -> str: ...

    @property
    def _created_at(self) -> Loc | None: ...


@dataclass(frozen=True)
class Scope:
    """One entry of the stack of running modules; a linked list, so that keeping one costs a pointer."""

    parent: Scope | None
    owner: ScopeOwner

    @functools.cached_property
    def path(self) -> str:
        """The names that lead to the owner, as they are when they are first asked for."""
        if self.parent is None:
            return ""
        prefix, name = self.parent.path, self.parent.owner._scope_name(self.owner)
        return f"{prefix}.{name}" if prefix and name else prefix or name


class _State(threading.local):
    scope: Scope | None = None
    #: where `warn_user` puts texts instead of warning
    heard: list[str] | None = None


state = _State()


def user_frame() -> FrameType | None:
    """The innermost frame outside of the package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the innermost line outside of the package, whatever has wrapped the function that warns."""
    if state.heard is not None:
        state.heard.append(text)
        return
    frame, level = sys._getframe(0), 1
    while frame.f_back is not None and _is_own(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


@contextmanager
def hearing() -> Iterator[list[str]]:
    """In the block `warn_user` warns nobody, and its texts are in this list. `warnings.catch_warnings` would do so too,
    and forget which lines have warned already."""
    before, state.heard = state.heard, []
    try:
        yield state.heard
    finally:
        state.heard = before


@functools.lru_cache(4096)
def _is_own(file: str) -> bool:
    return file.startswith(OWN_FILES)


def here() -> Loc:
    """The user's line that is running now, with the path of the running module."""
    return of_frame(user_frame(), state.scope.path if state.scope else "")


class Places:
    """`here`, for one trace: most ops come from a line that others came from, and the working directory stays."""

    def __init__(self) -> None:
        #: with the code, whose id must not come to mean another
        self._known: dict[tuple[int, int, str], tuple[Loc, CodeType | None]] = {}

    def here(self) -> Loc:
        frame, path = user_frame(), state.scope.path if state.scope else ""
        code, at = (frame.f_code, frame.f_lasti) if frame else (None, 0)
        key = id(code), at, path
        if key not in self._known:
            self._known[key] = of_frame(frame, path), code
        return self._known[key][0]


#: a point in a user's code, as quickly as it can be had: `of_place` makes a `Loc` of it
Place = tuple[CodeType, int]


def place() -> Place | None:
    """The point in the user's code that is running now."""
    frame = user_frame()
    return None if frame is None else (frame.f_code, frame.f_lasti)


def of_place(place: Place) -> Loc:
    """The line that a point in code is on."""
    code, lasti = place
    line, col = _position(code, lasti)
    return Loc(_short(code.co_filename), line or code.co_firstlineno, col)


def made_here(made: object) -> Loc:
    """The user's line that constructs ``made``, called while it is being initialised.

    The ``__init__`` methods of user subclasses, which call ``super().__init__()``, are passed over.
    """
    frame = user_frame()
    while frame is not None and _initialises(frame, made):
        frame = frame.f_back
    while frame is not None and _is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return of_frame(frame)


def _initialises(frame: FrameType, made: object) -> bool:
    code = frame.f_code
    return code.co_name == "__init__" and code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is made


def of_frame(frame: FrameType | None, path: str = "") -> Loc:
    """The line that ``frame`` is at; ``<unknown>`` when there is no frame."""
    if frame is None:
        return Loc("<unknown>", 0, 0, path)
    line, col = _position(frame.f_code, frame.f_lasti)
    return Loc(_short(frame.f_code.co_filename), line or frame.f_lineno, col, path)


_positions: dict[tuple[CodeType, int], tuple[int, int]] = {}


def _position(code: CodeType, lasti: int) -> tuple[int, int]:
    found = _positions.get((code, lasti))
    if found is None:
        for index, (line, _, col, _) in enumerate(code.co_positions()):
            if index == lasti // 2:
                found = (line or 0, col or 0)
                break
        found = _positions.setdefault((code, lasti), found or (0, 0))
    return found


def _short(file: str) -> str:
    """Relative to the working directory where it lies below it: dumps then do not name the machine."""
    return _relative(file, os.getcwd()) if os.path.isabs(file) else file


@functools.lru_cache(maxsize=256)
def _relative(file: str, folder: str) -> str:
    relative = os.path.relpath(file, folder)
    return file if relative.startswith("..") else relative
