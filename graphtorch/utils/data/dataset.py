"""Data sets: samples by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.random import Generator, randperm
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int

Positions = np.ndarray[Any, np.dtype[np.int64]]


class Dataset:
    """The base of data sets. A subclass defines ``__getitem__`` (a sample) and ``__len__``."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")


class TensorDataset(Dataset):
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


class Subset(Dataset):
    """The samples of ``dataset`` at ``indices``, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        self._positions = np.fromiter((int(i) for i in indices), np.int64)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def _gather(self, positions: Positions) -> list[Tensor] | None:
        if type(self).__getitem__ is not Subset.__getitem__:
            return None
        return gather(self.dataset, self._positions[positions])


def gather(dataset: Dataset, positions: Positions) -> list[Tensor] | None:
    """A batch without a loop over samples, or None where the data set has no such way."""
    own = getattr(dataset, "_gather", None)
    return own(positions) if own else None


def random_split(dataset: Dataset, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset]:
    """Subsets of random samples, without overlap: ``lengths`` are numbers of samples, or fractions that sum to 1.

    What fractions leave over goes to the first subsets, one sample each. ArgumentError GT304 when the
    lengths do not add up to the data set.
    """
    sizes = _sizes(len(dataset), lengths)
    order = randperm(len(dataset), generator=generator).tolist()
    ends = np.cumsum(sizes).tolist()
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _sizes(total: int, lengths: Sequence[int | float]) -> list[int]:
    if lengths and math.isclose(sum(lengths), 1) and min(lengths) >= 0:
        sizes = [math.floor(total * part) for part in lengths]
        rest = total - sum(sizes)
        return [size + (1 if i < rest else 0) for i, size in enumerate(sizes)]
    sizes = [as_int(n, f"lengths[{i}]") for i, n in enumerate(lengths)]
    check(
        sum(sizes) == total and min(sizes, default=0) >= 0,
        "GT304",
        f"lengths={list(lengths)} is not allowed",
        f"expected sizes that sum to {total}, or fractions that sum to 1",
        kind=ArgumentError,
    )
    return sizes
