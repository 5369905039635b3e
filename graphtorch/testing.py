"""For users' own tests: comparisons that say what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.frontend.tensor import Tensor

#: torch's defaults, by dtype
_TOLERANCE = {"bfloat16": (1.6e-2, 1e-5), "float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None) -> None:
    """Nested tensors are equal within tolerances (torch's per dtype unless given); nan equals nan.

    Whatever is no tensor, array or number has to be equal. Raises AssertionError with the greatest
    difference and where it is.
    """
    _compare_trees(actual, expected, rtol, atol, "")


def _compare_trees(x: Any, y: Any, rtol: float | None, atol: float | None, path: str) -> None:
    name = f"value{path}" if path else "the value"
    if isinstance(y, tuple | list | dict):
        keys = [list(t) if isinstance(t, dict) else range(len(t)) for t in (x, y) if isinstance(t, tuple | list | dict)]
        if len(keys) < 2 or isinstance(x, dict) is not isinstance(y, dict) or set(keys[0]) != set(keys[1]):
            raise AssertionError(f"{name} is {_outline(x)}, expected {_outline(y)}")
        for key in keys[1]:
            _compare_trees(x[key], y[key], rtol, atol, f"{path}[{key!r}]")
    elif isinstance(y, _NUMERIC) and isinstance(x, _NUMERIC):
        _compare(_numpy(x), _numpy(y), rtol, atol, name)
    elif isinstance(y, _NUMERIC) or isinstance(x, _NUMERIC) or x != y:
        raise AssertionError(f"{name} is {_outline(x)}, expected {_outline(y)}")


_NUMERIC = (Tensor, np.ndarray, np.generic, bool, int, float)


def _outline(x: Any) -> str:
    if isinstance(x, dict):
        return f"a dict with the keys {list(x)}"
    return f"a {type(x).__name__} of {len(x)}" if isinstance(x, tuple | list) else repr(x)


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _compare(x: Any, y: Any, rtol: float | None, atol: float | None, name: str) -> None:
    if x.shape != y.shape or x.dtype != y.dtype:
        raise AssertionError(f"{name} is {x.dtype}{list(x.shape)}, expected {y.dtype}{list(y.shape)}")
    r, a = _TOLERANCE.get(x.dtype.name, (0.0, 0.0))
    r, a = r if rtol is None else rtol, a if atol is None else atol
    if x.dtype.kind == "V":  # bfloat16, of which numpy does not know that it has nan
        x, y = x.astype(np.float32), y.astype(np.float32)
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
