"""The workers of a loader, seen from the process that trains: started, asked, and ended whatever happens."""

from __future__ import annotations

import io
import os
import secrets
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.runtime.threads import fork_safe
from graphtorch.utils.data import worker
from graphtorch.utils.data.failures import WorkerError, WorkerTimeout, ending
from graphtorch.utils.data.messages import Begin, Job, Reply, Task
from graphtorch.utils.data.shared import discard

#: a worker's end shows at once; this is for one whose children keep its pipes open, in seconds
_LOOK = 1.0
#: how long workers may take to finish what they are at, before they are terminated, and then killed
_GRACE = 0.5

#: this process's ends of all pipes to workers: a forked worker closes its copies
_ends: weakref.WeakSet[Connection] = weakref.WeakSet()
#: held while there is a pipe that the next worker would inherit and not know of
_starting = fork_safe(threading.Lock())


@dataclass
class _Members:
    """What has to be ended, apart from the crew itself, which may be gone by then."""

    owner: int = field(default_factory=os.getpid)
    processes: list[BaseProcess] = field(default_factory=list)
    ends: list[Connection] = field(default_factory=list)
    #: segments that workers were told to make and that nobody has unpacked, by the worker and the task's number here
    segments: set[str] = field(default_factory=set)


class Crew:
    """``count`` processes that make batches. They end with `close`, with this object, or with this process."""

    def __init__(
        self, context: Any, count: int, job: Job, seed: int, init: Callable[[int], Any] | None, timeout: float
    ) -> None:
        self.count, self._timeout = count, timeout
        self._members = members = _Members()
        self.close = weakref.finalize(self, _end, members)
        self._name = f"gt{os.getpid():x}-{secrets.token_hex(4)}-"
        self._made = 0
        self._begun = -1
        self._method = context.get_start_method()
        resource_tracker.ensure_running()  # so that workers have this one, and not each its own
        try:
            for number in range(count):
                self._start(context, (number, count, seed, job, init))
        except BaseException as error:
            self.close()
            raise _explained(error, self._method, job, init) from error

    def _start(self, context: Any, about: tuple[Any, ...]) -> None:
        with _starting:
            ours, theirs = context.Pipe()
            _ends.add(ours)
            self._members.ends.append(ours)
            forget = list(_ends) if self._method == "fork" else []
            process = context.Process(target=worker.run, args=(*about, theirs, forget), daemon=True)
            try:
                with warnings.catch_warnings():
                    # from Python 3.12 on; what a forked worker can rely on stands in docs/adr/0027-data-loading.md
                    warnings.filterwarnings("ignore", r".*multi-threaded, use of fork", DeprecationWarning)
                    process.start()
            finally:
                theirs.close()
            self._members.processes.append(process)

    @property
    def alive(self) -> bool:
        """Whether every worker can be asked."""
        return self.close.alive and all(process.exitcode is None for process in self._members.processes)

    def begin(self, begins: list[Begin]) -> None:
        """A pass begins, one message for each worker, and what was asked for before is not wanted any more."""
        self._begun = begins[0].number
        for number, begin in enumerate(begins):
            self._send(number, begin)

    def ask(self, number: int, task: int, index: Any) -> None:
        """Have worker ``number`` make a batch."""
        segment = f"{self._name}{self._made:x}"
        self._made += 1
        self._members.segments.add(segment)
        self._send(number, Task(self._begun, task, index, segment))

    def receive(self, number: int) -> Reply:
        """The next answer of worker ``number`` in this pass.

        WorkerError when a worker has ended, whichever it was; WorkerTimeout after the loader's ``timeout``.
        """
        end, deadline = self._members.ends[number], time.monotonic() + self._timeout
        sentinels = [process.sentinel for process in self._members.processes]
        while True:
            left = deadline - time.monotonic() if self._timeout else _LOOK
            ready = wait([end, *sentinels], max(0.0, min(left, _LOOK)))
            if end in ready:
                reply = self._received(number)
                if reply.begin == self._begun:
                    return reply
                self.forget(reply)
            elif ready or not self.alive:
                self._report()
            elif left <= 0:
                self.close()
                raise WorkerTimeout(f"worker {number} of the DataLoader gave no batch within {self._timeout} s")

    def taken(self, reply: Reply) -> None:
        """The segment of this answer is unpacked."""
        if reply.batch is not None and reply.batch.segment is not None:
            self._members.segments.discard(reply.batch.segment)

    def forget(self, reply: Reply) -> None:
        """Nobody wants this answer."""
        if reply.batch is not None and reply.batch.segment is not None:
            discard(reply.batch.segment)
        self.taken(reply)

    def _send(self, number: int, message: Begin | Task) -> None:
        try:
            self._members.ends[number].send(message)
        except (BrokenPipeError, ConnectionResetError):
            self._report()

    def _received(self, number: int) -> Reply:
        try:
            return self._members.ends[number].recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):  # it ended, perhaps in the middle of a message
            self._report()

    def _report(self) -> NoReturn:
        """Raise for the worker that ended."""
        processes = {process.sentinel: (n, process) for n, process in enumerate(self._members.processes)}
        ended = wait(list(processes), _GRACE) or list(processes)
        number, process = processes[ended[0]]  # type: ignore[index]
        process.join(_GRACE)  # its end is seen a moment before its exit code
        text = f"worker {number} of the DataLoader (pid {process.pid}) {ending(process.exitcode)}"
        if process.exitcode == 1 and self._method != "fork":
            text += (
                f". With the start method {self._method!r} a worker imports the main module and unpickles the data set:"
                ' see what it printed, and keep what the main program does under `if __name__ == "__main__":`'
            )
        self.close()
        raise WorkerError(text) from None  # whatever its pipe said


def _end(members: _Members) -> None:
    """End the workers and remove the segments that they have left."""
    if members.owner != os.getpid():
        return  # a forked child, which has a copy of this
    for end in members.ends:
        end.close()  # which tells the worker
    try:
        stages: tuple[Callable[[BaseProcess], None] | None, ...] = (None, BaseProcess.terminate, BaseProcess.kill)
        for end_it in stages:
            _insist(members.processes, end_it)
    finally:  # a KeyboardInterrupt may come while they are waited for
        for segment in members.segments:
            discard(segment)
        members.segments.clear()


def _insist(processes: list[BaseProcess], end_it: Callable[[BaseProcess], None] | None) -> None:
    """Wait until all have ended, for so long; with ``end_it`` for those that have not yet."""
    left = [process for process in processes if process.exitcode is None]
    for process in left:
        if end_it is not None:
            end_it(process)
    deadline = time.monotonic() + _GRACE
    for process in left:
        process.join(max(0.0, deadline - time.monotonic()))


def _explained(error: BaseException, method: str, job: Job, init: Any) -> BaseException:
    """The error to raise when a worker did not start: which of the user's objects cannot be pickled, if it is that."""
    if method == "fork" or not isinstance(error, Exception):
        return error
    for name, part in (("dataset", job.dataset), ("collate_fn", job.collate_fn), ("worker_init_fn", init)):
        try:
            ForkingPickler(io.BytesIO()).dump(part)
        except Exception as reason:
            if str(reason) == str(error):
                return _not_picklable(name, method, reason)
    return error


def _not_picklable(name: str, method: str, reason: Exception) -> ArgumentTypeError:
    return ArgumentTypeError(
        "GT301",
        f"{name} cannot be pickled, which workers of the start method {method!r} need: {reason}",
        [
            "expected what a module defines at its top level, and no lambda, local function or open file;",
            'or multiprocessing_context="fork", whose workers need no pickle, where the system has it',
        ],
    )
