"""How the tables of public functions are called, with either library, and how results are compared."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import graphtorch as gt
from tests.ops import public
from tests.ops.public.table import ROWS, Array, Call, Row, arrays_of, map_arrays, wide
from tests.sampling import sampled

for module in pkgutil.iter_modules(public.__path__):
    importlib.import_module(f"{public.__name__}.{module.name}")

#: what torch says of some of its functions
SAID = ("is deprecated. Use", "Since version 1.3.0", "Default .* behavior has changed", "is in beta")
#: of the calls of a function beyond its first, so many in a hundred have second gradients in the ordinary run
TWICE = 20
STEP = 1e-6


def calls(wanted: Callable[[Call], Any] = lambda _: True, percent: int = 100) -> list[Any]:
    """(row, call) of every function; of those beyond the first of each, all but ``percent`` in a hundred are slow."""
    pairs = [(row, call) for _, row in sorted(ROWS.items()) for call in row.calls if wanted(call)]
    return sampled(
        pairs, percent, lambda pair: pair[0].name, lambda pair: f"{pair[0].name}-{pair[0].calls.index(pair[1])}"
    )


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


def in_place_of(call: Call, arrays: list[Array]) -> Callable[[Array], Array]:
    """What gives, array after array of a call, those of ``arrays`` for its floating ones."""
    given = iter(arrays)
    return lambda a: next(given) if a.dtype.kind == "f" else a


def floats_of(call: Call) -> list[Array]:
    """Its floating arrays, in float64."""
    return [wide(a) for a in (*arrays_of(call.args), *arrays_of(call.kwargs)) if a.dtype.kind == "f"]


def slope(f: Callable[[list[Array]], float], arrays: list[Array], along: list[Array]) -> float:
    ahead, behind = ([np.asarray(a + s * STEP * d) for a, d in zip(arrays, along, strict=True)] for s in (1, -1))
    return (f(ahead) - f(behind)) / (2 * STEP)


def filled(found: Any, leaves: list[Any]) -> list[Array]:
    """Gradients as arrays; zeros where none arrives."""
    pairs = zip(found, leaves, strict=True)
    return [np.zeros(tuple(x.shape)) if g is None else unwrap(g.detach() + 0) for g, x in pairs]


def first(library: Any, row: Row, call: Call, arrays: list[Array]) -> tuple[Any, list[Any]]:
    """(a weighted sum of the gradient of a weighted sum of the results, the leaves): a Hessian times a vector.

    The weights of the results are leaves, too: what arrives at them is what a gradient penalty needs.
    """
    operands = len(floats_of(call))
    args, kwargs, leaves = tensors(library, call, in_place_of(call, arrays), grad=True)
    out = list(floating(library, row.function(library)(*args, **kwargs)))
    weights = [library.from_numpy(np.array(a)).requires_grad_() for a in arrays[operands:]] or [
        library.from_numpy(w).requires_grad_() for w in weights_of(out)
    ]
    total = sum((x * w).sum() for x, w in zip(out, weights, strict=True))
    found = library.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
    rng = np.random.default_rng(5)
    along = [library.from_numpy(np.array(rng.standard_normal(tuple(x.shape)))) for x in leaves]
    return sum((g * v).sum() for g, v in zip(found, along, strict=True) if g is not None), [*leaves, *weights]


def weights_of(out: list[Any]) -> list[Array]:
    rng = np.random.default_rng(4)
    return [np.array(rng.standard_normal(tuple(x.shape))) for x in out]


def second(library: Any, row: Row, call: Call) -> tuple[list[Array], list[Array]]:
    """(the second gradients, where)."""
    total, leaves = first(library, row, call, floats_of(call))
    flat = not getattr(total, "requires_grad", False)  # the first gradient is constant, as that of floor
    found = [None] * len(leaves) if flat else library.autograd.grad(total, leaves, allow_unused=True)
    return filled(found, leaves), [unwrap(x) for x in leaves]
