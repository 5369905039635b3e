"""Parameters of any shapes as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, in order, as one tensor of one dimension, through which gradients flow."""
    return PUBLIC["gt"]["cat"]([p.reshape(-1) for p in parameters])  # type: ignore[no-any-return]


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters hold slices of ``vec``, one after the other, whose memory they share.

    ArgumentTypeError GT301 for what is no tensor, ShapeError GT103 unless it has as many elements as they do.
    """
    if not isinstance(vec, Tensor):
        raise ArgumentTypeError("GT301", f"vec must be a tensor, got {type(vec).__name__}")
    each = list(parameters)
    count = sum(p.numel() for p in each)
    check(
        vec.ndim == 1 and vec.numel() == count,
        "GT103",
        "vec has an element for each of the parameters'",
        f"expected [{count}], got {list(vec.shape)}",
    )
    at = 0
    for p in each:
        p.data = vec[at : at + p.numel()].view(p.shape).data
        at += p.numel()
