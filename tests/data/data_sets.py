"""Data sets that the tests give to workers, where a spawned one finds them, and what a process has left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch.utils.data import Dataset, IterableDataset, get_worker_info


def left_over(pid: int | None = None) -> list[str]:
    """The segments of shared memory, of this process or of another, that have a name still."""
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"gt{pid or os.getpid():x}-")]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Drawn(Dataset[Any]):
    """A sample has its number and draws of all shared generators; ``width`` numbers of float64."""

    def __init__(self, count: int, width: int = 3) -> None:
        self.count, self.width = count, width

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return index, np.random.rand(self.width), random.random(), gt.rand(2)


class Pids(Dataset[Any]):
    """A sample is the process that made it, and a wide array, so that it goes through shared memory."""

    def __init__(self, count: int = 23, slow: float = 0) -> None:
        self.count, self.slow = count, slow

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        time.sleep(self.slow)
        return os.getpid(), np.full(7000, index, np.float64)


class Ends(Pids):
    """Sample ``at`` ends the worker, or does what ``how`` names; all others of odd number take long."""

    def __init__(self, at: int, how: str) -> None:
        super().__init__()
        self.at, self.how = at, how

    def __getitem__(self, index: int) -> Any:
        if index == self.at and get_worker_info() is not None:
            _ENDS[self.how]()
        return super().__getitem__(index)


def _raise(error: Exception) -> None:
    raise error


class Odd(Exception):
    """An exception that a pickle cannot make again by itself."""

    def __init__(self, first: int, second: str) -> None:
        super().__init__(f"{first} and {second}")
        self.first, self.handle = first, lambda: second


_ENDS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "sys.exit": lambda: _raise(SystemExit(5)),  # type: ignore[arg-type]
    "KeyError": lambda: _raise(KeyError("no such name")),
    "Odd": lambda: _raise(Odd(4, "four")),
    "ShapeError": lambda: gt.zeros(2, 3) + gt.zeros(5),
    "local": lambda: _raise(type("Local", (ValueError,), {})("made here")),
    "StopIteration": lambda: _raise(StopIteration()),
    "sleep": lambda: time.sleep(60),
}


class Count(IterableDataset[Any]):
    """Numbers below ``count`` that are this worker's, each with a draw."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        for number in range(start, self.count, step):
            yield number, random.random()


class Stateful(IterableDataset[Any]):
    """Counts, and knows how far it is; ``opened`` is how many samples were made in this process."""

    def __init__(self, count: int) -> None:
        self.count, self.at, self.made = count, 0, 0

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        step, first = (info.num_workers, info.id) if info else (1, 0)
        while self.at * step + first < self.count:
            self.at, self.made = self.at + 1, self.made + 1
            yield (self.at - 1) * step + first, random.random(), self.made
        self.at = 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]
