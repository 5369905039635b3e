"""`ctc_loss` in a compiled program: two scans over time, forward for the loss and backward for its gradient.

The formulas are those of ir/ops/ctc.py, in float64 too; labels and lengths are tensors whose numbers may not be known.
"""

from __future__ import annotations

import math
from typing import Any

from graphtorch.frontend.control_flow import scan
from graphtorch.frontend.custom_functions import Function
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import bool_, float64, int64

_ops: Any = PUBLIC["gt"]


class CtcLossInProgram(Function):
    """-log of the probability of each sample's labels, [n]: of log_probs [t, n, c], labels [n, s], steps, counts [n].

    The gradient is nan where the loss is infinite, and 0 where the loss does not count.
    """

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, labels: Tensor, steps: Tensor, counts: Tensor, blank: int) -> Tensor:
        states = _states(labels, blank)
        emitted = log_probs.to(float64).gather(2, states.expand(log_probs.shape[0], *states.shape))
        skips = _skips(states)
        exists = _ops["arange"](states.shape[1]) <= 2 * counts.unsqueeze(1)
        ahead = _forward(emitted, skips, exists)
        losses = _losses(ahead, steps, counts)
        ctx.save_for_backward(log_probs, states, emitted, skips, ahead, losses, steps, counts)
        return losses.to(log_probs.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        log_probs, states, emitted, skips, ahead, losses, steps, counts = ctx.saved_tensors
        behind = _backward(emitted, skips, steps, counts)
        shares = (ahead + behind - emitted + losses.unsqueeze(1)).exp()
        inside = (_ops["arange"](emitted.shape[0]).unsqueeze(1) < steps).unsqueeze(2)
        shares = _ops["where"](inside & (emitted != -math.inf), shares, 0.0)
        nothing = _ops["zeros"](log_probs.shape, dtype=float64)
        slope = nothing.scatter_add(2, states.expand(*emitted.shape), -shares)
        slope = _ops["where"](inside & losses.isinf().unsqueeze(1), math.nan, slope).to(log_probs.dtype)
        each = g.unsqueeze(1)
        return _ops["where"](each == 0, 0.0, each * slope), None, None, None, None


def _states(labels: Tensor, blank: int) -> Tensor:
    """[n, 2 s + 1]: the labels, with a blank before, between and after them."""
    n, s = labels.shape
    pairs = _ops["stack"]([_ops["full_like"](labels, blank), labels], 2).reshape(n, 2 * s)
    return _ops["cat"]([pairs, _ops["full"]((n, 1), blank, dtype=int64)], 1)  # type: ignore[no-any-return]


def _skips(states: Tensor) -> Tensor:
    """Whether a state may follow the one before the last: a label that is another than the one before it."""
    never = _ops["zeros"](states.shape[0], 2, dtype=bool_)
    width = states.shape[1]
    return _ops["cat"]([never, states[:, 2:] != states[:, :-2]], 1)[:, :width]  # type: ignore[no-any-return]


def _moved(a: Any, skips: Tensor, by: int) -> Tensor:
    """log of the sum of what stays, of what comes from the next state, and from the one after that. ``by`` is 1 where
    paths come from the left, and -1 where they are followed back."""
    width = a.shape[1]

    def from_(distance: int) -> Any:
        edge = _ops["full"]((a.shape[0], distance), -math.inf, dtype=float64)
        if by > 0:
            return _ops["cat"]([edge, a], 1)[:, :width]
        return _ops["cat"]([a, edge], 1)[:, distance:]

    near = _ops["logaddexp"](a, from_(1))
    return _ops["logaddexp"](near, _ops["where"](skips, from_(2), -math.inf))  # type: ignore[no-any-return]


def _forward(emitted: Tensor, skips: Tensor, exists: Tensor) -> Tensor:
    """log-probabilities of all paths up to a state, with what it emits, [t, n, 2 s + 1]."""

    def step(now: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        new = _ops["where"](exists, _moved(now, skips, 1) + e, -math.inf)
        return new, new * 1

    first = _ops["arange"](skips.shape[1]).expand(*skips.shape) == 0  # a step leads from there to the first label, too
    start = _ops["where"](first, _ops["zeros"](skips.shape, dtype=float64), -math.inf)
    return scan(step, start, emitted)[1]  # type: ignore[no-any-return]


def _backward(emitted: Tensor, skips: Tensor, steps: Tensor, counts: Tensor) -> Tensor:
    """log-probabilities of all paths from a state on, with what it emits: `_forward`, from a sample's end."""
    states, ends = _ops["arange"](skips.shape[1]), 2 * counts.unsqueeze(1)
    zeros = _ops["zeros"](skips.shape, dtype=float64)
    last = _ops["where"]((states <= ends) & (states >= ends - 1), zeros, -math.inf)
    leave = _ops["cat"]([skips, _ops["zeros"](skips.shape[0], 2, dtype=bool_)], 1)[:, 2:]

    def step(now: Tensor, x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        e, t = x
        new = _ops["where"]((t == steps - 1).unsqueeze(1), last, _moved(now, leave, -1)) + e
        return new, new * 1

    times = _ops["arange"](emitted.shape[0])
    return scan(step, zeros - math.inf, (emitted, times), reverse=True)[1]  # type: ignore[no-any-return]


def _losses(ahead: Tensor, steps: Tensor, counts: Tensor) -> Tensor:
    """-log-probability of ending in the last label or in the blank after it. No steps fit no labels."""
    none = _ops["where"](counts == 0, _ops["zeros"](counts.shape, dtype=float64), math.inf)
    if not ahead.shape[0]:
        return none  # type: ignore[no-any-return]
    at = (steps - 1).clamp(min=0).reshape(1, -1, 1).expand(1, *ahead.shape[1:])
    final, ends = ahead.gather(0, at).squeeze(0), 2 * counts.unsqueeze(1)
    blank, label = (final.gather(1, i.clamp(min=0)).squeeze(1) for i in (ends, ends - 1))
    found = -_ops["logaddexp"](blank, _ops["where"](counts > 0, label, -math.inf))
    return _ops["where"](steps > 0, found, none)  # type: ignore[no-any-return]
