"""A trace is not told of calls within ops. It still sees all that code of the user looks at there, and after."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import ShapeError
from graphtorch.ir.op import OPS

SIZE = 3
FACTOR = 2.0


class Size:
    """A number that Python asks for, with a global behind it."""

    def __index__(self) -> int:
        return SIZE


class Leaky(type(OPS["relu"])):  # type: ignore[misc]
    """An op of the user's own, which looks at a global before it is one of graphtorch's."""

    def prepare(self, x: Any) -> Any:
        return (x * FACTOR,), {}


@pytest.mark.parametrize("shape", [lambda: (Size(), -1), lambda: ([Size(), -1],), lambda: ((Size(), -1),)])
def test_a_number_of_the_user_s_in_the_arguments_of_an_op(shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    f = gt.compile(lambda x: x.reshape(*shape()).sum(0))
    x = gt.arange(6, dtype=gt.float32)
    assert f(x).tolist() == [6.0, 9.0]
    monkeypatch.setitem(globals(), "SIZE", 2)
    assert f(x).tolist() == [3.0, 5.0, 7.0]


def test_a_number_of_the_user_s_in_the_arguments_of_a_composite(monkeypatch: pytest.MonkeyPatch) -> None:
    f = gt.compile(lambda x: gt.flatten(x, start_dim=Size()))  # 3, of four dimensions
    x = gt.ones(2, 1, 3, 5)
    assert f(x).shape == (2, 1, 3, 5)
    monkeypatch.setitem(globals(), "SIZE", 1)
    assert f(x).shape == (2, 15)


def test_an_op_of_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    leaky = Leaky()
    f = gt.compile(lambda x: leaky(x))
    assert f(gt.ones(3)).tolist() == [2.0] * 3
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert f(gt.ones(3)).tolist() == [5.0] * 3


def factor() -> float:
    return FACTOR


def scaled(x: Any) -> Any:
    try:
        gt.relu(x.reshape(7))
    except ShapeError:
        x = x + 1
    return x * factor()


def test_what_is_called_after_an_error_in_an_op_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    f = gt.compile(scaled)
    assert f(gt.ones(3)).tolist() == [4.0] * 3
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert f(gt.ones(3)).tolist() == [10.0] * 3


def test_a_profile_of_the_user_s_is_there_again_after_a_trace() -> None:
    heard: list[str] = []

    def profile(frame: Any, event: str, arg: Any) -> None:
        heard.append(event)

    sys.setprofile(profile)
    try:
        gt.compile(scaled)(gt.ones(4))
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)
    assert heard
