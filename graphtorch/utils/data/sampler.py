"""Samplers: in which order the samples of a data set come.

Each draws what it needs when a pass begins, so that the order does not depend on what others draw during it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from graphtorch.frontend.construction import tensor
from graphtorch.frontend.distributions import multinomial
from graphtorch.frontend.random import Generator, randint, randperm
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError, check
from graphtorch.ir.ops.common import as_int
from graphtorch.ir.types import float64

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """The base of samplers. A subclass defines ``__iter__`` (positions, or lists of them), and most ``__len__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Positions in an order that each pass draws anew from ``generator`` (the default one unless given).

    Every position once; or ``num_samples`` of them: more than there are come in several orders, one after the other.
    With ``replacement`` each is drawn from all. ArgumentError GT304 for num_samples < 1.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = _as_bool(replacement, "replacement")
        self._num_samples = None if num_samples is None else positive(num_samples, "num_samples")
        self.generator = generator

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        count, wanted = len(self.data_source), self.num_samples
        if not count:
            return iter(())
        if self.replacement:
            return iter(randint(count, (wanted,), generator=self.generator).tolist())
        orders = [randperm(count, generator=self.generator).tolist() for _ in range(-(-wanted // count))]
        return itertools.islice(itertools.chain.from_iterable(orders), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Each of ``indices`` once, in an order that each pass draws anew."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = randperm(len(self.indices), generator=self.generator).tolist()
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """``num_samples`` positions of 0 to len(weights) - 1, each as likely as its weight.

    Without ``replacement`` none comes twice in a pass. ArgumentError GT304 for num_samples < 1, or for more than
    there are weights without replacement; ShapeError GT107 for weights of other than one dimension.
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = weights.to(float64) if isinstance(weights, Tensor) else tensor(list(weights), dtype=float64)
        if self.weights.ndim != 1:
            raise ShapeError("GT107", f"weights has {self.weights.ndim} dimensions", ["expected 1"])
        self.num_samples = positive(num_samples, "num_samples")
        self.replacement = _as_bool(replacement, "replacement")
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` positions of ``sampler``; ``drop_last`` leaves out a last one that is not full."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        self.sampler = sampler
        self.batch_size = positive(batch_size, "batch_size")
        self.drop_last = _as_bool(drop_last, "drop_last")

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))  # the sampler draws now, and not with the first batch

    def _batches(self, order: Iterator[int]) -> Iterator[list[int]]:
        while positions := list(itertools.islice(order, self.batch_size)):
            if len(positions) == self.batch_size or not self.drop_last:
                yield positions

    def __len__(self) -> int:
        sampler: Any = self.sampler
        return batches(len(sampler), self.batch_size, self.drop_last)


def batches(samples: int, batch_size: int, drop_last: bool) -> int:
    """How many batches so many samples make."""
    return samples // batch_size if drop_last else -(-samples // batch_size)


def positive(value: int, name: str) -> int:
    """An int above 0; ArgumentError GT304 for another."""
    number = as_int(value, name)
    check(number > 0, "GT304", f"{name}={value} is not allowed", f"expected {name} > 0", kind=ArgumentError)
    return number


def _as_bool(value: bool, name: str) -> bool:
    if not isinstance(value, bool):
        raise ArgumentTypeError("GT301", f"{name} must be a bool, got {type(value).__name__} {value!r}")
    return value
