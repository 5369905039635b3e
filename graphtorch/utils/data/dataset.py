"""Data sets: samples by number, or one after the other."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, check

T_co = TypeVar("T_co", covariant=True)
Positions = np.ndarray[Any, np.dtype[np.int64]]


class Dataset(Generic[T_co]):
    """The base of data sets. A subclass defines ``__getitem__`` (a sample), and most define ``__len__``.

    With a method ``__getitems__(indices)``, which gives a list of samples, a loader gets a batch's samples in one call.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        """The samples of this data set, then those of the other."""
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """The base of data sets whose samples come one after the other. A subclass defines ``__iter__``.

    Every worker of a loader iterates over a copy of the data set: `get_worker_info` tells it which samples are its own.
    A loader resumes in the middle of a pass by going through what it had given already; by nothing of that kind where
    the data set, or the iterator that it gives, has ``state_dict()`` and ``load_state_dict(state)``.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} has no samples by number")

    def __add__(self, other: Dataset[Any]) -> Any:
        """The samples of this data set, then those of the other."""
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is (t[i] for every tensor t). ShapeError GT115 when the tensors differ in their first size."""

    def __init__(self, *tensors: Tensor) -> None:
        for position, t in enumerate(tensors):
            if not isinstance(t, Tensor):
                raise ArgumentTypeError("GT301", f"tensors[{position}] must be a tensor, got {type(t).__name__}")
            check(t.ndim > 0, "GT107", f"tensors[{position}] has no samples", "expected at least 1 dimension, got 0")
        check(
            len({len(t) for t in tensors}) <= 1,
            "GT115",
            "the tensors hold different numbers of samples",
            f"expected one first size, got {', '.join(str(t.aval) for t in tensors)}",
        )
        check(bool(tensors), "GT304", "no tensors were given", "expected at least one", kind=ArgumentError)
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def _gather(self, positions: Positions) -> list[Tensor] | None:
        """A batch, by one gather for each tensor; None when a subclass has its own idea of a sample."""
        if type(self).__getitem__ is not TensorDataset.__getitem__:
            return None
        return [as_tensor_of(np.take(t.data.numpy(), positions, axis=0)) for t in self.tensors]


class Subset(Dataset[T_co]):
    """The samples of ``dataset`` at ``indices``, in that order."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    @functools.cached_property
    def _positions(self) -> Positions:
        return np.fromiter((int(i) for i in self.indices), np.int64)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        if type(self).__getitem__ is not Subset.__getitem__:
            return [self[i] for i in indices]
        return fetch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)

    def _gather(self, positions: Positions) -> list[Tensor] | None:
        own = type(self)
        if own.__getitem__ is not Subset.__getitem__ or own.__getitems__ is not Subset.__getitems__:
            return None
        if not hasattr(self.dataset, "_gather"):
            return None  # and `indices` need not be numbers
        return gather(self.dataset, self._positions[positions])


class ConcatDataset(Dataset[T_co]):
    """The samples of several data sets, one set after the other.

    ArgumentError GT304 for no data sets, ArgumentTypeError GT301 for one that is iterable only.
    """

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        check(bool(self.datasets), "GT304", "no datasets were given", "expected at least one", kind=ArgumentError)
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                facts = ["expected samples by number; chain those that come one after the other, with ChainDataset"]
                raise ArgumentTypeError("GT301", f"datasets[{position}] is an IterableDataset", facts)
        sizes: list[Any] = list(self.datasets)
        self.cumulative_sizes: list[int] = np.cumsum([len(d) for d in sizes]).tolist()

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> T_co:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            facts = [f"expected {-len(self)} <= index < {len(self)}"]
            raise IndexRangeError("GT302", f"index={index} is out of range", facts)
        number = bisect_right(self.cumulative_sizes, position)
        return self.datasets[number][position - (self.cumulative_sizes[number - 1] if number else 0)]


class ChainDataset(IterableDataset[T_co]):
    """The samples of several iterable data sets, one set after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for position, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                facts = ["expected an IterableDataset; concatenate others with ConcatDataset"]
                raise ArgumentTypeError("GT301", f"datasets[{position}] is a {type(dataset).__name__}", facts)
            yield from dataset

    def __len__(self) -> int:
        sizes: list[Any] = list(self.datasets)
        return sum(len(d) for d in sizes)


class StackDataset(Dataset[Any]):
    """Sample i is (d[i] for every data set d), or {name: d[i]} where they are given by name.

    ArgumentError GT304 for none, or for some of each kind; ShapeError GT115 when they differ in length.
    """

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        check(
            bool(args) != bool(kwargs),
            "GT304",
            "data sets were given with and without names" if args else "no datasets were given",
            "expected at least one, all with names or all without",
            kind=ArgumentError,
        )
        self.datasets: Any = kwargs or args
        sizes: list[Any] = list(kwargs.values() or args)
        lengths = [len(d) for d in sizes]
        check(
            len(set(lengths)) == 1,
            "GT115",
            "the datasets hold different numbers of samples",
            f"expected one length, got {', '.join(map(str, lengths))}",
        )
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[int]) -> list[Any]:
        if isinstance(self.datasets, dict):
            parts = [fetch(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, sample, strict=True)) for sample in zip(*parts, strict=True)]
        return list(zip(*(fetch(dataset, indices) for dataset in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


def gather(dataset: Any, positions: Positions) -> list[Tensor] | None:
    """A batch without a loop over samples, or None where the data set has no such way."""
    own = getattr(dataset, "_gather", None)
    return own(positions) if own else None


def fetch(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    """The samples at ``indices``, by the data set's ``__getitems__`` if it has one.

    ArgumentError GT304 when that gives more or fewer samples than it was asked for.
    """
    several = getattr(dataset, "__getitems__", None)
    if several is None:
        return [dataset[i] for i in indices]
    found: list[Any] = several(indices)
    check(
        len(found) == len(indices),
        "GT304",
        f"{type(dataset).__name__}.__getitems__ gave {len(found)} samples",
        f"expected one for each of {len(indices)} indices",
        kind=ArgumentError,
    )
    return found
