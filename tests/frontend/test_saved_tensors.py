"""Which tensors functions keep for backward: an operand or a result that is changed in place is an error as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from tests.ops.public.functions import FUNCTIONS

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch
NAMES = [*FUNCTIONS, "lgamma", "digamma", "relu", "abs", "square"]


def changed(library: Any, name: str, which: str) -> Any:
    """The gradient after the operand or the result of the function was written, or None where that is an error."""
    low, high = FUNCTIONS[name][1:3] if name in FUNCTIONS else (0.3, 3)
    x = library.tensor(np.linspace(low, high, 5) * 0.99, requires_grad=True)
    operand = x * 1
    result = getattr(library, name)(operand)
    total = (result * 1).sum()
    with library.no_grad():
        (operand if which == "operand" else result).fill_(0.5)
    try:
        total.backward()
    except RuntimeError:
        return None
    return x.grad.numpy()


@pytest.mark.parametrize("which", ["operand", "result"])
@pytest.mark.parametrize("name", NAMES)
def test_as_torch(name: str, which: str) -> None:
    found, wanted = (changed(library, name, which) for library in (gt, torch))
    assert (found is None) == (wanted is None)
    if wanted is not None:
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
