"""A machine for pickles that runs nothing: it builds plain data and what its caller allows, and refuses the rest.

Python's own unpickler, given a `find_class` that refuses, still hands a file's numbers to C: a place in the memo
becomes an array of that length, and hashing a deep tuple overflows the stack. Here each opcode is a row of a table,
what it makes is counted (`Budget`), and only a `Builder` is ever called. What the opcodes mean is written in Python's
`pickletools`.

    restricted_load(file, ARRAYS, encoding="bytes")      # the pickles of CIFAR
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Mapping
from itertools import chain
from typing import Any, BinaryIO

from graphtorch.frontend.files.graph_limits import check_graph, check_key
from graphtorch.frontend.files.opcodes import OPCODES
from graphtorch.frontend.files.source import Source, damaged
from graphtorch.ir.errors import LoadError

#: bytes of the longest integer: seeds and states of generators are such
_LONGEST_INT = 1024
#: opcodes by name, for messages
_REFUSED = {
    b"i": "INST", b"o": "OBJ", b"\x82": "EXT1", b"\x83": "EXT2", b"\x84": "EXT4", b"\x97": "NEXT_BUFFER",
    b"\x98": "READONLY_BUFFER", b"P": "PERSID",
}  # fmt: skip


class Builder:
    """What a pickle may call: ``make(*arguments)``. ``then(made, state)`` is what BUILD does to what was made; ``cost``
    is about how many bytes that takes, and ``each`` how many a value within the arguments, where they are copied."""

    def __init__(
        self, make: Callable[..., Any], then: Callable[[Any, Any], Any] | None = None, cost: int = 400, each: int = 0
    ) -> None:
        self.make, self.then, self.cost, self.each = make, then, cost, each


class _Mark:
    """Where a tuple, a list or a dict of the stack begins."""


_MARK = _Mark()


class Machine:
    """Runs one pickle after the other out of ``source``.

    ``allowed`` has the globals that a pickle may name, by module and name with a dot between: a `Builder`, or a value.
    ``persistent`` makes a value of a persistent id; without it there are none. ``encoding`` is that of the texts of
    Python 2: "bytes" leaves them as they are.
    """

    def __init__(
        self,
        source: Source,
        allowed: Mapping[str, Any],
        persistent: Callable[[Any], Any] | None = None,
        encoding: str = "ascii",
    ) -> None:
        self.source: Source = source
        self.allowed, self.persistent, self.encoding = allowed, persistent, encoding
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.made_by: dict[int, tuple[Any, Builder]] = {}

    def load(self) -> Any:
        """The value of the next pickle. LoadError GT902 to GT904."""
        self.stack, self.memo, self.made_by = [], {}, {}
        read, take, table = self.source.read, self.source.budget.take, OPCODES
        while (code := read(1)) != b".":
            found = table.get(code)
            if found is None:
                raise _no_opcode(code)
            take(16)
            found(self)
        value = self.pop()
        if self.stack:
            raise damaged("a pickle leaves more than one value")
        check_graph(value)
        return value

    def push(self, value: Any, cost: int = 16) -> None:
        self.source.budget.take(cost)
        self.stack.append(value)

    def mark(self) -> None:
        self.stack.append(_MARK)

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise damaged("a pickle takes more values than it gave")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise damaged(f"a pickle adds to what is no {kind.__name__}")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """The values above the last mark, which go."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                values = self.stack[at + 1 :]
                del self.stack[at:]
                return values
        raise damaged("a pickle ends a group that never began")

    def number(self, layout: str) -> int:
        """The next number, as `struct` lays it out."""
        (found,) = struct.unpack(layout, self.source.read(struct.calcsize(layout)))
        return int(found)

    def text(self, raw: bytes, encoding: str = "utf-8", errors: str = "strict") -> None:
        """Push a text."""
        narrow = raw.isascii() or encoding in ("latin1", "latin-1")
        self.source.budget.take(50 + len(raw) * (1 if narrow else 4))
        try:
            self.stack.append(raw.decode(encoding, errors))
        except UnicodeDecodeError as error:
            raise damaged(f"a text is no {error.encoding}") from None

    def old_text(self, raw: bytes) -> None:
        """Push a text of Python 2, which may have been bytes."""
        if self.encoding == "bytes":
            self.push(raw, 50 + len(raw))
        else:
            self.text(raw, self.encoding)

    def named(self, module: Any, name: Any) -> None:
        """Push a global; LoadError GT903 for one that is not allowed."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise damaged("the name of a global is no text")
        full = f"{module}.{name}"
        if full not in self.allowed:
            raise refused(full)
        self.push(self.allowed[full])

    def call(self, function: Any, args: Any) -> None:
        """Push what a `Builder` makes of ``args``."""
        if not isinstance(function, Builder) or not isinstance(args, tuple):
            raise LoadError("GT903", f"the file calls {_shown(function)}, which is not a function that may be called")
        self.source.budget.take(function.cost)
        self._take_copies(args, function.each)
        made = built(function.make, *args)
        self.push(made)
        if function.then is not None:
            self.made_by[id(made)] = made, function  # with the value, so that its id stays its own

    def _take_copies(self, args: tuple[Any, ...], each: int) -> None:
        """Count what a builder copies of arguments, before it does: two bytes of a pickle can name them again."""
        take = self.source.budget.take
        for arg in args:
            if isinstance(arg, str | bytes | bytearray):
                take(len(arg))
        waiting: list[Any] = [args] if each else []
        while waiting:  # ends by the budget, whatever is shared
            value = waiting.pop()
            take(each * len(value))
            inside = chain.from_iterable(value.items()) if isinstance(value, dict) else value
            waiting += [v for v in inside if isinstance(v, dict | list | tuple | set | frozenset)]

    def build(self) -> None:
        """BUILD: give a value its state."""
        state, value = self.pop(), self.pop()
        _, builder = self.made_by.get(id(value), (None, None))
        if builder is None or builder.then is None:
            raise LoadError("GT903", f"the file sets the state of a {type(value).__name__}, which has none")
        texts = [v for v in state if isinstance(v, str)] if isinstance(state, tuple) else []
        self._take_copies(tuple(texts), 0)  # bytes of an array are not copied, texts are encoded
        built(builder.then, value, state)
        self.stack.append(value)

    def remember(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise damaged("a pickle remembers a value that it has not got")
        self.source.budget.take(64)
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise damaged("a pickle recalls a value that it has not made")
        self.push(self.memo[index])

    def add_pairs(self, target: Any, values: list[Any]) -> None:
        if len(values) % 2:
            raise damaged("a pickle has a key with no value")
        take = self.source.budget.take
        for key, value in zip(values[::2], values[1::2], strict=True):
            take(64 + 64 * check_key(key))
            target[key] = value

    def integer(self, size: int) -> None:
        """Push an integer of ``size`` bytes."""
        if not 0 <= size <= _LONGEST_INT:
            raise damaged(f"an integer of {size} bytes", f"expected at most {_LONGEST_INT}")
        self.push(int.from_bytes(self.source.read(size), "little", signed=True), 32)

    def decimal(self, line: bytes) -> None:
        """Push an integer that is written in digits."""
        digits = line.removesuffix(b"L")
        if not digits.removeprefix(b"-").isdigit() or len(digits) > _LONGEST_INT:
            raise damaged("a number is not written in digits")
        self.push(int(digits), 32)

    def items(self, kind: type[list[Any]] | type[set[Any]] | type[frozenset[Any]]) -> list[Hashable]:
        """The values since the mark, for a list or a set."""
        values = self.since_mark()
        take = self.source.budget.take
        take(8 * len(values))
        for value in values if kind is not list else ():
            take(56 * check_key(value))
        return values


def built(make: Callable[..., Any], *args: Any) -> Any:
    """What a builder gives; other arguments than it takes are damage."""
    try:
        return make(*args)
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise damaged(f"{type(error).__name__}: {error}") from None


def refused(name: str) -> LoadError:
    """The file names something that is not data."""
    return LoadError(
        "GT903",
        f"the file names {name}, which is not data",
        ["it would be imported and called: nothing was"],
        fix="save a state_dict, with torch.save(model.state_dict(), path), where the file comes from",
    )


def _no_opcode(code: bytes) -> LoadError:
    if code in _REFUSED:
        return LoadError("GT903", f"the file has the opcode {_REFUSED[code]}, which plain data does not need")
    return damaged(f"a pickle has no opcode {code!r}")


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}"


def restricted_load(file: BinaryIO, allowed: Mapping[str, Any] | None = None, encoding: str = "ascii") -> Any:
    """The value of the pickle in ``file``, which must be seekable: plain data, and what ``allowed`` builds.

    ``allowed``: names of globals, "module.name", with the `Builder` or the value that each is to mean; see `ARRAYS` in
    `numpy_builders`. ``encoding``: of the texts of Python 2, or "bytes" to leave them as they are. Nothing is imported
    or executed. Raises LoadError: GT902 for a damaged pickle, GT903 for a name that is not allowed, GT904 for one that
    asks for more memory than twice its size (256 MiB, if it is small).
    """
    return Machine(Source(file, file.tell()), allowed or {}, None, encoding).load()
