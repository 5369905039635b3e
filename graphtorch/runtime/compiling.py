"""Many pieces of LLVM IR -> object code, on all CPUs, while the next piece is written."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterable

from graphtorch.runtime import cpu, threads


def compile_objects(texts: Iterable[str]) -> list[bytes]:
    """Object code of each text, in order.

    Python, which writes the texts, has one CPU; other threads have the others, with LLVM, which does not hold the GIL.
    Once all is written this thread joins them.
    """
    work = _Work()
    helpers = [threading.Thread(target=work.serve, name="graphtorch-llvm", daemon=True) for _ in range(_others())]
    with _undisturbed, work:
        started = [helper for helper in helpers if _start(helper)]
        for text in texts:
            work.add(text)
        work.close()
        work.serve()
        for helper in started:
            helper.join()
    return work.results()


def _others() -> int:
    """Threads beside this one: as many as there are more CPUs."""
    return threads.processors() - 1


def _start(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down, or there are no more threads
        return False
    return True


class _Work:
    """Texts that wait, and the code of those that are done. Who is free takes the longest, so that none is left last.

    As a context it lets all threads go where an error comes between.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, str]] = []
        self._done: dict[int, bytes] = {}
        self._count, self._open = 0, True
        self._failed: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.close(drop=True)

    def add(self, text: str) -> None:
        with self._changed:
            self._waiting.append((len(text), self._count, text))
            self._count += 1
            self._changed.notify()

    def close(self, drop: bool = False) -> None:
        """No text will follow; none that waits is taken any more, if ``drop``."""
        with self._changed:
            self._open = False
            if drop:
                self._waiting.clear()
            self._changed.notify_all()

    def serve(self) -> None:
        """Compile until there is nothing left, and nothing will follow."""
        while (item := self._take()) is not None:
            _, number, text = item
            try:
                self._done[number] = cpu.compile_object(text)
            except BaseException as error:
                self._failed = error
                self.close(drop=True)

    def results(self) -> list[bytes]:
        if self._failed is not None:
            raise self._failed
        return [self._done[number] for number in range(self._count)]

    def _take(self) -> tuple[int, int, str] | None:
        with self._changed:
            while not self._waiting:
                if not self._open:
                    return None
                self._changed.wait()
            longest = max(self._waiting)
            self._waiting.remove(longest)
            return longest


class _Undisturbed:
    """Python's switch interval is short, and its garbage collector waits.

    A thread that comes back from LLVM waits for the GIL for a switch interval: 5 ms, as long as its work. The collector
    would go through all expressions again and again, and find none that can go: a tenth of the time.

    Several threads may compile at once: the first one in keeps what was set, the last one out restores it.
    """

    def __init__(self) -> None:
        self._lock = threads.fork_safe(threading.Lock())
        self._inside, self._before, self._collects = 0, 0.0, False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before, self._collects = sys.getswitchinterval(), gc.isenabled()
                sys.setswitchinterval(min(self._before, 2e-4))
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside:
                return
            sys.setswitchinterval(self._before)
            if self._collects:
                gc.enable()

    def forget(self) -> None:
        """In a forked child: the threads that were inside are not there."""
        if self._inside:
            self._inside = 1
            self.__exit__()


_undisturbed = _Undisturbed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_undisturbed.forget)
