"""Every public function of tests/ops/public: against its formula, over strided operands, and finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import GraphTorchError
from tests.ops.calling import (
    SAID,
    TWICE,
    calls,
    close,
    first,
    floats_of,
    gradients,
    in_place_of,
    run,
    second,
    slope,
    tensors,
    weighted,
)  # fmt: skip
from tests.ops.public.elsewhere import ELSEWHERE
from tests.ops.public.table import ROWS, Array, Call, Row, arrays_of, map_arrays, spread, wide
from tools.ops_page import listed, rows_of

pytestmark = [pytest.mark.filterwarnings(f"ignore:.*{text}") for text in SAID]

TESTS = Path(__file__).parent.parent
#: methods without arguments
NOTHING_TO_REFUSE = {f"Tensor.{name}" for name in "int long short char byte bool float double".split()}


def test_every_row_is_whole() -> None:
    for row in ROWS.values():
        assert row.calls, f"{row.name} has no call"
        assert row.refused or row.name in NOTHING_TO_REFUSE, f"{row.name} refuses nothing"


def test_every_listed_name_has_a_row_or_tests_of_its_own() -> None:
    names = {name for section in listed().values() for name in section}
    assert {n for n in names if not rows_of(n)} == set(ELSEWHERE)
    for name, (file, word) in ELSEWHERE.items():
        assert word in (TESTS / file).read_text(encoding="utf-8"), f"{file} does not test {name}"


@pytest.mark.parametrize(("row", "call"), calls())
def test_eager_is_the_formula(row: Row, call: Call) -> None:
    before = [a.copy() for a in (*arrays_of(call.args), *arrays_of(call.kwargs))]
    found = run(row, call)
    given = [map_arrays(wide, a) for a in call.args], {k: map_arrays(wide, v) for k, v in call.kwargs.items()}
    with np.errstate(all="ignore"):
        wanted = list(arrays_of(row.formula(*given[0], **given[1])))
    close(row, call, found, wanted, exact_dtypes=False)
    for a, b in zip(before, (*arrays_of(call.args), *arrays_of(call.kwargs)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.strided))
def test_the_layout_of_operands_changes_nothing(row: Row, call: Call) -> None:
    for a, b in zip(run(row, call, spread), run(row, call), strict=True):
        np.testing.assert_allclose(a, b, *((row.rtol, row.atol) if a.dtype.kind == "f" else (0, 0)))


@pytest.mark.parametrize("name", sorted(ROWS))
def test_refusals(name: str) -> None:
    for refusal in ROWS[name].refused:
        args, kwargs, _ = tensors(gt, refusal.call)
        with pytest.raises(GraphTorchError, match=refusal.match):
            ROWS[name].function(gt)(*args, **kwargs)


# ---- gradients ------------------------------------------------------------------------------------


def gradients_at(row: Row, call: Call, arrays: list[Array]) -> list[Array]:
    args, kwargs, leaves = tensors(gt, call, in_place_of(call, arrays), grad=True)
    return gradients(gt, row.function(gt)(*args, **kwargs), leaves)


def total_at(row: Row, call: Call, arrays: list[Array]) -> float:
    args, kwargs, _ = tensors(gt, call, in_place_of(call, arrays), grad=True)
    return float(weighted(gt, row.function(gt)(*args, **kwargs)).item())


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.smooth))
def test_gradients(row: Row, call: Call) -> None:
    arrays, rng = floats_of(call), np.random.default_rng(2)
    found = gradients_at(row, call, arrays)
    for _ in range(2):
        along = [rng.standard_normal(a.shape) for a in arrays]
        expected = slope(lambda at: total_at(row, call, at), arrays, along)
        got = float(sum(np.sum(g * d) for g, d in zip(found, along, strict=True)))
        scale = max([1.0, abs(expected), *(float(np.abs(g).max(initial=0)) for g in found)])
        assert abs(got - expected) <= 2e-6 * scale, (got, expected)


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.smooth and c.twice, percent=TWICE))
def test_second_gradients(row: Row, call: Call) -> None:
    found, point = second(gt, row, call)
    rng = np.random.default_rng(6)
    along = [rng.standard_normal(a.shape) for a in point]
    expected = slope(lambda at: float(first(gt, row, call, at)[0]), point, along)
    got = float(sum(np.sum(g * d) for g, d in zip(found, along, strict=True)))
    scale = max([1.0, abs(expected), *(float(np.abs(g).max(initial=0)) for g in found)])
    assert abs(got - expected) <= 2e-6 * scale, (got, expected)
