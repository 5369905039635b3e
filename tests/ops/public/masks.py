"""Elements chosen by a condition."""

from __future__ import annotations

import numpy as np

from tests.ops.public.indexing import eager
from tests.ops.public.table import call, refuse, row, smooth
from tests.ops.samples import array, strided

x, mask = array(5, 7, 3), array(5, 7, 3) > 0.2
few = array(7, 1) > 0.2
special = np.array([np.nan, np.inf, -np.inf, 0, -0.0], np.float32)
flags = np.array([True, False, False, True, True])

row(
    "gt.masked_fill",
    lambda x, mask, value: np.where(mask, np.asarray(value).astype(x.dtype), x),
    smooth(x, mask, 2.5),
    smooth(strided(5, 7, 3), few, array()),
    smooth(array(3), few, value=-1),
    call(array(), np.array(True), 2.0),
    call(array(0, 3), np.zeros((0, 1), bool), 2.0),
    call(special, flags, float("-inf")),
    call(special, ~flags, float("nan")),
    call(np.arange(5), flags, 7),
    call(np.arange(5), flags, 7.5),
    call(np.arange(5), flags, True),
    call(flags, ~flags, 2),
    call(np.arange(5, dtype=np.uint8), flags, np.array(3)),
    refuse("mask must be bool", x, np.ones(3, np.uint8), 1.0),
    refuse("do not broadcast", x, flags, 1.0),
    refuse("value must be a number or a 0-d tensor", x, mask, array(1)),
    refuse("value=300", np.arange(5, dtype=np.int8), flags, 300),
)
row(
    "gt.masked_select",
    lambda x, mask: np.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape))[
        np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
    ].reshape(-1),
    eager(smooth(x, mask)),
    eager(smooth(strided(5, 7, 3), few)),
    eager(smooth(array(3), few)),
    eager(call(array(), np.array(True))),
    eager(call(special, flags)),
    eager(call(np.arange(5), flags)),
    eager(call(array(5), np.zeros(5, bool))),
    eager(call(array(0, 3), np.zeros((0, 3), bool))),
    refuse("mask must be bool", x, np.ones(3, np.uint8)),
    refuse("do not broadcast", x, flags),
)
row(
    "gt.nonzero",
    lambda x, as_tuple=False: np.nonzero(np.atleast_1d(x)) if as_tuple else np.argwhere(x),
    eager(call(mask)),
    eager(call(np.arange(7) % 3)),
    eager(call(special)),
    eager(call(array(5, 3), as_tuple=True)),
    eager(call(np.array(3.0))),
    eager(call(np.array(3.0), as_tuple=True)),
    eager(call(np.array(False), as_tuple=True)),
    eager(call(np.zeros((0, 3)))),
    refuse("must be a tensor", 3),
)
row(
    "gt.argwhere",
    np.argwhere,
    eager(call(mask)),
    eager(call(np.array(3.0))),
    eager(call(np.array(0))),
    eager(call(special)),
    refuse("must be a tensor", [3]),
)
row(
    "gt.where",
    lambda condition, *values: np.where(condition, *values) if values else np.nonzero(np.atleast_1d(condition)),
    smooth(mask, x, strided(5, 7, 3, low=-1.9)),
    smooth(few, array(3), 2.5),
    smooth(few, 1, array(1, 3)),
    call(flags, np.arange(5), 1),
    call(flags, np.arange(5), np.arange(5, dtype=np.float32)),
    call(flags, special, special[::-1].copy()),
    call(np.array(True), array(0, 3), array(3)),
    eager(call(flags)),
    eager(call(array(5, 3) > 0)),
    refuse("must be bool", x, x, x),
    refuse("do not broadcast", flags, x, x),
)
row(
    "Tensor.where",
    lambda x, condition, other: np.where(condition, x, other),
    smooth(x, mask, array(3)),
    call(np.arange(5), flags, 7),
    refuse("must be bool", x, x, x),
)
