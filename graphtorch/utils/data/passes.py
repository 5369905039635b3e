"""One pass over a data set: its batches in order, made here or by workers, and where the pass is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from graphtorch.utils.data.crew import Crew
from graphtorch.utils.data.failures import unpack_error
from graphtorch.utils.data.making import END, Maker
from graphtorch.utils.data.messages import Begin, Job, Reply
from graphtorch.utils.data.shared import unpack


@dataclass
class Part:
    """How far one worker's part of an iterable data set is."""

    given: int = 0
    ended: bool = False
    state: bytes | None = None


@dataclass
class Position:
    """Where a pass is, as far as batches were given to who iterates.

    ``seed`` determines its random numbers and ``before`` its order (`order.Memory.save`). ``parts``, one for each
    worker, and ``turn``, whose batch is next, are for iterable data sets.
    """

    seed: int
    before: dict[str, Any]
    parts: list[Part]
    given: int = 0
    turn: int = 0
    finished: bool = False

    def save(self) -> dict[str, Any]:
        """This, as plain data."""
        return asdict(self)

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Position:
        """What `save` gave, again."""
        return cls(**{**kept, "parts": [Part(**part) for part in kept["parts"]]})

    def begin(self, number: int, worker: int) -> Begin:
        """How a worker begins here."""
        part = self.parts[worker] if self.parts else Part()
        return Begin(number, self.seed, part.given, part.state)

    def turns(self) -> list[int]:
        """The workers that have a part left, in the order in which they come."""
        count = len(self.parts)
        workers = [(self.turn + step) % count for step in range(count)]
        return [worker for worker in workers if not self.parts[worker].ended]

    def gave(self, worker: int, state: bytes | None) -> None:
        """A batch of this worker is given."""
        self.given += 1
        if not self.parts:
            return
        self.turn = (worker + 1) % len(self.parts)
        self.parts[worker].given += 1
        self.parts[worker].state = state


class Pass(Iterator[Any]):
    """The batches that are left of a pass. It ends with its last batch, with an exception, or with `close`."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.closed = False

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        if self.closed:
            raise StopIteration
        try:
            return self._next()
        except StopIteration:
            self.position.finished = True
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _next(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing more is wanted."""
        self.closed = True


class OwnPass(Pass):
    """Batches are made in this process, when they are asked for."""

    def __init__(self, job: Job, position: Position, order: Iterator[Any]) -> None:
        super().__init__(position)
        self._maker = Maker(job, position.begin(0, 0), 0, shared=True)
        self._order = order

    def _next(self) -> Any:
        iterable = self._maker.job.iterable
        batch = self._maker.make(self.position.given, None if iterable else next(self._order))
        if batch is END:
            raise StopIteration
        self.position.gave(0, self._maker.state())
        return batch


class WorkersPass(Pass):
    """Batches are made by workers, ``ahead`` of them for each before they are asked for.

    Each gives its batches in turn. One batch is given, and its worker is asked for the next.
    """

    def __init__(
        self, crew: Crew, keep: bool, job: Job, position: Position, order: Iterator[Any], number: int, ahead: int
    ) -> None:
        super().__init__(position)
        self._crew, self._keep, self._job, self._order = crew, keep, job, order
        #: the number of the next batch of each worker, or of the pass where the sampler numbers them
        self._numbers = [part.given for part in position.parts] if job.iterable else [position.given]
        #: who was asked for batches that are not given yet, in the order in which they are due
        self._due: deque[int] = deque()
        crew.begin([position.begin(number, worker) for worker in range(crew.count)])
        for _ in range(ahead):
            for worker in position.turns() if job.iterable else range(crew.count):
                self._ask(worker)

    def _ask(self, worker: int) -> None:
        of = worker if self._job.iterable else 0
        try:
            index = None if self._job.iterable else next(self._order)
        except StopIteration:
            return
        self._crew.ask(worker, self._numbers[of], index)
        self._due.append(worker)
        self._numbers[of] += 1

    def _next(self) -> Any:
        while self._due:
            worker = self._due.popleft()
            if self.position.parts and self.position.parts[worker].ended:
                continue
            reply = self._crew.receive(worker)
            if reply.batch is not None or reply.raised is not None:
                return self._give(worker, reply)
            self.position.parts[worker].ended = True
        raise StopIteration

    def _give(self, worker: int, reply: Reply) -> Any:
        if reply.raised is not None:
            raise unpack_error(reply.raised, worker)
        assert reply.batch is not None  # who calls has looked
        batch = unpack(reply.batch)
        self._crew.taken(reply)
        self._ask(worker)
        self.position.gave(worker, reply.state)
        return batch

    def close(self) -> None:
        super().close()
        if not self._keep:
            self._crew.close()
