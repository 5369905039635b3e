"""A loader that was given the state of another goes on where that one was, exactly."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError
from graphtorch.utils.data import (
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tests.data.data_sets import Count, Drawn, Stateful, left_over


def _plain(batch: Any) -> Any:
    return [part.tolist() for part in batch]


def _generator() -> gt.Generator:
    return gt.Generator().manual_seed(8)


class Wandering(Sampler[int]):
    """Draws at each step, from a shared generator."""

    def __len__(self) -> int:
        return 9

    def __iter__(self) -> Iterator[int]:
        for _ in range(9):
            yield random.randrange(13)


SAMPLERS: dict[str, Any] = {
    "in order": lambda: {},
    "shuffled": lambda: {"shuffle": True},
    "shuffled, own generator": lambda: {"shuffle": True, "generator": _generator()},
    "sampler's generator": lambda: {"sampler": RandomSampler(range(13), True, 17, _generator())},
    "subset": lambda: {"sampler": SubsetRandomSampler([1, 5, 6, 7, 12], _generator())},
    "weighted": lambda: {"sampler": WeightedRandomSampler([0.5] * 13, 10)},
    "distributed": lambda: {"sampler": DistributedSampler(range(13), 2, 1)},  # type: ignore[arg-type]
    "user's": lambda: {"sampler": Wandering()},
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 2)])
def test_goes_on_in_the_middle_of_a_pass(name: str, before: int, after: int) -> None:
    """Also with another number of workers; and then the next pass is the one that would have come."""
    gt.manual_seed(5)
    loader = DataLoader(Drawn(13), 2, num_workers=before, **SAMPLERS[name]())
    if name == "distributed":
        loader.sampler.set_epoch(3)  # type: ignore[union-attr]
    rest, state = [], None
    for number, batch in enumerate(loader):
        if state is not None:
            rest.append(_plain(batch))
        elif number == 1:
            state, shared = pickle.loads(pickle.dumps(loader.state_dict())), gt.get_rng_state()
    if "own generator" in name:
        rest += [_plain(batch) for batch in loader]
    gt.manual_seed(77)
    np.random.seed(77)
    other = DataLoader(Drawn(13), 2, num_workers=after, **SAMPLERS[name]())
    assert state is not None
    other.load_state_dict(state)
    found = [_plain(batch) for batch in other]
    if "own generator" in name:
        found += [_plain(batch) for batch in other]
    gt.set_rng_state(shared)
    assert found == rest and len(rest) > 0
    assert left_over() == []


def test_a_resumed_pass_can_be_resumed() -> None:
    gt.manual_seed(2)
    expected = [_plain(batch) for batch in DataLoader(Drawn(9), 1, shuffle=True)]
    gt.manual_seed(2)
    loader = DataLoader(Drawn(9), 1, shuffle=True)
    found = []
    for _ in range(4):
        for number, batch in enumerate(loader):
            found.append(_plain(batch))
            if number == 1:
                break
        state = loader.state_dict()
        loader = DataLoader(Drawn(9), 1, shuffle=True)
        loader.load_state_dict(state)
        assert loader.state_dict() == state  # before it has gone on
    assert found == expected[:8]
    assert [_plain(batch) for batch in loader] == expected[8:]
    assert len(list(loader)) == 9  # the next pass is a whole one


def test_states_between_passes_and_at_the_end_of_one() -> None:
    generator = _generator()
    loader = DataLoader(Drawn(5), 2, shuffle=True, generator=generator)
    list(loader)
    state = loader.state_dict()
    expected = [_plain(batch) for batch in loader]
    other = DataLoader(Drawn(5), 2, shuffle=True, generator=gt.Generator().manual_seed(1))
    other.load_state_dict(state)
    assert [_plain(batch) for batch in other] == expected
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    other.load_state_dict(loader.state_dict())
    assert list(other) == [] and len(list(other)) == 3


@pytest.mark.parametrize("dataset", [Count, Stateful])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_iterable_data_sets(dataset: Any, workers: int) -> None:
    """Three workers have parts of different lengths, so that some end before others."""
    expected = _of(dataset, workers)
    for given in (1, 4, 6):
        gt.manual_seed(6)
        loader = DataLoader(dataset(17), 3, num_workers=workers)
        batches = iter(loader)
        start = [_plain(next(batches))[:2] for _ in range(given)]
        state = copy.deepcopy(loader.state_dict())
        rest = [_plain(batch)[:2] for batch in batches]
        assert start + rest == expected
        other = DataLoader(dataset(17), 3, num_workers=workers)
        other.load_state_dict(state)
        assert [_plain(batch)[:2] for batch in other] == rest


def _of(dataset: Any, workers: int) -> list[Any]:
    gt.manual_seed(6)
    return [_plain(batch)[:2] for batch in DataLoader(dataset(17), 3, num_workers=workers)]


def test_a_data_set_with_a_state_does_not_go_through_what_was_given() -> None:
    loader = DataLoader(Stateful(17), 2, num_workers=1)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    other = DataLoader(Stateful(17), 2, num_workers=1)
    other.load_state_dict(loader.state_dict())
    number, _, made = next(iter(other))
    assert number.tolist() == [6, 7] and made.tolist() == [1, 2]


class Iterators(Count):
    """The iterator has the state."""

    def __iter__(self) -> Any:
        return _Counter(self.count)


class _Counter:
    def __init__(self, count: int) -> None:
        self.count, self.at = count, 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if self.at == self.count:
            raise StopIteration
        self.at += 1
        return self.at, random.random()

    def state_dict(self) -> Any:
        return self

    def load_state_dict(self, state: Any) -> None:
        self.at = state.at


@pytest.mark.parametrize("workers", [0, 1])
def test_iterators_with_a_state(workers: int) -> None:
    loader = DataLoader(Iterators(7), 2, num_workers=workers)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [_plain(batch) for batch in batches]
    other = DataLoader(Iterators(7), 2, num_workers=workers)
    other.load_state_dict(state)
    assert [_plain(batch) for batch in other] == rest and len(rest) == 3


def test_states_that_do_not_fit() -> None:
    loader = DataLoader(Drawn(5))
    with pytest.raises(ArgumentError, match="GT304: this is not the state of a DataLoader"):
        loader.load_state_dict({"epoch": 3})
    counting = DataLoader(Count(5), num_workers=2)
    next(iter(counting))
    with pytest.raises(ArgumentError, match="GT304: the state is one of 2 workers with an iterable data set"):
        DataLoader(Count(5), num_workers=3).load_state_dict(counting.state_dict())
    with pytest.raises(ArgumentError, match="expected the state of a loader of the same kind"):
        loader.load_state_dict(counting.state_dict())
    next(iter(loader))
    with pytest.raises(ArgumentError, match="GT304: the state is one of a data set with samples by number"):
        counting.load_state_dict(loader.state_dict())
