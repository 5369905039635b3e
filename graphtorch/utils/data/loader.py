"""DataLoader: batches of a data set, in order or shuffled, made here or by worker processes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphtorch.frontend.outside import only_outside
from graphtorch.frontend.random import Generator
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.utils.data.collate import default_collate, default_convert
from graphtorch.utils.data.crew import Crew
from graphtorch.utils.data.dataset import IterableDataset
from graphtorch.utils.data.messages import Job
from graphtorch.utils.data.options import WorkerOptions, check_sampling
from graphtorch.utils.data.order import Memory, Order
from graphtorch.utils.data.passes import OwnPass, Part, Pass, Position, WorkersPass
from graphtorch.utils.data.progress import progress_bar
from graphtorch.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, batches
from graphtorch.utils.data.streams import draw_seed

#: what a loader cannot change any more when it is made
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "num_workers", "persistent_workers"}


class DataLoader:
    """Iterates over batches of a data set; every ``for`` loop is one pass.

    ``shuffle`` draws a new order for every pass; ``sampler`` gives positions instead, or ``batch_sampler`` lists of
    them. ``batch_size=None`` gives single samples, through ``collate_fn`` (`default_convert` unless given), which
    otherwise makes a batch of a list of samples (`default_collate`). ``drop_last`` leaves out a last batch that is
    not full.

    **Workers.** ``num_workers`` processes make the batches, each ``prefetch_factor`` (2) ahead; 0 makes them in this
    process when they are asked for. They come in the same order (``in_order=False`` allows another, which is not made
    use of). ``worker_init_fn(worker)`` runs when a worker starts. ``persistent_workers`` keeps workers for the next
    pass. ``multiprocessing_context`` is how they start: "fork", "spawn", "forkserver", or None for Python's default;
    docs/adr/0027-data-loading.md says what is safe. ``pin_memory`` changes nothing: there is no other memory to
    copy to.

    **Random numbers.** A pass draws one number from ``generator`` (the default one unless given). The order depends on
    that number, or on the sampler's own generator; what a data set draws from gt's default generator, from
    ``numpy.random`` or from ``random`` depends on that number and on the batch's. So one seed gives the same batches
    whatever ``num_workers`` is, and training's own numbers do not depend on what data sets draw. With an iterable
    data set this holds for each worker's part. Generators that a data set holds itself are copied into each worker.

    **Errors.** What a worker raises is raised here, with its traceback as the cause; a StopIteration of a data set or
    of ``collate_fn``, which would end the pass early, is a RuntimeError. WorkerError when a worker ended;
    WorkerTimeout, which is one too, when a batch took longer than ``timeout`` seconds (0: any time).

    **Resuming.** `state_dict` tells after which batch a pass is, and a loader that was given that by
    `load_state_dict` goes on there with the next ``for`` loop, exactly.

    ``progress``: True, or a description, shows a bar; see `progress_bar`.

    Raises ArgumentError GT304 for values that are not allowed, and for arguments that exclude each other.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        progress: bool | str = False,
    ) -> None:
        self._iterable = isinstance(dataset, IterableDataset)
        check_sampling(self._iterable, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self._workers = WorkerOptions.checked(
            num_workers, prefetch_factor, timeout, persistent_workers, multiprocessing_context, worker_init_fn
        )
        self.dataset, self.generator, self.progress = dataset, generator, progress
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last, self.pin_memory, self.pin_memory_device = bool(drop_last), pin_memory, pin_memory_device
        self.in_order = in_order
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, batch_size, self.drop_last)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self._batched = batch_sampler is not None or self.batch_size is not None
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._memory = Memory(generator, batch_sampler if batch_sampler is not None else sampler)
        self._position: Position | None = None
        self._resumed: dict[str, Any] | None = None
        self._crew: Crew | None = None
        self._crew_in: Callable[[], Pass | None] | None = None
        self._passes = 0

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_passes" in vars(self):
            raise ArgumentError("GT304", f"{name} of a DataLoader cannot be changed", ["make another DataLoader"])
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no workers, and begins a pass of its own."""
        return {**vars(self), "_crew": None, "_crew_in": None, "_position": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    @property
    def num_workers(self) -> int:
        return self._workers.count

    @property
    def prefetch_factor(self) -> int | None:
        return self._workers.ahead

    @property
    def persistent_workers(self) -> bool:
        return self._workers.persistent

    @property
    def timeout(self) -> float:
        return self._workers.timeout

    @property
    def worker_init_fn(self) -> Callable[[int], Any] | None:
        return self._workers.init

    @property
    def multiprocessing_context(self) -> Any:
        return self._workers.context

    def __len__(self) -> int:
        """The number of batches in a pass; with an iterable data set, what its length gives for one worker."""
        if self._iterable:
            samples = len(self.dataset)
            return samples if self.batch_size is None else batches(samples, self.batch_size, self.drop_last)
        order: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(order)

    def __iter__(self) -> Iterator[Any]:
        """A pass; TraceError GT605 in a compiled function."""
        only_outside("a pass of a DataLoader", "compile what is done with a batch, and call it in the loop")
        found = self._pass()
        if not self.progress:
            return found
        description = self.progress if isinstance(self.progress, str) else ""
        return progress_bar(found, description, total=self._length(), initial=found.position.given)

    def _length(self) -> int | None:
        try:
            return len(self)
        except TypeError:  # of what has none
            return None

    def _pass(self) -> Pass:
        position, order = self._resume() if self._resumed else self._fresh()
        self._position = position
        self._passes += 1
        job = Job(
            self.dataset, self.collate_fn, self._iterable, self._batched, self.batch_size, self.drop_last
        )  # fmt: skip
        if not self.num_workers:
            return OwnPass(job, position, order)
        crew, keep = self._crew_for(job, position.seed)
        ahead = self._workers.ahead or 1
        found = WorkersPass(crew, keep, job, position, order, self._passes, ahead)
        if keep:
            self._crew_in = weakref.ref(found)
        return found

    def _fresh(self) -> tuple[Position, Order]:
        seed = draw_seed(self.generator)
        parts = [Part() for _ in range(max(1, self.num_workers))] if self._iterable else []
        position = Position(seed, self._memory.save(), parts)
        return position, self._order(seed)

    def _resume(self) -> tuple[Position, Order]:
        state, self._resumed = self._resumed, None
        assert state is not None  # who calls has looked
        position = Position.load(state["position"])
        self._memory.load(position.before)
        order = self._order(position.seed)
        for _ in range(0 if self._iterable else position.given):
            next(order)
        self._memory.load_generators(state["now"])
        return position, order

    def _order(self, seed: int) -> Order:
        found = self.batch_sampler if self.batch_sampler is not None else self.sampler
        return Order(() if found is None else found, seed)

    def _crew_for(self, job: Job, seed: int) -> tuple[Crew, bool]:
        """Workers for a pass, and whether they stay for the next one: those that stayed, unless a pass has them."""
        using = self._crew_in() if self._crew_in else None
        free = using is None or using.closed
        if self.persistent_workers and free:
            if self._crew is None or not self._crew.alive:
                self._crew = self._workers.crew(job, seed)
            return self._crew, True
        return self._workers.crew(job, seed), False

    def state_dict(self) -> dict[str, Any]:
        """Where the pass is that began last, as plain data: which batches were given, its seed, its sampler.

        Between passes, the state of the generator and of the sampler; the default generator's is not in it.
        """
        position = None if self._position is None or self._position.finished else self._position.save()
        if self._resumed:
            position = self._resumed["position"]
        return {"position": position, "now": self._memory.save()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was called: the next ``for`` loop gives the batches that were left of that pass.

        None may be left, where that was after the last batch and not yet after the loop. ArgumentError GT304 for what
        is no such state, or, with an iterable data set, for one of another number of workers.
        """
        check(
            isinstance(state_dict, dict) and state_dict.keys() == {"position", "now"},
            "GT304",
            "this is not the state of a DataLoader",
            "expected what state_dict() gives",
            kind=ArgumentError,
        )
        position = state_dict["position"]
        parts = len(position["parts"]) if position else 0
        expected = max(1, self.num_workers) if self._iterable and position else 0
        check(
            parts == expected,
            "GT304",
            f"the state is one of {parts} workers with an iterable data set"
            if parts
            else "the state is one of a data set with samples by number",
            f"expected one of {expected} workers" if expected else "expected the state of a loader of the same kind",
            kind=ArgumentError,
        )
        self._memory.load(state_dict["now"])
        self._resumed = state_dict if position else None
        self._position = None
