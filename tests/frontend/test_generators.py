"""The state of the default generator: taken, set, and put back after a block; eager and compiled."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, TraceError


def forked(x: Any) -> tuple[Any, Any]:
    with gt.random.fork_rng():
        gt.manual_seed(7)
        inner = gt.rand(3)
    return x + inner + gt.rand(3), gt.get_rng_state()


def test_a_state_gives_the_same_numbers_again() -> None:
    state = gt.get_rng_state()
    first = gt.rand(5)
    gt.set_rng_state(state)
    assert gt.rand(5).tolist() == first.tolist() != gt.rand(5).tolist()
    assert gt.random.get_rng_state is gt.get_rng_state


def test_fork_rng() -> None:
    gt.manual_seed(3)
    gt.rand(2)
    expected = gt.rand(4).tolist()
    gt.manual_seed(3)
    gt.rand(2)
    with pytest.raises(KeyError), gt.random.fork_rng():
        gt.manual_seed(5)
        raise KeyError
    assert gt.rand(4).tolist() == expected
    with gt.random.fork_rng(enabled=False):
        gt.manual_seed(5)
    assert gt.initial_seed() == 5


def test_fork_rng_as_a_decorator() -> None:
    @gt.random.fork_rng()
    def draw() -> Any:
        return gt.rand(3).tolist()

    gt.manual_seed(1)
    assert draw() == draw() == gt.rand(3).tolist()


def test_states_in_a_program() -> None:
    seen = []
    for f in (forked, gt.compile(forked)):
        gt.manual_seed(1)
        seen.append([[t.tolist() for t in f(gt.zeros(3))] for _ in range(3)])
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[0][1]


def test_a_seed_that_nobody_chose() -> None:
    chosen = gt.seed()
    assert gt.initial_seed() == chosen
    assert 0 <= chosen < 2**64
    assert gt.seed() != chosen
    with pytest.raises(TraceError, match="GT609"):
        gt.compile(lambda x: x + gt.seed())(gt.ones(2))


def test_what_is_no_state_is_refused() -> None:
    for wrong in (gt.ones(2), gt.ones(3, dtype=gt.int64)):
        with pytest.raises(ArgumentError, match=r"GT304[\s\S]*expected what get_state\(\) gives, int64\[2\], got"):
            gt.set_rng_state(wrong)
