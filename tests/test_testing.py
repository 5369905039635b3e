"""graphtorch.testing: comparisons fail when something differs, and say what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.testing import assert_close, assert_matches_eager


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (gt.ones(2), gt.tensor([1.0, 1.1]), r"1 of 2 elements differ .* the worst at \[1\]: 1\.0 against 1\.1"),
        (gt.ones(2), gt.ones(3), r"float32\[2\], expected float32\[3\]"),
        (gt.ones(2), gt.ones(2, dtype=gt.float64), r"is float32\[2\], expected float64"),
        ({"a": gt.ones(2)}, {"b": gt.ones(2)}, "keys"),
        ([gt.ones(2)], [gt.ones(2), 3], "a list of 1, expected a list of 2"),
        ({"a": [1.0, "x"]}, {"a": [1.0, "y"]}, r"value\['a'\]\[1\] is 'x', expected 'y'"),
        ((gt.ones(2), None), (gt.ones(2), gt.ones(2)), r"value\[1\] is None"),
        (gt.tensor([np.nan]), gt.tensor([1.0]), "1 of 1 elements differ"),
    ],
)
def test_differences_are_named(actual: Any, expected: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close(actual, expected)


def test_equal_things_pass() -> None:
    assert_close({"a": [gt.ones(2), "x", None, 1.0]}, {"a": (gt.ones(2), "x", None, 1.0)})
    assert_close(gt.tensor([np.nan, 1.0]), gt.tensor([np.nan, 1.0 + 1e-7]))
    assert_close(gt.ones(2), gt.full((2,), 1.05), rtol=0.1)


def test_a_function_is_compared_with_itself_compiled() -> None:
    assert_matches_eager(lambda x: x.exp().sum(), gt.ones(3, 5))
