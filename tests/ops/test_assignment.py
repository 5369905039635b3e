"""`x[index] = value` with tensors, lists and masks: as torch does, eager and compiled, and what gradients make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import TraceError
from graphtorch.ir.ops.assigning import assigned
from tests.ops.samples import array

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch

X = array(5, 7, 3)
MASK = array(5, 7) > 0.3
ROWS = np.array([True, False, True, False, True])

#: index, value; arrays become tensors
CASES: list[tuple[Any, Any]] = [
    (np.array([4, 0, -2]), array(3, 7, 3)),
    (np.array([4, 0, -2]), 2.5),
    ((slice(None), np.array([[1], [6]])), array(2, 2, 3)[0, :1]),
    ((np.array([4, 1]), slice(None), np.array([0, 2])), array(2, 7)),
    ((np.array([4, 1]), 3, np.array([0, 2])), array(2)),
    ((3, slice(None), np.array([0, 2, 1])), array(7, 3)),
    ((slice(1, 5, 2), np.array([0, 2, 1])), array(1, 3, 3)),
    ((None, np.array([0, 2, 1])), array(1, 3, 7, 1)),
    ((Ellipsis, np.array([0, 2])), array(1, 1, 1, 1, 1, 2)),
    ((np.array(2), slice(None), np.array([0, 2])), array(7, 2)),
    (([0, 2], [1, 6]), array(3)),
    ([3, 1], array(7, 3)),
    (MASK, 2.5),
    (MASK, array(3)),
    (MASK, array(1, 3)),
    (ROWS, array(7, 3)),
    ((slice(None), np.array([1, 0, 0, 1, 1, 0, 1], bool)), array(5, 1, 3)),
    ((slice(1, 4), np.array([1, 0, 0, 1, 1, 0, 1], bool), 2), array(3, 1)),
    (X > 0, -1.0),
    ((True, np.array([1])), 3.0),
    (np.array(True), 3.0),
    (np.array(False), 3.0),
    (np.zeros(0, np.int64), 3.0),
]


def tensors(library: Any, x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return library.tensor(x)
    return tuple(tensors(library, v) for v in x) if isinstance(x, tuple) else x


@pytest.mark.parametrize(("index", "value"), CASES, ids=range(len(CASES)))
def test_as_torch(index: Any, value: Any) -> None:
    found = []
    for library in (gt, torch):
        x = library.tensor(X)
        x[tensors(library, index)] = tensors(library, value)
        found.append(x.numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(("index", "value"), CASES[::3], ids=range(0, len(CASES), 3))
def test_compiled(index: Any, value: Any) -> None:
    """An array of an index is an argument of the program; numbers, slices and lists are not."""
    arrays = [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, np.ndarray)]

    @gt.compile
    def run(x: Any, value: Any, arrays: Any) -> Any:
        left = iter(arrays)
        given = index if isinstance(index, tuple) else (index,)
        x = x.clone()
        x[tuple(next(left) if isinstance(i, np.ndarray) else i for i in given)] = value
        return x

    got = run(gt.tensor(X), tensors(gt, value), [gt.tensor(a) for a in arrays])
    want = torch.tensor(X)
    want[tensors(torch, index)] = tensors(torch, value)
    np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize(
    "index", [np.array([4, 0, 4]), (np.array([1, 2, 0]), slice(None), np.array([0, 2, 1]))], ids=str
)
def test_gradients(index: Any) -> None:
    found = []
    for library in (gt, torch):
        x, v = (library.tensor(array(*s)).requires_grad_() for s in ((5, 7, 3), (3, 7, 3)[: X[index].ndim]))
        if library is gt:
            y = assigned(x, tensors(gt, index), v)
        else:
            y = x.clone()
            y[tensors(torch, index)] = v
        (y * library.tensor(array(5, 7, 3, low=-1.9))).sum().backward()
        found += [x.grad.numpy(), v.grad.numpy()]
    np.testing.assert_allclose(found[0], found[2])
    np.testing.assert_allclose(found[1], found[3])


def test_a_number_of_elements_that_a_program_cannot_know() -> None:
    @gt.compile
    def run(x: Any, mask: Any, value: Any) -> Any:
        x = x.clone()
        x[mask] = value
        return x

    with pytest.raises(TraceError, match=r"gt\.where\(mask, value, x\)"):
        run(gt.tensor(X), gt.tensor(MASK), gt.zeros(int(MASK.sum()), 3))


def test_values_that_do_not_fit() -> None:
    x = gt.tensor(X)
    for index, value, text in [
        (gt.tensor([0, 1]), gt.zeros(3, 7, 3), "cannot be expanded"),
        (gt.tensor([5]), 1.0, "index 5 is out of range for dimension 0 of size 5"),
        (gt.tensor(MASK), gt.zeros(2, 3), "cannot be expanded"),
    ]:
        with pytest.raises((ValueError, IndexError), match=text):
            x[index] = value
    np.testing.assert_array_equal(x.numpy(), X)
