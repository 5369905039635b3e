"""Numbers that graphtorch and torchvision are both given: made of names and shapes alone. Imports neither."""

from __future__ import annotations

import math
import zlib

import numpy as np


def tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The parameter or buffer ``key``: uniform, in a range in which nets of a hundred layers keep their scale."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    drawn = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).random(shape, np.float32)
    if len(shape) > 1:
        fan_in = math.prod(shape[1:]) if key != "encoder.pos_embedding" else 100
        return (drawn * 2 - 1) * np.float32(math.sqrt(5 / fan_in))
    positive = key.endswith("running_var") or (key.endswith("weight") and len(shape) == 1)
    return drawn * np.float32(0.5) + np.float32(0.5) if positive else (drawn - np.float32(0.5)) * np.float32(0.2)


def images(*shape: int) -> np.ndarray:
    """float32 [n, c, h, w], smooth, with values from -2 to 2."""
    grid = np.indices(shape).astype(np.float64)
    n, c, h, w = grid
    return (np.sin(0.7 * h + 0.3 * w + n) + np.cos(0.31 * w * (c + 1) - 0.2 * h)).astype(np.float32)


def picked(scores: np.ndarray, count: int = 6) -> list[float]:
    """A few numbers of ``scores`` [n, classes], from its first to its last."""
    flat = scores.reshape(-1).astype(np.float64)
    return [float(flat[i]) for i in np.linspace(0, flat.size - 1, count).round().astype(int)]
