"""What losses share: reductions, torch's old arguments for them, and two tensors that are compared."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.dim import same
from graphtorch.ir.errors import check
from graphtorch.ir.loc import warn_user
from graphtorch.ir.ops.arguments import one_of
from graphtorch.ir.ops.common import aval_of, require_float, shape_of
from graphtorch.ir.ops.loss_contract import doubt_shapes
from graphtorch.ir.ops.reduce import mean
from graphtorch.ir.ops.reduce import sum as sum_


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str, *more: str) -> str:
    """ "none", "mean", "sum" (or one of ``more``); ArgumentError GT304 for another word.

    ``size_average`` and ``reduce`` are what torch had before: if either is given, they decide, with a UserWarning.
    """
    if size_average is None and reduce is None:
        return one_of(reduction, "reduction", "none", "mean", "sum", *more)  # type: ignore[no-any-return]
    old = "none" if reduce is False else "sum" if size_average is False else "mean"
    warn_user(
        f"size_average and reduce args will be deprecated, please use reduction='{old}' instead.",
    )
    return old


def reduced(values: Any, reduction: str) -> Any:
    """``values``, their mean or their sum."""
    if reduction == "none":
        return values
    return mean(values) if reduction == "mean" else sum_(values)


def difference(loss: str, input: Any, target: Any) -> Any:
    """input - target, of a floating-point dtype; a ContractWarning GT324 where their shapes differ and broadcast."""
    out = input - target
    require_float(aval_of(out), "input or target")
    if not same(shape_of(input), shape_of(target)):
        doubt_shapes(loss, input, target)
    return out


def same_shape(name: str, given: Any, input: Any) -> None:
    """ShapeError GT103 unless ``given``, the parameter ``name``, has the shape of ``input``."""
    wanted, got = shape_of(input), shape_of(given)
    check(got == wanted, "GT103", f"{name} does not match the input", f"expected {list(wanted)}, got {list(got)}")
