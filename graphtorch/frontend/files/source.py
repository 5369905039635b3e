"""What is read, counted: no read goes beyond the end of the file, and no value takes more room than the file grants."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, NoReturn

from graphtorch.ir.errors import LoadError

#: what a file of any size may make of Python objects; beyond it, twice its own size
FLOOR = 256 << 20
#: ends of the lines of a text in a pickle, and names, come within so many bytes
_LINE = 4096


def damaged(what: str, *facts: str) -> LoadError:
    """A file that ends too early or contradicts itself."""
    return LoadError("GT902", f"the file is damaged: {what}", facts, fix="get or write the file again")


def too_large(what: str, *facts: str) -> LoadError:
    """A file that asks for more memory than it holds bytes."""
    return LoadError("GT904", f"the file asks for more than it holds: {what}", facts)


def shown(value: Any) -> str:
    """A value of a file, for a message: one that is long, or a container of containers, is only told by its kind.

    A hundred bytes of a pickle make a tuple whose ``repr`` has 2**50 parts.
    """
    if isinstance(value, str | bytes):
        return repr(value[:80])
    if isinstance(value, list | tuple):
        parts = [f"a {type(v).__name__}" if isinstance(v, list | tuple) else shown(v) for v in value[:9]]
        return f"[{', '.join(parts)}{', ...' if len(value) > 9 else ''}]"
    short = value is None or isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 64)
    return repr(value) if short else f"a {type(value).__name__}"


#: the way out for files of very many small tensors, which are honest and look as bombs do
_TRUST = "weights_only=False lifts this limit, for a file that you trust"


class Budget:
    """The memory that the objects of a file may take: twice the size of the file, and `FLOOR` for small ones.

    ``unlimited``: the file is trusted.
    """

    def __init__(self, size: int, unlimited: bool = False) -> None:
        self.left = self.limit = sys.maxsize if unlimited else max(FLOOR, 2 * size)

    def take(self, cost: int) -> None:
        """LoadError GT904 once more than the limit was asked for."""
        self.left -= cost
        if self.left < 0:
            raise too_large(f"its objects take more than {self.limit >> 20} MiB", _TRUST)


class Source:
    """The bytes of ``file`` from ``start`` to ``end`` (its own, unless given), read in order or from a place."""

    def __init__(self, file: BinaryIO, start: int = 0, end: int | None = None, budget: Budget | None = None) -> None:
        whole = file.seek(0, io.SEEK_END)
        self.file, self.start = file, start
        self.end = whole if end is None else min(end, whole)
        self.size = max(0, self.end - start)
        self.budget = Budget(self.size) if budget is None else budget
        self.at = start
        file.seek(start)

    @property
    def left(self) -> int:
        return self.end - self.at

    def seek(self, at: int) -> None:
        """Go on at byte ``at``, counted from the start."""
        self.at = self.start + at
        self.file.seek(self.at)

    def part(self, at: int, size: int) -> Source:
        """``size`` bytes from byte ``at`` on, which count on the same budget."""
        if not 0 <= at <= at + size <= self.size:
            self._ended(size)
        return Source(self.file, self.start + at, self.start + at + size, self.budget)

    def read(self, n: int) -> bytes:
        """The next ``n`` bytes; LoadError GT902 if there are fewer."""
        if not 0 <= n <= self.left:
            self._ended(n)
        found = self.file.read(n)
        if len(found) != n:
            self._ended(n)
        self.at += n
        return found

    def into(self, array: Any) -> None:
        """Fill ``array``, a contiguous one of bytes, with what comes next."""
        n = array.size
        if n > self.left:
            self._ended(n)
        view, done = memoryview(array), 0
        while done < n:
            got = self.file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                self._ended(n)
            done += got
        self.at += n

    def line(self) -> bytes:
        """The text up to the next end of line."""
        found = self.file.readline(min(_LINE, self.left))
        if not found.endswith(b"\n"):
            raise damaged("a line of text has no end", f"none within {len(found)} bytes from byte {self.at}")
        self.at += len(found)
        return found[:-1]

    def _ended(self, n: int) -> NoReturn:
        raise damaged("it is shorter than it says", f"expected {n} bytes at byte {self.at}, got {max(0, self.left)}")
