"""Samplers and splits: torch's, wherever the numbers do not depend on the generator."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError
from graphtorch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    random_split,
)


def _generator(seed: int = 3) -> gt.Generator:
    return gt.Generator().manual_seed(seed)


# ---- torch as an oracle ----


@pytest.mark.torch
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("size", [1, 3, 4, 7, 9])
def test_batches_are_torchs(size: int, drop_last: bool) -> None:
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    ours, theirs = (m.BatchSampler(range(7), size, drop_last) for m in (gt.utils.data, data))
    assert list(ours) == list(theirs) and len(ours) == len(theirs)
    ours, theirs = (m.DataLoader(range(7), size, drop_last=drop_last) for m in (gt.utils.data, data))
    assert [b.tolist() for b in ours] == [b.tolist() for b in theirs] and len(ours) == len(theirs)


@pytest.mark.torch
@pytest.mark.parametrize(("count", "replicas"), [(11, 3), (12, 3), (2, 5), (7, 1)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_parts_of_processes_are_torchs(count: int, replicas: int, drop_last: bool) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data.distributed.DistributedSampler
    shares = []
    for rank in range(replicas):
        given = {"num_replicas": replicas, "rank": rank, "drop_last": drop_last}
        ours = DistributedSampler(range(count), shuffle=False, **given)
        expected = theirs(range(count), shuffle=False, **given)
        if count >= replicas or not drop_last:
            assert list(ours) == list(expected) and len(ours) == len(expected)
        shuffled = DistributedSampler(range(count), seed=4, **given)
        shuffled.set_epoch(1)
        shares.append(list(shuffled))
    seen = Counter(position for share in shares for position in share)
    assert len({len(share) for share in shares}) == 1
    assert set(seen) == set(range(count)) or drop_last
    assert sum(seen.values()) == len(shares[0]) * replicas


@pytest.mark.torch
@pytest.mark.parametrize("lengths", [[0.5, 0.3, 0.2], [0.34, 0.33, 0.33], [1.0], [4, 7, 0], [0.7, 0.3], [1, 0]])
def test_lengths_of_splits_are_torchs(lengths: Any) -> None:
    torch = pytest.importorskip("torch")
    for count in {sum(lengths)} if sum(lengths) > 1 else {5, 11, 100}:
        with pytest.warns(UserWarning) if lengths == [1, 0] else nullcontext():
            ours = random_split(range(count), lengths, generator=_generator())  # type: ignore[arg-type]
        with pytest.warns(UserWarning) if lengths == [1, 0] else nullcontext():
            theirs = torch.utils.data.random_split(range(count), lengths)
        assert [len(part) for part in ours] == [len(part) for part in theirs]
        assert sorted(position for part in ours for position in part.indices) == list(range(count))


@pytest.mark.torch
@pytest.mark.parametrize("wanted", [None, 1, 6, 7, 8, 21, 23])
def test_random_samplers_take_as_many_orders_as_torchs(wanted: int | None) -> None:
    torch = pytest.importorskip("torch")
    ours = RandomSampler(range(7), num_samples=wanted, generator=_generator())
    theirs = torch.utils.data.RandomSampler(range(7), num_samples=wanted)
    found, expected = list(ours), list(theirs)
    assert len(found) == len(expected) == len(ours) == len(theirs)
    for start in range(0, len(found), 7):
        part = found[start : start + 7]
        assert len(set(part)) == len(part) and len(set(expected[start : start + 7])) == len(part)


# ---- draws ----


def test_a_pass_has_its_own_order_and_a_seed_always_the_same() -> None:
    for sampler in (
        RandomSampler(range(50), generator=_generator()),
        RandomSampler(range(50), True, generator=_generator()),
        SubsetRandomSampler(range(50), _generator()),
        WeightedRandomSampler([1.0] * 50, 50, generator=_generator()),
    ):
        first, second = list(sampler), list(sampler)
        assert first != second
        sampler.generator.manual_seed(3)  # type: ignore[union-attr]
        assert [list(sampler), list(sampler)] == [first, second]


def test_draws_with_replacement_are_uniform() -> None:
    found = np.array(list(RandomSampler(range(7), True, 7000, _generator())))
    counts = np.bincount(found, minlength=7)
    assert ((counts - 1000) ** 2 / 1000).sum() < 22.5  # chi-squared of 6 degrees, 0.1 %


def test_weights() -> None:
    weights = np.array([0.0, 1.0, 2.0, 5.0])
    found = np.bincount(list(WeightedRandomSampler(weights, 8000, generator=_generator())), minlength=4)
    assert found[0] == 0 and ((found[1:] - weights[1:] * 1000) ** 2 / (weights[1:] * 1000)).sum() < 13.8  # 2 degrees
    once = list(WeightedRandomSampler(gt.tensor([0.1, 3.0, 0.5, 0.5]), 4, False, _generator()))
    assert sorted(once) == [0, 1, 2, 3]
    first = Counter(next(iter(WeightedRandomSampler([1, 9], 1, False, _generator(seed)))) for seed in range(200))
    assert 160 <= first[1] <= 195


def test_subsets_are_shuffled() -> None:
    sampler = SubsetRandomSampler([30, 10, 20, 50, 40])
    assert sorted(sampler) == [10, 20, 30, 40, 50] and len(sampler) == 5


def test_nothing_to_sample() -> None:
    assert list(RandomSampler([])) == [] and list(DataLoader([], 3, shuffle=True)) == []
    assert [len(p) for p in random_split([], [0, 0])] == [0, 0]  # type: ignore[arg-type]


class Evens(Sampler[int]):
    def __iter__(self) -> Any:
        return iter(range(0, 10, 2))


def test_own_samplers() -> None:
    loader = DataLoader(range(10), 2, sampler=Evens())
    assert [b.tolist() for b in loader] == [[0, 2], [4, 6], [8]]
    with pytest.raises(TypeError, match="has no len"):
        len(loader)
    loader = DataLoader(range(10), batch_sampler=[[1, 2, 3], [7]])
    assert [b.tolist() for b in loader] == [[1, 2, 3], [7]] and len(loader) == 2 and loader.batch_size is None
    loader = DataLoader(range(10), batch_sampler=BatchSampler(SequentialSampler(range(10)), 4, True), num_workers=2)
    assert [b.tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(loader) == 2
    loader = DataLoader(range(4), None, sampler=[3, 1])
    assert list(loader) == [3, 1] and len(loader) == 2


def test_a_sampler_that_draws_at_each_step_is_the_same_for_any_number_of_workers() -> None:
    class Wandering(Sampler[int]):
        def __iter__(self) -> Any:
            for _ in range(7):
                yield random.randrange(100)

    found = []
    for workers in (0, 2):
        gt.manual_seed(1)
        random.seed(1)
        found.append(
            [(b.tolist(), random.random()) for b in DataLoader(range(100), 2, sampler=Wandering(), num_workers=workers)]
        )
    assert found[0] == found[1]


def test_refusals() -> None:
    for made, text in [
        (lambda: RandomSampler(range(3), num_samples=0), "GT304: num_samples=0 is not allowed"),
        (lambda: WeightedRandomSampler([1.0], 0), "GT304: num_samples=0 is not allowed"),
        (lambda: list(WeightedRandomSampler([1.0], 2, False)), "GT304.*num_samples=2 of 1 weights"),
        (lambda: BatchSampler(range(3), 0, False), "GT304: batch_size=0 is not allowed"),
        (lambda: DistributedSampler(range(3), 2, 2), "GT304: rank=2 is not allowed"),
        (lambda: DistributedSampler(range(3), 0, 0), "GT304: num_replicas=0 is not allowed"),
    ]:
        with pytest.raises(ArgumentError, match=text):
            made()
    for wrong in (
        lambda: RandomSampler(range(3), replacement=1),  # type: ignore[arg-type]
        lambda: BatchSampler(range(3), 2, drop_last=None),  # type: ignore[arg-type]
    ):
        with pytest.raises(ArgumentTypeError, match=r"GT301: .* must be a bool"):
            wrong()
    with pytest.raises(ShapeError, match="GT107: weights has 2 dimensions"):
        WeightedRandomSampler(gt.ones(2, 3), 1)
    with pytest.raises(NotImplementedError, match=r"Sampler\.__iter__"):
        iter(Sampler())
