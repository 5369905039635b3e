"""Connectionist temporal classification: the likelihood of labels, summed over all alignments, and its gradient.

A. Graves et al., "Connectionist temporal classification", ICML 2006. Time steps follow each other, and a kernel has no
loop that carries an array from one step to the next: these two run in eager mode alone. Programs have the same formulas
as scans (frontend/nn/ctc_traced.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.op import Op, register
from graphtorch.ir.ops.common import require_float, shape_of
from graphtorch.ir.ops.elementwise import Array
from graphtorch.ir.ops.logic import eq, where
from graphtorch.ir.ops.movement import broadcast_to, reshape
from graphtorch.ir.types import TensorType, int64


class CtcLoss(Op):
    """-log of the probability of each sample's labels, [n]; infinite where they do not fit into its time steps.

    ``log_probs`` is [t, n, c]. ``labels`` [n, s], ``steps`` [n] and ``counts`` [n] are int64: ``counts`` of the labels
    and ``steps`` of the time steps belong to a sample. ``blank`` is the class of no label.
    """

    name = "ctc_loss"

    def infer(
        self, log_probs: TensorType, labels: TensorType, steps: TensorType, counts: TensorType, *, blank: int
    ) -> TensorType:
        return _check(log_probs, labels, steps, counts, blank).with_shape((log_probs.shape[1],))

    def ref(self, log_probs: Array, labels: Array, steps: Array, counts: Array, *, blank: int) -> Array:
        emitted, skips = _emitted(log_probs, labels, blank)
        return _losses(_forward(emitted, skips, counts), steps, counts).astype(log_probs.dtype)

    def vjp(self, g: Any, _y: Any, log_probs: Any, labels: Any, steps: Any, counts: Any, *, blank: int) -> Any:
        slope = bind.bind(ctc_loss_grad, log_probs, labels, steps, counts, blank=blank)
        each = broadcast_to(reshape(g, (1, shape_of(g)[0], 1)), shape_of(slope))
        # a loss that does not count has no gradient, though its slope may be nan
        return where(eq(each, 0), 0, each * slope), None, None, None


class CtcLossGrad(Op):
    """The derivative of each loss by ``log_probs``, [t, n, c]: less the probability of each class at each time step.

    It is 0 beyond a sample's time steps, and nan where the loss is infinite.
    """

    name = "ctc_loss_grad"
    nondifferentiable = True

    def infer(
        self, log_probs: TensorType, labels: TensorType, steps: TensorType, counts: TensorType, *, blank: int
    ) -> TensorType:
        return _check(log_probs, labels, steps, counts, blank)

    def ref(self, log_probs: Array, labels: Array, steps: Array, counts: Array, *, blank: int) -> Array:
        emitted, skips = _emitted(log_probs, labels, blank)
        ahead = _forward(emitted, skips, counts)
        behind = _backward(emitted, skips, steps, counts)
        with np.errstate(all="ignore"):
            shares = ahead + behind - emitted + _losses(ahead, steps, counts)[:, None]
            shares = np.where(emitted == -np.inf, 0, np.exp(shares))  # no path goes there
        inside = (np.arange(len(log_probs))[:, None] < steps)[..., None]
        out = np.zeros(log_probs.shape)
        at: Any = (slice(None), np.arange(log_probs.shape[1])[:, None], _states(labels, blank))
        np.add.at(out, at, -np.where(inside, shares, 0))
        never = inside & np.isinf(_losses(ahead, steps, counts))[:, None]
        return np.where(never, np.nan, out).astype(log_probs.dtype)


ctc_loss_op, ctc_loss_grad = register(CtcLoss()), register(CtcLossGrad())


def _check(log_probs: TensorType, labels: TensorType, steps: TensorType, counts: TensorType, blank: int) -> TensorType:
    require_float(log_probs, "log_probs")
    ndim = log_probs.ndim
    check(ndim == 3, "GT107", "log_probs must be [t, n, c]", f"expected 3 dimensions, got {ndim}")
    samples, classes = log_probs.shape[1:]
    for name, t, wanted in (("labels", labels, 2), ("steps", steps, 1), ("counts", counts, 1)):
        check(t.dtype == int64, "GT203", f"{name} must be int64", f"got {t.dtype!r}", kind=DTypeError)
        fits = t.ndim == wanted and t.shape[0] == samples
        check(fits, "GT103", f"{name} does not match log_probs", f"expected {samples} rows, got {list(t.shape)}")
    check_blank(blank, classes)
    return log_probs


def check_blank(blank: int, classes: int) -> None:
    """ArgumentError GT304 unless ``blank`` is one of the classes."""
    check(
        0 <= blank < classes,
        "GT304",
        f"blank={blank} is not allowed",
        f"expected 0 <= blank < {classes}",
        kind=ArgumentError,
    )


def _states(labels: Array, blank: int) -> Array:
    """[n, 2 s + 1]: the labels, with a blank before, between and after them."""
    out = np.full((len(labels), 2 * labels.shape[1] + 1), blank)
    out[:, 1::2] = labels
    return out


def _emitted(log_probs: Array, labels: Array, blank: int) -> tuple[Array, Array]:
    """The log-probability of each state at each time step, [t, n, 2 s + 1], and what may be added to skip a blank."""
    states = _states(labels, blank)
    skips = np.full(states.shape, -np.inf)
    skips[:, 3::2][labels[:, 1:] != labels[:, :-1]] = 0
    n = np.arange(len(labels))[:, None]
    return log_probs[:, n, states].astype(np.float64), skips


def _step(before: Array, skips: Array) -> Array:
    """log of the sum of what stays in a state, of what comes from the one before it, and from the one before that."""
    out = before.copy()
    out[:, 1:] = np.logaddexp(out[:, 1:], before[:, :-1])
    out[:, 2:] = np.logaddexp(out[:, 2:], before[:, :-2] + skips[:, 2:])
    return out


def _forward(emitted: Array, skips: Array, counts: Array) -> Array:
    """log-probabilities of all paths up to a state, with what it emits, [t, n, 2 s + 1]."""
    out = np.full(emitted.shape, -np.inf)
    states = np.arange(emitted.shape[2])
    exists = states <= 2 * counts[:, None]
    now = np.where(states < 2, 0.0, -np.inf)
    with np.errstate(invalid="ignore"):
        for t, e in enumerate(emitted):
            now = np.where(exists, (now if t == 0 else _step(now, skips)) + e, -np.inf)
            out[t] = now
    return out


def _backward(emitted: Array, skips: Array, steps: Array, counts: Array) -> Array:
    """log-probabilities of all paths from a state on, with what it emits: `_forward`, from a sample's end."""
    out = np.full(emitted.shape, -np.inf)
    states = np.arange(emitted.shape[2])
    last = np.where((states <= 2 * counts[:, None]) & (states >= 2 * counts[:, None] - 1), 0.0, -np.inf)
    leave = np.full(skips.shape, -np.inf)  # from state s over s + 1, in reverse order
    leave[:, 2:] = skips[:, :1:-1]
    now = np.full(skips.shape, -np.inf)
    with np.errstate(invalid="ignore"):
        for t in reversed(range(len(emitted))):
            moved = _step(now[:, ::-1], leave)[:, ::-1]
            now = np.where((t == steps - 1)[:, None], last, moved) + emitted[t]
            out[t] = now
    return out


def _losses(ahead: Array, steps: Array, counts: Array) -> Array:
    """-log-probability of ending in the last label or in the blank after it. No steps fit no labels."""
    n = np.arange(len(steps))
    if not len(ahead):
        return np.where(counts == 0, 0.0, np.inf)
    at = np.maximum(steps - 1, 0)
    with np.errstate(invalid="ignore"):
        label = np.where(counts > 0, ahead[at, n, np.maximum(2 * counts - 1, 0)], -np.inf)
        found = -np.logaddexp(ahead[at, n, 2 * counts], label)
    return np.where(steps > 0, found, np.where(counts == 0, 0.0, np.inf))
