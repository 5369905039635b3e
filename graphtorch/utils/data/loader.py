"""DataLoader: batches of a data set, in order or shuffled."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.construction import tensor
from graphtorch.frontend.random import Generator
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import as_int
from graphtorch.ir.types import float64
from graphtorch.utils.data.dataset import Dataset, gather
from graphtorch.utils.data.sampler import RandomSampler, SequentialSampler


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples as one batch, as torch does it.

    Tensors and arrays are stacked; ints become int64 and floats float64; strings stay a list; mappings,
    named tuples and sequences are collated part by part. ShapeError GT116 when sequences differ in
    length, ArgumentTypeError GT301 for anything else.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return PUBLIC["gt"]["stack"](list(batch))
    if isinstance(first, np.ndarray | np.generic):
        return as_tensor_of(_stacked(batch))
    if isinstance(first, bool | int):
        return tensor(list(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        return _collate_parts(batch)
    raise ArgumentTypeError(
        "GT301",
        f"samples of type {type(first).__name__} cannot be collated",
        ["expected tensors, arrays, numbers, strings, or mappings and sequences of them; or pass collate_fn="],
    )


def _stacked(batch: Sequence[Any]) -> Any:
    shapes = sorted({np.shape(sample) for sample in batch})
    if len(shapes) > 1:
        facts = [f"expected one shape, got {', '.join(str(list(s)) for s in shapes)}"]
        raise ShapeError("GT116", "samples of one batch differ in shape", facts)
    return np.stack(batch)


def _collate_parts(batch: Sequence[Sequence[Any]]) -> Any:
    first = batch[0]
    lengths = sorted({len(sample) for sample in batch})
    if len(lengths) > 1:
        raise ShapeError("GT116", "samples of one batch differ in length", [f"expected one length, got {lengths}"])
    parts = [default_collate(part) for part in zip(*batch, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else parts


class DataLoader:
    """Iterates over batches of a data set; every ``for`` loop is one pass.

    ``shuffle`` draws a new order for every pass from ``generator`` (the default one unless given), and
    from nothing else: the same seed gives the same batches. ``sampler`` gives the order instead;
    ``drop_last`` leaves out a last batch that is not full; ``collate_fn`` makes a batch of a list of samples.
    Batches are made in the calling thread: ``num_workers`` above 0 warns so, and ``pin_memory`` changes nothing.
    Raises ArgumentError GT304 for a batch_size below 1, or for both sampler and shuffle.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        self.batch_size = as_int(batch_size, "batch_size")
        check(
            self.batch_size > 0,
            "GT304",
            f"batch_size={batch_size} is not allowed",
            "expected batch_size > 0",
            kind=ArgumentError,
        )
        check(
            sampler is None or not shuffle,
            "GT304",
            "shuffle=True is not allowed with a sampler",
            "expected one of them: the sampler gives the order",
            kind=ArgumentError,
        )
        if as_int(num_workers, "num_workers") > 0:
            warnings.warn(
                f"num_workers={num_workers}: batches are made in the calling thread all the same", stacklevel=2
            )
        self.dataset = dataset
        self.sampler: Any = sampler
        if sampler is None:
            self.sampler = RandomSampler(dataset, generator) if shuffle else SequentialSampler(dataset)
        self.drop_last = bool(drop_last)
        self.collate_fn = collate_fn
        self.generator = generator

    def __len__(self) -> int:
        """The number of batches in a pass."""
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[Any]:
        order = iter(self.sampler)
        while positions := list(itertools.islice(order, self.batch_size)):
            if len(positions) == self.batch_size or not self.drop_last:
                yield self._batch(positions)

    def _batch(self, positions: list[int]) -> Any:
        if self.collate_fn is not None:
            return self.collate_fn([self.dataset[i] for i in positions])
        found = gather(self.dataset, np.asarray(positions, np.int64))
        return default_collate([self.dataset[i] for i in positions]) if found is None else found
