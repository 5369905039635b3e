"""A worker process: it is told which batches to make, and sends them.

Its main thread makes batches. A second one reads what comes, always, so that the process that trains never waits
in sending; it knows of the end of that process, too, and of a pass that was given up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from graphtorch.utils.data.failures import Raised, pack_error
from graphtorch.utils.data.making import END, Maker, set_worker_info
from graphtorch.utils.data.messages import Begin, Job, Reply, Task, WorkerInfo
from graphtorch.utils.data.shared import pack
from graphtorch.utils.data.streams import mix, seed_all

#: how often a worker looks whether it has become an orphan, in seconds; a closed pipe tells it at once
_ORPHAN_CHECK = 5.0


def run(
    worker: int,
    workers: int,
    seed: int,
    job: Job,
    init: Callable[[int], Any] | None,
    end: Connection,
    forget: list[Connection],
) -> None:
    """The life of worker number ``worker``. ``forget`` are ends of pipes that a fork has copied: while they are open
    here, other workers do not see that the training process has closed them."""
    for other in forget:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all: the training process ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which a handler of the training process would keep from ending it
    _one_thread()
    failure = _initialise(WorkerInfo(worker, workers, mix(seed, worker + 1), job.dataset), init)
    inbox = _Inbox(end)
    maker: Maker | Raised | None = failure
    while (message := inbox.next()) is not None:
        if isinstance(message, Begin):
            maker = failure or _begun(job, message, worker)
        elif message.begin == inbox.latest:  # the pass is not given up
            reply = _reply(maker, message)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody wants it any more
                end.send(reply)


def _one_thread() -> None:
    """Compiled programs run on one thread here: the others' cores belong to other workers, and to the training."""
    from graphtorch.runtime.threads import set_num_threads

    set_num_threads(1)


def _initialise(info: WorkerInfo, init: Callable[[int], Any] | None) -> Raised | None:
    set_worker_info(info)
    seed_all(info.seed)
    try:
        if init is not None:
            init(info.id)
    except Exception as error:
        return pack_error(error)
    return None


def _begun(job: Job, begin: Begin, worker: int) -> Maker | Raised:
    try:
        return Maker(job, begin, worker, shared=False)
    except Exception as error:
        return pack_error(error)


def _reply(maker: Maker | Raised | None, task: Task) -> Reply:
    assert maker is not None  # a pass begins before its tasks
    if isinstance(maker, Raised):
        return Reply(task.begin, task.number, raised=maker)
    try:
        batch = maker.make(task.number, task.index)
        if batch is END:
            return Reply(task.begin, task.number)
        state = maker.state()
        return Reply(task.begin, task.number, pack(batch, task.segment), state)
    except Exception as error:
        return Reply(task.begin, task.number, raised=pack_error(error))


class _Inbox:
    """What the training process sent, read by a thread of its own. ``latest`` is the pass that it is at."""

    def __init__(self, end: Connection) -> None:
        self.latest = -1
        self._end = end
        self._messages: SimpleQueue[Begin | Task | None] = SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> Begin | Task | None:
        """The next message; None when there are none to come."""
        message = self._messages.get()
        return None if self._stopped else message

    def _read(self) -> None:
        parent = os.getppid()
        with contextlib.suppress(EOFError, OSError):
            while os.getppid() == parent:
                if self._end.poll(_ORPHAN_CHECK):
                    self._keep(self._end.recv())
        self._stopped = True
        self._messages.put(None)

    def _keep(self, message: Begin | Task) -> None:
        if isinstance(message, Begin):
            self.latest = message.number
        self._messages.put(message)
