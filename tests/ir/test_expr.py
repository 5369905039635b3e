"""Index expressions: what construction simplifies to evaluates to the same numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphtorch.ir import expr
from graphtorch.ir.expr import Binary, Const, Expr, Var
from graphtorch.ir.types import bool_, float32, float64, int32, int64
from tests.ops.interpret import evaluate_expr

EXTENTS = (1, 2, 3, 4, 7)
VARS = tuple(Var(f"i{n}", int64, n) for n in EXTENTS)

PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b, "min": min, "max": max,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "and": lambda a, b: a and b, "or": lambda a, b: a or b,
}  # fmt: skip


@dataclass(frozen=True)
class Both:
    """An expression and the Python function that it stands for, of an environment var -> int."""

    built: Expr
    value: Callable[[dict[Var, int]], Any]


def constant(value: int) -> Both:
    return Both(expr.const(value, int64), lambda _: value)


def variable(v: Var) -> Both:
    return Both(v, lambda env: env[v])


def combined(fn: str, a: Both, b: Both) -> Both:
    return Both(expr.binary(fn, a.built, b.built), lambda env: PYTHON[fn](a.value(env), b.value(env)))


def chosen(cond: Both, a: Both, b: Both) -> Both:
    built = expr.select(cond.built, a.built, b.built)
    return Both(built, lambda env: a.value(env) if cond.value(env) else b.value(env))


leaves = st.one_of(st.sampled_from(VARS).map(variable), st.integers(-12, 12).map(constant))
divisors = st.integers(1, 9).map(constant)


def extend(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    arithmetic = st.builds(combined, st.sampled_from(["add", "sub", "mul", "min", "max"]), inner, inner)
    division = st.builds(combined, st.sampled_from(["floordiv", "mod"]), inner, divisors)
    return st.one_of(arithmetic, division, st.builds(chosen, conditions(inner), inner, inner))


def conditions(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    compare = st.builds(combined, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]), inner, inner)
    return st.one_of(compare, st.builds(combined, st.sampled_from(["and", "or"]), compare, compare))


indices = st.recursive(leaves, extend, max_leaves=8)
environments = st.tuples(*(st.integers(0, n - 1) for n in EXTENTS)).map(lambda t: dict(zip(VARS, t, strict=True)))


@given(indices, environments)
def test_simplification_keeps_the_value(both, env):
    assert evaluate_expr(both.built, env) == both.value(env)


@given(conditions(indices), environments)
def test_simplification_keeps_conditions(both, env):
    assert both.built.dtype == bool_
    assert evaluate_expr(both.built, env) == both.value(env)


@given(indices, environments)
def test_bounds_contain_the_value(both, env):
    low, high = expr.bounds(both.built)
    assert low <= both.value(env) <= high


@given(indices, environments)
def test_linear_form_agrees(both, env):
    form = expr.linear(both.built)
    if form is not None:
        terms, offset = form
        assert sum(c * env[v] for v, c in terms.items()) + offset == both.value(env)


@given(indices, environments, st.integers(0, 2))
def test_substitution_keeps_the_value(both, env, replacement):
    new = Var("n", int64, 3)
    moved = expr.substitute(both.built, {VARS[4]: new * 2})
    assert evaluate_expr(moved, {**env, new: replacement}) == both.value({**env, VARS[4]: 2 * replacement})


@given(st.lists(st.sampled_from([1, 2, 3, 5]), max_size=4))
def test_unflatten_inverts_flatten(shape):
    index = tuple(Var(f"k{d}", int64, n) for d, n in enumerate(shape))
    back = expr.unflatten_index(shape, expr.flat_index(shape, index))
    for point in itertools.product(*map(range, shape)):
        env = dict(zip(index, point, strict=True))
        assert tuple(evaluate_expr(e, env) for e in back) == point


def test_what_simplifies_to_the_variable():
    i, j = Var("i", int64, 8), Var("j", int64, 4)
    flat = i * 4 + j
    assert flat // 4 is i
    assert flat % 4 is j
    assert (i + 0) is i
    assert (i * 1) is i
    assert isinstance(i * 0, Const)
    assert expr.same((i + 3) - 3, i)
    assert i // 1 is i


def test_known_conditions_vanish():
    i, j = Var("i", int64, 8), Var("j", int64, 4)
    known = {i < 8: True, i >= 0: True, i < 0: False, i.eq(9): False, j.ne(4): True, i <= 7: True, j > 3: False}
    assert all(isinstance(e, Const) and e.value is value for e, value in known.items())
    assert (i < 7) & (j < 4) is not None
    assert isinstance((i < 7) & (j >= 4), Const)
    assert isinstance(i < 7, Binary)


def test_floats_are_not_simplified():
    x = Var("x", float32)
    for e in (x + 0.0, x * 0.0, x * 1.0, x - x):
        assert isinstance(e, Binary)


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [(3.9, float32, int64, 3), (-3.9, float64, int32, -3), (2, int64, float32, 2.0), (7, int64, bool_, True)],
)
def test_casts_of_constants(value, source, target, expected):
    found = expr.cast(expr.const(value, source), target)
    assert isinstance(found, Const)
    assert found.dtype == target
    assert found.value == expected
    assert type(found.value) is type(expected)


def test_casts_that_are_kept():
    assert isinstance(expr.cast(expr.const(math.nan, float32), int64), expr.Cast)
    assert expr.cast(expr.const(1, int64), int64).value == 1
    assert isinstance(expr.cast(Var("x", float32), float64), expr.Cast)


def test_vectors():
    i = Var("i", int64, 8)
    ramp = expr.Ramp(i, 4)
    moved = ramp + expr.Splat(expr.const(2, int64), 4)
    assert isinstance(moved, expr.Ramp)
    assert expr.same(moved.base, i + 2)
    assert (ramp * 2).lanes == 4


def test_ramps_have_steps():
    i = Var("i", int64, 8)
    ramp = (expr.Ramp(i, 4) * 3 + 5) * -2 - 1
    assert isinstance(ramp, expr.Ramp)
    assert (ramp.lanes, ramp.step) == (4, -6)
    assert expr.linear(ramp.base) == ({i: -6}, -11)
    assert not expr.same(expr.Ramp(i, 4, 2), expr.Ramp(i, 4, 3))
    assert expr.substitute(ramp, {i: i + 1}).step == -6
    assert isinstance(expr.Ramp(i, 4) * 0, expr.Binary)  # a ramp of one number is none


def test_what_is_left_of_a_remainder_is_a_multiple():
    i = Var("i", int64, 32)
    assert expr.same(i - i % 4, (i // 4) * 4)
    assert ((i - i % 2) % 2).value == 0
    assert expr.bounds(i - (i + 1) % 4)[0] < 0  # not of i


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda i, j, k: i * 6 + j - (k // 3) * 4 + 7, {"i": 6, "j": 1}),
        (lambda i, j, k: (k % 5) * 2 - i * 3, {"i": -3}),
        (lambda i, j, k: i - i + j * 0, {}),
        (lambda i, j, k: k * k, {}),
        (lambda i, j, k: i // 2 + j, None),
        (lambda i, j, k: k + (k + j) % 3, None),
        (lambda i, j, k: i * k, None),
    ],
)
def test_slopes_look_past_what_the_variables_do_not_move(make, expected):
    i, j, k = (Var(name, int64, 30) for name in "ijk")
    found = expr.slopes(make(i, j, k), (i, j))
    assert (found and {v.name: c for v, c in found.items() if c}) == (expected if found is None or expected else {})


def test_errors():
    x, i = Var("x", float32), Var("i", int64)
    with pytest.raises(TypeError, match="add of f32 and i64: kernels do not promote"):
        expr.binary("add", x, i)
    with pytest.raises(ValueError, match="no binary function 'plus'"):
        expr.binary("plus", i, i)
    with pytest.raises(ValueError, match="no unary function 'negate'"):
        expr.unary("negate", i)


def test_same():
    i, j = Var("i", int64, 8), Var("j", int64, 4)
    assert expr.same(i * 4 + j, i * 4 + j)
    assert not expr.same(i * 4 + j, j * 4 + i)
    assert expr.same(expr.const(math.nan, float32), expr.const(math.nan, float32))
    assert not expr.same(expr.const(0.0, float32), expr.const(-0.0, float32))


def test_shared_subexpressions_are_looked_at_once() -> None:
    x: Expr = Var("x", int64, 3)
    y: Expr = expr.Load(expr.Buffer("b", (3,), int64), (x,))
    for _ in range(60):  # 2**60 paths
        x, y = x + x, y * y
    assert expr.bounds(x) == (0, 2 * 2**60)
    assert (x < 2**61 + 1).value is True  # type: ignore[attr-defined]
    assert expr.bounds(y) == (-math.inf, math.inf)
