"""One table for every primitive: what it is tested with, and what it refuses.

Adding an op means adding a row to `SAMPLES` and one to `REFUSED` (or to `CANNOT_FAIL`, with the
reason). test_eager, test_grad and test_lower run over them; test_meta fails an op that has none.
Shapes never repeat a size, since a repeated size hides a transposed dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphtorch.ir.types import (
    TENSOR_DTYPES,
    DType,
    TensorType,
    bool_,
    dtype_from_name,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint32,
)

Array = np.ndarray[Any, Any]
FLOATS, INTS = (float32, float64), (int64, int32, int16, int8, uint8)


@dataclass(frozen=True)
class Sample:
    """Operands and attributes. ``smooth``: finite differences make sense (no kinks, no nan, no ties)."""

    operands: tuple[Array, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = False

    def __str__(self) -> str:
        return ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.operands)


def array(*shape: int, dtype: DType = float32, low: float = -2.0, high: float = 2.0) -> Array:
    """Distinct numbers of [low, high] in a scattered order; bytes and bools repeat, of need."""
    count = int(np.prod(shape, dtype=np.int64))
    order = np.random.default_rng(count + 7 * len(shape)).permutation(count)
    if dtype == bool_:
        return (order % 3 == 0).reshape(shape)
    if dtype.kind != "f":
        least = 0 if dtype.kind == "u" else -11
        return (least + order % 24).astype(dtype.np).reshape(shape)
    return (low + (order + 0.5) * ((high - low) / max(count, 1))).astype(dtype.np).reshape(shape)


def strided(*shape: int, dtype: DType = float32, low: float = -2.0, high: float = 2.0) -> Array:
    """As `array`, but with dimensions in reverse order in memory, and gaps between the elements."""
    wide = array(*(2 * n for n in reversed(shape)), dtype=dtype, low=low, high=high)
    return np.asarray(wide[tuple(slice(None, None, 2) for _ in shape)]).transpose()


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 3e38, 1e-40)


def special(dtype: DType = float32) -> Array:
    with np.errstate(over="ignore"):
        return np.array(SPECIAL).astype(dtype.np)


def special_pairs(dtype: DType = float32) -> tuple[Array, Array]:
    """Every pair of special values: two arrays [n, n]."""
    a, b = np.meshgrid(special(dtype), special(dtype))
    return a, b


# ---- families -------------------------------------------------------------------------------------


def unary(low: float = -2.0, high: float = 2.0, kinds: str = "f") -> Callable[[], Iterator[Sample]]:
    """Samples of an elementwise op of one operand, smooth on (low, high)."""

    def make() -> Iterator[Sample]:
        yield Sample((array(7, 17, low=low, high=high),), smooth=True)
        yield Sample((strided(3, 5, 2, dtype=float64, low=low, high=high),), smooth=True)
        yield Sample((np.broadcast_to(array(1, 7, low=low, high=high), (3, 7)),), smooth=True)
        yield Sample((array(dtype=float64, low=low, high=high),), smooth=True)
        yield Sample((array(0, 3),), smooth=True)
        yield from (Sample((special(d),)) for d in FLOATS)
        yield from (Sample((array(33, dtype=d),)) for d in TENSOR_DTYPES if d.kind != "f" and d.kind in kinds)

    return make


def polygammas() -> Iterator[Sample]:
    for n in (1, 2, 5):
        yield from (replace(s, attrs={"n": n}) for s in unary(low=0.7, high=14)())
    yield Sample((array(7, low=-5.8, high=-0.3, dtype=float64),), {"n": 3}, smooth=True)


def gelus() -> Iterator[Sample]:
    for approximate in ("none", "tanh"):
        yield from (replace(s, attrs={"approximate": approximate}) for s in unary()())


def elus() -> Iterator[Sample]:
    for alpha, scale, input_scale in ((1.0, 1.0, 1.0), (1.5, 1.1, 0.75)):
        attrs = {"alpha": alpha, "scale": scale, "input_scale": input_scale}
        yield from (replace(s, attrs=attrs) for s in unary(high=2.1)())


def ranges() -> Iterator[Sample]:
    attrs = {"low": -2.0, "high": 2.0, "parameter": "input"}
    yield from (replace(s, attrs=attrs) for s in unary(low=-1.9, high=1.9)() if not np.isinf(s.operands[0]).any())
    yield Sample((np.array([-2, 2, np.nan], np.float32),), attrs)
    yield Sample((special(),), {"low": -np.inf, "high": np.inf, "parameter": "var"})


def probabilities() -> Iterator[Sample]:
    yield from (s for s in binary(low=0.05, high=0.9, kinds="f")() if not np.isinf(s.operands[0]).any())
    yield Sample((np.array([0, 0, 1, 1, 0.5, np.nan, 1e-38], np.float32), np.array([0, 1, 0, 1, 2, 1, 1], np.float32)))


def binary(low: float = -2.0, high: float = 2.0, kinds: str = "fiub") -> Callable[[], Iterator[Sample]]:
    """Samples of an elementwise op of two operands of one shape."""

    def make() -> Iterator[Sample]:
        other = {"low": low + 0.01, "high": high + 0.01}
        yield Sample((array(7, 17, low=low, high=high), strided(7, 17, **other)), smooth=True)
        yield Sample((strided(2, 3, 5, low=low, high=high), array(2, 3, 5, **other)), smooth=True)
        yield Sample((array(dtype=float64, low=low, high=high), array(dtype=float64, **other)), smooth=True)
        yield Sample((array(3, 0), array(3, 0)), smooth=True)
        yield from (Sample(special_pairs(d)) for d in FLOATS)
        for d in TENSOR_DTYPES:
            if d.kind != "f" and d.kind in kinds:
                yield Sample((array(33, dtype=d), array(33, dtype=d)[::-1]))

    return make


def moving(*attrs: tuple[tuple[int, ...], dict[str, Any]]) -> Callable[[], Iterator[Sample]]:
    """Samples of an op that moves elements: (shape, attributes), over layouts and dtypes."""

    def make() -> Iterator[Sample]:
        for shape, a in attrs:
            yield Sample((array(*shape),), a, smooth=True)
            yield Sample((strided(*shape, dtype=float64),), a, smooth=True)
        shape, a = attrs[0]
        yield from (Sample((array(*shape, dtype=d),), a) for d in TENSOR_DTYPES)

    return make


def reducing(kinds: str, *, empty: bool) -> Callable[[], Iterator[Sample]]:
    def make() -> Iterator[Sample]:
        for shape, dims in [((7,), (0,)), ((3, 5, 2), (1,)), ((3, 5, 2), (0, 2)), ((17, 1), (0, 1)), ((2, 3), ())]:
            yield Sample((array(*shape),), {"dims": dims}, smooth=True)
            yield Sample((strided(*shape, dtype=float64),), {"dims": dims}, smooth=True)
        yield Sample((array(),), {"dims": ()}, smooth=True)
        yield Sample((array(0, 3),), {"dims": (1,)}, smooth=True)
        yield Sample((np.array([[np.nan, 1], [np.inf, -np.inf], [0.0, -0.0]], np.float32),), {"dims": (1,)})
        yield Sample((np.array([2, 1, 2, 2], np.float32),), {"dims": (0,)})
        yield from (Sample((array(3, 7, dtype=d),), {"dims": (1,)}) for d in INTS if d.kind in kinds)
        if empty:
            yield Sample((array(0, 3),), {"dims": (0,)}, smooth=True)

    return make


def places() -> Iterator[Sample]:
    for dim in (0, 1, 2):
        yield Sample((strided(3, 5, 2),), {"dim": dim}, smooth=True)
        yield Sample((array(3, 5, 2, dtype=float64),), {"dim": dim}, smooth=True)
    for row in ([1, np.nan, 2, np.nan], [3, 1, 3, 1], [-np.inf] * 4, [np.inf] * 4):
        yield Sample((np.array([row, row], np.float32),), {"dim": 1})
    yield Sample((array(0, 3),), {"dim": 1}, smooth=True)
    yield from (Sample((array(3, 7, dtype=d),), {"dim": 1}) for d in INTS)
    yield Sample((np.full((2, 3), -128, np.int8),), {"dim": 1})


def scans(kinds: str = "fiu", *, low: float = -2.0, both: bool = True) -> Callable[[], Iterator[Sample]]:
    """Along each dimension, forwards and (with ``both``) backwards; smooth above ``low``."""

    def make() -> Iterator[Sample]:
        for reverse in (False, True) if both else (None,):
            way = {} if reverse is None else {"reverse": reverse}
            for dim in (0, 1, 2):
                yield Sample((array(3, 5, 2, low=low),), {"dim": dim, **way}, smooth=True)
                yield Sample((strided(3, 5, 2, dtype=float64, low=low),), {"dim": dim, **way}, smooth=True)
            yield Sample((array(17, low=low),), {"dim": 0, **way}, smooth=True)
            yield Sample((array(0, 3),), {"dim": 0, **way}, smooth=True)
            yield Sample((array(0, 3),), {"dim": 1, **way}, smooth=True)
            rows = [[1, np.nan, 3, np.nan, 2], [2, 3, 3, -np.inf, 3], [-np.inf, 1, np.inf, 2, np.inf], [-np.inf] * 5]
            yield Sample((np.array(rows, np.float32),), {"dim": 1, **way})
            yield from (Sample((array(3, 7, dtype=d),), {"dim": 1, **way}) for d in INTS if d.kind in kinds)

    return make


def run_sums() -> Iterator[Sample]:
    for reverse in (False, True):
        for dim, dtype in ((0, int32), (1, int64)):
            label = np.array([[0, 0, 1, 1, 1], [2, 2, 2, 7, 7], [2, 5, 5, 7, 9]]).astype(dtype.np)
            yield Sample((array(3, 5), label), {"dim": dim, "reverse": reverse}, smooth=True)
            yield Sample((strided(3, 5, dtype=float64), label), {"dim": dim, "reverse": reverse}, smooth=True)
        yield Sample((array(0, 3), np.zeros((0, 3), np.int32)), {"dim": 0, "reverse": reverse}, smooth=True)


def recurrences() -> Iterator[Sample]:
    for reverse in (False, True):
        for dim in (0, 1, 2):
            way = {"dim": dim, "reverse": reverse}
            yield Sample((array(3, 5, 2), array(3, 5, 2, low=-1.9)), way, smooth=True)
            yield Sample((strided(3, 5, 2, dtype=float64), strided(3, 5, 2, dtype=float64, low=-1.9)), way, smooth=True)
        way = {"dim": 0, "reverse": reverse}
        yield Sample((array(17), array(17, low=-1.9)), way, smooth=True)
        yield Sample((array(5), np.array([0, 2, 0, 0, 3], np.float32)), way, smooth=True)
        yield Sample((array(0, 3), array(0, 3)), way, smooth=True)
        yield Sample((array(0, 3), array(0, 3)), {"dim": 1, "reverse": reverse}, smooth=True)
        yield Sample((np.array([1, np.inf, 2, np.nan, 3], np.float32), np.array([2, 1, 0, 2, 0], np.float32)), way)


def constants() -> Iterator[Sample]:
    for dtype in TENSOR_DTYPES:
        yield from (Sample((), {"value": v, "dtype": dtype}) for v in (0, 1, True, 2.75))
    yield from (Sample((), {"value": v, "dtype": float32}) for v in SPECIAL)
    yield Sample((), {"value": -1, "dtype": uint8})
    yield Sample((), {"value": 2**62 + 1, "dtype": int64})


def casts() -> Iterator[Sample]:
    yield Sample((strided(3, 7),), {"dtype": float64}, smooth=True)
    yield Sample((array(0, 3),), {"dtype": float64}, smooth=True)
    yield Sample((strided(3, 7, dtype=float64),), {"dtype": float32}, smooth=False)
    for source in TENSOR_DTYPES:
        numbers = array(17, dtype=source) if source.kind != "f" else array(17, dtype=source, low=0, high=100)
        yield from (Sample((numbers,), {"dtype": target}) for target in TENSOR_DTYPES)
    yield Sample((np.array([2.9, -2.9, 0.0, -0.0, 1e9], np.float32),), {"dtype": int64})
    yield Sample((np.array([np.nan, np.inf, 0.0, -0.0], np.float32),), {"dtype": bool_})
    yield Sample((np.array([2**40 + 3, -1, 300], np.int64),), {"dtype": uint8})


def wheres() -> Iterator[Sample]:
    yield Sample((array(7, 5, dtype=bool_), strided(7, 5), array(7, 5)), smooth=True)
    yield Sample((array(dtype=bool_), array(dtype=float64), array(dtype=float64)), smooth=True)
    yield Sample((array(10, dtype=bool_), special(), special()[::-1]))
    yield Sample((array(0, 3, dtype=bool_), array(0, 3), array(0, 3)), smooth=True)
    yield from (Sample((array(17, dtype=bool_), array(17, dtype=d), array(17, dtype=d)[::-1])) for d in INTS)


def powers() -> Iterator[Sample]:
    yield Sample((array(7, 5, low=0.2, high=2), strided(7, 5)), smooth=True)
    yield Sample((strided(3, 2, dtype=float64), np.full((3, 2), 3.0)), smooth=False)
    yield Sample(special_pairs(float64))
    yield from (Sample((array(17, dtype=d), array(17, dtype=uint8).astype(d.np) % 3)) for d in INTS)
    yield Sample((array(0, 3), array(0, 3)), smooth=True)


def quotients() -> Iterator[Sample]:
    """Floats of both signs; integers, but no divisor that is 0, and the least by -1."""
    yield Sample((array(7, 17, low=-9.1, high=9), strided(7, 17, low=0.31, high=3)), smooth=True)
    yield Sample(
        (strided(2, 3, 5, dtype=float64, low=-9.1, high=9), array(2, 3, 5, dtype=float64, low=-3.1, high=-0.3))
    )
    yield Sample((array(dtype=float64, low=-9.1, high=9), array(dtype=float64, low=0.3)), smooth=True)
    yield Sample((array(3, 0), array(3, 0)), smooth=True)
    yield Sample((np.array([1e30, -7e37, 6e-39, 1.0], np.float32), np.array([7e-39, 0.3, 1e-45, 0.3], np.float32)))
    yield from (Sample(special_pairs(d)) for d in FLOATS)
    for d in INTS:
        a, b = array(65, dtype=d), array(65, dtype=d)[::-1]
        yield Sample((a, np.where(b == 0, 7, b).astype(d.np)))
        least = np.full(9, np.iinfo(d.np).min, d.np)
        yield Sample((least, np.array([1, 2, 3, 5, 7, 11, 100, 127, -1 if d.kind == "i" else 1]).astype(d.np)))


def bits() -> Iterator[Sample]:
    yield from (Sample((array(33, dtype=d), strided(33, dtype=d))) for d in (*INTS, bool_))


def shifts() -> Iterator[Sample]:
    """Counts below 0 and beyond the bits, too."""
    for d in INTS:
        counts = np.arange(-3, 70) if d.kind == "i" else np.arange(73)
        yield Sample((array(73, dtype=d), counts.astype(d.np)))


def lerps() -> Iterator[Sample]:
    yield Sample((array(7, 17), strided(7, 17, low=-1), array(7, 17, low=-0.3, high=1.4)), smooth=True)
    yield Sample((array(dtype=float64), array(dtype=float64, low=1), array(dtype=float64)), smooth=True)
    yield Sample((array(0, 3), array(0, 3), array(0, 3)), smooth=True)
    yield Sample((*special_pairs(), np.full((10, 10), 0.25, np.float32)))
    yield Sample((*special_pairs(float64), np.full((10, 10), 0.75)))


def cats() -> Iterator[Sample]:
    yield Sample((array(2, 3), strided(5, 3), array(1, 3)), {"dim": 0}, smooth=True)
    yield Sample((strided(2, 3, 5), array(2, 1, 5), array(2, 0, 5)), {"dim": 1}, smooth=True)
    yield Sample((array(7),), {"dim": 0}, smooth=True)
    yield from (Sample((array(7, dtype=d), array(3, dtype=d)), {"dim": 0}) for d in (*INTS, bool_))


def iotas() -> Iterator[Sample]:
    for dtype in (float32, float64, *INTS):
        yield Sample((), {"shape": (3, 7, 2), "dim": 1, "dtype": dtype})
    yield Sample((), {"shape": (5,), "dim": 0, "dtype": int64})
    yield Sample((), {"shape": (0, 3), "dim": 1, "dtype": int64})


def indices() -> Iterator[Sample]:
    index = np.array([[0, 6, -1], [3, 2, -1]])
    yield from (Sample((index,), {"size": 7, "ignore": -1, "dtype": dtype}) for dtype in FLOATS)
    yield Sample((index.T,), {"size": 7, "ignore": -1, "dtype": float32})
    yield Sample((np.zeros((0, 3), np.int64),), {"size": 0, "ignore": -1, "dtype": float32})


def one_hots() -> Iterator[Sample]:
    index = np.array([[0, 6, -1], [3, 2, -(2**63)]])
    yield from (Sample((index,), {"dim": d, "size": 5, "ignore": -1}) for d in (0, 1, 2))
    yield Sample((index.T,), {"dim": 1, "size": 7, "ignore": 2})
    yield Sample((np.array(2),), {"dim": 0, "size": 5, "ignore": 2})
    yield Sample((np.zeros((0, 3), np.int64),), {"dim": 1, "size": 5, "ignore": 2})


#: (table, dimension, index): repeated, of any shape, a table of one row, no index, no row
_ROWS: tuple[tuple[tuple[int, ...], int, Any], ...] = (
    ((5, 3), 0, [4, 0, 4, 4]),
    ((7, 2, 3), 0, [[0, 6, 3, 6, 1]] * 4),
    ((2, 7, 3), 1, [[6, 0, 6, 1, 5]]),
    ((3, 5), 1, 4),
    ((1, 17), 0, [0, 0]),
    ((5, 3), 0, np.zeros((2, 0))),
    ((0, 3), 0, np.zeros(0)),
    ((4, 0), 0, [1, 3]),
)


#: (array, dimensions, index arrays): adjacent and apart, 0-d, without elements, negative, an index that counts up
_PLACES: tuple[tuple[tuple[int, ...], tuple[int, ...], list[Any]], ...] = (
    ((5, 7, 3), (0, 1), [[4, 0, 4, 4], [6, 6, -1, 0]]),
    ((5, 2, 7), (0, 2), [[[4], [-5]], [[0], [6]]]),
    ((2, 5, 3), (1, 2), [3, -3]),
    ((2, 5, 3), (0, 1, 2), [[0, 0], [4, 4], [-1, 2]]),
    ((2, 7, 3), (0, 1, 2), [[[[0]], [[1]]], [[[6]], [[2]]], [[[0]], [[-3]]]]),
    ((5, 3), (0, 1), [[0, 1, 2, 3, 4], [2, -1, 0, 2, 2]]),
    ((5, 3), (0, 1), [np.zeros((0, 2)), np.zeros((0, 2))]),
)


def _indexed() -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[Array, ...], bool]]:
    """Shapes, dimensions, index arrays and whether these may be negative."""
    for shape, dim, index in _ROWS:
        yield shape, (dim,), (np.array(index).astype(np.int64),), False
    for shape, dims, indices in _PLACES:
        yield shape, dims, tuple(np.array(i).astype(np.int64) for i in indices), True


def selects() -> Iterator[Sample]:
    for shape, dims, at, negative in _indexed():
        attrs = {"dims": dims, "negative": negative}
        yield Sample((array(*shape), *at), attrs, smooth=True)
        yield Sample((strided(*shape, dtype=float64), *map(np.asfortranarray, at)), attrs, smooth=True)
    rows = {"dims": (0,), "negative": False}
    yield from (Sample((array(5, 3, dtype=d), np.array([4, 0, 4])), rows) for d in TENSOR_DTYPES)
    yield Sample((special().reshape(5, 2), np.array([4, 0, 1, 2, 3])), rows)


def puts(attrs: dict[str, Any], *, twice: bool = True) -> Callable[[], Iterator[Sample]]:
    """``twice``: the op is smooth where an element is named twice."""

    def make() -> Iterator[Sample]:
        from graphtorch.ir.ops.gather import selected

        for shape, dims, at, negative in _indexed():
            rows = selected(shape, at[0].shape, dims)
            places = {
                tuple(int(i.flat[n]) % shape[d] for d, i in zip(dims, at, strict=True)) for n in range(at[0].size)
            }
            # finite differences want shapes without repeated sizes, which those of rows may have
            smooth = len(set(rows)) == len(rows) and (twice or len(places) == at[0].size)
            here = {"dims": dims, "negative": negative, **attrs}
            yield Sample((array(*shape), strided(*rows, low=-1.9), *at), here, smooth=smooth)
            yield Sample((strided(*shape, dtype=float64), array(*rows, dtype=float64), *at), here)
        here = {"dims": (0,), "negative": False, **attrs}
        for d in INTS:
            yield Sample((array(5, 3, dtype=d), array(3, 3, dtype=d), np.array([4, 0, 4])), here)
        yield Sample((array(5, 2), special().reshape(5, 2), np.array([4, 0, 0, 2, 3])), here)

    return make


def index_puts() -> Iterator[Sample]:
    yield from puts({"accumulate": True})()
    yield from puts({"accumulate": False}, twice=False)()
    flags = (array(5, 3, dtype=bool_), array(3, 3, dtype=bool_), np.array([4, 0, 4]))
    yield Sample(flags, {"dims": (0,), "negative": False, "accumulate": False})


def index_reduces() -> Iterator[Sample]:
    for kind in ("mul", "max", "min"):
        yield from puts({"kind": kind})()


def sorts() -> Iterator[Sample]:
    for shape, dim, k in [
        ((7,), 0, 7),
        ((3, 5, 2), 1, 5),
        ((2, 17), 1, 3),
        ((5, 3), 0, 1),
        ((1, 35), 1, 35),
        ((0, 3), 1, 2),
    ]:
        for descending in (False, True):
            attrs = {"dim": dim, "descending": descending, "k": k}
            yield Sample((array(*shape),), attrs, smooth=True)
            yield Sample((strided(*shape, dtype=float64),), attrs, smooth=True)
    yield Sample((array(0, 3),), {"dim": 0, "descending": False, "k": 0}, smooth=True)
    for descending in (False, True):
        attrs = {"dim": 0, "descending": descending, "k": 11}
        yield from (Sample((np.tile(special(d), 2),), attrs) for d in FLOATS)
        yield from (Sample((array(33, dtype=d),), attrs) for d in TENSOR_DTYPES)


def searches() -> Iterator[Sample]:
    lines = {d: np.sort(array(7, dtype=d)) for d in TENSOR_DTYPES}
    for right in (False, True):
        attrs = {"right": right}
        for d, line in lines.items():
            yield Sample((line, array(3, 5, dtype=d)), attrs)
            yield Sample((line, line), attrs)
        yield Sample((np.sort(strided(3, 5), 1), strided(3, 7)), attrs)
        yield Sample((np.sort(special()), special()), attrs)
        yield Sample((lines[float32][:1], array(5)), attrs)
        yield Sample((lines[float32][:0], array(5)), attrs)
        yield Sample((lines[float32], array()), attrs)
        yield Sample((lines[float32], array(0, 3)), attrs)


def dots() -> Iterator[Sample]:
    yield Sample((array(7, 5), strided(5, 3)), smooth=True)
    yield Sample((strided(2, 3, 5), array(2, 5, 7)), smooth=True)
    yield Sample((array(3, 0), array(0, 5)), smooth=True)
    yield Sample((array(0, 3), array(3, 5)), smooth=True)
    yield Sample((array(1, 17, dtype=float64), strided(17, 1, dtype=float64)), smooth=True)
    yield Sample((array(3, 5, dtype=int64), array(5, 2, dtype=int64)))
    yield Sample((np.array([[np.nan, 1.0], [np.inf, 0.0]], np.float32), np.array([[1.0], [2.0]], np.float32)))


def attentions() -> Iterator[Sample]:
    free, causal = {"scale": 0.4, "causal": False}, {"scale": 0.3, "causal": True}
    yield Sample((array(5, 3), array(4, 3), array(4, 2)), free, smooth=True)
    yield Sample((strided(2, 5, 3), array(2, 4, 3), strided(2, 4, 6)), causal, smooth=True)
    yield Sample((array(2, 3, 5), array(2, 7, 5), array(2, 7, 4), array(2, 3, 7)), free, smooth=True)
    yield Sample((array(2, 3, 5), array(2, 7, 5), array(2, 7, 4), ~array(2, 3, 7, dtype=bool_)), free, smooth=True)
    yield Sample((array(3, 5, dtype=float64), array(7, 5, dtype=float64), array(7, 2, dtype=float64)), causal)
    yield Sample((array(3, 5), array(7, 5), array(7, 4), np.zeros((3, 7), bool)), free)
    yield Sample((array(0, 5), array(7, 5), array(7, 4)), free, smooth=True)
    yield Sample((array(3, 5), array(0, 5), array(0, 4)), causal)
    yield Sample((np.array([[np.nan, 1.0], [1.0, 2.0]], np.float32), array(3, 2), array(3, 4)), free)


def attention_grads() -> Iterator[Sample]:
    for s in attentions():
        query, key, value, *bias = s.operands
        rows, dtype = query.shape[:-1], query.dtype
        grad = array(*rows, value.shape[-1], dtype=dtype_from_name(dtype.name))
        whole = np.asarray(array(*rows, low=1, high=3), dtype)
        delta = np.asarray(array(*rows, low=-1, high=1), dtype)
        yield Sample((grad, query, key, value, whole, delta, *bias), s.attrs, s.smooth)
    low = np.full(3, -np.inf, np.float32)
    seen = np.zeros((3, 7), bool)
    operands = (array(3, 4), array(3, 5), array(7, 5), array(7, 4), low, array(3), seen)
    yield Sample(operands, {"scale": 0.4, "causal": False})


#: (input, weight, output) sizes and attributes
_CONVOLUTIONS = (
    ((1, 5, 6, 8), (2, 5, 3, 4), (1, 2, 4, 5), {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}),
    ((2, 4, 7, 6), (6, 2, 3, 1), (2, 6, 4, 3), {"stride": (2, 4), "padding": (1, 2), "dilation": (1, 2), "groups": 2}),
    ((1, 3, 6, 9), (6, 1, 2, 3), (1, 6, 4, 7), {"stride": (1, 1), "padding": (0, 1), "dilation": (2, 2), "groups": 3}),
    ((2, 1, 4, 5), (3, 1, 1, 1), (2, 3, 4, 5), {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}),
    ((0, 1, 4, 5), (7, 1, 2, 1), (0, 7, 3, 5), {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}),
    ((2, 3, 7), (6, 3, 4), (2, 6, 5), {"stride": (1,), "padding": (2,), "dilation": (2,), "groups": 1}),
    ((1, 4, 9), (6, 2, 3), (1, 6, 5), {"stride": (2,), "padding": (1,), "dilation": (1,), "groups": 2}),
    ((1, 2, 3, 5, 4), (6, 2, 4, 3, 1), (1, 6, 4, 3, 2),
     {"stride": (1, 2, 3), "padding": (2, 1, 1), "dilation": (1, 1, 2), "groups": 1}),
)  # fmt: skip


def convolutions() -> Iterator[Sample]:
    for x, w, _, attrs in _CONVOLUTIONS:
        yield Sample((array(*x), strided(*w)), attrs, smooth=True)
        yield Sample((strided(*x, dtype=float64), array(*w, dtype=float64)), attrs, smooth=True)


def input_grads() -> Iterator[Sample]:
    for x, w, y, attrs in _CONVOLUTIONS:
        yield Sample((strided(*y), array(*w)), {"size": x[2:], **attrs}, smooth=True)


def weight_grads() -> Iterator[Sample]:
    for x, w, y, attrs in _CONVOLUTIONS:
        yield Sample((array(*y), strided(*x)), {"kernel": w[2:], **attrs}, smooth=True)


#: (input, output) sizes and attributes
_POOLS = (
    ((2, 5, 6, 8), (2, 5, 3, 4), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}),
    ((1, 2, 7, 5), (1, 2, 3, 4), {"kernel": (3, 2), "stride": (3, 1), "padding": (1, 0), "dilation": (1, 1)}),
    ((1, 2, 9, 7), (1, 2, 5, 3), {"kernel": (2, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (2, 2)}),
    ((0, 5, 4, 6), (0, 5, 2, 3), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}),
    ((2, 3, 11), (2, 3, 5), {"kernel": (3,), "stride": (2,), "padding": (1,), "dilation": (2,)}),
    (
        (1, 2, 4, 5, 7),
        (1, 2, 3, 4, 6),
        {"kernel": (2, 2, 2), "stride": (1, 1, 1), "padding": (0, 0, 0), "dilation": (1, 1, 1)},
    ),
)


def pools() -> Iterator[Sample]:
    for x, _, attrs in _POOLS:
        yield Sample((strided(*x),), {**attrs, "ceil_mode": False}, smooth=True)
        yield Sample((array(*x, dtype=float64),), {**attrs, "ceil_mode": True}, smooth=True)
    window = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    yield Sample((array(1, 2, 4, 6, dtype=int8),), window)
    yield Sample((np.full((1, 1, 2, 4), -np.inf, np.float32),), window)
    yield Sample((np.array([[[[1, np.nan, 3, 3], [np.nan, 2, 3, 1]]]], np.float32),), window)


def _positions(x: tuple[int, ...], y: tuple[int, ...], attrs: dict[str, Any]) -> Array:
    from graphtorch.ir.op import OPS

    return OPS["max_pool"].ref(array(*x), **attrs, ceil_mode=False)[1]  # type: ignore[no-any-return]


def pool_grads() -> Iterator[Sample]:
    for x, y, attrs in _POOLS:
        yield Sample((strided(*y), _positions(x, y, attrs)), {**attrs, "size": x[2:]}, smooth=True)


def pool_gathers() -> Iterator[Sample]:
    for x, y, attrs in _POOLS:
        yield Sample((strided(*x), _positions(x, y, attrs)), attrs, smooth=True)


def ctcs() -> Iterator[Sample]:
    labels = np.array([[1, 2], [1, 1], [2, 0]])
    for steps, counts in (((5, 4, 3), (2, 2, 1)), ((4, 5, 1), (2, 0, 1))):
        lengths = np.array(steps), np.array(counts)
        yield Sample((array(5, 3, 4), labels, *lengths), {"blank": 0}, smooth=True)
        yield Sample((strided(5, 3, 4, dtype=float64), labels, *lengths), {"blank": 3}, smooth=True)
    yield Sample((array(2, 3, 4), labels, np.array([1, 2, 0]), np.array([2, 2, 0])), {"blank": 0})
    yield Sample((array(5, 0, 4), np.zeros((0, 2), np.int64), *(np.zeros(0, np.int64),) * 2), {"blank": 0}, smooth=True)
    impossible = array(5, 3, 4)
    impossible[1:, 0, 1] = -np.inf
    yield Sample((impossible, labels, np.array([5, 4, 3]), np.array([2, 2, 1])), {"blank": 0})


#: (size, windows) and attributes, of the last dimensions; windows may end beyond the padding
_WINDOWS = (
    ((2, 7, 9), (4, 5), {"kernel": (2, 3), "stride": (2, 2), "padding": (1, 0), "dilation": (1, 1)}),
    ((3, 11), (4,), {"kernel": (2,), "stride": (3,), "padding": (0,), "dilation": (2,)}),
    ((5, 13), (4,), {"kernel": (7,), "stride": (3,), "padding": (3,), "dilation": (1,)}),
    ((12, 6), (4, 3), {"kernel": (3, 2), "stride": (3, 2), "padding": (0, 0), "dilation": (1, 1)}),
    ((2, 3, 4, 5), (1, 5, 6), {"kernel": (3, 2, 1), "stride": (1, 1, 1), "padding": (0, 1, 1), "dilation": (1, 1, 1)}),
    ((0, 8), (3,), {"kernel": (2,), "stride": (3,), "padding": (0,), "dilation": (1,)}),
)


def windowing(summed: bool, adjoint: bool) -> Callable[[], Iterator[Sample]]:
    """Samples of `windows` and `window_sum`, and of their adjoints."""

    def make() -> Iterator[Sample]:
        for x, out, attrs in _WINDOWS:
            lead, size, kernel = x[: -len(out)], x[-len(out) :], attrs["kernel"]
            whole = (*lead, *out) if summed else (*lead, *out, *kernel)
            shape = whole if adjoint else x
            options = attrs if summed or not adjoint else {k: v for k, v in attrs.items() if k != "kernel"}
            options = {**options, **({"size": size} if adjoint else {"out": out})}
            distinct = len(set(shape)) == len(shape)
            yield Sample((strided(*shape),), options, smooth=distinct)
            yield Sample((array(*shape, dtype=float64),), options, smooth=distinct)
            yield Sample((array(*shape, dtype=int32),), options)

    return make


#: kind, old and new size, scale
_RESAMPLINGS = (
    ("nearest", 5, 13, 5 / 13), ("nearest", 7, 3, 7 / 3), ("nearest-exact", 5, 8, 0.625), ("nearest-exact", 9, 4, 2.25),
    ("cover", 7, 3, 0.0), ("cover", 3, 5, 0.0), ("linear", 4, 11, 4 / 11), ("linear", 9, 4, 2.25), ("linear", 1, 3, 1 / 3),
    ("linear-corners", 4, 11, 0.3), ("linear-corners", 9, 1, 0.0), ("cubic", 5, 12, 5 / 12), ("cubic", 11, 4, 2.75),
    ("cubic-corners", 6, 11, 0.5), ("area", 7, 4, 0.0), ("area", 3, 5, 0.0), ("linear", 4, 7, 0.6), ("nearest", 4, 0, 1.0),
)  # fmt: skip


def resamplings(adjoint: bool) -> Callable[[], Iterator[Sample]]:
    from graphtorch.ir.ops.resample_taps import length

    def make() -> Iterator[Sample]:
        for kind, old, new, scale in _RESAMPLINGS:
            attrs = {"dim": 1, "size": new, "kind": kind, "scale": scale, **({"old": old} if adjoint else {})}
            size = length(kind, old, new) if adjoint else old
            yield Sample((strided(2, size, 17),), attrs, smooth=size != 2)
            yield Sample((array(2, size, dtype=float64),), attrs, smooth=size != 2)
        yield Sample(
            (array(0, 5),),
            {"dim": 1, "size": 5, "kind": "linear", "scale": 1.0, **({"old": 5} if adjoint else {})},
            smooth=True,
        )

    return make


def draws() -> Iterator[Sample]:
    for seed, stream in [(0, 0), (1234, 7), (-1, -(2**63))]:
        for dtype in FLOATS:
            yield Sample((np.array([seed, stream], np.int64),), {"shape": (3, 5), "dtype": dtype})
    yield Sample((np.array([5, 6], np.int64),), {"shape": (), "dtype": float32})
    yield Sample((np.array([5, 6], np.int64),), {"shape": (0, 3), "dtype": float32})


SAMPLES: dict[str, Callable[[], Iterator[Sample]]] = {
    "constant": constants,
    "cast": casts,
    **dict.fromkeys(("detach", "clone"), unary(kinds="fiub")),
    "neg": unary(kinds="fiu"),
    "abs": unary(low=0.1, kinds="fiu"),
    "sign": unary(low=0.1, kinds="fiub"),
    **dict.fromkeys(("exp", "sin", "cos", "tanh", "sigmoid", "erf"), unary()),
    **dict.fromkeys(("silu", "logsigmoid", "mish"), unary()),
    "elu": elus,
    "check_range": ranges,
    "binary_cross_entropy": probabilities,
    "expm1": unary(),
    **dict.fromkeys(("exp2", "sinh", "cosh", "asinh", "erfc"), unary()),
    **dict.fromkeys(("log2", "log10"), unary(low=0.3, high=3)),
    **dict.fromkeys(("tan", "asin", "acos", "atan", "atanh", "erfinv"), unary(low=-0.93, high=0.97)),
    "acosh": unary(low=1.2, high=4),
    "reciprocal": unary(low=0.3, high=3),
    **dict.fromkeys(("lgamma", "digamma"), unary(low=0.3, high=14)),
    "polygamma": polygammas,
    "logit": unary(low=0.1, high=0.9),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), unary(low=-2.93, high=3.04, kinds="fiu")),
    "signbit": unary(kinds="fiub"),
    "heaviside": binary(low=-1.97, high=2.04, kinds="iub"),
    **dict.fromkeys(("atan2", "hypot", "xlogy"), binary(low=0.3, high=3, kinds="")),
    **dict.fromkeys(("logaddexp", "logaddexp2", "copysign"), binary(low=-1.97, high=2.04, kinds="")),
    **dict.fromkeys(("fmod", "remainder", "floor_divide", "trunc_divide"), quotients),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), bits),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), shifts),
    "lerp": lerps,
    "gelu": gelus,
    **dict.fromkeys(("log", "sqrt", "rsqrt"), unary(low=0.3, high=3)),
    "log1p": unary(low=-0.6),
    "relu": unary(low=-2, high=2.1, kinds="fiu"),
    "logical_not": unary(kinds="fiub"),
    **dict.fromkeys(("add", "mul", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "overwrite"), binary()),
    "sub": binary(kinds="fiu"),
    "div": binary(low=0.3, high=3, kinds="f"),
    "pow": powers,
    **dict.fromkeys(
        ("logical_and", "logical_or"), lambda: iter([Sample((array(33, dtype=bool_), array(33, dtype=bool_)[::-1]))])
    ),
    "where": wheres,
    "check_index": indices,
    "one_hot": one_hots,
    "index": selects,
    "index_put": index_puts,
    "index_reduce": index_reduces,
    "sort": sorts,
    "searchsorted": searches,
    "broadcast_to": moving(
        ((3, 1), {"shape": (2, 3, 5)}), ((), {"shape": (7,)}), ((1, 5), {"shape": (0, 5)}), ((1,), {"shape": (1,)}),
        ((0, 1), {"shape": (2, 0, 3)}),
    ),
    "reshape": moving(
        ((3, 4), {"shape": (2, 6)}), ((2, 3, 5), {"shape": (30,)}), ((1,), {"shape": ()}), ((0, 3), {"shape": (5, 0)}),
        ((6, 7), {"shape": (2, 3, 1, 7)}),
    ),
    "permute": moving(
        ((2, 3, 5), {"dims": (2, 0, 1)}), ((7, 3), {"dims": (1, 0)}), ((), {"dims": ()}), ((0, 3), {"dims": (1, 0)})
    ),
    "flip": moving(((7, 5), {"dims": (0,)}), ((2, 3, 9), {"dims": (2, 0)}), ((17,), {"dims": ()}), ((0, 3), {"dims": (1,)})),
    "slice": moving(
        ((7, 5), {"start": (1, 0), "stop": (6, 5), "step": (2, 3)}), ((17,),
        {"start": (3,), "stop": (3,), "step": (1,)}),
        ((2, 9), {"start": (0, 2), "stop": (2, 9), "step": (1, 4)}), ((0, 3),
        {"start": (0, 1), "stop": (0, 3), "step": (1, 1)}),
    ),
    "as_strided": moving(
        ((3, 4), {"size": (2, 3), "stride": (5, 1), "storage_offset": 2}),
        ((11,), {"size": (5, 3), "stride": (2, 1), "storage_offset": 0}),
        ((2, 5), {"size": (), "stride": (), "storage_offset": 9}),
        ((7,), {"size": (4, 2), "stride": (0, 3), "storage_offset": 1}),
        ((0, 3), {"size": (0, 2), "stride": (2, 1), "storage_offset": 0}),
    ),
    "diagonal": moving(
        ((4, 7), {"offset": 2, "dim1": 0, "dim2": 1}), ((3, 5, 2), {"offset": -1, "dim1": 1, "dim2": 2}),
        ((3, 2, 5), {"offset": 0, "dim1": 2, "dim2": 0}), ((2, 3), {"offset": 3, "dim1": 0, "dim2": 1}),
        ((0, 3), {"offset": 0, "dim1": 0, "dim2": 1}),
    ),
    "unfold": moving(
        ((9,), {"dim": 0, "size": 3, "step": 2}), ((2, 11, 3), {"dim": 1, "size": 2, "step": 4}),
        ((5, 7), {"dim": 1, "size": 7, "step": 1}), ((0, 3), {"dim": 1, "size": 2, "step": 1}),
        ((4,), {"dim": 0, "size": 0, "step": 3}),
    ),
    "pad": moving(
        ((3, 2), {"low": (1, 0), "high": (2, 3), "interior": (0, 2)}), ((5,),
        {"low": (0,), "high": (0,), "interior": (3,)}),
        ((0, 3), {"low": (2, 0), "high": (1, 1), "interior": (4, 0)}),
    ),
    "cat": cats,
    "iota": iotas,
    "dot": dots,
    "attention": attentions,
    "attention_grad": attention_grads,
    "conv": convolutions,
    "conv_input_grad": input_grads,
    "conv_weight_grad": weight_grads,
    "ctc_loss": ctcs,
    "ctc_loss_grad": ctcs,
    **dict.fromkeys(("reduce_sum", "reduce_prod"), reducing("iu", empty=True)),
    **dict.fromkeys(("reduce_max", "reduce_min"), reducing("iu", empty=False)),
    **dict.fromkeys(("reduce_argmax", "reduce_argmin", "reduce_max_at", "reduce_min_at"), places),
    "cumsum": scans(),
    "cumprod": scans(low=0.3),
    **dict.fromkeys(("cummax", "cummin"), scans(both=False)),
    "logcumsumexp": scans(""),
    "run_sum": run_sums,
    "recurrence": recurrences,
    "random_uniform": draws,
    "max_pool": pools,
    "max_pool_grad": pool_grads,
    "max_pool_gather": pool_gathers,
    "windows": windowing(summed=False, adjoint=False),
    "fold": windowing(summed=False, adjoint=True),
    "window_sum": windowing(summed=True, adjoint=False),
    "window_spread": windowing(summed=True, adjoint=True),
    "resample": resamplings(adjoint=False),
    "resample_grad": resamplings(adjoint=True),
}  # fmt: skip

#: ops that have no numbers of their own
STRUCTURAL = {
    "fusion": "its body says what it computes; the tests of passes evaluate it",
    "gradient": "autodiff expands it; it cannot be run",
    "scan": "its body says what a step computes; tests/frontend/test_scan.py",
    "cond": "its branches say what they compute; tests/frontend/test_branches.py",
    "branch": "a part of cond",
    "custom_gradient": "its body says what its gradient is; tests/frontend/test_traced_functions.py",
    "while_loop": "its body says what a step computes; tests/frontend/test_branches.py",
}

#: ops without `lower`
EAGER = {
    "ctc_loss": "time steps follow each other: no kernel carries an array from one to the next",
    "ctc_loss_grad": "as ctc_loss",
}

#: ops whose `infer` accepts every operand
CANNOT_FAIL = {
    "detach": "any tensor will do",
    "clone": "any tensor will do",
    "sign": "every dtype has a sign",
    "logical_not": "every dtype has a truth value",
    "signbit": "every dtype has a sign",
}


# ---- what ops refuse ------------------------------------------------------------------------------

Refused = tuple[list[TensorType], dict[str, Any]]


def t(*shape: int, dtype: DType = float32) -> TensorType:
    return TensorType(shape, dtype)


def alike(names: tuple[str, ...], refused: list[Refused]) -> dict[str, list[Refused]]:
    """The same row for several ops."""
    return dict.fromkeys(names, refused)


_GELU = {"approximate": "none"}
_SHAPES: Refused = ([t(2, 3), t(3, 2)], {})
_DTYPES: Refused = ([t(2, 3), t(2, 3, dtype=int64)], {})
_ATTENTION = {"scale": 0.5, "causal": False}
_CONV = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
_AT: dict[str, Any] = {"dims": (0,), "negative": False}
_SORT: dict[str, Any] = {"dim": 0, "descending": False, "k": 1}
_PUTS: list[Refused] = [
    ([t(5, 3), t(2, 3), t(2)], {}),
    ([t(5, 3), t(2, 3), t(2, dtype=int64)], {"dims": (2,)}),
    ([t(5, 3), t(2, 3, dtype=float64), t(2, dtype=int64)], {}),
    ([t(5, 3, dtype=bool_), t(2, 3, dtype=bool_), t(2, dtype=int64)], {}),
    ([t(5, 3), t(2, 5), t(2, dtype=int64)], {}),
]
_FRAME = {"stride": (1,), "padding": (0,), "dilation": (1,)}
_RESAMPLE = {"dim": 1, "size": 4, "kind": "linear", "scale": 0.5}
_POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}

#: op -> operand types and attributes; the texts stand in tests/golden/ops/refused.txt
REFUSED: dict[str, list[Refused]] = {
    "constant": [
        ([], {"value": np.nan, "dtype": int64}), ([], {"value": np.inf, "dtype": uint8}),
        ([], {"value": 2**64, "dtype": int64}),
    ],
    "cast": [([t(2)], {"dtype": uint32})],
    **alike(("neg", "abs", "relu", "floor", "ceil", "trunc", "round"), [([t(2, dtype=bool_)], {})]),
    **alike(
        ("exp", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf", "exp2",
         "log2", "log10", "logit", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erfc", "erfinv", "lgamma", "digamma", "reciprocal"),
        [([t(2, dtype=int32)], {})],
    ),
    "expm1": [([t(2, dtype=int32)], {})],
    "polygamma": [([t(2, dtype=int32)], {"n": 1}), ([t(2)], {"n": 0})],
    **alike(("add", "mul", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "overwrite", "heaviside"), [_SHAPES, _DTYPES]),
    **alike(("sub", "pow"), [_SHAPES, _DTYPES, ([t(2, dtype=bool_)] * 2, {})]),
    **alike(
        ("div", "atan2", "hypot", "logaddexp", "logaddexp2", "xlogy", "copysign"),
        [_SHAPES, _DTYPES, ([t(2, dtype=int16)] * 2, {})],
    ),
    **alike(
        ("fmod", "remainder", "floor_divide", "trunc_divide", "bitwise_left_shift", "bitwise_right_shift"),
        [_SHAPES, _DTYPES, ([t(2, dtype=bool_)] * 2, {})],
    ),
    **alike(("bitwise_and", "bitwise_or", "bitwise_xor"), [_SHAPES, ([t(2, 3)] * 2, {})]),
    "lerp": [([t(2, 3), t(2, 3), t(3, 2)], {}), ([t(2, dtype=int64)] * 3, {})],
    **alike(("logical_and", "logical_or"), [_SHAPES, ([t(2, 3)] * 2, {})]),
    "where": [
        ([t(2), t(2), t(2)], {}), ([t(3, dtype=bool_), t(2), t(2)], {}),
        ([t(2, dtype=bool_), t(2), t(2, dtype=float64)], {}),
    ],
    "check_index": [
        ([t(2)], {"size": 2, "ignore": -100, "dtype": float32}),
        ([t(2, dtype=int64)], {"size": 2, "ignore": -100, "dtype": int64}),
    ],
    "one_hot": [
        ([t(2)], {"dim": 1, "size": 2, "ignore": -100}), ([t(2, dtype=int64)], {"dim": 2, "size": 2, "ignore": -100}),
        ([t(2, dtype=int64)], {"dim": 1, "size": -2, "ignore": -100}),
    ],
    "index": [
        ([t(5, 3), t(2)], _AT), ([t(5, 3), t(2, dtype=int32)], _AT), ([t(5, 3), t(2, dtype=int64)], {**_AT, "dims": (2,)}),
        ([t(5, 3), t(2, dtype=int64), t(3, dtype=int64)], {**_AT, "dims": (0, 1)}),
        ([t(5, 3), t(2, dtype=int64), t(2, dtype=int64)], {**_AT, "dims": (1, 0)}),
        ([t(5, 3), t(2, dtype=int64), t(2, dtype=int64)], _AT), ([t(5, 3)], {**_AT, "dims": ()}),
    ],
    "index_put": [
        (types, {**_AT, "accumulate": True, **attrs}) for types, attrs in _PUTS if types[0].dtype != bool_
    ],
    "index_reduce": [
        *((types, {**_AT, "kind": "mul", **attrs}) for types, attrs in _PUTS),
        ([t(5, 3), t(2, 3), t(2, dtype=int64)], {**_AT, "kind": "mean"}),
    ],
    "sort": [([t(5, 3)], {**_SORT, "dim": 2}), ([t(5, 3)], {**_SORT, "k": 6}), ([t()], _SORT)],
    "searchsorted": [
        ([t(5), t(2, dtype=float64)], {"right": False}), ([t(2, 5), t(3, 5)], {"right": False}),
        ([t(), t(3)], {"right": False}), ([t(2, 5), t()], {"right": False}),
    ],
    "broadcast_to": [([t(2, 3)], {"shape": (3, 2)}), ([t(2, 3)], {"shape": (3,)}), ([t(1)], {"shape": (-1,)})],
    "reshape": [([t(2, 3)], {"shape": (5,)}), ([t(2, 3)], {"shape": (-2, -3)})],
    "permute": [([t(2, 3)], {"dims": (0, 0)}), ([t(2, 3)], {"dims": (0,)}), ([t(2, 3)], {"dims": (0, 2)})],
    "flip": [([t(2, 3)], {"dims": (2,)})],
    "slice": [
        ([t(5)], {"start": (1,), "stop": (6,), "step": (1,)}), ([t(5)], {"start": (3,), "stop": (2,), "step": (1,)}),
        ([t(5)], {"start": (0,), "stop": (2,), "step": (0,)}),
    ],
    "as_strided": [
        ([t(2, 3)], {"size": (2, 2), "stride": (3, 2), "storage_offset": 1}),
        ([t(2, 3)], {"size": (2,), "stride": (3, 2), "storage_offset": 0}),
        ([t(2, 3)], {"size": (2,), "stride": (-1,), "storage_offset": 1}),
        ([t(2, 3)], {"size": (-2,), "stride": (1,), "storage_offset": 1}),
    ],
    "diagonal": [
        ([t(2, 3)], {"offset": 0, "dim1": 0, "dim2": 0}), ([t(2, 3)], {"offset": 0, "dim1": 2, "dim2": 0}),
        ([t(2, 3)], {"offset": 0, "dim1": 0, "dim2": 2}),
    ],
    "unfold": [
        ([t(2, 3)], {"dim": 2, "size": 1, "step": 1}), ([t(2, 3)], {"dim": 1, "size": 4, "step": 1}),
        ([t(2, 3)], {"dim": 1, "size": 1, "step": 0}),
    ],
    "pad": [([t(5)], {"low": (-1,), "high": (0,), "interior": (0,)})],
    "cat": [
        ([t(2, 3), t(2, 5)], {"dim": 0}), ([t(2, 3), t(2)], {"dim": 1}), ([t(2), t(2, dtype=int64)], {"dim": 0}),
        ([t(2), t(2)], {"dim": 1}),
    ],
    "iota": [([], {"shape": (2, 3), "dim": 2, "dtype": int64}), ([], {"shape": (-2,), "dim": 0, "dtype": int64})],
    "dot": [
        ([t(2, 3), t(2, 5)], {}), ([t(3), t(3, 2)], {}), ([t(2, 3, 5), t(7, 5, 3)], {}),
        ([t(2, 3), t(3, 5, dtype=float64)], {}), ([t(2, 3, dtype=bool_), t(3, 5, dtype=bool_)], {}),
    ],
    "attention": [
        ([t(5, 3, dtype=int64), t(7, 3, dtype=int64), t(7, 2, dtype=int64)], _ATTENTION),
        ([t(5, 3), t(7, 3, dtype=float64), t(7, 2)], _ATTENTION), ([t(5, 3), t(7, 3), t(7, 2, dtype=float64)], _ATTENTION),
        ([t(5, 3), t(7, 4), t(7, 2)], _ATTENTION), ([t(2, 5, 3), t(7, 3), t(7, 2)], _ATTENTION),
        ([t(5, 3), t(7, 3), t(6, 2)], _ATTENTION), ([t(3), t(3), t(3)], _ATTENTION),
        ([t(5, 3), t(7, 3), t(7, 2), t(7)], _ATTENTION), ([t(5, 3), t(7, 3), t(7, 2), t(5, 7, dtype=int64)], _ATTENTION),
    ],
    "attention_grad": [
        ([t(5, 3), t(5, 3), t(7, 3), t(7, 2), t(5), t(5)], _ATTENTION),
        ([t(5, 2), t(5, 3), t(7, 3), t(7, 2), t(7), t(5)], _ATTENTION),
        ([t(5, 2), t(5, 3), t(7, 3), t(7, 2), t(5), t(5, dtype=float64)], _ATTENTION),
    ],
    "conv": [
        ([t(1, 3, 5, 4), t(2, 4, 3, 2)], _CONV), ([t(1, 4, 5, 7), t(3, 2, 1, 1)], {**_CONV, "groups": 2}),
        ([t(1, 3, 2, 4), t(2, 3, 3, 2)], _CONV), ([t(3, 5, 4), t(2, 3, 3, 2)], _CONV),
        ([t(1, 3, 5, 4, dtype=int64), t(2, 3, 3, 2, dtype=int64)], _CONV),
        ([t(1, 3, 5, 4), t(2, 3, 3, 2, dtype=float64)], _CONV),
        ([t(1, 3, 5, 4), t(2, 3, 3, 2)], {**_CONV, "stride": (0, 1)}),
        ([t(1, 3, 5, 4), t(2, 3, 3, 2)], {**_CONV, "dilation": (1,)}),
        ([t(1, 3, 5, 4), t(2, 3, 0, 2)], _CONV), ([t(1, 3), t(2, 3)], _CONV),
    ],
    "conv_input_grad": [
        ([t(1, 2, 3, 4), t(2, 3, 3, 2)], {**_CONV, "size": (5, 4)}),
        ([t(1, 2, 3, 3), t(2, 3, 3, 2, dtype=float64)], {**_CONV, "size": (5, 4)}),
        ([t(2, 3, 3), t(2, 3, 3, 2)], {**_CONV, "size": (5, 4)}),
    ],
    "conv_weight_grad": [
        ([t(1, 2, 3, 4), t(1, 3, 5, 4)], {**_CONV, "kernel": (3, 2)}),
        ([t(1, 2, 3, 3), t(1, 3, 5, 4, dtype=float64)], {**_CONV, "kernel": (3, 2)}),
    ],
    **alike(("silu", "logsigmoid", "mish"), [([t(2, dtype=int64)], {})]),
    "elu": [([t(2, dtype=int64)], {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0})],
    "check_range": [([t(2, dtype=int64)], {"low": 0.0, "high": 1.0, "parameter": "var"})],
    "binary_cross_entropy": [_SHAPES, _DTYPES, ([t(2, dtype=int16)] * 2, {})],
    "gelu": [([t(2, dtype=int64)], _GELU), ([t(2)], {"approximate": "erf"})],
    **alike(("reduce_sum", "reduce_prod"), [([t(2, dtype=bool_)], {"dims": (0,)}), ([t(2)], {"dims": (1,)})]),
    **alike(("reduce_max", "reduce_min"), [([t(2, dtype=bool_)], {"dims": (0,)}), ([t(0, 3)], {"dims": (0,)})]),
    **alike(
        ("reduce_argmax", "reduce_argmin", "reduce_max_at", "reduce_min_at"),
        [([t(0, 3)], {"dim": 0}), ([t(2)], {"dim": 1}), ([t(2, dtype=bool_)], {"dim": 0})],
    ),
    **alike(
        ("cumsum", "cumprod"),
        [([t(2, dtype=bool_)], {"dim": 0, "reverse": False}), ([t(2)], {"dim": 1, "reverse": False})],
    ),
    **alike(("cummax", "cummin"), [([t(2, dtype=bool_)], {"dim": 0}), ([t(2)], {"dim": 1})]),
    "logcumsumexp": [([t(2, dtype=int64)], {"dim": 0, "reverse": False}), ([t(2)], {"dim": 1, "reverse": False})],
    "run_sum": [
        ([t(2, 3), t(2, 3)], {"dim": 0, "reverse": False}),
        ([t(2, 3), t(3, 2, dtype=int64)], {"dim": 0, "reverse": False}),
        ([t(2, 3, dtype=int64), t(2, 3, dtype=int64)], {"dim": 0, "reverse": False}),
        ([t(2, 3), t(2, 3, dtype=int64)], {"dim": 2, "reverse": False}),
    ],
    "recurrence": [
        ([t(2, 3), t(3, 2)], {"dim": 0, "reverse": False}),
        ([t(2, 3), t(2, 3, dtype=float64)], {"dim": 0, "reverse": False}),
        ([t(2, 3, dtype=int64), t(2, 3, dtype=int64)], {"dim": 0, "reverse": False}),
        ([t(2, 3), t(2, 3)], {"dim": 2, "reverse": False}),
    ],
    **alike(
        ("ctc_loss", "ctc_loss_grad"),
        [
            ([t(5, 3), t(3, 2, dtype=int64), t(3, dtype=int64), t(3, dtype=int64)], {"blank": 0}),
            ([t(5, 3, 4, dtype=int64), t(3, 2, dtype=int64), t(3, dtype=int64), t(3, dtype=int64)], {"blank": 0}),
            ([t(5, 3, 4), t(3, 2), t(3, dtype=int64), t(3, dtype=int64)], {"blank": 0}),
            ([t(5, 3, 4), t(3, 2, dtype=int64), t(5, dtype=int64), t(3, dtype=int64)], {"blank": 0}),
            ([t(5, 3, 4), t(3, 2, dtype=int64), t(3, dtype=int64), t(3, dtype=int64)], {"blank": 4}),
        ],
    ),
    "random_uniform": [
        ([t(2)], {"shape": (3,), "dtype": float32}), ([t(2, dtype=int64)], {"shape": (3,), "dtype": int64}),
        ([t(2, dtype=int64)], {"shape": (-3,), "dtype": float32}),
    ],
    "max_pool": [
        ([t(3, 4, 6)], {**_POOL, "ceil_mode": False}), ([t(1, 2, 1, 6)], {**_POOL, "ceil_mode": False}),
        ([t(1, 2, 4, 6, dtype=bool_)], {**_POOL, "ceil_mode": False}),
    ],
    "max_pool_grad": [
        ([t(1, 2, 3, 4), t(1, 2, 4, 3, dtype=int32)], {**_POOL, "size": (6, 8)}),
        ([t(1, 2, 3, 4), t(1, 2, 3, 4, dtype=int64)], {**_POOL, "size": (6, 8)}),
    ],
    "max_pool_gather": [([t(1, 2, 6, 8), t(1, 3, 3, 4, dtype=int32)], _POOL)],
    "windows": [
        ([t(3)], {**_FRAME, "kernel": (2, 2), "out": (3,)}), ([t(3)], {**_FRAME, "kernel": (0,), "out": (3,)}),
    ],
    "fold": [
        ([t(5, 2, dtype=bool_)], {**_FRAME, "size": (6,)}), ([t(5)], {**_FRAME, "size": (6,)}),
        ([t(5, 2)], {**_FRAME, "size": (-6,)}),
    ],
    "window_sum": [
        ([t(3, dtype=bool_)], {**_FRAME, "kernel": (2,), "out": (2,)}),
        ([t(3)], {**_FRAME, "kernel": (2,), "out": (-2,)}),
    ],
    "window_spread": [
        ([t(3, dtype=bool_)], {**_FRAME, "kernel": (2,), "size": (4,)}),
        ([t(3)], {**_FRAME, "kernel": (2, 2), "size": (4,)}),
    ],
    "resample": [
        ([t(2, 5)], {**_RESAMPLE, "dim": 2}), ([t(2, 5)], {**_RESAMPLE, "kind": "sinc"}), ([t(2, 0)], _RESAMPLE),
        ([t(2, 5, dtype=int64)], _RESAMPLE), ([t(2, 5)], {**_RESAMPLE, "size": -1}),
    ],
    "resample_grad": [([t(2, 5)], {**_RESAMPLE, "old": 3}), ([t(2, 4)], {**_RESAMPLE, "old": -3})],
    "gradient": [([t(2), t(3), t(5)], {})],
}  # fmt: skip


def cases() -> list[Any]:
    """(op name, sample) for pytest.mark.parametrize."""
    import pytest

    return [
        pytest.param(name, sample, id=f"{name}-{number}")
        for name, make in SAMPLES.items()
        for number, sample in enumerate(make())
    ]
