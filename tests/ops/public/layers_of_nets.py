"""What nets are made of: softmax, linear maps, convolutions, normalization, embeddings, attention."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tests.ops.public.table import Call, call, refuse, row, smooth
from tests.ops.samples import array, special, strided

Array = Any


def softmax(x: Array, dim: int, **_: Any) -> Array:
    e = np.exp(x - np.max(x, dim, keepdims=True, initial=-np.inf))
    return e / e.sum(dim, keepdims=True)


for name, of in (("softmax", lambda p: p), ("log_softmax", np.log)):
    for space in ("gt", "F"):
        row(
            f"{space}.{name}",
            lambda x, dim, of=of: of(softmax(x, dim)),
            smooth(array(3, 5, 2), 1),
            smooth(strided(3, 5, 2), dim=-1),
            smooth(array(7, 33), 0),
            smooth(array(low=1), 0),
            call(array(3, 5) * 50, 1),
            call(array(0, 3), 1),
            refuse("dim", array(3, 5), 2),
            refuse("dim", array(3), 1),
            rtol=5e-5,
            atol=1e-5,
        )
row(
    "F.linear",
    lambda x, w, b=0: x @ w.T + b,
    smooth(array(7, 5), array(3, 5, low=-1.8), array(3)),
    smooth(strided(2, 7, 5), strided(3, 5, low=-1.8)),
    smooth(array(5), array(3, 5, low=-1.8)),
    call(array(0, 5), array(3, 5)),
    refuse("do not match", array(7, 5), array(3, 4)),
    refuse("must be a matrix", array(7, 5), array(2, 3, 5)),
    atol=2e-5,
)

# ---- activations, losses of classes ---------------------------------------------------------------

normal_distribution = np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2, otypes=[np.float64])
tanh_form = lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
ACTIVATIONS = [smooth(array(3, 5, low=-1.9)), smooth(strided(2, 7, low=-1.9)), call(special()), call(array(0, 3))]
INTEGERS = refuse("float|does not take", np.arange(3) > 1)
row("F.relu", lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)), *ACTIVATIONS, INTEGERS)
row(
    "F.silu",
    lambda x: x / (1 + np.exp(-x)),
    *(c for c in ACTIVATIONS if c.smooth),
    call(np.array([np.nan, np.inf, 0.0, 30.0, -30.0], np.float32)),
    INTEGERS,
)
row(
    "F.gelu",
    lambda x, approximate="none": tanh_form(x) if approximate == "tanh" else x * normal_distribution(x),
    *(c for c in ACTIVATIONS if c.smooth),
    smooth(array(3, 5, low=-1.9), approximate="tanh"),
    call(array(0, 3)),
    refuse("approximate", array(3), approximate="erf"),
    INTEGERS,
    rtol=5e-5,
)


def nll(x: Array, y: Array, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Array:
    rows, labels = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), y.reshape(-1)
    kept = labels != ignore_index
    weights = np.where(kept, 1.0 if weight is None else weight[np.where(kept, labels, 0)], 0)
    losses = -weights * np.take_along_axis(rows, np.where(kept, labels, 0)[:, None], 1)[:, 0]
    if reduction == "none":
        return losses.reshape(y.shape)
    return np.asarray(losses.sum() / (weights.sum() if reduction == "mean" else 1))


LABELS = np.array([2, 0, 4, -100, 1, 1, 3])
OTHERS = np.array([[2, 0], [1, 4], [3, 3]])
for name, scores in (("nll_loss", lambda x: x), ("cross_entropy", lambda x: np.log(softmax(x, 1)))):
    row(
        f"F.{name}",
        lambda x, y, scores=scores, **options: nll(scores(x), y, **options),
        smooth(array(7, 5), LABELS),
        smooth(array(3, 5, 2), OTHERS, reduction="none"),
        smooth(strided(7, 5), LABELS),
        smooth(array(3, 5, 2), OTHERS, reduction="sum", ignore_index=3),
        refuse("batch|sizes|target|match", array(7, 5), OTHERS),
        rtol=5e-5,
    )

# ---- convolutions ---------------------------------------------------------------------------------


def each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def convolution(
    x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Array:
    """The sum over the taps of the kernel of what each reads, times its weights."""
    rank = w.ndim - 2
    if x.ndim == rank + 1:
        return convolution(x[None], w, b, stride, padding, dilation, groups)[0]
    s, p, d = each(stride, rank), each(padding, rank), each(dilation, rank)
    x = np.pad(x, ((0, 0), (0, 0), *((n, n) for n in p)))
    sizes = [(n - (k - 1) * j - 1) // i + 1 for n, k, i, j in zip(x.shape[2:], w.shape[2:], s, d, strict=True)]
    inputs, outputs = w.shape[1], w.shape[0] // groups
    out = np.zeros((x.shape[0], w.shape[0], *sizes))
    for tap in np.ndindex(*w.shape[2:]):
        part = x[
            (..., *(slice(t * j, t * j + (n - 1) * i + 1, i) for t, j, n, i in zip(tap, d, sizes, s, strict=True)))
        ]
        for g in range(groups):
            rows = slice(g * outputs, (g + 1) * outputs)
            read = part[:, g * inputs : (g + 1) * inputs]
            out[:, rows] += np.einsum("nc...,oc->no...", read, w[(rows, slice(None), *tap)])
    return out if b is None else out + b.reshape(-1, *[1] * rank)


def transposed(
    x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
    dilation: Any = 1,
) -> Array:  # fmt: skip
    """Each element sends its value, times the weights, to where the taps of the kernel lie."""
    rank = w.ndim - 2
    s, p, o, d = (each(v, rank) for v in (stride, padding, output_padding, dilation))
    spread = [
        (n - 1) * i + (k - 1) * j + 1 + e for n, i, k, j, e in zip(x.shape[2:], s, w.shape[2:], d, o, strict=True)
    ]
    inputs, outputs = w.shape[0] // groups, w.shape[1]
    out = np.zeros((x.shape[0], outputs * groups, *spread))
    for tap, g in itertools.product(np.ndindex(*w.shape[2:]), range(groups)):
        at = tuple(slice(t * j, t * j + (n - 1) * i + 1, i) for t, j, n, i in zip(tap, d, x.shape[2:], s, strict=True))
        rows = slice(g * inputs, (g + 1) * inputs)
        sent = np.einsum("nc...,co->no...", x[:, rows], w[(rows, slice(None), *tap)])
        out[(slice(None), slice(g * outputs, (g + 1) * outputs), *at)] += sent
    out = out[(..., *(slice(q, n - q) for q, n in zip(p, spread, strict=True)))]
    return out if b is None else out + b.reshape(-1, *[1] * rank)


SIZES = {1: ((11,), (3,)), 2: ((9, 7), (3, 2)), 3: ((5, 7, 4), (2, 3, 1))}
for rank, (size, kernel) in SIZES.items():
    x, weight = array(2, 4, *size), array(6, 4, *kernel, low=-1.8)
    row(
        f"F.conv{rank}d",
        convolution,
        smooth(x, weight, array(6)),
        smooth(strided(2, 4, *size), array(6, 2, *kernel, low=-1.8), None, 2, 1, groups=2),
        smooth(x, weight, padding=2, dilation=2)
        if rank < 3
        else smooth(x, weight, stride=(1, 2, 3), padding=(1, 0, 2)),
        smooth(array(4, *size), weight),
        call(array(0, 4, *size), weight),
        refuse("input channels do not match", x, array(6, 3, *kernel)),
        refuse("groups", x, weight, groups=3),
        refuse("dimensions", x, array(6, 4)),
        rtol=1e-4,
        atol=1e-4,
    )
    small, backwards = array(2, 4, *(n // 2 + 1 for n in size)), array(4, 3, *kernel, low=-1.8)
    row(
        f"F.conv_transpose{rank}d",
        transposed,
        smooth(small, backwards, array(3)),
        smooth(small, backwards, stride=2, output_padding=1, groups=2),
        smooth(small, backwards, None, 3, 1) if rank == 1 else smooth(small, backwards, None, (2, 3, 1)[:rank]),
        call(array(0, 4, *size), backwards),
        refuse("input channels do not match", small, array(3, 4, *kernel)),
        rtol=1e-4,
        atol=1e-4,
    )

# ---- normalization --------------------------------------------------------------------------------


def normal(x: Array, dims: tuple[int, ...], eps: float) -> Array:
    return (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)


def over_channels(v: Any, x: Array, otherwise: float) -> Any:
    return otherwise if v is None else v.reshape(-1, *(1 for _ in x.shape[2:]))


def layer_norm(x: Array, shape: Any, weight: Any = 1, bias: Any = 0, eps: float = 1e-5) -> Array:
    return normal(x, tuple(range(-len(shape), 0)), eps) * weight + bias


def rms_norm(x: Array, shape: Any, weight: Any = 1, eps: Any = None) -> Array:
    mean = (x * x).mean(tuple(range(-len(shape), 0)), keepdims=True)
    return x / np.sqrt(mean + (float(np.finfo(np.float32).eps) if eps is None else eps)) * weight


def group_norm(x: Array, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Array:
    found = normal(x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups), (2,), eps).reshape(x.shape)
    return found * over_channels(weight, x, 1) + over_channels(bias, x, 0)


def batch_norm(
    x: Array, mean: Any, var: Any, weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:  # fmt: skip
    if training:
        found = normal(x, (0, *range(2, x.ndim)), eps)
    else:
        found = (x - over_channels(mean, x, 0)) / np.sqrt(over_channels(var, x, 1) + eps)
    return found * over_channels(weight, x, 1) + over_channels(bias, x, 0)


NORM = {"rtol": 1e-4, "atol": 2e-5}
IMAGES = array(2, 6, 5, 3)
row(
    "F.layer_norm",
    layer_norm,
    smooth(array(7, 5), (5,)),
    smooth(strided(2, 7, 5), (7, 5), array(7, 5, low=0.5), array(7, 5)),
    smooth(array(7, 5), [5], eps=0.1),
    call(array(0, 5), (5,)),
    refuse("normalized_shape|last", array(7, 5), (7,)),
    refuse("weight", array(7, 5), (5,), array(7)),
    **NORM,
)
row(
    "F.rms_norm",
    rms_norm,
    smooth(array(7, 5), (5,)),
    smooth(strided(2, 7, 5), (7, 5), array(7, 5, low=0.5)),
    smooth(array(7, 5), [5], eps=0.1),
    call(array(0, 5), (5,)),
    refuse("normalized_shape|last", array(7, 5), (7,)),
    **NORM,
)
row(
    "F.group_norm",
    group_norm,
    smooth(IMAGES, 3),
    smooth(strided(2, 6, 7), 2, array(6, low=0.5), array(6)),
    smooth(array(5, 6), 3, eps=0.1),
    call(array(0, 6, 5), 2),
    refuse("num_groups|groups", IMAGES, 4),
    refuse("weight", IMAGES, 3, array(5)),
    **NORM,
)
MEAN, VAR = array(6), array(6, low=0.5)
row(
    "F.batch_norm",
    batch_norm,
    smooth(IMAGES, None, None, training=True),
    smooth(strided(7, 6), None, None, array(6, low=0.5), array(6), True),
    # torch has no gradients of running statistics
    Call((IMAGES, MEAN, VAR), torch=False),
    Call((array(2, 6, 7), MEAN, VAR, array(6, low=0.5), array(6)), {"eps": 0.1}, torch=False),
    Call((array(0, 6, 5), MEAN, VAR), torch=False),
    refuse("running_mean and running_var are needed", IMAGES, None, None),
    refuse("weight", IMAGES, MEAN, VAR, array(5)),
    **NORM,
)

# ---- embeddings, attention ------------------------------------------------------------------------

PLACES = np.array([[3, 0, 3], [1, 2, 3]], np.int64)
row(
    "F.embedding",
    lambda i, w, padding_idx=None: w[i],
    smooth(PLACES, array(5, 7)),
    smooth(np.array(2), array(5, 7)),
    call(PLACES, array(5, 7), padding_idx=3),
    call(np.zeros((0, 3), np.int64), array(5, 7)),
    refuse("out of range|range", PLACES, array(3, 7)),
    refuse("integer|int", array(3), array(5, 7)),
)


def attention(
    q: Array, k: Array, v: Array, mask: Any = None, p: float = 0.0, is_causal: bool = False, **o: Any
) -> Array:
    scores = q @ np.swapaxes(k, -1, -2) * (o.get("scale") or 1 / math.sqrt(q.shape[-1]))
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    return softmax(scores, -1) @ v


Q, K, V = array(2, 3, 7, 4), array(2, 3, 5, 4, low=-1.9), array(2, 3, 5, 6, low=-1.8)
row(
    "F.scaled_dot_product_attention",
    attention,
    smooth(Q, K, V),
    smooth(Q, K, V, is_causal=True),
    smooth(Q, K, V, array(7, 5)),
    smooth(Q, K, V, np.arange(35).reshape(7, 5) % 3 != 1),
    smooth(array(7, 4), array(5, 4, low=-1.9), array(5, 6), scale=0.3),
    call(array(0, 7, 4), array(0, 5, 4), array(0, 5, 6)),
    refuse("query|key|match|sizes", Q, array(2, 3, 5, 3), V),
    **NORM,
)
row(
    "F.dropout",
    lambda x, p=0.5, training=True: x * 0 if training and p == 1 else x,
    smooth(array(3, 5), training=False),
    smooth(array(3, 5), 0.0),
    smooth(array(3, 5), 1.0),
    call(special(), 0.3, False),
    refuse("p=1.5", array(3), 1.5),
)
