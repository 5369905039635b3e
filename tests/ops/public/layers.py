"""Normalization, one-hot vectors, bags of embeddings, bilinear forms, dropouts that drop nothing or everything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.ops.public.table import Call, Refusal, call, refuse, row, smooth
from tests.ops.samples import array, special

Array = Any
X = array(2, 3, 5, 7)


def per_channel(v: Array, x: Array) -> Array:
    return v.reshape(-1, *(1 for _ in x.shape[2:]))


def instance_norm(
    x: Array, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Array:  # fmt: skip
    dims = tuple(range(2, x.ndim))
    mean, var = x.mean(dims, keepdims=True), x.var(dims, keepdims=True)
    out = (x - mean) / np.sqrt(var + eps)
    out = out if weight is None else out * per_channel(weight, x)
    return out if bias is None else out + per_channel(bias, x)


row(
    "F.instance_norm",
    instance_norm,
    smooth(X),
    smooth(array(2, 3, 7), weight=array(3), bias=array(3, low=0.5)),
    smooth(array(1, 2, 3, 5, 4), eps=0.1),
    refuse("at least 3", array(4, 3)),
    refuse("does not match the channels", X, weight=array(4)),
    refuse("one value", array(4, 3, 1)),
    refuse("use_input_stats", X, use_input_stats=False),
)


def local_response_norm(x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    out = np.zeros_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(c - size // 2, 0) : c - size // 2 + size]
        out[:, c] = x[:, c] / (k + alpha * (near**2).sum(1) / size) ** beta
    return out


row(
    "F.local_response_norm",
    local_response_norm,
    smooth(X, 2),
    smooth(array(2, 5, 7), 3, 0.7, 0.6, 2.0),
    smooth(array(2, 5, 7), size=4, alpha=1.5),
    smooth(array(1, 2, 3, 4, 5), 5),
    call(array(0, 3, 5), 2),
    refuse("at least 3", array(3, 5), 2),
    refuse("size", X, 0),
)


def normalize(x: Array, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Array:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    if math.isinf(p):
        length = abs(x).max(axis, keepdims=True)
    elif p == 0:
        length = (x != 0).sum(axis, keepdims=True)
    else:
        length = (abs(x) ** p).sum(axis, keepdims=True) ** (1 / p)
    return x / np.maximum(length, eps)


row(
    "F.normalize",
    normalize,
    smooth(X),
    smooth(X, dim=-1),
    smooth(X, 1.0, 2),
    smooth(X, p=3, dim=0),
    smooth(X, math.inf),
    smooth(X, 2.0, (1, 3)),
    smooth(X, 1.5, eps=30.0),
    call(X, 0.0),
    call(np.zeros((2, 3), np.float32)),
    call(np.array([[0.0, 0.0], [3.0, 4.0], [1e-20, 0.0]], np.float64)),
    call(array(0, 3)),
    call(array(7), dim=0),
    refuse("floating point", np.arange(6).reshape(2, 3)),
    refuse("dim", array(3), dim=1),
)


def one_hot(index: Array, num_classes: int = -1) -> Array:
    return np.eye(num_classes if num_classes > 0 else index.max() + 1, dtype=np.int64)[index]


CLASSES = np.array([[1, 0, 3], [2, 2, 0]])
row(
    "F.one_hot",
    one_hot,
    call(CLASSES, 5),
    call(np.array(2), 4),
    call(CLASSES[:0], num_classes=3),
    Call((CLASSES,), compiled="item"),
    refuse("int64", CLASSES.astype(np.int32), 5),
    refuse("out of range|class", CLASSES, 3),
    refuse("out of range|class", CLASSES - 1, 5),
    refuse("num_classes", CLASSES[:0]),
    refuse("num_classes", CLASSES, 0),
)

for name in ("F.bilinear", "gt.bilinear"):
    row(
        name,
        lambda a, b, w, bias=None: np.einsum("...i,oij,...j->...o", a, w, b) + (0 if bias is None else bias),
        smooth(array(4, 2, 5), array(4, 2, 6), array(3, 5, 6), array(3)),
        smooth(array(5), array(6), array(3, 5, 6)),
        call(array(0, 5), array(0, 6), array(3, 5, 6)),
        refuse("do not fit", array(4, 5), array(4, 6), array(3, 6, 5)),
        refuse("do not fit", array(4, 5), array(2, 6), array(3, 5, 6)),
    )


def embedding_bag(
    index: Array, weight: Array, offsets: Any = None, max_norm: Any = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: Any = None,
) -> Array:  # fmt: skip
    if offsets is None:
        ends = range(index.shape[1], index.size + 1, index.shape[1])
        starts = [e - index.shape[1] for e in ends]
    else:
        starts = list(offsets[:-1] if include_last_offset else offsets)
        ends = [*starts[1:], offsets[-1] if include_last_offset else index.size]
    flat = index.reshape(-1)
    scale = np.ones(index.size) if per_sample_weights is None else per_sample_weights.reshape(-1)
    out = np.zeros((len(starts), weight.shape[1]))
    for bag, (a, b) in enumerate(zip(starts, ends, strict=True)):
        padded = None if padding_idx is None else padding_idx % len(weight)
        rows = [weight[flat[i]] * scale[i] for i in range(a, b) if flat[i] != padded]
        if rows:
            out[bag] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, 0)  # type: ignore[operator]
    return out


TABLE, FLAT, BAGS = array(7, 5), np.array([1, 0, 3, 2, 6, 2, 4]), np.array([[1, 0, 3], [2, 6, 4]])
MODES = ("sum", "mean", "max")
row(
    "F.embedding_bag",
    embedding_bag,
    *(smooth(BAGS, TABLE, mode=m) for m in MODES),
    *(smooth(FLAT, TABLE, np.array([0, 2, 2, 6]), mode=m) for m in MODES),
    *(smooth(FLAT, TABLE, np.array([0, 2, 2, 7]), mode=m, include_last_offset=True) for m in MODES),
    *(smooth(FLAT, TABLE, np.array([0, 3, 4, 6]), mode=m, padding_idx=2) for m in MODES),
    *(smooth(BAGS, TABLE, mode=m, padding_idx=-1) for m in MODES),
    smooth(BAGS, TABLE, mode="sum", per_sample_weights=array(2, 3)),
    smooth(FLAT, TABLE, np.array([0, 3]), mode="sum", per_sample_weights=array(7)),
    call(BAGS.astype(np.int32), TABLE),
    call(FLAT, TABLE, np.array([0])),
    refuse("mode", BAGS, TABLE, mode="min"),
    refuse("input must be", FLAT, TABLE),
    refuse("input must be", BAGS, TABLE, np.array([0])),
    refuse("per_sample_weights", BAGS, TABLE, per_sample_weights=array(2, 3)),
    refuse("index|out of range", BAGS + 5, TABLE),
)

for name, shape in (("dropout1d", (2, 3, 7)), ("dropout2d", (2, 3, 5, 7)), ("dropout3d", (1, 2, 3, 5, 4))):
    x = array(*shape)
    row(
        f"F.{name}",
        lambda x, p=0.5, training=True, inplace=False: x * (p < 1) if training else x,
        smooth(x, 0.5, False),
        smooth(x, 0.0),
        smooth(x, 1.0),
        refuse("p=", x, 1.5),
        Refusal(Call((array(3), 0.5), {}), "dimensions", torch=name == "dropout1d"),  # which warns of the others
    )
for name in ("F.alpha_dropout", "F.feature_alpha_dropout"):
    row(
        name,
        lambda x, p=0.5, training=False, inplace=False: x * (p < 1) if training else x,
        smooth(X),
        smooth(X, 0.0, True),
        smooth(X, 1.0, training=True),
        call(special().reshape(5, 2)),
        refuse("p=", X, -0.5),
    )
