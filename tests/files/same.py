"""Comparing what was loaded with what was saved."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt


def raw(t: Any) -> bytes:
    """The elements of a tensor, in order: torch's by its own view as bytes, which knows bfloat16."""
    if isinstance(t, gt.Tensor):
        return np.ascontiguousarray(t.detach()._array).tobytes()
    flat = t.detach().contiguous().reshape(-1)
    if not flat.numel():
        return b""
    return flat.view(__import__("torch").uint8).numpy().tobytes()


def assert_same(got: Any, expected: Any, path: str = "value", strides: bool = True) -> None:
    """``got`` is ``expected``: types, order of keys, bits, strides, and whether gradients are wanted."""
    if hasattr(expected, "requires_grad"):
        assert isinstance(got, gt.Tensor), path
        assert type(got).__name__ == type(expected).__name__, path
        assert tuple(got.shape) == tuple(expected.shape), path
        assert str(got.dtype).split(".")[1] == str(expected.dtype).split(".")[1], path
        assert not strides or not got.numel() or tuple(got.stride()) == tuple(expected.stride()), path
        assert got.requires_grad == expected.requires_grad, path
        assert raw(got) == raw(expected), path
    elif isinstance(expected, dict):
        assert type(got).__name__ == type(expected).__name__, path
        assert list(got) == list(expected), path
        for key in expected:
            assert_same(got[key], expected[key], f"{path}[{key!r}]", strides)
    elif isinstance(expected, list | tuple):
        assert type(got).__name__ == type(expected).__name__ and len(got) == len(expected), path
        for i, value in enumerate(expected):
            assert_same(got[i], value, f"{path}[{i}]", strides)
    elif type(expected).__module__.startswith("torch"):
        assert str(got).replace("graphtorch", "torch") == str(expected), path
    else:
        assert type(got) is type(expected) and (got == expected or (got != got and expected != expected)), path
