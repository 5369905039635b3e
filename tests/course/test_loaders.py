"""The chapter on data: data sets, loaders, samplers, collation; with worker processes, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch
from tests.course.oracle import as_torch, numbers, quietly, same

WORKERS = [0, 2]


class Rows:
    """(f32[3], class) pairs. A data set is anything with a length and items, and workers can get this one."""

    def __init__(self, count: int = 11) -> None:
        self.features, self.classes = numbers(count, 3), np.arange(count) % 4

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.features[index], int(self.classes[index])


class Records(Rows):
    """Dictionaries of numbers, arrays, strings and nested pairs."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        features, label = super().__getitem__(index)
        return {"x": features, "y": label, "name": f"row {index}", "pair": (index / 2, np.int32(label))}


class Broken(Rows):
    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 5:
            raise KeyError("no row 5")
        return super().__getitem__(index)


def first_column(batch: list[tuple[np.ndarray, int]]) -> list[float]:
    return [float(features[0]) for features, _ in batch]


#: what makes a loader, of torch and of the number of workers
LOADERS: dict[str, Callable[[Any, int], Any]] = {
    "batches": lambda t, n: t.DataLoader(Rows(), batch_size=4, num_workers=n),
    "whole batches": lambda t, n: t.DataLoader(Rows(), batch_size=4, drop_last=True, num_workers=n),
    "single items": lambda t, n: t.DataLoader(Rows(5), num_workers=n),
    "records": lambda t, n: t.DataLoader(Records(), batch_size=3, num_workers=n),
    "own collation": lambda t, n: t.DataLoader(Rows(), batch_size=4, collate_fn=first_column, num_workers=n),
    "a subset": lambda t, n: t.DataLoader(t.Subset(Rows(), [7, 1, 1, 4]), batch_size=3, num_workers=n),
    "a list": lambda t, n: t.DataLoader(list(range(7)), batch_size=3, num_workers=n),
    "own order": lambda t, n: t.DataLoader(Rows(), batch_size=4, sampler=[3, 0, 9, 2, 8], num_workers=n),
    "own batches": lambda t, n: t.DataLoader(Rows(), batch_sampler=[[0, 5], [7], [1, 2, 3]], num_workers=n),
    "no batches": lambda t, n: t.DataLoader(Rows(4), batch_size=None, num_workers=n),
    "in order": lambda t, n: t.DataLoader(
        Rows(), batch_size=4, sampler=t.SequentialSampler(Rows()), pin_memory=False, num_workers=n
    ),
}


def contents(torch: Any, name: str, workers: int) -> Any:
    loader = LOADERS[name](torch.utils.data, workers)
    return [len(loader), *loader, *loader]  # twice: each `for` is a pass of its own


@pytest.mark.torch
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", LOADERS)
def test_loader(name: str, workers: int) -> None:
    torch = pytest.importorskip("torch")
    same(contents(graphtorch, name, workers), quietly(lambda module: contents(module, name, 0), torch), name)


@pytest.mark.parametrize("workers", WORKERS)
def test_shuffling(workers: int) -> None:
    """Every item once, in another order each time, and the same orders from the same seed."""
    data = graphtorch.utils.data

    def orders(seed: int) -> list[list[int]]:
        generator = graphtorch.Generator().manual_seed(seed)
        loader = data.DataLoader(list(range(40)), batch_size=7, shuffle=True, generator=generator, num_workers=workers)
        return [[i for batch in loader for i in batch.tolist()] for _ in range(2)]

    first = orders(0)
    assert [sorted(order) for order in first] == [list(range(40))] * 2
    assert first[0] != first[1] and first == orders(0) and first != orders(1)


@pytest.mark.parametrize("workers", WORKERS)
def test_what_a_data_set_raises_comes_through(workers: int) -> None:
    loader = graphtorch.utils.data.DataLoader(Broken(), batch_size=4, num_workers=workers)
    with pytest.raises(KeyError, match="no row 5"):
        list(loader)


@as_torch
def test_data_sets(torch: Any) -> Any:
    data = torch.utils.data
    x, y = torch.from_numpy(numbers(10, 3)), torch.arange(10)

    class Doubled(data.Dataset):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> Any:
            return x[index] * 2, index

    pairs = data.TensorDataset(x, y)
    parts = data.random_split(pairs, [7, 3], generator=torch.Generator().manual_seed(0))
    indices = sorted(i for part in parts for i in part.indices)
    batch = next(iter(data.DataLoader(Doubled(), batch_size=4)))
    return [
        len(pairs),
        list(pairs[3]),
        list(pairs[2:4]),
        [len(part) for part in parts],
        indices,
        [len(part) for part in data.random_split(pairs, [0.75, 0.25])],
        batch,
        isinstance(pairs, data.Dataset),
        data.default_collate([(1, 2.0), (3, 4.0)]),
        list(data.SequentialSampler(pairs)),
        sorted(data.RandomSampler(pairs)),
    ]
