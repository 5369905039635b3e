"""What a loader and its workers tell each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphtorch.utils.data.failures import Raised
from graphtorch.utils.data.shared import Parcel


@dataclass(frozen=True)
class Job:
    """What batches are made of; every worker has a copy. ``batch_size`` is that of an iterable data set: None for
    single samples. ``batched``: whether an index is a list of them."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    iterable: bool
    batched: bool
    batch_size: int | None
    drop_last: bool


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is. ``dataset`` is its copy of the data set; ``seed`` differs between workers and passes."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class Begin(NamedTuple):
    """A pass begins: ``given`` batches of it are made already, after the last of which an iterable data set's state was
    ``state``, if it has one."""

    number: int
    seed: int
    given: int = 0
    state: bytes | None = None


class Task(NamedTuple):
    """Make batch ``number`` of the samples at ``index`` unless the data set is iterable. ``segment`` is a free name."""

    begin: int
    number: int
    index: Any
    segment: str


class Reply(NamedTuple):
    """A batch and the iterable data set's state after it, or what was raised, or neither: there are no more."""

    begin: int
    number: int
    batch: Parcel | None = None
    state: bytes | None = None
    raised: Raised | None = None
