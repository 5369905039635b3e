"""The opcodes of pickles, protocols 0 to 5, and what each does to the machine: a table."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.files.source import damaged
from graphtorch.ir.errors import LoadError

if TYPE_CHECKING:
    from graphtorch.frontend.files.unpickler import Machine


def _protocol(m: Machine) -> None:
    if m.number("<B") > 5:
        raise damaged("a pickle of a protocol that there is not")


def _frame(m: Machine) -> None:
    m.source.read(8)  # how many bytes come, which the end of the file says as well


def _pop_mark(m: Machine) -> None:
    m.since_mark()


def _pop(m: Machine) -> None:
    if not m.stack:
        raise damaged("a pickle takes more values than it gave")
    m.stack.pop()


def _dup(m: Machine) -> None:
    value = m.pop()
    m.stack += [value, value]


def _int(m: Machine) -> None:
    line = m.source.line()
    if line in (b"00", b"01"):
        m.push(line == b"01")
    else:
        m.decimal(line)


def _float(m: Machine) -> None:
    try:
        m.push(float(m.source.line()), 24)
    except ValueError:
        raise damaged("a number is not written in digits") from None


def _binary_float(m: Machine) -> None:
    m.push(struct.unpack(">d", m.source.read(8))[0], 24)


def _string(m: Machine) -> None:
    line = m.source.line()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
        raise damaged("a text has no quotes")
    try:
        m.old_text(codecs.escape_decode(line[1:-1])[0])
    except ValueError:
        raise damaged("a text with a wrong escape") from None


def _bytes(layout: str) -> Callable[[Machine], None]:
    def run(m: Machine) -> None:
        n = m.number(layout)
        m.push(m.source.read(n), 50 + n)

    return run


def _bytearray(m: Machine) -> None:
    n = m.number("<Q")
    m.source.budget.take(n)
    m.push(bytearray(m.source.read(n)), 60 + n)


def _tuple(n: int) -> Callable[[Machine], None]:
    def run(m: Machine) -> None:
        values = [m.pop() for _ in range(n)]
        m.push(tuple(reversed(values)), 40 + 8 * n)

    return run


def _tuple_since_mark(m: Machine) -> None:
    values = m.since_mark()
    m.push(tuple(values), 40 + 8 * len(values))


def _list_since_mark(m: Machine) -> None:
    m.push(m.items(list), 64)


def _dict_since_mark(m: Machine) -> None:
    values, made = m.since_mark(), {}  # type: ignore[var-annotated]
    m.add_pairs(made, values)
    m.push(made, 64)


def _append(m: Machine) -> None:
    value = m.pop()
    m.top(list).append(value)


def _appends(m: Machine) -> None:
    values = m.items(list)
    m.top(list).extend(values)


def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    m.add_pairs(m.top(dict), [key, value])


def _set_items(m: Machine) -> None:
    values = m.since_mark()
    m.add_pairs(m.top(dict), values)


def _add_items(m: Machine) -> None:
    values = m.items(set)
    m.top(set).update(values)


def _frozenset(m: Machine) -> None:
    m.push(frozenset(m.items(frozenset)), 216)


def _global(m: Machine) -> None:
    try:
        module, name = m.source.line().decode(), m.source.line().decode()
    except UnicodeDecodeError:
        raise damaged("the name of a global is no text") from None
    m.named(module, name)


def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    m.named(module, name)


def _reduce(m: Machine) -> None:
    args, function = m.pop(), m.pop()
    m.call(function, args)


def _new_with_names(m: Machine) -> None:
    named, args, cls = m.pop(), m.pop(), m.pop()
    if not isinstance(named, dict) or named:
        raise LoadError("GT903", "the file makes an object with arguments by name, which plain data does not need")
    m.call(cls, args)


def _persistent(m: Machine) -> None:
    given = m.pop()
    if m.persistent is None:
        raise LoadError("GT903", "the file has a persistent id, which plain data does not need")
    m.push(m.persistent(given), 1000)  # a storage


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _fresh(kind: type, cost: int) -> Callable[[Machine], None]:
    return lambda m: m.push(kind(), cost)


def _number(layout: str) -> Callable[[Machine], None]:
    return lambda m: m.push(m.number(layout), 32)


OPCODES: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": _protocol,
    b"\x95": _frame,
    b"(": lambda m: m.mark(),
    b"0": _pop,
    b"1": _pop_mark,
    b"2": _dup,
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"I": _int,
    b"L": lambda m: m.decimal(m.source.line()),
    b"J": _number("<i"),
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"\x8a": lambda m: m.integer(m.number("<B")),
    b"\x8b": lambda m: m.integer(m.number("<i")),
    b"F": _float,
    b"G": _binary_float,
    b"S": _string,
    b"T": lambda m: m.old_text(m.source.read(m.number("<i"))),
    b"U": lambda m: m.old_text(m.source.read(m.number("<B"))),
    b"V": lambda m: m.text(m.source.line(), "raw-unicode-escape"),
    b"X": lambda m: m.text(m.source.read(m.number("<I")), errors="surrogatepass"),
    b"\x8c": lambda m: m.text(m.source.read(m.number("<B")), errors="surrogatepass"),
    b"\x8d": lambda m: m.text(m.source.read(m.number("<Q")), errors="surrogatepass"),
    b"B": _bytes("<I"),
    b"C": _bytes("<B"),
    b"\x8e": _bytes("<Q"),
    b"\x96": _bytearray,
    b")": _constant(()),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"t": _tuple_since_mark,
    b"]": _fresh(list, 64),
    b"l": _list_since_mark,
    b"a": _append,
    b"e": _appends,
    b"}": _fresh(dict, 72),
    b"d": _dict_since_mark,
    b"s": _set_item,
    b"u": _set_items,
    b"\x8f": _fresh(set, 216),
    b"\x90": _add_items,
    b"\x91": _frozenset,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _reduce,  # NEWOBJ: what may be made is made in one way
    b"\x92": _new_with_names,
    b"b": lambda m: m.build(),
    b"Q": _persistent,
    b"p": lambda m: m.remember(_index(m)),
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"g": lambda m: m.recall(_index(m)),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
}


def _index(m: Machine) -> int:
    """A place in the memo, written in digits."""
    line = m.source.line()
    if not line.isdigit() or len(line) > 20:
        raise damaged("a number is not written in digits")
    return int(line)
