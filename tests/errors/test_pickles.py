"""Errors go to other processes and are copied, as those of Python."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

import graphtorch as gt
from graphtorch import errors, nn
from graphtorch.errors import GraphTorchError

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, GraphTorchError)]


def raised() -> GraphTorchError:
    with pytest.raises(GraphTorchError) as caught:
        nn.Sequential(nn.Flatten(), nn.Linear(3, 4))(gt.zeros(2, 5))
    return caught.value


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_an_error_is_the_same_elsewhere(again: Callable[[GraphTorchError], GraphTorchError]) -> None:
    error = raised()
    got = again(error)
    assert type(got) is type(error) and str(got) == str(error) and got.args == error.args
    assert got.code == "GT109" and got.facts == error.facts and got.loc == error.loc and got.trail == error.trail
    assert error.tensors and got.tensors == [], "the user's tensors stay where they are"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind(kind: type[GraphTorchError]) -> None:
    error = kind("GT000", "a message", ["a fact"], fix="a way out")
    error.note = 7  # type: ignore[attr-defined]
    got = pickle.loads(pickle.dumps(error))
    assert type(got) is kind and str(got) == str(error) and got.args == ("a message",) and got.note == 7
