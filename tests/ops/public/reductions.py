"""Sums, products, extrema, truth: what becomes of all elements, or of those along dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int16, int32, int64, uint8
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array

NAN, INF = np.nan, np.inf


def dims_of(x: Array, dim: Any) -> tuple[int, ...]:
    """What numpy reduces for torch's ``dim``."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(x.ndim))
    if not x.ndim:
        return ()
    return tuple(dim) if isinstance(dim, list | tuple) else (dim,)


def reducing(f: Any, convert: Any = lambda x: x) -> Any:
    """A formula from numpy's function of (array, axis, keepdims)."""

    def formula(input: Array, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
        dim, keepdim = names.get("axis", dim), names.get("keepdims", keepdim)
        x = convert(input)
        return np.asarray(f(x, axis=dims_of(x, dim), keepdims=keepdim))

    return formula


def as_sum(x: Array) -> Array:
    return x if x.dtype.kind == "f" else x.astype(np.int64)


def special(*shape: int) -> Array:
    """Rows with nan, infinities, ties and zeros of both signs."""
    return np.resize(np.array([NAN, 1, 1, INF, 0, -0.0, -INF, 2, 2, -INF, 3], np.float32), shape)


def over_dims(make: Any = smooth) -> list[Call]:
    """What sum and the like are called with."""
    return [
        make(array(3, 5, 2)),
        make(array(3, 5, 2), 1),
        make(array(3, 5, 2), -1, True),
        make(array(3, 5, 2), (0, -1)),
        make(array(3, 5, 2), dim=[2, 0], keepdim=True),
        make(array(3, 5, 2), None, True),
        make(array(3, 5, 2), axis=0, keepdims=True),
        make(array(7, 33, dtype=float64), 1),
        make(array(33, 7, dtype=float64), 0),
        make(array()),
        make(array(), 0),
        make(array(), -1, True),
        make(array(0, 3), 1),
        make(array(129, 70), 0),
        make(array(3, 1300), 1),
    ]


OUT_OF_RANGE = [
    refuse("dim=3 is out of range", array(2, 3), 3),
    refuse("dim=-3 is out of range", array(2, 3), -3),
    refuse("must be an int", array(2, 3), 1.5),
]
TWICE = refuse("names a dimension twice", array(2, 3), (0, -2))

row(
    "gt.sum",
    reducing(np.sum, as_sum),
    *over_dims(),
    call(array(3, 5, dtype=bool_), 1),
    *(call(array(3, 7, dtype=d), -1) for d in (int64, int32, int16, int8, uint8)),
    call(special(3, 7), 1),
    call(array(0, 3)),
    call(array(0, 3), 0),
    call(array(3, 5), dim=()),
    *OUT_OF_RANGE,
    TWICE,
)
row(
    "Tensor.mean",
    reducing(lambda x, axis, keepdims: x.sum(axis, keepdims=keepdims) / max(np.prod([x.shape[a] for a in axis]), 0)),
    *over_dims(),
    call(special(3, 7), 1),
    call(array(0, 3)),
    call(array(0, 3), 0),
    *OUT_OF_RANGE,
    TWICE,
    refuse("must be floating point", array(3, dtype=int64)),
)
row(
    "gt.prod",
    reducing(np.prod, as_sum),
    smooth(array(3, 5, 2)),
    smooth(array(3, 5, 2), 1),
    smooth(array(3, 5, 2), -1, True),
    smooth(array(3, 5, 2), axis=0, keepdims=True),
    smooth(np.array([[3.0, 0, 2], [0, 5, 0], [1, 2, 4], [0, 0, 0]], np.float32), 1),
    smooth(np.array([3.0, 0, 2])),
    smooth(array()),
    smooth(array(), 0),
    smooth(array(0, 3), 1),
    call(array(0, 3), 0),
    call(array(0)),
    call(np.array([[NAN, 1, 2], [INF, 3, -INF], [5, 4, NAN]], np.float32), 1),
    call(array(3, 5, dtype=bool_), 1),
    *(call(array(3, 7, dtype=d), -1) for d in (int64, int32, int16, int8, uint8)),
    *OUT_OF_RANGE[:2],
    refuse("dim must be an int", array(2, 3), (0, 1)),
    refuse("needs dim", array(2, 3), keepdim=True),
)

# ---- extrema --------------------------------------------------------------------------------------

TIES = np.array([[2, 1, 2, 2], [0, 0, 0, 0], [1, 3, 3, -1]], np.float32)


def of_extrema(make: Any = smooth) -> list[Call]:
    kinds = (int64, int32, int16, int8, uint8, bool_)
    return [
        *(c for c in over_dims(make) if c.kwargs.keys().isdisjoint({"axis"})),
        call(TIES, 1),
        call(special(3, 7), -1),
        *(call(array(3, 7, dtype=d), -1) for d in kinds),
        call(array(3, 7, dtype=bool_)),
    ]


EMPTY = refuse("no element to reduce", array(0, 3), 0)

for name, formula in (("amax", np.max), ("amin", np.min)):
    row(f"gt.{name}", reducing(formula), *of_extrema(), *OUT_OF_RANGE, TWICE, EMPTY)
row(
    "gt.aminmax",
    lambda x, dim=None, keepdim=False: (reducing(np.min)(x, dim, keepdim), reducing(np.max)(x, dim, keepdim)),
    smooth(array(3, 5, 2)),
    smooth(array(3, 5, 2), dim=-2),
    smooth(array(3, 5, 2), dim=0, keepdim=True),
    smooth(array(3, 5), keepdim=True),
    smooth(array(), dim=0),
    call(TIES, dim=1),
    call(array(0, 3), dim=1),
    call(array(7, dtype=bool_)),
    call(array(7, dtype=uint8)),
    refuse("dim=2 is out of range", array(2, 3), dim=2),
    refuse("no element to reduce", array(0)),
    refuse("dim must be an int", array(2, 3), dim=(0, 1)),
)


def placing(best: Any) -> Any:
    """argmax, argmin: the first nan, or the first of the best."""

    def formula(x: Array, dim: Any = None, keepdim: bool = False, **names: Any) -> Array:
        dim = names.get("axis", dim)
        flat = x.reshape(-1) if dim is None or not x.ndim else np.moveaxis(x, dim, -1)
        found = np.zeros(flat.shape[:-1], np.int64)
        for at in np.ndindex(found.shape):
            values = flat[at].tolist()
            nans = [i for i, v in enumerate(values) if v != v]
            found[at] = nans[0] if nans else values.index(best(values))
        if not keepdim or not x.ndim:
            return found
        return found.reshape([1] * x.ndim) if dim is None else np.expand_dims(found, dim)

    return formula


PLACES = [
    call(array(3, 5, 2)),
    call(array(3, 5, 2), 1),
    call(array(3, 5, 2), -1, True),
    call(array(3, 5, 2), None, True),
    call(array(3, 5, 2), axis=0),
    call(array()),
    call(array(), 0, True),
    call(array(0, 3), 1),
    call(TIES, 1),
    call(special(3, 7), -1),
    call(array(70, 33), 0),
    *(call(array(3, 7, dtype=d), -1) for d in (int64, int32, int16, int8, uint8)),
]
for name, best in (("argmax", max), ("argmin", min)):
    row(
        f"gt.{name}",
        placing(best),
        *PLACES,
        *OUT_OF_RANGE,
        EMPTY,
        refuse("no element to reduce", array(0)),
        refuse("does not take graphtorch.bool", array(3, dtype=bool_)),
    )


def choosing(best: Any, of_two: Any, whole: Any) -> Any:
    """max, min: three functions."""

    def formula(x: Array, dim: Any = None, keepdim: bool = False, **names: Any) -> Any:
        dim, other = names.get("axis", dim), names.get("other")
        if other is not None or isinstance(dim, np.ndarray):
            return of_two(x, dim if other is None else other)
        if dim is None:
            return whole(x)
        at = placing(best)(x, dim, keepdim=True)
        values = np.take_along_axis(x, at, dim) if x.ndim else x
        return (values, at) if keepdim or not x.ndim else (values.squeeze(dim), at.squeeze(dim))

    return formula


for name, best, of_two, whole in (("max", max, np.maximum, np.max), ("min", min, np.minimum, np.min)):
    row(
        f"gt.{name}",
        choosing(best, of_two, whole),
        smooth(array(3, 5, 2)),
        smooth(array(3, 5, 2), 1),
        smooth(array(3, 5, 2), -1, True),
        smooth(array(3, 5, 2), axis=0, keepdim=True),
        smooth(array(), 0),
        smooth(array(0, 3), 1),
        smooth(array(3, 5), array(5, low=-1.9)),
        smooth(array(3, 1), other=array(5, low=-1.9)),
        call(array(3, 5), array(5, dtype=int64)),
        call(TIES),
        call(TIES, 1),
        call(special(3, 7), -1),
        call(array(70, 33), 0),
        call(array(5, 130), 1),
        *(call(array(3, 7, dtype=d), -1) for d in (int64, int32, int16, int8, uint8, bool_)),
        call(array(7, dtype=bool_)),
        *OUT_OF_RANGE[:2],
        EMPTY,
        refuse("no element to reduce", array(0)),
        refuse("needs dim", array(3), keepdim=True),
        refuse("do not broadcast", array(3), array(2)),
    )

# ---- truth ----------------------------------------------------------------------------------------


def truth(f: Any) -> Any:
    def formula(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
        if dim == ():
            return x.astype(bool)
        found = f(x, axis=dims_of(x, dim), keepdims=keepdim)
        return np.asarray(found, x.dtype if x.dtype == np.uint8 else bool)

    return formula


MIXED = np.array([[0, 0, 0], [1, 0, 2], [3, 4, 5], [NAN, 1, 1], [-0.0, NAN, 0]], np.float32)

for name, f in (("all", np.all), ("any", np.any)):
    row(
        f"gt.{name}",
        truth(f),
        call(MIXED),
        call(MIXED, 1),
        call(MIXED, -2, True),
        call(MIXED, (0, 1)),
        call(MIXED, dim=[1], keepdim=True),
        call(MIXED, ()),
        *(call(MIXED[:3].astype(d.np), 1) for d in (bool_, uint8, int8, int64, float64)),
        call(array(0, 3)),
        call(array(0, 3), 0),
        call(array(0, 3), 0, True),
        call(array(0, 3), 1),
        call(array()),
        call(array(), 0),
        call(array(5, 130, dtype=bool_), 1),
        call(np.ones((130, 5), bool), 0),
        *OUT_OF_RANGE,
    )
