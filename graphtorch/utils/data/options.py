"""Arguments of DataLoader: which are allowed, and which exclude each other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int
from graphtorch.utils.data.crew import Crew
from graphtorch.utils.data.messages import Job
from graphtorch.utils.data.sampler import positive


def check_sampling(
    iterable: bool, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    """ArgumentError GT304 unless these say one thing about which samples make a batch."""
    if batch_size is not None:
        positive(batch_size, "batch_size")
    given = {
        "shuffle=True": bool(shuffle),
        "sampler": sampler is not None,
        "batch_sampler": batch_sampler is not None,
    }
    for name in given if iterable else ():
        _exclude(given[name], name, "an iterable data set", "nothing: the data set gives the order")
    _exclude(
        given["sampler"] and bool(shuffle), "shuffle=True", "a sampler", "one of them: the sampler gives the order"
    )
    if batch_sampler is not None:
        others = {"batch_size": batch_size != 1, **given, "drop_last": drop_last}
        for name in ("batch_size", "shuffle=True", "sampler", "drop_last"):
            _exclude(others[name], name, "a batch_sampler", "one of them: the batch_sampler gives the batches")
    _exclude(batch_size is None and drop_last, "drop_last", "batch_size=None", "one of them: there are no batches")


def _exclude(both: bool, name: str, other: str, expected: str) -> None:
    check(not both, "GT304", f"{name} is not allowed with {other}", f"expected {expected}", kind=ArgumentError)


@dataclass(frozen=True)
class WorkerOptions:
    """How workers are started and asked; ``count`` 0: there are none, and ``ahead`` is None."""

    count: int
    ahead: int | None
    timeout: float
    persistent: bool
    context: Any
    init: Callable[[int], Any] | None

    @classmethod
    def checked(
        cls,
        num_workers: int,
        prefetch_factor: int | None,
        timeout: float,
        persistent_workers: bool,
        multiprocessing_context: Any,
        worker_init_fn: Callable[[int], Any] | None,
    ) -> WorkerOptions:
        """ArgumentError GT304 for numbers that are too small, and for what needs workers where there are none."""
        count = as_int(num_workers, "num_workers")
        _check(count >= 0, f"num_workers={num_workers} is not allowed", "expected num_workers >= 0")
        _check(timeout >= 0, f"timeout={timeout} is not allowed", "expected timeout >= 0, in seconds")
        needing = {
            "prefetch_factor": prefetch_factor is not None,
            "persistent_workers=True": bool(persistent_workers),
            "multiprocessing_context": multiprocessing_context is not None,
        }
        for name, given in needing.items():
            _check(bool(count) or not given, f"{name} is not allowed with num_workers=0", "expected num_workers > 0")
        ahead = 2 if prefetch_factor is None else positive(prefetch_factor, "prefetch_factor")
        context = _context(multiprocessing_context)
        return cls(
            count, ahead if count else None, float(timeout), bool(persistent_workers), context, worker_init_fn
        )  # fmt: skip

    def crew(self, job: Job, seed: int) -> Crew:
        """The workers, started."""
        context = self.context or multiprocessing.get_context()
        return Crew(context, self.count, job, seed, self.init, self.timeout)


def _check(ok: bool, message: str, expected: str) -> None:
    check(ok, "GT304", message, expected, kind=ArgumentError)


def _context(given: Any) -> Any:
    """A context of multiprocessing, or None for the default, which is looked up when workers start."""
    if given is None or isinstance(given, BaseContext):
        return given
    if not isinstance(given, str):
        facts = ["expected the name of a start method, or a context of multiprocessing"]
        raise ArgumentTypeError("GT301", f"multiprocessing_context must not be a {type(given).__name__}", facts)
    methods = multiprocessing.get_all_start_methods()
    _check(given in methods, f"multiprocessing_context={given!r} is not allowed", f"expected one of {methods}")
    return multiprocessing.get_context(given)
