"""Data sets made of others, iterable ones, collation; torch's results are the oracle."""

from __future__ import annotations

from collections import OrderedDict, UserList, defaultdict, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from graphtorch.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
)
from tests.data.data_sets import Count


class Numbers(Dataset[int]):
    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> int:
        return self.numbers[index]


class Several(Numbers):
    """Gives samples by the list, and keeps what it was asked for."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(*numbers)
        self.asked: list[list[int]] = []

    def __getitems__(self, indices: list[int]) -> list[int]:
        self.asked.append(indices)
        return [self.numbers[i] for i in indices]


def test_concatenation() -> None:
    data = Numbers(1, 2, 3) + Numbers() + Numbers(4, 5)
    assert isinstance(data, ConcatDataset) and len(data) == 5
    assert [data[i] for i in range(-5, 5)] == [1, 2, 3, 4, 5] * 2
    assert ConcatDataset([Numbers(1), Numbers(2, 3)]).cumulative_sizes == [1, 3]
    for wrong in (5, -6):
        with pytest.raises(IndexRangeError, match=f"GT302: index={wrong} is out of range"):
            data[wrong]
    with pytest.raises(ArgumentError, match="GT304: no datasets were given"):
        ConcatDataset([])
    with pytest.raises(ArgumentTypeError, match=r"GT301: datasets\[1\] is an IterableDataset"):
        ConcatDataset([Numbers(1), Count(3)])


def test_chains() -> None:
    chain = Count(2) + Count(3)
    assert isinstance(chain, ChainDataset) and [number for number, _ in chain] == [0, 1, 0, 1, 2]
    with pytest.raises(ArgumentTypeError, match=r"GT301: datasets\[1\] is a Numbers"):
        list(ChainDataset([Count(1), Numbers(1)]))


def test_stacks() -> None:
    rows = StackDataset(Numbers(1, 2, 3), Several(4, 5, 6))
    named = StackDataset(a=Numbers(1, 2, 3), b=Several(4, 5, 6))
    assert rows[1] == (2, 5) and named[2] == {"a": 3, "b": 6} and len(rows) == len(named) == 3
    (x, y), *_ = DataLoader(rows, 2)
    assert x.tolist() == [1, 2] and y.tolist() == [4, 5] and rows.datasets[1].asked == [[0, 1], [2]]
    assert [{k: v.tolist() for k, v in b.items()} for b in DataLoader(named, 2)][1] == {"a": [3], "b": [6]}
    for made in (lambda: StackDataset(), lambda: StackDataset(Numbers(1), a=Numbers(1))):
        with pytest.raises(ArgumentError, match="GT304"):
            made()
    with pytest.raises(ShapeError, match="GT115: the datasets hold different numbers of samples"):
        StackDataset(Numbers(1), Numbers(1, 2))


def test_samples_by_the_list() -> None:
    data = Several(10, 11, 12, 13)
    found = [b.tolist() for b in DataLoader(Subset(data, [3, 1, 2]), 2)]
    assert found == [[13, 11], [12]] and data.asked == [[3, 1], [2]]

    class Short(Numbers):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return [1]

    with pytest.raises(ArgumentError, match=r"GT304: Short.__getitems__ gave 1 samples"):
        list(DataLoader(Short(1, 2, 3), 2))


def test_iterable_data_sets() -> None:
    for drop_last, expected in ((False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])):
        for workers in (0, 1):
            loader = DataLoader(Count(7), 3, drop_last=drop_last, num_workers=workers)
            assert [number.tolist() for number, _ in loader] == expected
    loader = DataLoader(Count(7), 2, num_workers=3)  # parts 0 3 6, 1 4, 2 5, which take turns
    assert [number.tolist() for number, _ in loader] == [[0, 3], [1, 4], [2, 5], [6]]
    assert [number for number, _ in DataLoader(Count(5), None, num_workers=2)] == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match="has no len"):
        len(loader)
    sized: Any = type("Sized", (Count,), {"__len__": lambda self: 7})
    assert [len(DataLoader(sized(7), size, drop_last=d)) for size, d in ((3, False), (3, True), (None, False))] == [
        3,
        2,
        7,
    ]
    for given in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ArgumentError, match="is not allowed with an iterable data set"):
            DataLoader(Count(3), **given)
    with pytest.raises(NotImplementedError, match="has no samples by number"):
        Count(3)[0]
    with pytest.raises(NotImplementedError, match=r"IterableDataset\.__iter__"):
        iter(IterableDataset())


def test_bases() -> None:
    with pytest.raises(NotImplementedError, match=r"Dataset\.__getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError, match="has no len"):
        len(Dataset())  # type: ignore[arg-type]


def test_arguments_that_exclude_each_other() -> None:
    batches = [[0]]
    for given, text in [
        ({"batch_sampler": batches, "batch_size": 2}, "batch_size is not allowed with a batch_sampler"),
        ({"batch_sampler": batches, "shuffle": True}, "shuffle=True is not allowed with a batch_sampler"),
        ({"batch_sampler": batches, "sampler": [0]}, "sampler is not allowed with a batch_sampler"),
        ({"batch_sampler": batches, "drop_last": True}, "drop_last is not allowed with a batch_sampler"),
        ({"batch_size": None, "drop_last": True}, "drop_last is not allowed with batch_size=None"),
    ]:
        with pytest.raises(ArgumentError, match=f"GT304: {text}"):
            DataLoader(Numbers(1), **given)


def test_no_batches() -> None:
    data = TensorDataset(gt.arange(6).reshape(3, 2))
    (first, *_) = DataLoader(data, None)
    assert isinstance(first, list) and first[0].tolist() == [0, 1]  # as torch: a tuple is made a list
    assert [x.dtype for x in DataLoader([np.ones(2), np.zeros(2)], None)] == [gt.float64] * 2
    assert list(DataLoader(Numbers(4, 5), None, collate_fn=lambda x: -x)) == [-4, -5]


# ---- collation ----

Point = namedtuple("Point", "x y")


def _samples(module: Any) -> dict[str, list[Any]]:
    """Batches of samples, with tensors of ``module``."""
    return {
        "ordered": [OrderedDict(b=1, a=module.ones(2)), OrderedDict(b=2, a=module.zeros(2))],
        "default": [defaultdict(list, k=[1, 2.5]), defaultdict(list, k=[3, 4.5])],
        "read-only": [MappingProxyType({"k": 1}), MappingProxyType({"k": 2})],
        "named": [Point(1, "p"), Point(2, "q")],
        "lists": [[1, (2, 3)], [4, (5, 6)]],
        "user's list": [UserList([1, 2]), UserList([3, 4])],
        "ranges": [range(2), range(2, 4)],
        "bools": [True, False],
        "floats": [1.5, 2.5],
        "bytes": [b"a", b"b"],
        "numpy numbers": [np.float32(1), np.float32(2)],
        "arrays": [np.ones((2, 1), np.int16), np.zeros((2, 1), np.int16)],
        "no dimensions": [module.tensor(1), module.tensor(2)],
    }


def _same(ours: Any, theirs: Any) -> None:
    if hasattr(theirs, "dtype"):
        assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
        assert ours.tolist() == theirs.tolist()
        return
    assert type(ours) is type(theirs)
    if hasattr(theirs, "keys"):
        assert list(ours) == list(theirs)
        ours, theirs = [ours[k] for k in ours], [theirs[k] for k in theirs]
    if isinstance(theirs, list | tuple | UserList):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b)
    else:
        assert ours == theirs


@pytest.mark.torch
@pytest.mark.parametrize("kind", _samples(gt))
def test_collation_and_conversion_are_torchs(kind: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _samples(gt)[kind], _samples(torch)[kind]
    _same(default_collate(ours), torch.utils.data.default_collate(theirs))
    _same(default_convert(ours), torch.utils.data.default_convert(theirs))
    _same(default_convert(ours[0]), torch.utils.data.default_convert(theirs[0]))


def test_tensors_with_gradients_and_of_several_dtypes() -> None:
    weight = gt.ones(3, requires_grad=True)
    batch = default_collate([weight * 2, gt.zeros(3)])
    batch.sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [2, 2, 2]
    mixed = default_collate([gt.ones(2, dtype=gt.int32), gt.zeros(2)])
    assert mixed.dtype == gt.float32 and mixed.tolist() == [[1, 1], [0, 0]]
    with pytest.raises(ShapeError, match="GT106"):
        default_collate([gt.ones(2), gt.ones(3)])
    traced = gt.compile(lambda x: default_collate([x, x + weight.detach()]))
    assert traced(gt.zeros(3)).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_conversion_shares_memory_and_leaves_text() -> None:
    array = np.zeros(3)
    default_convert([array])[0][1] = 5
    assert array.tolist() == [0, 5, 0]
    text = np.array(["a", "b"])
    assert default_convert(text) is text and default_convert("ab") == "ab" and default_convert(None) is None
