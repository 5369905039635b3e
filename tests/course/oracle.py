"""A snippet of a course is a function of the module that it calls torch. It is run with graphtorch, and with torch."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import graphtorch

TOLERANCES = {"float64": (1e-9, 1e-11), "float32": (2e-5, 2e-6), "bfloat16": (2e-2, 1e-2), "float16": (2e-3, 1e-3)}


def as_torch(snippet: Callable[[Any], Any]) -> Callable[[], None]:
    """A test: ``snippet(torch)`` returns the same for graphtorch as for torch."""

    def test() -> None:
        torch = pytest.importorskip("torch")
        same(snippet(graphtorch), quietly(snippet, torch))

    return named(pytest.mark.torch(test), snippet)


def as_torch_compiled(snippet: Callable[[Any, Any], Any]) -> Callable[[str], None]:
    """Two tests: ``snippet(torch, compile)`` is the same as with torch, both where ``compile`` does nothing and where it
    is `graphtorch.compile`. torch itself runs it eagerly."""

    def test(mode: str) -> None:
        torch = pytest.importorskip("torch")
        compile = graphtorch.compile if mode == "compiled" else unchanged
        same(snippet(graphtorch, compile), quietly(functools.partial(snippet, compile=unchanged), torch))

    marked = pytest.mark.parametrize("mode", ["eager", "compiled"])(pytest.mark.torch(test))
    return named(marked, snippet)


def unchanged(function: Any) -> Any:
    return function


def named(test: Any, snippet: Callable[..., Any]) -> Any:
    test.__name__, test.__doc__, test.__module__ = snippet.__name__, snippet.__doc__, snippet.__module__
    return test


def quietly(snippet: Callable[[Any], Any], torch: Any) -> Any:
    """What torch gives, without what it warns of: graphtorch's own warnings stay errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return snippet(torch)


# ---- what both start from ------------------------------------------------------------------------


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """float32 of the normal distribution: draws of the two libraries differ."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def filled(torch: Any, module: Any, scale: float = 0.3) -> Any:
    """The module with parameters that do not depend on the library."""
    with torch.no_grad():
        for seed, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.from_numpy(scale * numbers(*parameter.shape, seed=seed)))
    return module


# ---- what is compared ----------------------------------------------------------------------------


def same(ours: Any, theirs: Any, where: str = "result") -> None:
    """Tensors have the same shape, dtype, requires_grad and (nearly) values; all else is equal, containers inside."""
    if hasattr(theirs, "requires_grad"):
        return same_tensor(ours, theirs, where)
    if isinstance(theirs, Mapping):
        assert list(ours) == list(theirs), where
        for key in theirs:
            same(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(theirs, Sequence) and not isinstance(theirs, str):
        assert isinstance(ours, Sequence) and len(ours) == len(theirs), f"{where}: {ours!r} for {theirs!r}"
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            same(*pair, f"{where}[{number}]")
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, where, strict=True)
    elif isinstance(theirs, float):
        assert isinstance(ours, float), f"{where}: {ours!r} for {theirs!r}"
        np.testing.assert_allclose(ours, theirs, *TOLERANCES["float32"], err_msg=where)
    else:
        assert plain(ours) == plain(theirs), f"{where}: {ours!r} for {theirs!r}"


def plain(value: Any) -> Any:
    """Dtypes, devices and texts as texts, with torch's name; other values as they are."""
    text = str(value).replace("graphtorch.", "torch.")
    return text if text.startswith("torch.") or type(value).__name__ in ("device", "str") else value


def same_tensor(ours: Any, theirs: Any, where: str) -> None:
    assert isinstance(ours, graphtorch.Tensor), f"{where}: {ours!r} is no tensor"
    facts = [(tuple(t.shape), plain(t.dtype), t.requires_grad, t.is_leaf) for t in (ours, theirs)]
    assert facts[0] == facts[1], f"{where}: {facts[0]} for {facts[1]}"
    rtol, atol = TOLERANCES.get(str(theirs.dtype).split(".")[1], (0, 0))
    got, expected = (values(t) for t in (ours, theirs))
    np.testing.assert_allclose(got, expected, rtol, atol, err_msg=where)


def values(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()
