"""Errors of workers: how an exception gets to the process that trains, and what a worker's end is called."""

from __future__ import annotations

import pickle
import signal
import traceback
from typing import Any, NamedTuple


class WorkerError(RuntimeError):
    """A worker process ended, or raised what cannot be sent. (What can be sent is raised itself.)"""


class WorkerTimeout(WorkerError, TimeoutError):
    """A batch took longer than the loader's ``timeout``."""


class WorkerTraceback(Exception):
    """The cause of an exception that a worker raised: the text of the traceback there."""

    def __init__(self, worker: int, text: str) -> None:
        super().__init__(worker, text)
        self.worker, self.text = worker, text

    def __str__(self) -> str:
        return f'\n"""in worker {self.worker} of the DataLoader:\n{self.text}"""'


class Raised(NamedTuple):
    """An exception, packed: the pickle of itself, or of its class, arguments and attributes, or of neither."""

    whole: bytes | None
    parts: bytes | None
    summary: str
    text: str


def pack_error(error: BaseException) -> Raised:
    """``error`` for another process, whatever it is."""
    text = "".join(traceback.format_exception(error))
    summary = "".join(traceback.format_exception_only(error)).strip()
    whole = _pickled(error)
    if whole is not None and _loads(whole) is not None:
        return Raised(whole, None, summary, text)
    attributes = {name: value for name, value in vars(error).items() if _pickled(value) is not None}
    return Raised(None, _pickled((type(error), error.args, attributes)), summary, text)


def unpack_error(raised: Raised, worker: int) -> BaseException:
    """The exception to raise, with the worker's traceback as its cause."""
    error = _loads(raised.whole) if raised.whole else _of_parts(raised.parts) if raised.parts else None
    if error is None:
        error = WorkerError(f"a worker raised what cannot be sent to this process: {raised.summary}")
    error.__cause__ = WorkerTraceback(worker, raised.text)
    return error


def _pickled(value: Any) -> bytes | None:
    try:
        return pickle.dumps(value)
    except Exception:  # whatever the user's class does
        return None


def _loads(pickled: bytes) -> BaseException | None:
    try:
        error = pickle.loads(pickled)
    except Exception:  # an `__init__` with other parameters than `args`, for one
        return None
    return error if isinstance(error, BaseException) else None


def _of_parts(pickled: bytes) -> BaseException | None:
    """The exception without its `__init__`, which may want other arguments than it has kept."""
    try:
        cls, args, attributes = pickle.loads(pickled)
        error: BaseException = cls.__new__(cls, *args)
        vars(error).update(attributes)
    except Exception:  # a `__new__`, or an attribute, that cannot be made again
        return None
    return error


#: what else is to be known of a signal
_HINTS = {
    "SIGKILL": "; the system kills so when memory runs out",
    "SIGBUS": "; the system does so when shared memory runs out (on Linux see `df /dev/shm`)",
}


def ending(exitcode: int | None) -> str:
    """How a process ended, from its exit code."""
    if exitcode is None or exitcode >= 0:
        return f"exited with code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = "a signal without a name"
    return f"was killed by signal {-exitcode}, {name}{_HINTS.get(name, '')}"
