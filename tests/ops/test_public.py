"""Every public function of tests/ops/public: against its formula, torch, finite differences, and compiled."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import GraphTorchError, TraceError
from tests.ops import public
from tests.ops.public.table import ROWS, Array, Call, Row, arrays_of, map_arrays, spread, wide

for module in pkgutil.iter_modules(public.__path__):
    importlib.import_module(f"{public.__name__}.{module.name}")

#: what torch says of some of its functions
SAID = ("is deprecated. Use", "Since version 1.3.0", "Default .* behavior has changed")
pytestmark = [pytest.mark.filterwarnings(f"ignore:.*{text}") for text in SAID]
STEP = 1e-6
#: of the calls of a function beyond its first, so many in a hundred are compiled in the ordinary run
SAMPLED = 5


def calls(wanted: Callable[[Call], Any] = lambda _: True, sampled: int = 100) -> list[Any]:
    """(row, call) of every function; of those beyond the first of each, all but ``sampled`` in a hundred are slow."""
    found, chance = [], random.Random(20261127)
    for name, row in sorted(ROWS.items()):
        chosen = [c for c in row.calls if wanted(c)]
        for i, call in enumerate(chosen):
            late = i > 0 and chance.randrange(100) >= sampled
            number = row.calls.index(call)
            found.append(pytest.param(row, call, id=f"{name}-{number}", marks=[pytest.mark.slow] if late else []))
    return found


def results(x: Any) -> list[Array]:
    """Tensors and numbers of a result as arrays, in order."""
    return list(arrays_of(unwrap(x)))


def unwrap(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return tuple(map(unwrap, x))
    if hasattr(x, "detach"):
        return x.detach().numpy()
    return np.asarray(x)


def tensors(library: Any, call: Call, change: Callable[[Array], Array] = lambda a: a, grad: bool = False) -> Any:
    """(positional, keyword, leaves): the arguments with tensors for arrays."""
    leaves: list[Any] = []

    def tensor(a: Array) -> Any:
        given = np.asarray(change(a))  # arithmetic makes numbers of 0-d arrays
        t = library.from_numpy(given) if given.flags.writeable else library.tensor(given)
        if grad and a.dtype.kind == "f":
            t = t.detach().clone().requires_grad_()
            leaves.append(t)
        return t

    args = [map_arrays(tensor, a) for a in call.args]
    return args, {k: map_arrays(tensor, v) for k, v in call.kwargs.items()}, leaves


def run(row: Row, call: Call, change: Callable[[Array], Array] = lambda a: a) -> list[Array]:
    args, kwargs, _ = tensors(gt, call, change)
    return results(row.function(gt)(*args, **kwargs))


def close(row: Row, call: Call, found: list[Array], wanted: list[Array], exact_dtypes: bool = True) -> None:
    """Results, or gradients, of a call; float64 to its own precision where no operand is float32."""
    doubles = all(a.dtype != np.float32 for a in (*arrays_of(call.args), *arrays_of(call.kwargs)))
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert not exact_dtypes or a.dtype == b.dtype, (a.dtype, b.dtype)
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        tight = doubles and a.dtype == np.float64 and b.dtype == np.float64
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(a, b.astype(a.dtype), *((1e-10, 1e-11) if tight else (row.rtol, row.atol)))


# ---- numbers --------------------------------------------------------------------------------------


def test_every_row_is_whole() -> None:
    for row in ROWS.values():
        assert row.calls, f"{row.name} has no call"
        assert row.refused, f"{row.name} refuses nothing"


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


@pytest.mark.parametrize(("row", "call"), calls())
def test_the_layout_of_operands_changes_nothing(row: Row, call: Call) -> None:
    for a, b in zip(run(row, call, spread), run(row, call), strict=True):
        np.testing.assert_allclose(a, b, *((row.rtol, row.atol) if a.dtype.kind == "f" else (0, 0)))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::UserWarning")  # of what torch calls a beta
@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.torch))
def test_as_torch(row: Row, call: Call) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    found, wanted = both = [], []
    for library, into in zip((gt, torch), both, strict=True):
        args, kwargs, leaves = tensors(library, call, grad=True)
        out = row.function(library)(*args, **kwargs)
        into += [results(out), gradients(library, out, leaves)]
    close(row, call, found[0], wanted[0])
    close(row, call, found[1], wanted[1])


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(n for n in ROWS if n.startswith("gt.")))
def test_methods(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    method = name.removeprefix("gt.")
    assert hasattr(gt.Tensor, method) or not hasattr(torch.Tensor, method)


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_torch_refuses(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    for refusal in ROWS[name].refused:
        if refusal.torch:
            args, kwargs, _ = tensors(torch, refusal.call)
            with pytest.raises((ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)):
                ROWS[name].function(torch)(*args, **kwargs)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_refusals(name: str) -> None:
    for refusal in ROWS[name].refused:
        args, kwargs, _ = tensors(gt, refusal.call)
        with pytest.raises(GraphTorchError, match=refusal.match):
            ROWS[name].function(gt)(*args, **kwargs)


# ---- gradients ------------------------------------------------------------------------------------


def floating(library: Any, out: Any) -> Iterator[Any]:
    """Results that gradients go through."""
    if isinstance(out, list | tuple):
        for x in out:
            yield from floating(library, x)
    elif isinstance(out, library.Tensor) and out.dtype.is_floating_point and out.requires_grad:
        yield out


def weighted(library: Any, out: Any, seed: int = 1) -> Any:
    """A number that depends on every element of the results."""
    rng = np.random.default_rng(seed)
    total: Any = None
    for x in floating(library, out):
        weight = library.tensor(rng.standard_normal(tuple(x.shape))).to(x.dtype)
        part = (x * weight).sum()
        total = part if total is None else total + part
    return total


def gradients(library: Any, out: Any, leaves: list[Any]) -> list[Array]:
    """Of `weighted`, for each leaf; zeros where none arrives."""
    total = weighted(library, out)
    if total is not None:
        total.backward()
    grads = [None if x.grad is None else unwrap(x.grad + 0) for x in leaves]  # torch has zeros without memory
    return [np.zeros(tuple(x.shape), unwrap(x).dtype) if g is None else g for x, g in zip(leaves, grads, strict=True)]


def gradients_at(row: Row, call: Call, arrays: list[Array], function: Any = None) -> list[Array]:
    args, kwargs, leaves = tensors(gt, call, in_place_of(call, arrays), grad=True)
    return gradients(gt, (function or row.function(gt))(*args, **kwargs), leaves)


def in_place_of(call: Call, arrays: list[Array]) -> Callable[[Array], Array]:
    """What gives, array after array of a call, those of ``arrays`` for its floating ones."""
    given = iter(arrays)
    return lambda a: next(given) if a.dtype.kind == "f" else a


def floats_of(call: Call) -> list[Array]:
    """Its floating arrays, in float64."""
    return [wide(a) for a in (*arrays_of(call.args), *arrays_of(call.kwargs)) if a.dtype.kind == "f"]


def total_at(row: Row, call: Call, arrays: list[Array]) -> float:
    args, kwargs, _ = tensors(gt, call, in_place_of(call, arrays), grad=True)
    return float(weighted(gt, row.function(gt)(*args, **kwargs)).item())


def slope(f: Callable[[list[Array]], float], arrays: list[Array], along: list[Array]) -> float:
    ahead, behind = ([np.asarray(a + s * STEP * d) for a, d in zip(arrays, along, strict=True)] for s in (1, -1))
    return (f(ahead) - f(behind)) / (2 * STEP)


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


# ---- compiled -------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("row", "call"), calls(sampled=SAMPLED))
def test_compiled(row: Row, call: Call) -> None:
    args, kwargs, _ = tensors(gt, call)
    function, given = over_tensors(row.function(gt), args, kwargs)
    compiled = gt.compile(function)
    if call.compiled is not True:
        with pytest.raises(TraceError, match=str(call.compiled)):
            compiled(given)
        return
    close(row, call, results(compiled(given)), run(row, call))


@pytest.mark.parametrize(("row", "call"), calls(lambda c: c.compiled is True, sampled=SAMPLED))
def test_compiled_gradients(row: Row, call: Call) -> None:
    args, kwargs, leaves = tensors(gt, call, grad=True)
    if not leaves:
        return
    function, given = over_tensors(row.function(gt), args, kwargs)

    def step(given: list[Any]) -> None:
        total = weighted(gt, function(given))
        if total is not None:
            total.backward()

    gt.compile(step)(given)
    found = [np.zeros(tuple(x.shape), x.detach().numpy().dtype) if x.grad is None else unwrap(x.grad) for x in leaves]
    args, kwargs, leaves = tensors(gt, call, grad=True)
    close(row, call, found, gradients(gt, row.function(gt)(*args, **kwargs), leaves))
