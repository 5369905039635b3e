"""For users' own tests: comparisons that say what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import leaves

#: torch's defaults, by dtype
_TOLERANCE = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None) -> None:
    """Nested tensors are equal within tolerances (torch's per dtype unless given); nan equals nan.

    Raises AssertionError with the greatest differences and where they are.
    """
    a, b = list(leaves(actual)), list(leaves(expected))
    if len(a) != len(b):
        raise AssertionError(f"{len(a)} values, expected {len(b)}")
    for number, (x, y) in enumerate(zip(a, b, strict=True)):
        _compare(_numpy(x), _numpy(y), rtol, atol, f"value {number}" if len(a) > 1 else "the value")


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _compare(x: Any, y: Any, rtol: float | None, atol: float | None, name: str) -> None:
    if x.shape != y.shape or x.dtype != y.dtype:
        raise AssertionError(f"{name} is {x.dtype}{list(x.shape)}, expected {y.dtype}{list(y.shape)}")
    r, a = _TOLERANCE.get(x.dtype.name, (0.0, 0.0))
    r, a = r if rtol is None else rtol, a if atol is None else atol
    close = np.isclose(x, y, rtol=r, atol=a, equal_nan=True)
    if close.all():
        return
    difference = np.abs(x.astype(np.float64) - y.astype(np.float64))
    worst = np.unravel_index(int(np.argmax(np.where(close, -1, np.nan_to_num(difference, nan=np.inf)))), x.shape)
    raise AssertionError(
        f"{name}: {int((~close).sum())} of {x.size} elements differ (rtol={r}, atol={a}); the worst at "
        f"{list(map(int, worst))}: {x[worst]} against {y[worst]}"
    )


def assert_matches_eager(
    function: Callable[..., Any], *inputs: Any, rtol: float | None = 1e-4, atol: float | None = 1e-6
) -> None:
    """``gt.compile(function)`` gives what ``function`` gives."""
    from graphtorch.frontend.compile import compile

    assert_close(compile(function)(*inputs), function(*inputs), rtol=rtol, atol=atol)
