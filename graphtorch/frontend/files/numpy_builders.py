"""Arrays of numpy in pickles, for who asks for them: `restricted_load(file, ARRAYS)`. torch's files have none."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from graphtorch.frontend.files.source import damaged
from graphtorch.frontend.files.unpickler import Builder

#: booleans, numbers, and texts of a fixed length; no objects, which would be pickles again
_PLAIN = re.compile(r"[<>|=]?[biufcSU][0-9]{0,6}")


def _text(value: Any) -> str:
    """A text, which Python 2 wrote as bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _dtype(code: Any, *_flags: Any) -> np.dtype[Any]:
    if not _PLAIN.fullmatch(_text(code)):
        raise damaged(f"an array of {code!r}"[:100], "expected numbers or texts")
    return np.dtype(_text(code), copy=True)


def _set_order(made: np.dtype[Any], state: Any) -> None:
    """The order of bytes, of which numpy's name says nothing."""
    order = _text(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""
    if order not in ("<", ">", "|", "="):
        raise damaged("a dtype has no order of bytes")
    sizes = (made.itemsize, 1) if made.kind in "SU" else (-1, -1)
    setter: Any = made  # whose stubs do not have it
    setter.__setstate__((3, order, None, None, None, *sizes, 0))


def _empty(kind: Any, *_shape_and_code: Any) -> np.ndarray[Any, Any]:
    """An array to be filled: what `numpy` makes before it knows the shape."""
    if kind is not np.ndarray:
        raise damaged("an array of a type of its own")
    return np.empty(0, np.int8)


def _fill(made: np.ndarray[Any, Any], state: Any) -> None:
    """Shape, dtype, order of dimensions and bytes, over which the array lies: they are not copied."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise damaged("an array has no content")
    _, shape, dtype, fortran, raw = state
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    whole = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**48 for n in shape) and len(shape) <= 32
    if not whole or not isinstance(dtype, np.dtype) or not isinstance(raw, bytes):
        raise damaged("an array has no content")
    if math.prod(shape) * dtype.itemsize != len(raw) or (not raw and max(shape, default=0) >= 2**31):
        raise damaged(f"an array of sizes {shape} and {dtype} has {len(raw)} bytes")
    setter: Any = made
    setter.__setstate__((1, shape, dtype, bool(fortran), raw))


def _scalar(dtype: Any, raw: Any) -> Any:
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(dtype, np.dtype) or not isinstance(raw, bytes) or len(raw) != dtype.itemsize or not raw:
        raise damaged("a number of numpy has no content")
    return np.frombuffer(raw, dtype)[0]


def _encoded(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise damaged("bytes are written in an unknown way")
    return text.encode("latin-1")


#: what pickles of arrays name, as numpy 1 and 2 and Python 2 and 3 write them
ARRAYS: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": Builder(_dtype, _set_order),
    "_codecs.encode": Builder(_encoded),
    "__builtin__.bytes": Builder(lambda: b""),
}
for _core in ("numpy.core", "numpy._core"):
    ARRAYS[f"{_core}.multiarray._reconstruct"] = Builder(_empty, _fill)
    ARRAYS[f"{_core}.multiarray.scalar"] = Builder(_scalar)
