"""How a batch is made, in the training process as in a worker."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphtorch.utils.data.collate import default_collate
from graphtorch.utils.data.dataset import fetch, gather
from graphtorch.utils.data.messages import Begin, Job, WorkerInfo
from graphtorch.utils.data.streams import mix, own_streams, seed_all

#: what `Maker.make` gives when an iterable data set has no more samples
END = object()
#: the number of the stream of what happens before the first batch
_START = -1

_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a loader this process is; None in the process that trains."""
    return _info


def set_worker_info(info: WorkerInfo) -> None:
    """Say which worker this process is."""
    global _info
    _info = info


class Maker:
    """Makes the batches of one pass that worker ``worker`` makes; the training process is worker 0.

    ``shared``: whether this process draws numbers of its own that have to go on undisturbed.
    """

    def __init__(self, job: Job, begin: Begin, worker: int, shared: bool) -> None:
        self.job, self._shared = job, shared
        #: batches by number are the same whoever makes them, those of an iterable data set are a worker's own
        self._seed = mix(begin.seed, worker + 1) if job.iterable else begin.seed
        self._samples: Iterator[Any] = iter(())
        self._ended = False
        if job.iterable:
            state = None if begin.state is None else pickle.loads(begin.state)
            self._seeded(_START, lambda: self._open(state))
            for number in range(0 if state else begin.given):
                self._seeded(number, self._next_samples)

    def make(self, number: int, index: Any) -> Any:
        """Batch ``number``, or END.

        RuntimeError for a StopIteration of the user's code, which would end the pass as if there were no more batches.
        """
        try:
            return self._made(number, index)
        except StopIteration as stopped:
            raise RuntimeError(f"batch {number}: the data set or collate_fn raised StopIteration") from stopped

    def _made(self, number: int, index: Any) -> Any:
        if self.job.iterable:
            return self._seeded(number, self._next_batch)
        found = self._gathered(index)  # which draws nothing
        return self._seeded(number, lambda: self._batch_at(index)) if found is None else found

    def _gathered(self, index: Any) -> Any:
        if not self.job.batched or self.job.collate_fn is not default_collate:
            return None
        if not all(isinstance(position, int) for position in index):
            return None
        return gather(self.job.dataset, np.asarray(index, np.int64))

    def state(self) -> bytes | None:
        """The state of an iterable data set that has one, after the last batch; pickled, since it may change."""
        if not self.job.iterable:
            return None
        if self._ended:  # with a batch that is not full: a data set may be ready for its next pass by now
            return pickle.dumps(("nobody", None))
        whose, source = self._stateful()
        return pickle.dumps((whose, source.state_dict())) if whose else None

    def _seeded(self, number: int, make: Any) -> Any:
        seed = mix(self._seed, number + 1)
        if not self._shared:
            seed_all(seed)
            return make()
        with own_streams(seed):
            return make()

    def _batch_at(self, index: Any) -> Any:
        dataset = self.job.dataset
        return self.job.collate_fn(fetch(dataset, index) if self.job.batched else dataset[index])

    def _open(self, state: tuple[str, Any] | None) -> None:
        """Begin to iterate, from a state of the data set, or of the iterator that it gives, if there is one."""
        whose, kept = state or ("", None)
        if whose == "nobody":
            return
        if whose == "dataset":
            self.job.dataset.load_state_dict(kept)
        self._samples = iter(self.job.dataset)
        if whose == "iterator":
            self._stateful()[1].load_state_dict(kept)

    def _stateful(self) -> tuple[str, Any]:
        """What knows how far the pass is, the iterator before the data set; None where neither does."""
        sources: dict[str, Any] = {"iterator": self._samples, "dataset": self.job.dataset}
        for whose, source in sources.items():
            if hasattr(source, "state_dict") and hasattr(source, "load_state_dict"):
                return whose, source
        return "", None

    def _next_samples(self) -> list[Any]:
        size = self.job.batch_size or 1
        samples = list(itertools.islice(self._samples, size))
        self._ended = len(samples) < size
        return samples

    def _next_batch(self) -> Any:
        samples, size = self._next_samples(), self.job.batch_size
        if not samples or (size is not None and len(samples) < size and self.job.drop_last):
            return END
        return self.job.collate_fn(samples[0] if size is None else samples)
