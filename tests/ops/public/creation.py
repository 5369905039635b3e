"""Tensors from shapes and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.public.table import Call, call, refuse, row, smooth
from tests.ops.samples import array

INTS = np.array([[3, 1, 2], [7, 5, 4]], np.int64)


def linspace(start: float, end: float, steps: int, dtype: Any = None) -> Any:
    return np.linspace(start, end, steps).astype(np.float32)


row(
    "gt.linspace",
    linspace,
    call(0, 1, 7),
    call(-3.5, 10, steps=12),
    call(2, 2, 1),
    call(5, -1, 0),
    call(1, 3, 1),
    refuse("steps", 0, 1, -1),
    refuse("start", "a", 1, 2),
)
row(
    "gt.logspace",
    lambda start, end, steps, base=10.0: np.logspace(start, end, steps, base=base).astype(np.float32),
    call(-1, 2, 7),
    call(0, 3, 4, base=2),
    call(0, 3, 0, 2.5),
    refuse("steps", 0, 1, -1),
)
row(
    "gt.eye",
    lambda n, m=None: np.eye(n, m, dtype=np.float32),
    call(5),
    call(3, 5),
    call(n=5, m=3),
    call(0),
    refuse("sizes", -1),
    refuse("sizes", 2, -3),
)
row("gt.scalar_tensor", lambda s: np.array(s, np.float32), call(3), call(2.5), call(True), refuse("number|str", "a"))
row(
    "gt.fill",
    lambda x, value: np.full(x.shape, value, x.dtype),
    call(array(3, 5), 2.5),
    call(INTS, 3),
    smooth(array(3, 5), array(low=1)),
    call(array(0, 2), 1),
    refuse("dimensions", array(3), array(2)),
)
row(
    "gt.empty_like",
    lambda x: np.zeros_like(x),
    call(np.zeros((0, 3), np.float32)),
    refuse("must be a tensor|a tensor", 3),
)
row(
    "Tensor.new_full",
    lambda x, size, value: np.full(size, value, x.dtype),
    call(array(3), (2, 5), 1.5),
    call(INTS, (), 7),
    call(INTS, [3], True),
    refuse("size", array(3), (-1,), 1),
)
for name, value in (("new_zeros", 0), ("new_ones", 1)):
    row(
        f"Tensor.{name}",
        lambda x, *size, value=value, **kwargs: np.full(
            size[0] if size and isinstance(size[0], tuple | list) else size or kwargs["size"], value, x.dtype
        ),
        call(array(3), 2, 5),
        call(INTS, (4,)),
        call(INTS, [2, 3]),
        call(array(3), size=(2,)),
        call(array(3), ()),
        refuse("size", array(3), -1),
    )
row("Tensor.new_empty", lambda x, *size: np.zeros(size, x.dtype), call(array(3), 0, 5), refuse("size", array(3), -1))
row(
    "Tensor.new_tensor",
    lambda x, data: np.array(data).astype(x.dtype),
    call(array(3), [[1, 2], [3, 4]]),
    call(INTS, 7),
    refuse("data", array(3), "a"),
)
row(
    "gt.as_tensor",
    lambda data: np.asarray(data),
    call(array(3, 5)),
    call([True, False]),
    call([[1, 2], [3, 4]]),
    refuse("data", "a"),
)
for name, find in (("tril_indices", np.tril_indices), ("triu_indices", np.triu_indices)):
    row(
        f"gt.{name}",
        lambda row, col, offset=0, find=find: np.stack(find(row, offset, col)).astype(np.int64),
        call(3, 5),
        call(5, 3, -1),
        call(4, 7, offset=2),
        call(0, 3),
        call(3, 3, -9),
        refuse("sizes", -1, 3),
    )
row(
    "gt.broadcast_shapes",
    lambda *shapes: tuple(np.array(n) for n in np.broadcast_shapes(*shapes)),
    call((3, 1), (5,)),
    call((2, 1, 4), (3, 1), ()),
    call(3, (2, 1)),
    call(),
    refuse("broadcast", (3,), (2,)),
)

# ---- one number everywhere, or one after the other -------------------------------------------------

for name, number in (("zeros", 0), ("ones", 1)):
    row(
        f"gt.{name}",
        lambda *size, number=number: np.full(size[0] if isinstance(size[0], tuple) else size, number, np.float32),
        call(2, 3),
        call((5, 1, 2)),
        call(0),
        call(()),
        refuse("size", -1),
    )
    row(
        f"gt.{name}_like",
        lambda x, number=number: np.full(x.shape, number, x.dtype),
        call(array(3, 5)),
        call(INTS),
        call(array(0, 2)),
        call(array()),
        refuse("must be a tensor|expected a tensor", 2.5),
    )
row(
    "gt.empty",
    lambda *size: np.zeros(size[0] if isinstance(size[0], tuple) else size, np.float32),
    Call((2, 3), torch=False),  # torch has there what was there
    Call(((5, 1, 2),), torch=False),
    Call((0,), torch=False),
    refuse("size", -1),
)
row(
    "gt.full",
    lambda size, value: np.full(size, value, np.float32 if isinstance(value, float) else None),
    call((2, 3), 2.5),
    call((5,), 7),
    call((), True),
    call((0, 3), 1.5),
    refuse("size", (-1,), 2.0),
)
row(
    "gt.full_like",
    lambda x, value: np.full(x.shape, value, x.dtype),
    call(array(3, 5), 2.5),
    call(INTS, 7),
    call(array(0, 2), 1),
    refuse("must be a tensor|expected a tensor", 2.5, 1),
)
row(
    "gt.arange",
    lambda *ends: np.arange(*ends, dtype=np.float32 if any(isinstance(e, float) for e in ends) else np.int64),
    call(7),
    call(2, 9, 3),
    call(0.0, 1, 0.25),
    call(5, 0, -2),
    call(3, 3),
    refuse("step", 0, 3, 0),
    refuse("step|start|end", 3, 0),
)
