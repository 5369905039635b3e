"""How a tensor lies in its storage."""

from __future__ import annotations

from graphtorch.frontend.tensor import Tensor


def covers(t: Tensor) -> bool:
    """Whether a concrete tensor is its whole storage, in row-major order."""
    array, base = t._array, t._storage.array
    return (array is base and array.flags.c_contiguous) or (
        base is not None
        and array.flags.c_contiguous
        and array.size == base.size
        and array.__array_interface__["data"] == base.__array_interface__["data"]
        and array.shape == base.shape
    )
