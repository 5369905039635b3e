"""Memory seen as other elements, and under other sizes: `view` of a dtype, `resize_`, against torch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, AutogradError, ShapeError, TraceError

VIEWS: dict[str, Callable[[Any], Any]] = {
    "smaller": lambda lib: lib.arange(4.0).view(lib.float16),
    "larger": lambda lib: lib.arange(4.0).view(lib.float64),
    "bytes of a row": lambda lib: lib.arange(10.0)[2:].reshape(2, 4).view(lib.uint8)[1],
    "rows apart": lambda lib: lib.arange(18.0).reshape(3, 6)[:, :4].view(lib.float64),
    "a part of it": lambda lib: lib.arange(12.0).reshape(3, 4).view(lib.float64)[:, 0],
    "of one byte": lambda lib: lib.arange(8, dtype=lib.int8).view(lib.int64),
    "of bools": lambda lib: lib.tensor([True, False, True]).view(lib.uint8),
    "an odd end": lambda lib: lib.arange(9.0)[:8].view(lib.float64)[1:],
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "odd size": lambda lib: lib.arange(3.0).view(lib.float64),
    "no dimension": lambda lib: lib.tensor(1.0).view(lib.int8),
    "columns": lambda lib: lib.arange(8.0).reshape(2, 4).t().view(lib.int8),
    "every other": lambda lib: lib.arange(8.0).reshape(2, 4)[:, ::2].view(lib.float64),
    "odd offset": lambda lib: lib.arange(9.0)[1:].view(lib.float64),
    "odd stride": lambda lib: lib.arange(15.0).reshape(3, 5)[:, :4].view(lib.float64),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_of_bytes_are_torchs(name: str) -> None:
    found, expected = VIEWS[name](gt), VIEWS[name](torch)
    assert found.tolist() == expected.tolist() and str(found.dtype)[10:] == str(expected.dtype)[5:]
    assert found.stride() == expected.stride() and found.storage_offset() == expected.storage_offset()


@pytest.mark.parametrize("name", REFUSED)
def test_views_that_there_are_not(name: str) -> None:
    with pytest.raises(RuntimeError):
        REFUSED[name](torch)
    with pytest.raises(
        ShapeError, match=r"GT105: .* has no view as .*: use contiguous\(\) first|GT105(.|\n)*contiguous"
    ):
        REFUSED[name](gt)


def test_a_view_of_bytes_is_the_same_memory() -> None:
    x = gt.arange(5.0)
    y = x[:4].view(gt.float64)
    y[0] = 0.0
    assert x.tolist() == [0, 0, 2, 3, 4] and y.data_ptr() == x.data_ptr()
    assert len(y.storage()) == 2 and y.untyped_storage().nbytes() == 20
    assert copy.deepcopy(y).tolist() == y.tolist()


RESIZED: dict[str, Callable[[Any], Any]] = {
    "same": lambda x: x.resize_(2, 6),
    "fewer": lambda x: x.resize_((5,)),
    "none": lambda x: x.resize_(0, 3),
    "a number": lambda x: x.resize_(()),
    "of columns": lambda x: x.t().resize_(2, 2),
    "of a part": lambda x: x[1].resize_(2, 2),
    "as": lambda x: x.resize_as_(x[:2, :2]),
    "equal sizes": lambda x: x.t().resize_(4, 3),
}


@pytest.mark.parametrize("name", RESIZED)
def test_resizing_is_torchs(name: str) -> None:
    found, expected = (RESIZED[name](lib.arange(12.0).reshape(3, 4)) for lib in (gt, torch))
    assert found.tolist() == expected.tolist() and found.stride() == expected.stride()


def test_resizing_changes_the_tensor_and_copies_nothing() -> None:
    x = gt.arange(12.0)
    row = x[2:5]
    assert x.resize_(3, 4) is x and x.shape == (3, 4)
    x[0, 2] = 9.0
    assert row.tolist() == [9, 3, 4]
    row.fill_(0.0)
    assert x[0].tolist() == [0, 1, 0, 0]


def test_resizing_that_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"GT304.*resize_ to \[3, 5\] takes 15 elements, and the storage has 12"):
        gt.arange(12.0).resize_(3, 5)
    with pytest.raises(AutogradError, match=r"GT504.*requires grad"):
        gt.arange(12.0).requires_grad_().resize_(3)
    with pytest.raises(TraceError, match="GT601"):
        gt.compile(lambda x: x.resize_(3))(gt.ones(4))
