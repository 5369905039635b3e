"""Pieces of LLVM IR compiled by several threads at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from graphtorch.runtime import compiling, cpu, threads
from graphtorch.runtime.compiling import compile_objects


def pieces(count: int) -> list[str]:
    """Functions of different lengths, so that they are not done in order."""
    out = []
    for number in range(count):
        lines = [f"%x{i + 1} = mul i64 %x{i}, {number + i + 3}" for i in range(5 * (7 * number % count))]
        body = "\n".join(lines)
        out.append(f"define i64 @f{number}(i64 %x0) {{\n{body}\nret i64 %x{len(lines)}\n}}")
    return out


@pytest.mark.parametrize("cpus", [1, 2, 5])
def test_the_same_code_in_order_whoever_compiles(cpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: cpus)
    texts, before = pieces(11), sys.getswitchinterval()
    assert compile_objects(iter(texts)) == [cpu.compile_object(text) for text in texts]
    assert sys.getswitchinterval() == before
    assert compile_objects([]) == []


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "processors", lambda: 3)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert len(compile_objects(pieces(3))) == 3


@pytest.mark.parametrize("cpus", [1, 3])
def test_errors_end_it(cpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of LLVM, and of whoever writes the texts; no thread waits for more."""
    monkeypatch.setattr(threads, "processors", lambda: cpus)
    with pytest.raises(RuntimeError, match="expected"):
        compile_objects([*pieces(3), "define nonsense", *pieces(2)])

    def broken() -> Iterator[str]:
        yield from pieces(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compile_objects(broken())
    for thread in threading.enumerate():
        if thread.name == "graphtorch-llvm":
            thread.join(20)
            assert not thread.is_alive()


def test_another_llvmlite_has_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library has no second handle, its functions are called with the lock."""

    def missing(_: str) -> None:
        raise OSError

    name = "LLVMPY_RunNewModulePassManager"
    monkeypatch.setattr(cpu.ctypes, "CDLL", missing)
    assert cpu._unlocked(name) is getattr(cpu._llvm().ffi.lib, name)
    assert compiling.compile_objects(pieces(2))
