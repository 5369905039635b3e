"""Every public function of tests/ops/public in a program: values and gradients are those of eager mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import TraceError
from tests.ops.calling import SAID, calls, close, gradients, results, run, tensors, unwrap, weighted
from tests.ops.public.table import Call, Row

pytestmark = [pytest.mark.filterwarnings(f"ignore:.*{text}") for text in SAID]
#: of the calls of a function beyond its first, so many in a hundred are compiled in the ordinary run
SAMPLED = 5


def over_tensors(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Callable[[list[Any]], Any], list[Any]]:
    """What ``function`` makes of the tensors in its arguments, and these: slices are no arguments of a program."""
    given: list[Any] = []

    def numbered(x: Any) -> Any:
        if isinstance(x, gt.Tensor):
            given.append(x)
            return Place(len(given) - 1)
        if type(x) in (list, tuple):
            return type(x)(map(numbered, x))
        return x

    static = numbered(args), {k: numbered(v) for k, v in kwargs.items()}

    def filled(x: Any, given: list[Any]) -> Any:
        if isinstance(x, Place):
            return given[x.number]
        return type(x)(filled(v, given) for v in x) if type(x) in (list, tuple) else x

    def run(given: list[Any]) -> Any:
        return function(*filled(static[0], given), **{k: filled(v, given) for k, v in static[1].items()})

    return run, given


@dataclass(frozen=True)
class Place:
    """Stands for a tensor among arguments."""

    number: int


@pytest.mark.parametrize(("row", "call"), calls(percent=SAMPLED))
def test_compiled(row: Row, call: Call) -> None:
    """One program gives the results, and the gradients of a weighted sum of them."""
    args, kwargs, leaves = tensors(gt, call, grad=True)
    function, given = over_tensors(row.function(gt), args, kwargs)

    def step(given: list[Any]) -> Any:
        out = function(given)
        total = weighted(gt, out) if leaves else None
        if total is not None:
            total.backward()
        return out

    compiled = gt.compile(step)
    if call.compiled is not True:
        with pytest.raises(TraceError, match=str(call.compiled)):
            compiled(given)
        return
    close(row, call, results(compiled(given)), run(row, call))
    found = [np.zeros(tuple(x.shape), x.detach().numpy().dtype) if x.grad is None else unwrap(x.grad) for x in leaves]
    args, kwargs, leaves = tensors(gt, call, grad=True)
    close(row, call, found, gradients(gt, row.function(gt)(*args, **kwargs), leaves))


@pytest.mark.slow
@pytest.mark.parametrize(("row", "call"), calls())
def test_compiled_without_gradients(row: Row, call: Call) -> None:
    """What nothing is kept for; in the ordinary run tests/ops/test_lower.py and the operands without gradients do."""
    args, kwargs, _ = tensors(gt, call)
    function, given = over_tensors(row.function(gt), args, kwargs)
    if call.compiled is True:
        close(row, call, results(gt.compile(function)(given)), run(row, call))
