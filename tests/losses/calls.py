"""Calls of a case with either library."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.losses.case import Array, Case


def tensors(lib: Any, arrays: tuple[Array, ...], dtype: str, grad: bool = True) -> list[Any]:
    """Leaves, of ``dtype`` where they are floating point; their layout is that of the arrays where the library keeps it."""
    made = []
    for a in arrays:
        real = a.dtype.kind == "f"
        t = lib.from_numpy(a.astype(dtype) if real else a)
        made.append(t.requires_grad_() if real and grad else t)
    return made


def call(lib: Any, case: Case, *xs: Any, **more: Any) -> Any:
    """The function of the case, with arrays among its options as tensors."""
    options = {**case.options, **more}
    for name, value in options.items():
        if isinstance(value, np.ndarray) or name == "pos_weight":
            options[name] = lib.tensor(value).to(xs[0].dtype)
    return getattr(lib.nn.functional, case.name)(*xs, **options)


def reductions(case: Case) -> list[dict[str, str]]:
    return [{"reduction": r} for r in ("none", "mean", "sum")] if case.reduces else [{}]


def expected(case: Case, arrays: Any, reduction: str = "none") -> Array:
    """The formula in float64."""
    wide = [np.array(a, np.float64) if a.dtype.kind == "f" else a for a in arrays]
    losses = np.asarray(case.formula(*wide))
    return losses if reduction == "none" else np.asarray(losses.mean() if reduction == "mean" else losses.sum())
