"""Whose memory a result is: torch's views are views, and what torch copies is a copy, also where nothing changes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from tests.ops import public
from tests.ops.public.table import ROWS, Array, Call, call, map_arrays
from tests.ops.samples import array

for module in pkgutil.iter_modules(public.__path__):
    importlib.import_module(f"{public.__name__}.{module.name}")

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::UserWarning")]


def shared(library: Any, function: Any, call: Call) -> list[bool]:
    """Of each tensor in the results: whether it lies in the memory of an argument."""
    given: list[Any] = []

    def tensor(a: Array) -> Any:
        given.append(library.tensor(np.asarray(a)))
        return given[-1]

    args = [map_arrays(tensor, a) for a in call.args]
    out = function(*args, **{k: map_arrays(tensor, v) for k, v in call.kwargs.items()})
    return [any(np.may_share_memory(x.numpy(), t.numpy()) for t in given) for x in tensors_of(library, out)]


def tensors_of(library: Any, x: Any) -> list[Any]:
    if isinstance(x, list | tuple):
        return [t for v in x for t in tensors_of(library, v)]
    return [x] if isinstance(x, library.Tensor) else []


#: what leaves all as it is, beside the calls of the rows
IDENTITIES: dict[str, Callable[[Any, Any], Any]] = {
    "flip": lambda _, x: x[:1].flip(0),
    "pad": lambda lib, x: lib.nn.functional.pad(x, (0, 0), mode="reflect"),
    "crop": lambda lib, x: lib.nn.functional.pad(x, (-1, 0), mode="replicate"),
    "pixel_shuffle": lambda lib, x: lib.nn.functional.pixel_shuffle(x[None], 1),
    "pixels of one channel": lambda lib, x: lib.nn.functional.pixel_unshuffle(x[:1, :1, :1], 1),
    "channel_shuffle": lambda lib, x: lib.nn.functional.channel_shuffle(x[None], 1),
    "slice_scatter": lambda _, x: x.slice_scatter(x),
    "select_scatter": lambda _, x: x[:1].select_scatter(x[0], 0, 0),
    "positive": lambda _, x: x.positive(),
    "contiguous": lambda _, x: x.contiguous(),
    "roll": lambda _, x: x.roll((3, 0), (0, 1)),
}


@pytest.mark.parametrize("function", IDENTITIES.values(), ids=IDENTITIES)
def test_identities(function: Any) -> None:
    x = call(array(3, 5, 2))
    assert shared(gt, partial(function, gt), x) == shared(torch, partial(function, torch), x)


#: torch makes views of some products of one operand, and does not say of which
UNSAID = ("gt.einsum",)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows(name: str) -> None:
    row = ROWS[name]
    for c in row.calls if name not in UNSAID else ():
        if c.torch:
            assert shared(gt, row.function(gt), c) == shared(torch, row.function(torch), c), c
