"""Other shapes, other orders, the same several times; triangles and diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.public.joining import at_least
from tests.ops.public.table import call, refuse, row, smooth
from tests.ops.samples import array, special

INTS = np.array([[3, 1, 2], [7, 5, 4]], np.int64)
BOOLS = np.array([True, False, True])


def flexible(f: Any) -> Any:
    """Of a function that takes sizes one by one, or as a sequence."""

    def formula(x: Any, *sizes: Any, **kwargs: Any) -> Any:
        given = sizes or tuple(kwargs.values())
        return f(x, tuple(given[0]) if len(given) == 1 and isinstance(given[0], list | tuple) else given)

    return formula


# ---- shapes ---------------------------------------------------------------------------------------

row(
    "gt.ravel",
    np.ravel,
    smooth(array(3, 5, 2)),
    smooth(array()),
    call(array(0, 3)),
    call(INTS),
    refuse("must be a tensor|expected a tensor", [1.0]),
)
row(
    "Tensor.reshape_as",
    lambda x, other: x.reshape(other.shape),
    smooth(array(3, 10), array(5, 6)),
    call(INTS, array(6)),
    call(array(1), array()),
    refuse("cannot be reshaped", array(3, 5), array(4)),
)
row(
    "Tensor.view_as",
    lambda x, other: x.reshape(other.shape),
    smooth(array(30), array(5, 6)),
    call(np.arange(6), array(2, 3)),
    refuse("cannot be reshaped", array(3, 5), array(4)),
)
row(
    "gt.unflatten",
    lambda x, dim, sizes: x.reshape(x.shape[:dim] + tuple(sizes) + (x.shape[dim + 1 :] if dim != -1 else ())),
    smooth(array(3, 10), 1, (2, 5)),
    smooth(array(3, 10), -1, (-1, 2)),
    smooth(array(12, 5), dim=0, sizes=[3, 2, 2]),
    call(INTS, 0, (2, 1)),
    refuse("do not make up", array(3, 10), 1, (3, 4)),
    refuse("do not make up", array(3, 10), 1, (-1, -1)),
    refuse("do not make up", array(3, 10), 1, ()),
    refuse("dim", array(3), 1, (3,)),
)
row(
    "gt.broadcast_tensors",
    lambda *t: tuple(np.array(a) for a in np.broadcast_arrays(*t)),
    smooth(array(3, 1), array(5)),
    smooth(array(), array(2, 1, 4), array(3, 1)),
    call(INTS, BOOLS),
    refuse("broadcast", array(3), array(2)),
)
row(
    "Tensor.sum_to_size",
    flexible(lambda x, size: x.sum(tuple(i for i in range(x.ndim - len(size)))).reshape(x.shape[x.ndim - len(size) :]).sum(
        tuple(i for i, n in enumerate(size) if n == 1), keepdims=True).reshape(size)),
    smooth(array(3, 5, 2), 5, 1),
    smooth(array(3, 5), (1, 5)),
    smooth(array(7), size=(1,)),
    call(array(3, 5), 3, 5),
    refuse("cannot be summed", array(3, 5), 3),
    refuse("cannot be summed", array(5), 3, 5),
)  # fmt: skip
for name, formula in (
    ("gt.atleast_1d", np.atleast_1d),
    ("gt.atleast_2d", np.atleast_2d),
    ("gt.atleast_3d", np.atleast_3d),
):
    row(
        name,
        at_least(formula),
        smooth(array()),
        smooth(array(3)),
        smooth(array(3, 5)),
        smooth(array(3, 5, 2)),
        smooth(array(), array(2)),
        smooth([array(3), array()]),
        call(array(0)),
        refuse("must be a tensor|expected a tensor", "a"),
    )

# ---- orders ---------------------------------------------------------------------------------------

for name in ("gt.flip", "Tensor.flip"):
    row(
        name,
        lambda x, *dims, **kwargs: flexible(np.flip)(x, *dims, **kwargs),
        smooth(array(3, 5, 2), [0, 2]),
        smooth(array(7, 5), (-1,)),
        smooth(array(33), dims=(0,)),
        call(array(3, 5), ()),
        call(array(0, 3), [1]),
        call(INTS, [0, 1]),
        call(special(), [0]),
        refuse("twice", array(3, 5), [0, 0]),
        refuse("dims", array(3, 5), [2]),
    )
row("gt.fliplr", np.fliplr, smooth(array(3, 5, 2)), call(INTS), refuse("at least 2", array(3)))
row("gt.flipud", np.flipud, smooth(array(3, 5)), call(BOOLS), refuse("at least 1", array()))
row(
    "gt.rot90",
    lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims),
    smooth(array(3, 5)),
    smooth(array(3, 5), 2),
    smooth(array(3, 5, 2), -1, [1, 2]),
    smooth(array(3, 5, 2), k=3, dims=(0, -1)),
    call(INTS, 4),
    call(array(0, 3)),
    refuse("plane", array(3)),
    refuse("one dimension", array(3, 5), 1, (0, 0)),
    refuse("plane", array(3, 5), 1, (0,)),
)
row(
    "gt.roll",
    lambda x, shifts, dims=None: np.roll(x, shifts, dims),
    smooth(array(3, 5), 2),
    smooth(array(3, 5), -1, 0),
    smooth(array(3, 5, 2), (2, -3), dims=(0, 1)),
    smooth(array(7), 9, 0),
    call(array(7, 3), 0, 1),
    call(array(0, 3), 1, 0),
    call(INTS, shifts=1, dims=-1),
    call(array(), 1),
    refuse("shifts", array(3, 5), (1, 2)),
    refuse("shifts", array(3, 5), (1, 2), 0),
    refuse("dims", array(3, 5), 1, 2),
)

# ---- several times --------------------------------------------------------------------------------

row(
    "Tensor.repeat",
    flexible(lambda x, counts: np.tile(x, counts)),
    smooth(array(3, 5), 2, 4),
    smooth(array(3, 5), (2, 1, 3)),
    smooth(array(7), repeats=[2]),
    smooth(array(), 3),
    call(array(3, 5), 0, 2),
    call(INTS, 1, 2),
    refuse("does not fit", array(3, 5), 2),
    refuse("does not fit", array(3), -1),
)
for name in ("gt.tile", "Tensor.tile"):
    row(
        name,
        lambda x, *dims, **kwargs: flexible(np.tile)(x, *dims, **kwargs),
        smooth(array(3, 5), (2, 4)),
        smooth(array(3, 5), [3]),
        smooth(array(3, 5), (2, 1, 3)),
        call(array(7), dims=(0,)),
        call(BOOLS, (2,)),
        refuse("dims", array(3), (-1,)),
    )
row(
    "gt.repeat_interleave",
    lambda x, repeats, dim=None, output_size=None: np.repeat(x, repeats, dim),
    smooth(array(3, 5), 2),
    smooth(array(3, 5), 3, 0),
    smooth(array(3, 5), repeats=2, dim=-1),
    smooth(array(), 3),
    call(array(3, 5), 0, 1),
    call(INTS, 2, dim=1),
    refuse("repeats", array(3), -1),
    refuse("dim", array(3), 1, 1),
)

# ---- triangles and diagonals ----------------------------------------------------------------------

for name, formula in (("gt.tril", np.tril), ("gt.triu", np.triu)):
    row(
        name,
        lambda x, diagonal=0, formula=formula: formula(x, diagonal),
        smooth(array(5, 7)),
        smooth(array(2, 7, 5), -2),
        smooth(array(5, 7), diagonal=3),
        call(array(3, 5), 9),
        call(array(0, 5)),
        call(INTS, 1),
        call(np.array([[True, True], [True, False]])),
        call(np.full((3, 5), np.nan, np.float32)),
        refuse("at least 2", array(3)),
    )


def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    size = x.shape[-1] + abs(offset)
    out = np.zeros((*x.shape[:-1], size, size), x.dtype)
    for i in range(x.shape[-1]):
        out[..., i + max(-offset, 0), i + max(offset, 0)] = x[..., i]
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


row(
    "gt.diag",
    lambda x, diagonal=0: np.diag(x, diagonal),
    smooth(array(5)),
    smooth(array(3), -2),
    smooth(array(5, 7)),
    smooth(array(7, 5), diagonal=-3),
    smooth(array(5, 7), 4),
    call(array(3, 5), 5),
    call(array(3, 5), -6),
    call(INTS, 1),
    call(array(0)),
    refuse("1 or 2", array(2, 3, 5)),
    refuse("1 or 2", array()),
)
row(
    "gt.diagflat",
    lambda x, offset=0: np.diagflat(x, offset),
    smooth(array(2, 3)),
    smooth(array(3), offset=-2),
    call(array(), 1),
    call(INTS),
    refuse("offset", array(3), "a"),
)
row(
    "gt.diag_embed",
    diag_embed,
    smooth(array(5)),
    smooth(array(2, 3), 1),
    smooth(array(2, 3), offset=-2, dim1=0, dim2=2),
    smooth(array(2, 3), 0, 2, 0),
    call(INTS),
    call(array(2, 0)),
    refuse("at least 1", array()),
    refuse("are one", array(2, 3), 0, 1, 1),
)
row(
    "gt.movedim",
    lambda x, source, destination: np.moveaxis(x, source, destination) if x.ndim else x,
    smooth(array(3, 5, 2), 0, -1),
    smooth(array(3, 5, 2), (2, 0), (0, 1)),
    call(INTS, 1, 0),
    call(array(), 0, 0),
    refuse("dim", array(3, 5), 0, 3),
    refuse("names a dimension twice", array(3, 5), (0, 0), (0, 1)),
    refuse("differ in length", array(3, 5), (0, 1), (0,)),
)
