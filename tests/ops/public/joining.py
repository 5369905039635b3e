"""Tensors put together, and cut apart."""

from __future__ import annotations

import numpy as np

from tests.ops.public.table import call, refuse, row, smooth
from tests.ops.samples import array

row(
    "gt.stack",
    lambda tensors, dim=0: np.stack(tensors, dim),
    smooth([array(3, 5), array(3, 5, low=-1.9)], 1),
    smooth([array(3, 5), array(3, 5), array(3, 5)], dim=-1),
    call([np.array([1, 2])]),
    refuse("at least one tensor", []),
    refuse("of one shape", [array(2), array(3)]),
)
