"""Event files: one for each folder that a run writes to."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from graphtorch.frontend.outside import only_outside
from graphtorch.ir.ops.common import as_int
from graphtorch.utils.tensorboard.arguments import as_scalar, as_seconds, as_step, as_tag, refused, wrong_type


class FileWriter:
    """One event file in ``log_dir``, which a thread of its own writes.

    ``max_queue`` events (default 10; 0 for no bound) may wait for that thread; it flushes the file every ``flush_secs``
    seconds (default 120). ``filename_suffix`` ends the file's name. Any thread may call any method.
    ArgumentTypeError GT301 or ArgumentError GT304 for what is of a wrong type, or negative.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        if not isinstance(log_dir, str | os.PathLike):
            raise wrong_type("log_dir", log_dir, "a str or a path")
        folder = os.fspath(log_dir)
        queue, seconds = as_int(max_queue, "max_queue"), as_scalar(flush_secs, "flush_secs")
        for name, number in (("max_queue", queue), ("flush_secs", seconds)):
            if not number >= 0:
                raise refused(name, repr(number), f"{name} >= 0")
        suffix = as_tag(filename_suffix, "filename_suffix")
        self.event_writer = EventFileWriter(folder, queue, seconds, suffix)

    def get_logdir(self) -> str:
        """The folder of the file."""
        return str(self.event_writer.get_logdir())

    def add_event(self, event: Any, step: Any = None, walltime: Any = None) -> None:
        """Write an ``Event`` message, at ``step`` (none if None) and ``walltime`` (seconds; now if None)."""
        self.put(event, as_step(step, "step"), as_seconds(walltime))

    def put(self, event: Any, step: int | None, seconds: float | None) -> None:
        """`add_event` of a step and a time that are known to be good."""
        event.wall_time = time.time() if seconds is None else seconds
        if step is not None:
            event.step = step
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Write a ``Summary`` message as an event."""
        self.put(event_pb2.Event(summary=summary), as_step(global_step), as_seconds(walltime))

    def flush(self) -> None:
        """Return when all events are on disk."""
        self.event_writer.flush()

    def close(self) -> None:
        """Flush, and close the file."""
        self.event_writer.close()


class Files:
    """The event files of a run: its own, and those of folders below. All are opened when they are first written to.

    After `close` the next event opens new files. A lock makes opening, writing and closing one step each, since a
    file that one thread closes must not be another's.
    """

    def __init__(
        self, log_dir: str, purge_step: int | None, max_queue: int, flush_secs: float, filename_suffix: str
    ) -> None:
        self.log_dir = log_dir
        self._options = max_queue, flush_secs, filename_suffix
        self._purge_step = purge_step
        self._lock = threading.RLock()
        self._open: dict[str, FileWriter] = {}

    def get(self, folder: str = "") -> FileWriter:
        """The file of ``folder`` below the run's own (which "" names, and which is always opened first)."""
        with self._lock:
            if not self._open:
                self._open[""] = FileWriter(self.log_dir, *self._options)
                self._purge()
            if folder not in self._open:
                # torch joins with a slash whatever the system is, and so it reads in TensorBoard's list of runs
                self._open[folder] = FileWriter(f"{self.log_dir}/{folder}", *self._options)
            return self._open[folder]

    def write(self, event: Any, step: int | None = None, seconds: float | None = None, folder: str = "") -> None:
        """Write an event to the file of ``folder``; TraceError GT605 in a compiled function."""
        only_outside("logging for TensorBoard", "return what is to be logged, and log it after the compiled function")
        with self._lock:
            self.get(folder).put(event, step, seconds)

    def flush(self) -> None:
        with self._lock:
            for file in self._open.values():
                file.flush()

    def close(self) -> None:
        with self._lock:
            for file in self._open.values():
                file.close()
            self._open = {}

    def _purge(self) -> None:
        """TensorBoard leaves out what older files have of this step and those after it."""
        if self._purge_step is None:
            return
        step, self._purge_step = self._purge_step, None
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._open[""].add_event(event_pb2.Event(file_version="brain.Event:2"), step)
        self._open[""].add_event(event_pb2.Event(session_log=start), step)
