"""The part of a data set that one of several training processes sees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import Any

from graphtorch.frontend.random import Generator, randperm
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.common import as_int
from graphtorch.utils.data.sampler import Sampler, positive


class DistributedSampler(Sampler[int]):
    """Positions number ``rank``, ``rank + num_replicas``, ... of an order that all processes have in common.

    All get equally many: positions from the front of the order come twice, or, with ``drop_last``, some of its end
    are left out. `set_epoch` before each pass gives another order; it comes from ``seed`` + epoch, and no other
    generator. There are no process groups here, so ``num_replicas`` and ``rank`` are to be given. ArgumentError GT304
    for a rank that is not one of 0 to num_replicas - 1.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_replicas = positive(num_replicas, "num_replicas")
        self.rank = as_int(rank, "rank")
        check(
            0 <= self.rank < self.num_replicas,
            "GT304",
            f"rank={rank} is not allowed",
            f"expected 0 <= rank < num_replicas={num_replicas}",
            kind=ArgumentError,
        )
        self.shuffle, self.seed, self.drop_last = shuffle, as_int(seed, "seed"), drop_last
        self.epoch = 0

    @property
    def num_samples(self) -> int:
        """How many positions each process gets."""
        count = len(self.dataset)
        return count // self.num_replicas if self.drop_last else -(-count // self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many positions all processes get together."""
        return self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            order = randperm(count, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        return itertools.islice(itertools.cycle(order), self.rank, self.total_size, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass have the order of this epoch."""
        self.epoch = as_int(epoch, "epoch")

    def state_dict(self) -> dict[str, Any]:
        """The epoch, for loaders that resume."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The epoch that `state_dict` gave."""
        self.epoch = as_int(state["epoch"], "epoch")
