"""How many programs a function keeps, which go, and what is said of it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import RecompileWarning
from graphtorch.frontend import compile as compiling
from graphtorch.frontend.changes import changes
from graphtorch.frontend.signature import key_of
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import leaves


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_PROGRAMS", 6)


def sizes(f: Any) -> list[int]:
    """The sizes that there are programs for."""
    return [g.params[0].type.shape[0] for g in f.graphs]


def test_those_used_least_recently_go_with_one_warning(few: None) -> None:
    @gt.compile
    def twice(x: gt.Tensor, scale: float = 1.0) -> gt.Tensor:
        return x * 2 * scale

    for n in range(1, 7):
        twice(gt.ones(n))
    twice(gt.ones(1))  # not the oldest any more
    text = (
        "twice was compiled more than 6 times; 6 programs are kept, and those used least recently are dropped. "
        r"Changed since the last one: argument 0 is f32\[7\], was f32\[1\]. Call it with fewer shapes .*"
    )
    with pytest.warns(RecompileWarning, match=text) as warned:
        twice(gt.ones(7))
    assert warned[0].filename == __file__
    assert sizes(twice) == [1, 3, 4, 5, 6, 7]
    for n in range(8, 30):  # no second warning: they are errors here
        assert twice(gt.ones(n)).tolist() == [2.0] * n
    assert len(sizes(twice)) == 6 and sizes(twice)[-4:] == [26, 27, 28, 29]
    assert twice(gt.ones(2)).tolist() == [2.0, 2.0]  # compiled again
    assert twice.explain().startswith("twice: 6 programs (24 more were dropped)")
    assert len(twice._quick) <= 6


def test_what_calls_use_without_being_looked_up_stays(few: None) -> None:
    f = gt.compile(lambda x: x + 1)
    for n in range(1, 7):
        f(gt.ones(n))
    with pytest.warns(RecompileWarning):
        for n in range(7, 20):
            f(gt.ones(6))  # found among the recent ones
            f(gt.ones(n))
    assert 6 in sizes(f)


def test_a_program_that_was_dropped_is_freed(few: None) -> None:
    f = gt.compile(lambda x: x * 3)
    f(gt.ones(1))
    first = weakref.ref(f._order[0].forward)
    with pytest.warns(RecompileWarning):
        for n in range(2, 16):
            f(gt.ones(n))
    gc.collect()
    assert first() is None


def test_a_function_is_explained_by_what_changed() -> None:
    f = gt.compile(lambda x, *, scale=1.0, mask=None: x * scale if mask is None else x * mask)
    f(gt.ones(2, 3))
    f(gt.ones(2, 5))
    f(gt.ones(2, 5), scale=0.5)
    with gt.no_grad():
        f(gt.ones(2, 5), scale=0.25)
    reasons = [s.reason for s in f.stats]
    assert reasons[0] == "first call"
    assert reasons[1] == "new arguments: argument 0 is f32[2,5], was f32[2,3]"
    assert reasons[2] == "new arguments: there are other arguments"
    assert reasons[3] == "new arguments: argument scale is '0.25', was '0.5'; gradients are not recorded"


def key(*args: Any, **kwargs: Any) -> Any:
    return key_of(args, kwargs, [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)])


def test_changes_in_words() -> None:
    a, b = gt.ones(3), gt.ones(3, dtype=gt.int64)
    assert changes(key([a, a], 1), key([a, b], 1)) == [
        "argument 0[1] is i64[3], was f32[3]",
        "which arguments are the same tensor",
    ]
    assert changes(key({"x": a, "y": 1}), key({"x": b, "y": 1})) == ["argument 0['x'] is i64[3], was f32[3]"]
    assert changes(key({"x": a}), key({"z": a})) == ["argument 0 holds another number of items, or others"]
    assert changes(key(a, 1), key(a, "one")) == ["argument 1 is 'one', was 1"]
    (text,) = changes(key(a), key(gt.ones(3, requires_grad=True)))
    assert "requires_grad=True" in text and "requires_grad=False" in text
    (text,) = changes(key("x" * 500), key("y"))
    assert len(text) < 100
