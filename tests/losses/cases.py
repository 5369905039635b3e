"""One row for each loss and distance: what it is called with, and what it computes, in numpy and float64.

Formulas are the definitions, with no care for overflow; of a loss they give the losses before any reduction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.losses.activations import activations, sigmoid
from tests.losses.case import Array, Case
from tests.ops.samples import array, strided


def signs(*shape: int) -> Array:
    """1 and -1 in a scattered order."""
    return np.where(array(*shape) > 0, 1, -1).astype(np.float32)


def classes(*shape: int, among: int, seed: int = 3) -> Array:
    return np.random.default_rng(seed).integers(0, among, shape)


X, Y = array(7, 5), strided(7, 5, low=-1.9, high=2.3)
#: probabilities
P, Q = array(7, 5, low=0.03, high=0.96), strided(7, 5, low=0.05, high=0.9)
W = array(7, 5, low=0.3, high=2)


# ---- losses ---------------------------------------------------------------------------------------


def huber(d: Array, delta: float) -> Array:
    return np.where(np.abs(d) < delta, d * d / 2, delta * (np.abs(d) - delta / 2))


def poisson(x: Array, y: Array, log_input: bool = True, full: bool = False) -> Array:
    loss = np.exp(x) - y * x if log_input else x - y * np.log(x + 1e-8)
    large = np.maximum(y, 1)
    stirling = large * np.log(large) - large + np.log(2 * math.pi * large) / 2
    return loss + np.where(y > 1, stirling, 0) * full


def gaussian(x: Array, y: Array, var: Array) -> Array:
    return (np.log(var) + (x - y) ** 2 / var) / 2


def bce(p: Array, t: Array) -> Array:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def logits(x: Array, t: Array, pos_weight: Any = 1.0) -> Array:
    return -(pos_weight * t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x)))


def regression() -> list[Case]:
    counts = array(7, 5, low=0.1, high=4)
    return [
        Case("mse_loss", (X, Y), lambda x, y: (x - y) ** 2),
        Case("mse_loss", (array(3, 1, 4), array(3, 2, 4)), lambda x, y: (x - y) ** 2),
        Case("l1_loss", (X, Y), lambda x, y: np.abs(x - y)),
        Case("smooth_l1_loss", (X, Y), lambda x, y: huber(x - y, 1)),
        Case("smooth_l1_loss", (X, Y), lambda x, y: huber(x - y, 0.6) / 0.6, {"beta": 0.6}),
        Case("smooth_l1_loss", (X, Y), lambda x, y: np.abs(x - y), {"beta": 0}),
        Case("huber_loss", (X, Y), lambda x, y: huber(x - y, 1)),
        Case("huber_loss", (X, Y), lambda x, y: huber(x - y, 2.1), {"delta": 2.1}),
        Case("kl_div", (X, Q), lambda x, y: y * (np.log(y) - x)),
        Case("kl_div", (X, Y), lambda x, y: np.exp(y) * (y - x), {"log_target": True}),
        Case("poisson_nll_loss", (X, counts), poisson),
        Case("poisson_nll_loss", (X, counts), lambda x, y: poisson(x, y, full=True), {"full": True}),
        Case("poisson_nll_loss", (P, counts), lambda x, y: poisson(x, y, False), {"log_input": False}),
        Case("gaussian_nll_loss", (X, Y, W), gaussian),
        Case("gaussian_nll_loss", (X, Y, W[:, 0]), lambda x, y, v: gaussian(x, y, v[:, None])),
        Case("gaussian_nll_loss", (X, Y, W[:1]), gaussian),
        Case("gaussian_nll_loss", (X, Y), lambda x, y: gaussian(x, y, np.array(0.7)), {"var": 0.7}),
        Case(
            "gaussian_nll_loss",
            (X, Y, W),
            lambda x, y, v: gaussian(x, y, v) + math.log(2 * math.pi) / 2,
            {"full": True},
        ),
    ]


def binary() -> list[Case]:
    scale = array(5, low=0.3, high=2)
    return [
        Case("binary_cross_entropy", (P, Q), bce),
        Case("binary_cross_entropy", (P, Q, scale), lambda p, t, w: bce(p, t) * w),
        Case("binary_cross_entropy_with_logits", (X, Q), logits),
        Case("binary_cross_entropy_with_logits", (X, Q, W), lambda x, t, w: logits(x, t) * w),
        Case(
            "binary_cross_entropy_with_logits", (X, Q), lambda x, t: logits(x, t, np.float32(2.5)), {"pos_weight": 2.5}
        ),
        Case("soft_margin_loss", (X, signs(7, 5)), lambda x, t: np.log(1 + np.exp(-t * x))),
        Case("multilabel_soft_margin_loss", (X, Q), lambda x, t: logits(x, t).mean(-1)),
        Case("multilabel_soft_margin_loss", (X, Q, scale), lambda x, t, w: (logits(x, t) * w).mean(-1)),
    ]


def multi_margin(x: Array, t: Array, p: int = 1, margin: float = 1.0, weight: Any = None) -> Array:
    out = np.zeros(t.shape)
    for n, row in enumerate(x):
        terms = [max(0, margin - row[t[n]] + row[j]) ** p for j in range(len(row)) if j != t[n]]
        out[n] = sum(terms) / len(row) * (1 if weight is None else weight[t[n]])
    return out


def multilabel_margin(x: Array, t: Array) -> Array:
    out = np.zeros(len(x))
    for n, row in enumerate(x):
        named = list(t[n])
        named = named[: named.index(-1)] if -1 in named else named
        others = [j for j in range(len(row)) if j not in named]
        out[n] = sum(max(0, 1 - row[k] + row[j]) for k in named for j in others) / len(row)
    return out


def ranking(a: Array, b: Array, t: Array, margin: float) -> Array:
    return np.maximum(0, -t * (a - b) + margin)


#: rows of several labels, of none, of all, of one twice, and with more after the end
LABELS = np.array([[1, 3, -1, 0, 2], [-1, 0, 1, 2, 3], [4, 3, 2, 1, 0], [2, 2, -1, -1, -1], [0, -1, 4, -1, -1]])


def margins() -> list[Case]:
    t, target = signs(7, 5), classes(7, among=5)
    weight = array(5, low=0.3, high=2)
    mixed = np.where(array(7, 5) > 1, 0, t).astype(np.float32)
    return [
        Case("hinge_embedding_loss", (X, t), lambda x, t: np.where(t == 1, x, np.maximum(0, 1 - x))),
        Case("hinge_embedding_loss", (X, t), lambda x, t: np.where(t == 1, x, np.maximum(0, 0.3 - x)), {"margin": 0.3}),
        Case(
            "hinge_embedding_loss",
            (X, mixed),
            lambda x, t: (t != 1) * np.maximum(0, 1 - x) + np.where(t != -1, x, 0),
        ),
        Case("margin_ranking_loss", (X, Y, t), lambda a, b, t: ranking(a, b, t, 0)),
        Case("margin_ranking_loss", (X, Y, t), lambda a, b, t: ranking(a, b, t, 0.7), {"margin": 0.7}),
        Case("multi_margin_loss", (X, target), multi_margin),
        Case("multi_margin_loss", (X, target), lambda x, t: multi_margin(x, t, 2, 0.3), {"p": 2, "margin": 0.3}),
        Case("multi_margin_loss", (X[0], target[:1]), lambda x, t: multi_margin(x[None], t)),
        Case("multi_margin_loss", (X[0], np.array(target[0])), lambda x, t: multi_margin(x[None], np.atleast_1d(t))[0]),
        Case("multi_margin_loss", (X, target), lambda x, t: multi_margin(x, t, weight=weight), {"weight": weight}),
        Case("multilabel_margin_loss", (array(5, 5), LABELS), multilabel_margin),
        Case("multilabel_margin_loss", (X[0], LABELS[0]), lambda x, t: multilabel_margin(x[None], t[None])[0]),
    ]


def distance(a: Array, b: Array, p: float = 2, eps: float = 1e-6) -> Array:
    d = np.abs(a - b + eps)
    if math.isinf(p):
        return d.max(-1) if p > 0 else d.min(-1)
    return (d != 0).sum(-1).astype(float) if p == 0 else (d**p).sum(-1) ** (1 / p)


def cosine(a: Array, b: Array, axis: int = 1) -> Array:
    a, b = np.broadcast_arrays(a, b)
    return (a * b).sum(axis) / np.sqrt((a * a).sum(axis) * (b * b).sum(axis))


def cosine_embedding(a: Array, b: Array, t: Array, margin: float = 0) -> Array:
    c = cosine(a, b, -1)
    return np.where(t == 1, 1 - c, np.maximum(0, c - margin))


def triplet(a: Array, b: Array, c: Array, p: float = 2, margin: float = 1, swap: bool = False) -> Array:
    far = distance(a, c, p)
    far = np.minimum(far, distance(b, c, p)) if swap else far
    return np.maximum(0, margin + distance(a, b, p) - far)


def distances() -> list[Case]:
    third = array(7, 5, low=-1, high=2.2)
    found = [
        Case("pairwise_distance", (X, Y), lambda a, b, p=p: distance(a, b, p), {"p": p}, reduces=False)
        for p in (2, 1, 0, 3, 1.5, 0.5, -1, math.inf, -math.inf)
    ]
    return [
        *found,
        Case("pairwise_distance", (X, Y[0]), lambda a, b: distance(a, b, eps=0.1), {"eps": 0.1}, reduces=False),
        Case("pairwise_distance", (X, Y), lambda a, b: distance(a, b)[:, None], {"keepdim": True}, reduces=False),
        Case("cosine_similarity", (X, Y), cosine, reduces=False),
        Case("cosine_similarity", (X, Y[:1]), lambda a, b: cosine(a, b, 0), {"dim": 0}, reduces=False),
        Case("cosine_embedding_loss", (X, Y, signs(7)), cosine_embedding),
        Case(
            "cosine_embedding_loss", (X, Y, signs(7)), lambda a, b, t: cosine_embedding(a, b, t, 0.2), {"margin": 0.2}
        ),
        Case("cosine_embedding_loss", (X[0], Y[0], np.array(1.0, np.float32)), cosine_embedding),
        Case("triplet_margin_loss", (X, Y, third), triplet),
        Case("triplet_margin_loss", (X, Y, third), lambda *x: triplet(*x, p=3, margin=2.5), {"p": 3, "margin": 2.5}),
        Case("triplet_margin_loss", (X, Y, third), lambda *x: triplet(*x, swap=True), {"swap": True}),
        Case("triplet_margin_with_distance_loss", (X, Y, third), lambda *x: triplet(*x, swap=True), {"swap": True}),
    ]


CASES = [*activations(), *regression(), *binary(), *margins(), *distances()]
