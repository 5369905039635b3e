"""What is handed to a writer, checked, as numpy arrays and Python's numbers. Errors name the parameter."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError

Array = npt.NDArray[Any]

_INT64 = range(-(2**63), 2**63)


def refused(name: str, got: str, expected: str) -> ArgumentError:
    """The error for a value that is not allowed."""
    return ArgumentError("GT304", f"{name}: {got} is not allowed", [f"expected {expected}"])


def wrong_type(name: str, given: Any, expected: str) -> ArgumentTypeError:
    """The error for a value of a wrong Python type."""
    return ArgumentTypeError("GT301", f"{name} must be {expected}, got {type(given).__name__}")


def as_array(given: Any, name: str) -> Array:
    """A tensor (which may require gradients), an array or a number as an array of bools, integers or floats.

    bfloat16 becomes float32. What numpy reads without a copy counts as an array: PIL's images. Nothing is copied
    that need not be: the array is for reading alone. TraceError GT601 while a function is traced.
    """
    if isinstance(given, Tensor):
        array = np.asarray(bind.current().data(given, f"{name} of a SummaryWriter"))
    elif isinstance(given, bool | int | float | np.generic) or hasattr(given, "__array_interface__"):
        array = np.asarray(given)
    else:
        raise wrong_type(name, given, "a tensor, a numpy array or a number")
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError("GT301", f"{name} must hold real numbers, got an array of {array.dtype}")
    return array


def as_scalar(given: Any, name: str) -> float:
    """The number in a tensor or an array of one element, or a number itself, as a float: nan and inf too."""
    if isinstance(given, int):  # of any size: numpy's have 64 bits
        return float(given) if abs(given) < 2**1023 else math.inf if given > 0 else -math.inf
    array = as_array(given, name)
    if array.size != 1:
        raise refused(name, f"a shape of {list(array.shape)}", "one element")
    return float(array.reshape(()))


def as_tag(given: Any, name: str = "tag") -> str:
    """A tag: any text that UTF-8 can hold. Slashes make groups on TensorBoard's pages."""
    if not isinstance(given, str):
        raise wrong_type(name, given, "a str")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise refused(name, ascii(given), "text that UTF-8 can hold: no lone surrogates") from None
    return given


def as_folder(given: Any, name: str) -> str:
    """A tag that names a folder below that of the run; its slashes make folders in folders."""
    tag = as_tag(given, name)
    if "\0" in tag or os.path.isabs(tag) or ".." in tag.replace("\\", "/").split("/"):
        raise refused(name, repr(tag), "what can name a folder of the run: relative, without .. and null characters")
    return tag


def as_step(given: Any, name: str = "global_step") -> int | None:
    """A step: an integer of 64 bits, in any form; what is behind the point of a float goes, as in torch."""
    if given is None or (type(given) is int and given in _INT64):  # as nearly always
        return given
    array = np.asarray(given) if isinstance(given, int) else as_array(given, name)
    if array.size != 1 or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise refused(name, f"{given!r}", "one integer")
    step = int(array.item())
    if step not in _INT64:
        raise refused(name, str(step), "an integer of 64 bits")
    return step


def as_seconds(given: Any, name: str = "walltime") -> float | None:
    """Seconds since the epoch; None stands for now."""
    return None if given is None else as_scalar(given, name)


def as_numbers(given: Any, name: str) -> list[Any]:
    """A tensor, an array or a sequence of one dimension as a list of Python's numbers."""
    array = as_array(np.asarray(given) if isinstance(given, list | tuple | range) else given, name)
    if array.ndim != 1:
        raise refused(name, f"a shape of {list(array.shape)}", "one dimension")
    return list(array.tolist())
