"""Random parts of a data set."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.random import Generator, randperm
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.ops.common import as_int
from graphtorch.utils.data.dataset import Dataset, Subset, T_co


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Subsets of random samples, without overlap: ``lengths`` are numbers of samples, or fractions that sum to 1.

    What fractions leave over goes to the first subsets, one sample each. ArgumentError GT304 when the
    lengths do not add up to the data set; a warning where a fraction gives a subset without samples.
    """
    sized: Any = dataset
    sizes = _sizes(len(sized), lengths)
    order = randperm(len(sized), generator=generator).tolist()
    ends = np.cumsum(sizes).tolist()
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _sizes(total: int, lengths: Sequence[int | float]) -> list[int]:
    if lengths and math.isclose(sum(lengths), 1) and min(lengths) >= 0:
        return _of_fractions(total, lengths)
    sizes = [as_int(n, f"lengths[{i}]") for i, n in enumerate(lengths)]
    check(
        sum(sizes) == total and min(sizes, default=0) >= 0,
        "GT304",
        f"lengths={list(lengths)} is not allowed",
        f"expected sizes that sum to {total}, or fractions that sum to 1",
        kind=ArgumentError,
    )
    return sizes


def _of_fractions(total: int, fractions: Sequence[float]) -> list[int]:
    sizes = [math.floor(total * part) for part in fractions]
    rest = total - sum(sizes)
    sizes = [size + (1 if i < rest else 0) for i, size in enumerate(sizes)]
    for i, size in enumerate(sizes):
        if not size:
            warnings.warn(f"lengths[{i}]={fractions[i]} of {total} samples is a subset without samples", stacklevel=4)
    return sizes
