"""Pieces of LLVM IR compiled by several threads at once."""

from __future__ import annotations

import gc
import os
import subprocess
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
    assert sys.getswitchinterval() == before and gc.isenabled()
    assert compile_objects([]) == []


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        compile_objects(pieces(2))
        assert not gc.isenabled()
    finally:
        gc.enable()


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
    assert gc.isenabled()
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


FORKED = """
import gc, os, sys, threading
from graphtorch.runtime.compiling import _undisturbed

before, inside, done = sys.getswitchinterval(), threading.Event(), threading.Event()

def compiling():
    with _undisturbed:
        inside.set()
        done.wait()

thread = threading.Thread(target=compiling)
thread.start()
inside.wait()
assert not gc.isenabled()
pid = os.fork()
if not pid:
    os._exit(0 if gc.isenabled() and sys.getswitchinterval() == before else 1)
_, status = os.waitpid(pid, 0)
done.set()
thread.join()
sys.exit(status or not gc.isenabled())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_that_is_forked_meanwhile() -> None:
    """The thread that would have turned the collector on again is not there."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
