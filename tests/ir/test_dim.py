"""Sizes that are not known: arithmetic, bounds and guards are right for every size of the names."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graphtorch.ir.dim import (
    Guards,
    at_sizes,
    divides,
    example,
    is_dynamic,
    names_of,
    range_of,
    recorded,
    surely,
    symbol,
)

B, T = symbol("B", 67), symbol("T", 41)
#: small ones, where rounding matters most, and a large one
SIZES = [{"B": b, "T": t} for b in (2, 3, 4, 5, 7, 8, 12, 100) for t in (2, 3, 6, 9, 16)]
COMPARE = {"<": operator.lt, "<=": operator.le, "==": operator.eq}


def dims() -> st.SearchStrategy[Any]:
    """Sizes made by arithmetic from two names and small numbers. Divisors are positive."""

    def more(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        two = st.tuples(inner, inner)
        divisor = st.one_of(st.integers(1, 9), st.sampled_from([B, T, B * 2, B + T, T + 1]))
        return st.one_of(
            two.map(lambda p: p[0] + p[1]),
            two.map(lambda p: p[0] - p[1]),
            two.map(lambda p: p[0] * p[1]),
            inner.map(operator.neg),
            st.tuples(inner, divisor).map(lambda p: p[0] // p[1]),
            st.tuples(inner, divisor).map(lambda p: p[0] % p[1]),
        )

    return st.recursive(st.one_of(st.just(B), st.just(T), st.integers(-6, 6)), more, max_leaves=7)


@given(dims(), dims(), st.sampled_from(["add", "sub", "mul"]))
def test_arithmetic_is_that_of_every_size(a: Any, b: Any, name: str) -> None:
    fn = getattr(operator, name)
    result = fn(a, b)
    for sizes in SIZES:
        assert at_sizes(result, sizes) == fn(at_sizes(a, sizes), at_sizes(b, sizes))


@given(dims(), st.one_of(st.integers(1, 12), st.sampled_from([B, T, B * T, B * 4, B + 3])))
def test_quotient_and_remainder(a: Any, b: Any) -> None:
    quotient, rest = divmod(a, b)
    for sizes in SIZES:
        x, y = at_sizes(a, sizes), at_sizes(b, sizes)
        assert (at_sizes(quotient, sizes), at_sizes(rest, sizes)) == divmod(x, y)
        assert at_sizes(a // b, sizes) == x // y
        assert at_sizes(a % b, sizes) == x % y


@given(dims())
def test_bounds_hold_everywhere(x: Any) -> None:
    low, high = range_of(x)
    for sizes in SIZES:
        value = at_sizes(x, sizes)
        assert (low is None or low <= value) and (high is None or value <= high)


@given(dims(), st.one_of(dims(), st.sampled_from([0.5, -1.5, 2.0, math.inf, -math.inf])), st.sampled_from([*COMPARE]))
def test_what_is_sure_is_so_for_every_size(a: Any, b: Any, fn: str) -> None:
    answer = surely(fn, a, b)
    for sizes in SIZES if answer is not None else ():
        right = at_sizes(b, sizes) if not isinstance(b, float) else b
        assert COMPARE[fn](at_sizes(a, sizes), right) == answer


@given(dims(), dims(), st.sampled_from([*COMPARE]), st.booleans())
def test_a_guard_holds_where_the_answer_is_the_same(a: Any, b: Any, fn: str, fraction: bool) -> None:
    right = 3.5 if fraction else b
    with recorded(Guards()) as guards:
        answer = COMPARE[fn](a, right)
    for sizes in SIZES:
        there = COMPARE[fn](at_sizes(a, sizes), right if fraction else at_sizes(b, sizes))
        assert guards.hold(sizes) == (there == answer)


@given(st.integers(1, 12), dims())
def test_divides(n: int, x: Any) -> None:
    assume(divides(n, x))
    assert all(at_sizes(x, sizes) % n == 0 for sizes in SIZES)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (B * 784 + 3, "784*B + 3"),
        (3 - B, "-B + 3"),
        (B * T * 2 // 4, "((2*B*T)//4)"),
        (B % (T + 1) * 3, "3*((B)%(T + 1))"),
        (B * 8 // 4, "2*B"),
        ((B * 8 + 3) // 4, "2*B"),
        (B * T // T, "B"),
        ((B * T + 1) % T, "1"),
        ((B // 4) * 4 + B % 4, "B"),
        (B - B, "0"),
        (-1 // B, "-1"),
        (B**2, "B*B"),
        (np.int64(3) * B, "3*B"),
        (B - np.int64(1), "B - 1"),
    ],
)
def test_simplified(made: Any, text: str) -> None:
    assert str(made) == f"{made}" == text
    names = {"B": B, "T": T}
    assert eval(text, names) == made, "the text is an expression of Python"


def test_stands_for_an_int() -> None:
    assert isinstance(B, int) and is_dynamic(B) and not is_dynamic(B - B) and type(B - B + 3) is int
    assert math.prod((B, 3)) == 3 * B and sum([B, 1, T]) == B + T + 1
    assert hash(B * 2) == hash(B + B) and (B, 3) == (B, 3)
    assert names_of(B * T + 3) == {"B", "T"} and names_of(3) == set() and names_of(B // T) == {"B", "T"}
    assert example(B + 1) == 68
    for same in (copy.deepcopy(B * 3 // T), pickle.loads(pickle.dumps(B * 3 // T))):
        assert same == B * 3 // T and is_dynamic(same)


def test_questions_without_a_guard() -> None:
    """Nobody records: these have one answer, as every size is at least 2."""
    assert B >= 2 and B > 1 and B not in (0, 1) and B and B * T >= 4 and B // 2 >= 0 and B % 4 < 4
    assert not B < 0 and B + 1 > B and B * 2 != B and math.inf > B and B > 1.5
    assert B * T < 2**63 and B > -(2**62)
    assert B not in (2.5, "B") and B is not None and abs(B) == B and max(B, 1) == B


def test_a_question_that_nobody_keeps() -> None:
    with pytest.raises(RuntimeError, match=r"whether B > 10 depends on the size, and nobody keeps the question"):
        _ = B > 10
    with pytest.raises(TypeError, match="not supported between"):
        _ = B < "3"


def test_as_a_number_it_is_pinned() -> None:
    with recorded(Guards()) as guards:
        assert range(B)[-1] == 66 and float(B) == 67.0 and B / 2 == 33.5 and B * 0.5 == 33.5 and 2**B == 2**67
        assert round(B) is B
    assert [str(g) for g in guards.asked] == ["B == 67"] and guards.pinned == {"B"}
    assert guards.hold({"B": 67}) and not guards.hold({"B": 66})


def test_each_question_is_kept_once_and_in_order() -> None:
    with recorded(Guards()) as guards:
        assert B > 10 and T <= B and B != T and B > 10
    assert [str(g) for g in guards.asked] == ["B > 10", "T <= B", "B != T"]
    assert guards.pinned == set() and guards.hold({"B": 12, "T": 11}) and not guards.hold({"B": 12, "T": 12})
    assert set(guards.asked.values()) == {None}, "there is no trace, of whose lines to tell"
