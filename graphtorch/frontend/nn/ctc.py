"""torch's `ctc_loss`: the forms in which it takes labels and lengths. In a program it is two scans (ctc_traced.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend.construction import from_numpy, tensor
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, IndexRangeError, check
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.arguments import flag
from graphtorch.ir.ops.casts import overwrite
from graphtorch.ir.ops.common import as_int, aval_of, require_float
from graphtorch.ir.ops.ctc import check_blank, ctc_loss_op
from graphtorch.ir.ops.loss_common import reduced, reduction_of
from graphtorch.ir.types import int64

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
    and GT203, ArgumentError GT304 and IndexRangeError GT302 for what does not fit. In a compiled program the numbers of
    tensors are not known, and so not checked: lists of lengths are, and make smaller programs.
    """
    reduction = reduction_of(None, None, reduction)
    type_ = aval_of(log_probs)
    require_float(type_, "log_probs")
    ndim = type_.ndim
    check(ndim in (2, 3), "GT107", "log_probs must be [t, n, c] or [t, c]", f"expected 3 or 2 dimensions, got {ndim}")
    alone = ndim == 2
    batch: Any = log_probs.unsqueeze(1) if alone else log_probs
    blank = as_int(blank, "blank")
    check_blank(blank, batch.shape[2])
    run = _in_program if bind.current().tracing else _eager
    losses, steps, counts = run(batch, targets, input_lengths, target_lengths, blank)
    losses = bind.bind(overwrite, losses.detach(), losses + _total(batch, steps))
    if flag(zero_infinity, "zero_infinity"):
        losses = _without_infinite(losses)
    if reduction == "mean":
        losses = losses / counts.clamp(min=1).to(losses.dtype)
    out = reduced(losses, reduction)
    return out.reshape(()) if alone else out  # type: ignore[no-any-return]


#: the losses [n], and the lengths of the inputs and of the labels, [n]
Losses = tuple[Any, Any, Any]


def _eager(batch: Any, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int) -> Losses:
    time, samples, classes = batch.shape
    steps = _lengths(input_lengths, "input_lengths", samples, time)
    counts = _lengths(target_lengths, "target_lengths", samples, None)
    labels = from_numpy(_labels(targets, counts, classes))
    lengths = from_numpy(steps), from_numpy(counts)
    return bind.bind(ctc_loss_op, batch, labels, *lengths, blank=blank), *lengths


def _in_program(batch: Any, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int) -> Losses:
    from graphtorch.frontend.nn.ctc_traced import CtcLossInProgram  # with the tracer behind it

    time, samples, _ = batch.shape
    steps, _ = _traced_lengths(input_lengths, "input_lengths", samples, time)
    counts, longest = _traced_lengths(target_lengths, "target_lengths", samples, None)
    labels = _traced_labels(targets, counts, longest)
    return CtcLossInProgram.apply(batch, labels, steps, counts, blank), steps, counts


def _traced_lengths(given: Any, name: str, samples: int, most: int | None) -> tuple[Any, int | None]:
    """Lengths as a tensor, and the greatest of them where it is known."""
    if not isinstance(given, Tensor):
        found = _lengths(given, name, samples, most)
        return tensor(found), int(found.max(initial=0))
    _check_integers(given, name)
    count = given.numel()
    check(count == samples, "GT103", f"{name} does not match the batch", f"expected [{samples}], got [{count}]")
    return given.to(int64).reshape(-1), None


def _traced_labels(targets: Tensor, counts: Any, longest: int | None) -> Any:
    """`_labels`, of numbers that are not known: as many columns as there may be labels."""
    _check_integers(targets, "targets")
    _check_rows(targets.shape, counts.shape[0], longest or 0)
    width = targets.shape[-1] if longest is None else longest
    columns = PUBLIC["gt"]["arange"](width)
    given: Any = targets.to(int64)
    if targets.ndim == 2:
        given = given[:, :width]
    elif not targets.shape[0]:
        given = PUBLIC["gt"]["zeros"](counts.shape[0], width, dtype=int64)
    else:
        first = counts.cumsum(0) - counts
        places = (first.unsqueeze(1) + columns).clamp(max=targets.shape[0] - 1)
        given = given.index_select(0, places.reshape(-1)).reshape(places.shape)
    return PUBLIC["gt"]["where"](columns < counts.unsqueeze(1), given, 0)


def _check_integers(given: Tensor, name: str) -> None:
    check(given.dtype.kind in "iu", "GT203", f"{name} must be integers", f"got {given.dtype!r}", kind=DTypeError)


def _check_rows(shape: Sequence[int], samples: int, longest: int) -> None:
    """ShapeError GT107 unless targets are [n, s] or [s], GT103 unless rows are those of the batch, and long enough."""
    check(
        len(shape) in (1, 2), "GT107", "targets must be [n, s] or [s]", f"expected 1 or 2 dimensions, got {len(shape)}"
    )
    check(
        len(shape) == 1 or (shape[0] == samples and shape[1] >= longest),
        "GT103",
        "targets does not match target_lengths",
        f"expected [{samples}, {longest}] or more columns",
        f"got {list(shape)}",
    )


def _integers(given: Any, name: str) -> Array:
    """The numbers of a tensor of integers, or of a sequence of ints, as int64."""
    if not isinstance(given, Tensor):
        return np.array([as_int(n, name) for n in given], np.int64)
    _check_integers(given, name)
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
    _check_rows(given.shape, len(counts), longest)
    rows = given.ndim == 2
    check(
        rows or len(given) == counts.sum(),
        "GT103",
        "targets does not match target_lengths",
        f"expected [{counts.sum()}], their sum",
        f"got {list(given.shape)}",
    )
    out[mine] = given[:, :longest][mine] if rows else given
    wrong = out[(out < 0) | (out >= classes)]
    if wrong.size:
        raise IndexRangeError("GT302", f"targets has the element {wrong[0]}", [f"expected 0 <= label < {classes}"])
    return out


def _total(log_probs: Any, steps: Any) -> Any:
    """The sum of a sample's probabilities, whose slope torch's gradient has: `log_softmax` makes it nothing."""
    inside = PUBLIC["gt"]["arange"](log_probs.shape[0]).reshape(-1, 1, 1) < steps.unsqueeze(1)
    return PUBLIC["gt"]["where"](inside, log_probs.exp(), 0).sum((0, 2))


def _without_infinite(losses: Any) -> Any:
    return PUBLIC["gt"]["where"](losses == np.inf, 0, losses)
