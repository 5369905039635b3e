"""Other dtypes, operators from the right, and tensors of one number."""

from __future__ import annotations

import numpy as np

from tests.ops.public.table import Call, Refusal, call, refuse, row, smooth
from tests.ops.samples import array, strided

INTS = np.array([[3, 1, 2], [7, 5, 4]], np.int64)
WHOLE = np.array([2.9, -2.9, 0.0, -0.0, 100.5], np.float32)
#: method of Tensor -> dtype
CASTS = {"int": "int32", "long": "int64", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool"}

for name, dtype in CASTS.items():
    row(
        f"Tensor.{name}",
        lambda x, dtype=dtype: x.astype(dtype),
        call(np.abs(WHOLE)),
        *([call(WHOLE)] if dtype != "uint8" else []),  # what is below 0 has no byte
        call(strided(2, 7, low=0.5, high=100)),
        call(INTS),
        call(np.array([True, False])),
        call(array(0, 3)),
    )
for name in ("float", "double"):
    row(
        f"Tensor.{name}",
        lambda x: x.astype(np.float64),
        smooth(array(3, 5)) if name == "double" else call(array(3, 5)),
        smooth(strided(2, 7)) if name == "double" else call(strided(2, 7)),
        call(INTS),
        call(array(0, 3)),
    )
row(
    "Tensor.to",
    lambda x, other: x.astype(other.dtype),
    smooth(array(3, 5), array(2)),
    call(INTS, array(2)),
    call(array(3, 5), INTS),
    Refusal(Call((array(3), 2.5)), "to\\(\\) does not take 2.5", torch=False),
)

# ---- operators ------------------------------------------------------------------------------------

X = array(3, 5, low=0.3)
#: torch answers with NotImplemented
A_TEXT = Refusal(Call((X, "a")), "expected a tensor or a number, got str", torch=False)
row("Tensor.__radd__", lambda x, y: y + x, smooth(X, 2.5), smooth(X, array(5)), call(INTS, 3), A_TEXT)
row("Tensor.__rsub__", lambda x, y: y - x, smooth(X, 2.5), smooth(X, array(5)), call(INTS, 3), A_TEXT)
row("Tensor.__rmul__", lambda x, y: y * x, smooth(X, 2.5), smooth(X, array(5)), call(INTS, 3), A_TEXT)
row("Tensor.__rpow__", lambda x, y: y**x, smooth(X, 2.5), smooth(X, array(5, low=0.4)), call(INTS, 3), A_TEXT)
row(
    "Tensor.__rmatmul__",
    lambda x, y: y @ x,
    smooth(array(3, 5), array(7, 3)),
    smooth(array(3), array(2, 3)),
    refuse("cannot be multiplied", array(3, 5), array(3, 2)),
)
