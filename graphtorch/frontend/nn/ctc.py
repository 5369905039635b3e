"""torch's `ctc_loss`: the forms in which it takes labels and lengths. It runs in eager mode alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.construction import from_numpy
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, IndexRangeError, TraceError, check
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.arguments import flag
from graphtorch.ir.ops.casts import overwrite
from graphtorch.ir.ops.common import as_int, aval_of, require_float
from graphtorch.ir.ops.ctc import ctc_loss_op
from graphtorch.ir.ops.loss_common import reduced, reduction_of

Array = np.ndarray[Any, Any]


@composite()
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of each sample's labels, summed over all alignments.

    A. Graves et al., ICML 2006. ``log_probs`` is [t, n, c], or [t, c] for one sample; ``targets`` [n, s], or all labels
    one after the other; the lengths are tensors or lists of integers, [n]. "mean" divides each loss by its number of
    labels first. With ``zero_infinity`` labels that do not fit into their time steps have loss and gradient 0.

    As in torch, the gradient is that of log_probs made by `log_softmax`. ShapeError GT107 and GT103, DTypeError GT202
    and GT203, ArgumentError GT304 and IndexRangeError GT302 for what does not fit; TraceError GT615 in a compiled
    program.
    """
    reduction = reduction_of(None, None, reduction)
    _refuse_traces()
    type_ = aval_of(log_probs)
    require_float(type_, "log_probs")
    ndim = type_.ndim
    check(ndim in (2, 3), "GT107", "log_probs must be [t, n, c] or [t, c]", f"expected 3 or 2 dimensions, got {ndim}")
    alone = ndim == 2
    batch: Any = log_probs.unsqueeze(1) if alone else log_probs
    time, samples, classes = batch.shape
    steps = _lengths(input_lengths, "input_lengths", samples, time)
    counts = _lengths(target_lengths, "target_lengths", samples, None)
    labels = _labels(targets, counts, classes)
    losses = bind.bind(
        ctc_loss_op, batch, from_numpy(labels), from_numpy(steps), from_numpy(counts), blank=as_int(blank, "blank")
    )
    losses = bind.bind(overwrite, losses.detach(), losses + _total(batch, steps))
    if flag(zero_infinity, "zero_infinity"):
        losses = _without_infinite(losses)
    if reduction == "mean":
        losses = losses / from_numpy(np.maximum(counts, 1)).to(losses.dtype)
    out = reduced(losses, reduction)
    return out.reshape(()) if alone else out  # type: ignore[no-any-return]


def _refuse_traces() -> None:
    if bind.current().tracing:
        raise TraceError(
            "GT615",
            "ctc_loss cannot be compiled: a kernel has no loop that carries an array from one time step to the next",
            ["compile what makes log_probs, and call ctc_loss on its result"],
        )


def _integers(given: Any, name: str) -> Array:
    """The numbers of a tensor of integers, or of a sequence of ints, as int64."""
    if not isinstance(given, Tensor):
        return np.array([as_int(n, name) for n in given], np.int64)
    fits = given.dtype.kind in "iu"
    check(fits, "GT203", f"{name} must be integers", f"got {given.dtype!r}", kind=DTypeError)
    found: Array = given.detach().numpy()
    return found.astype(np.int64)


def _lengths(given: Any, name: str, samples: int, most: int | None) -> Array:
    """Lengths [n], each at least 0 and at most ``most``."""
    found = _integers(given, name).reshape(-1)
    check(
        len(found) == samples, "GT103", f"{name} does not match the batch", f"expected [{samples}], got {found.shape}"
    )
    low, high = int(found.min(initial=0)), int(found.max(initial=0))
    wrong = low if low < 0 else high
    check(
        low >= 0 and (most is None or high <= most),
        "GT304",
        f"{name} has the element {wrong}",
        "expected numbers >= 0" if most is None else f"expected numbers in [0, {most}]",
        kind=ArgumentError,
    )
    return found


def _labels(targets: Tensor, counts: Array, classes: int) -> Array:
    """Labels [n, s] of int64; what a sample does not have is 0. IndexRangeError GT302 for what is no class."""
    given = _integers(targets, "targets")
    longest = int(counts.max(initial=0))
    mine = np.arange(longest) < counts[:, None]
    out = np.zeros(mine.shape, np.int64)
    check(
        given.ndim in (1, 2), "GT107", "targets must be [n, s] or [s]", f"expected 1 or 2 dimensions, got {given.ndim}"
    )
    rows = given.ndim == 2
    fits = len(given) == len(counts) and given.shape[1] >= longest if rows else len(given) == counts.sum()
    check(
        fits,
        "GT103",
        "targets does not match target_lengths",
        f"expected [{len(counts)}, {longest}] or more columns" if rows else f"expected [{counts.sum()}], their sum",
        f"got {list(given.shape)}",
    )
    out[mine] = given[:, :longest][mine] if rows else given
    wrong = out[(out < 0) | (out >= classes)]
    if wrong.size:
        raise IndexRangeError("GT302", f"targets has the element {wrong[0]}", [f"expected 0 <= label < {classes}"])
    return out


def _total(log_probs: Any, steps: Array) -> Any:
    """The sum of a sample's probabilities, whose slope torch's gradient has: `log_softmax` makes it nothing."""
    inside = np.arange(len(log_probs))[:, None, None] < steps[:, None]
    return PUBLIC["gt"]["where"](from_numpy(inside), log_probs.exp(), 0).sum((0, 2))


def _without_infinite(losses: Any) -> Any:
    return PUBLIC["gt"]["where"](losses == np.inf, 0, losses)
