"""Every public function of tests/ops/public against torch: values, dtypes, gradients and gradients of gradients."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphtorch as gt
from tests.ops.calling import SAID, TWICE, calls, close, gradients, results, second, tensors
from tests.ops.public.table import ROWS, Call, Row

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, *(pytest.mark.filterwarnings(f"ignore:.*{text}") for text in SAID)]
#: functions whose second gradients torch does not have, and what it says of them
ONCE_IN_TORCH = {
    "F.embedding_bag": "derivative .*_embedding_bag_.*backward.* is not implemented",
    "gt.cdist": "derivative for '_cdist_backward' is not implemented",
}
#: the derivative by the exponent of that by the base is 1 / base where the exponent is 0; torch has 0
WRONG_IN_TORCH = {"gt.float_power-0"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch's, of too few values for a variance
@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.torch))
def test_as_torch(row: Row, call: Call) -> None:
    found, wanted = both = [], []
    for library, into in zip((gt, torch), both, strict=True):
        args, kwargs, leaves = tensors(library, call, grad=True)
        out = row.function(library)(*args, **kwargs)
        into += [results(out), gradients(library, out, leaves)]
    close(row, call, found[0], wanted[0])
    close(row, call, found[1], wanted[1])


@pytest.mark.parametrize("name", sorted(n for n in ROWS if n.startswith("gt.")))
def test_methods(name: str) -> None:
    method = name.removeprefix("gt.")
    assert hasattr(gt.Tensor, method) or not hasattr(torch.Tensor, method)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_torch_refuses(name: str) -> None:
    for refusal in ROWS[name].refused:
        if refusal.torch:
            args, kwargs, _ = tensors(torch, refusal.call)
            with pytest.raises((ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)):
                ROWS[name].function(torch)(*args, **kwargs)


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.smooth and c.twice and c.torch, percent=TWICE))
def test_second_gradients_as_torch(row: Row, call: Call) -> None:
    if f"{row.name}-{row.calls.index(call)}" in WRONG_IN_TORCH:
        return
    try:
        wanted, _ = second(torch, row, call)
    except (NotImplementedError, RuntimeError) as error:
        assert re.search(ONCE_IN_TORCH.get(row.name, "everything is expected to be there"), str(error))
        return
    found, _ = second(gt, row, call)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)
