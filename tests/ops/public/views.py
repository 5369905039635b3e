"""Shapes and orders that move nothing in memory: views, and copies of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.public.shapes import flexible
from tests.ops.public.table import call, in_order, refuse, row, smooth
from tests.ops.samples import array, special, strided

Array = Any
INTS = np.array([[3, 1, 2], [7, 5, 4]], np.int64)
X = array(3, 5, 2)
NOT_A_TENSOR = refuse("must be a tensor|expected a tensor", 2.5)

# ---- sizes ----------------------------------------------------------------------------------------

for name in ("gt.reshape", "Tensor.reshape", "Tensor.view"):
    lying = in_order if name == "Tensor.view" else lambda made: made
    row(
        name,
        flexible(np.reshape),
        lying(smooth(X, (6, 5))),
        lying(smooth(X, [-1, 3])),
        smooth(array(), (1, 1)),
        *([lying(smooth(X, 2, -1))] if name != "gt.reshape" else []),
        call(array(0, 3), (3, 0)),
        lying(call(INTS, (6,))),
        call(special(), (2, 5)),
        refuse("cannot be reshaped", X, (4, 7)),
        refuse("-1", X, (-1, -1)),
    )
row(
    "gt.flatten",
    lambda x, start_dim=0, end_dim=-1: x.reshape(
        (*x.shape[: start_dim % x.ndim], -1, *x.shape[end_dim % x.ndim + 1 :]) if x.ndim else (1,)
    ),
    smooth(X),
    smooth(X, 1),
    smooth(X, start_dim=0, end_dim=-2),
    smooth(array()),
    call(INTS, 0, 0),
    refuse("dim", X, 3),
    refuse("start_dim", X, 2, 1),
)
row(
    "gt.unsqueeze",
    np.expand_dims,
    smooth(X, 0),
    smooth(X, -1),
    smooth(array(), 0),
    call(array(0, 3), 1),
    call(INTS, -2),
    refuse("dim", X, 4),
)
row(
    "gt.squeeze",
    lambda x, dim=None: x.squeeze() if dim is None else x.squeeze(
        tuple(d % x.ndim for d in np.atleast_1d(np.array(dim, int)) if x.shape[d] == 1)),
    smooth(array(1, 3, 1, 5)),
    smooth(array(1, 3, 1, 5), 0),
    smooth(array(1, 3, 1, 5), 1),
    smooth(array(1, 3, 1, 5), (0, -2)),
    call(array(1, 0)),
    call(INTS[:1], dim=-2),
    refuse("dim", X, 3),
)  # fmt: skip
for name in ("gt.broadcast_to", "Tensor.expand"):
    row(
        name,
        lambda x, *size: np.broadcast_to(
            x, [n if s == -1 else s for n, s in zip((*(0,) * (len(size) - x.ndim), *x.shape), size, strict=True)]
        ) if size and isinstance(size[0], int) else np.broadcast_to(x, size[0]),
        *([smooth(array(3, 1), -1, 5), smooth(array(5), 2, 3, -1)] if name == "Tensor.expand" else []),
        smooth(array(3, 1), (3, 5)),
        smooth(array(), (2, 7)),
        call(INTS, (4, 2, 3)),
        call(array(0, 1), (0, 3)),
        refuse("broadcast|expand", X, (3, 5, 3)),
        refuse("broadcast|expand", X, (5, 2)),
    )  # fmt: skip
row(
    "Tensor.expand_as",
    lambda x, other: np.broadcast_to(x, other.shape),
    smooth(array(3, 1), array(3, 5)),
    call(INTS, array(4, 2, 3)),
    refuse("broadcast|expand", array(3), array(5)),
)

# ---- orders ---------------------------------------------------------------------------------------

row(
    "gt.transpose",
    np.swapaxes,
    smooth(X, 0, 1),
    smooth(X, -1, 0),
    smooth(strided(2, 7), 1, 0),
    call(array(0, 3), 0, 1),
    call(INTS, 1, 0),
    refuse("dim", X, 0, 3),
)
row("gt.t", np.transpose, smooth(array(3, 5)), smooth(array(3)), smooth(array()), call(INTS), refuse("dimensions", X))
row(
    "gt.permute",
    np.transpose,
    smooth(X, (2, 0, 1)),
    smooth(X, (-1, 1, 0)),
    smooth(array(), ()),
    call(array(0, 3), (1, 0)),
    call(INTS, (1, 0)),
    refuse("is not an order of 3 dimensions", X, (0, 1)),
    refuse("is not an order|twice", X, (0, 1, 1)),
)

# ---- parts ----------------------------------------------------------------------------------------

row(
    "gt.narrow",
    lambda x, dim, start, length: np.take(x, range(start % (x.shape[dim] + 1), start % (x.shape[dim] + 1) + length), dim),
    smooth(X, 1, 1, 3),
    smooth(X, -1, 0, 1),
    call(X, 1, 2, 0),
    call(INTS, 1, 1, 2),
    refuse("length|narrow|range", X, 1, 3, 4),
    refuse("dim", X, 3, 0, 1),
)  # fmt: skip
row(
    "gt.select",
    lambda x, dim, index: np.take(x, index, dim),
    smooth(X, 1, 2),
    smooth(X, -1, -1),
    call(array(7), 0, 3),
    call(INTS, 0, 1),
    refuse("index", X, 1, 5),
    refuse("dim", X, 3, 0),
)
row(
    "gt.diagonal",
    np.diagonal,
    smooth(array(3, 5)),
    smooth(X, 1, 0, 2),
    smooth(X, -1, 1, 0),
    call(array(3, 5), 7),
    call(INTS),
    refuse("dim", array(3)),
    refuse("dim", X, 0, 1, 1),
)
row(
    "Tensor.unfold",
    lambda x, dimension, size, step: np.lib.stride_tricks.sliding_window_view(x, size, dimension)[
        tuple(slice(None, None, step) if d == dimension % x.ndim else slice(None) for d in range(x.ndim))
    ],
    smooth(array(7), 0, 3, 2),
    smooth(X, 1, 2, 1),
    smooth(X, -2, 4, 1),
    call(INTS, 1, 2, 1),
    refuse("size", X, 1, 6, 1),
    refuse("step", X, 1, 2, 0),
)
row(
    "gt.as_strided",
    lambda x, size, stride, storage_offset=0: np.array(
        [x.ravel()[storage_offset + sum(i * s for i, s in zip(at, stride, strict=True))] for at in np.ndindex(*size)],
        x.dtype,
    ).reshape(size),
    in_order(smooth(array(3, 5), (2, 3), (1, 2))),
    in_order(smooth(array(3, 5), (3, 2), (2, 1), 4)),
    in_order(call(np.arange(6), (2, 2), (1, 1))),
    refuse("size|stride", array(3, 5), (2, 3), (1,)),
)

# ---- copies ---------------------------------------------------------------------------------------

row(
    "gt.clone",
    np.array,
    smooth(X),
    smooth(strided(2, 7)),
    smooth(array()),
    call(special()),
    call(array(0, 3)),
    call(INTS),
    NOT_A_TENSOR,
)
