"""Zip archives as torch writes them: records that are stored as they are, found by the table at the end.

The layout is that of PKWARE's APPNOTE 6.3, with the 64-bit forms. `zipfile` reads it too, but makes an object of every
entry before anyone can ask how many there are, and takes of two entries with one name the last.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

from graphtorch.frontend.files.source import Source, damaged, too_large
from graphtorch.ir.errors import LoadError

_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_END_SIZE, _END64_SIZE, _LOCATOR_SIZE, _ENTRY_SIZE, _LOCAL_SIZE = 22, 56, 20, 46, 30
#: a field of 32 bits that says: look in the 64-bit form
_SEE_64 = 0xFFFFFFFF
#: bytes of memory that an entry takes here
_COST = 300


class Record(NamedTuple):
    """Where the data of a record begins, in bytes from the start, and how many they are."""

    at: int
    size: int


class ZipReader:
    """The records of an archive by name. LoadError GT902 to GT904 for what is no such archive."""

    def __init__(self, source: Source) -> None:
        self.source = source
        count, at, size = self._table()
        if size > source.size or count * _ENTRY_SIZE > size:
            raise damaged(f"a table of {count} records in {size} bytes")
        self._heads: dict[str, tuple[int, int]] = {}
        self._spans: list[tuple[int, int]] = []
        table = source.part(at, size)
        for _ in range(count):
            self._add_entry(table)
        self._check_places()

    @property
    def names(self) -> list[str]:
        return list(self._heads)

    def check_size(self, name: str, expected: int) -> None:
        """LoadError GT902 if there is no such record, or one of another size in bytes."""
        if name not in self._heads:
            raise damaged(f"the record {name!r} is missing")
        _, size = self._heads[name]
        if size != expected:
            raise damaged(f"the record {name!r} has {size} bytes", f"expected {expected}")

    def _table(self) -> tuple[int, int, int]:
        """How many entries the table has, where it begins, its size."""
        source = self.source
        tail_size = min(source.size, _END_SIZE + 0xFFFF)
        tail = source.part(source.size - tail_size, tail_size).read(tail_size)
        found = tail.rfind(_END)
        if found < 0 or len(tail) - found < _END_SIZE:
            raise damaged("the table of an archive is missing", "its end was cut off")
        disk, first_disk, _, count, size, at, _ = struct.unpack("<4H2LH", tail[found + 4 : found + _END_SIZE])
        where = source.size - tail_size + found
        if where >= _LOCATOR_SIZE and source.part(where - _LOCATOR_SIZE, 4).read(4) == _LOCATOR:
            return self._table_64(where - _LOCATOR_SIZE)
        if disk or first_disk:
            raise damaged("an archive in several files")
        return count, at, size

    def _table_64(self, where: int) -> tuple[int, int, int]:
        _, at, _ = struct.unpack("<LQL", self.source.part(where + 4, _LOCATOR_SIZE - 4).read(_LOCATOR_SIZE - 4))
        head = self.source.part(at, _END64_SIZE).read(_END64_SIZE)
        if head[:4] != _END64:
            raise damaged("the 64-bit table of an archive is not where it should be")
        count, size, start = struct.unpack("<QQQ", head[32:56])
        return count, start, size

    def _add_entry(self, table: Source) -> None:
        """The next entry of the table."""
        head = table.read(_ENTRY_SIZE)
        if head[:4] != _ENTRY:
            raise damaged("the table of an archive has something else in it")
        flags, method = struct.unpack("<2H", head[8:12])
        stored, size, name_size, extra_size, comment_size = struct.unpack("<2L3H", head[20:34])
        (at,) = struct.unpack("<L", head[42:46])
        name = table.read(name_size).decode("utf-8", "replace")
        stored, size, at = _wide(table.read(extra_size), stored, size, at)
        table.read(comment_size)
        self.source.budget.take(_COST + 2 * name_size)
        if flags & 1 or method or stored != size:
            raise LoadError(
                "GT904",
                f"the record {name!r} is compressed or encrypted",
                ["torch stores records as they are: a small file could unfold to any size"],
            )
        if name in self._heads:
            raise damaged(f"two records are called {name!r}")
        if ".." in name.split("/") or name.startswith("/") or "\\" in name or "\0" in name:
            raise LoadError("GT903", f"a record has the path {name!r}, which leads out of the archive")
        self._heads[name] = at, size
        self._spans.append((at, at + _LOCAL_SIZE + name_size + size))

    def _check_places(self) -> None:
        """LoadError GT904 for records that lie in each other: of those any number has room in a small file."""
        self._spans.sort()
        if any(end > start for (_, end), (start, _) in pairwise(self._spans)):
            raise too_large("its records overlap")

    def find(self, name: str) -> Record:
        """Where a record is; LoadError GT902 if there is none, or what is there is another."""
        if name not in self._heads:
            raise damaged(f"the record {name!r} is missing")
        at, size = self._heads[name]
        head = self.source.part(at, _LOCAL_SIZE).read(_LOCAL_SIZE)
        name_size, extra_size = struct.unpack("<2H", head[26:30])
        if head[:4] != _LOCAL or self.source.part(at + _LOCAL_SIZE, name_size).read(name_size) != name.encode():
            raise damaged(f"the record {name!r} is not where the table says")
        return Record(at + _LOCAL_SIZE + name_size + extra_size, size)

    def open(self, name: str) -> Source:
        """The bytes of a record."""
        return self.source.part(*self.find(name))


def _wide(extra: bytes, stored: int, size: int, at: int) -> tuple[int, int, int]:
    """The sizes and the place, of which those that do not fit into 32 bits stand in the field 1 of ``extra``."""
    field = b""
    while len(extra) >= 4:
        kind, n = struct.unpack("<2H", extra[:4])
        if kind == 1:
            field = extra[4 : 4 + n]
        extra = extra[4 + n :]
    wanted = [size, stored, at]
    for i, value in enumerate(wanted):
        if value == _SEE_64:
            if len(field) < 8:
                raise damaged("a size of 64 bits is missing")
            (wanted[i],), field = struct.unpack("<Q", field[:8]), field[8:]
    return wanted[1], wanted[0], wanted[2]
