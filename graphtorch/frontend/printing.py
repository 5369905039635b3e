"""The repr of tensors, as torch prints them: one width and one notation for all numbers, long tensors shortened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check

Array = np.ndarray[Any, Any]


@dataclass
class Options:
    """What `set_printoptions` sets, for all threads."""

    #: digits after the point
    precision: int = 4
    #: more elements than this are shortened to so many at each end of a dimension
    threshold: float = 1000
    edgeitems: int = 3
    #: characters in a line
    linewidth: int = 80
    #: whether numbers have exponents; None: where they need them
    sci_mode: bool | None = None


options = Options()
PROFILES = {"default": Options(), "short": Options(precision=2, edgeitems=2), "full": Options(threshold=math.inf)}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print from now on; what is None stays, but ``sci_mode``, which is set by every call, as in torch.

    ``precision`` is the number of digits after the point (4 at the start). A tensor of more than ``threshold`` (1000)
    elements shows ``edgeitems`` (3) at each end of a dimension, in lines of ``linewidth`` (80) characters. ``sci_mode``
    says whether floats have exponents; None leaves it to the numbers. ``profile``, "default", "short" or "full", sets
    all of these, before the others count.

    ArgumentError GT304 for another profile or a negative number, ArgumentTypeError GT301 for what is no number.

        >>> import graphtorch as gt
        >>> gt.set_printoptions(precision=2)
        >>> gt.tensor(1.12345)
        tensor(1.12)
        >>> gt.set_printoptions(profile="default")
    """
    check(
        profile is None or profile in PROFILES,
        "GT304",
        f"profile={profile!r} is not allowed",
        f"expected one of {', '.join(map(repr, PROFILES))}",
        kind=ArgumentError,
    )
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        _check_count(name, value)
    if profile is not None:
        vars(options).update(vars(PROFILES[profile]))
    vars(options).update({name: value for name, value in given.items() if value is not None}, sci_mode=sci_mode)


def _check_count(name: str, value: Any) -> None:
    if value is None:
        return
    kinds = (int, float) if name == "threshold" else (int,)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ArgumentTypeError("GT301", f"{name} must be a number, got {type(value).__name__} {value!r}")
    check(value >= 0, "GT304", f"{name}={value} is not allowed", "expected a number >= 0", kind=ArgumentError)


class Formatter:
    """How the numbers of a tensor are written, from those that will be shown."""

    def __init__(self, shown: Array) -> None:
        values = shown.reshape(-1)
        self.whole, self.scientific, self.width = True, False, 1
        self.floating = values.dtype.kind == "f"
        if self.floating:
            values = values[np.isfinite(values) & (values != 0)]
            self._notation(np.abs(values).astype(np.float64))
        self.width = max((len(self(v)) for v in values), default=1)

    def _notation(self, sizes: Array) -> None:
        if not sizes.size:
            return
        low, high = float(sizes.min()), float(sizes.max())
        self.whole = bool((sizes == np.ceil(sizes)).all())
        chosen = high / low > 1000 or high > 1e8 or low < 1e-4
        self.scientific = chosen if options.sci_mode is None else options.sci_mode

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)

    def _text(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{options.precision}e}"
        if not self.whole:
            return f"{value:.{options.precision}f}"
        return f"{value:.0f}" + ("." if np.isfinite(value) else "")


def body(array: Array, indent: int) -> str:
    """The numbers in brackets; lines after the first start under the first number."""
    if not array.size:
        return "[]"
    if array.dtype.kind == "V":  # bfloat16, which formats its numbers in its own way
        array = array.astype(np.float32)
    shorten = array.size > options.threshold
    return _nested(array, indent, Formatter(_ends(array) if shorten else array), shorten)


def _ends(array: Array) -> Array:
    """What is shown of a tensor that is shortened."""
    edge = options.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
    return array


def _nested(array: Array, indent: int, form: Formatter, shorten: bool) -> str:
    if not array.ndim:
        return form(array[()])
    edge = options.edgeitems
    skip = shorten and len(array) > 2 * edge
    parts = [*array[:edge], *array[len(array) - edge :]] if skip else list(array)
    if array.ndim == 1:
        texts = [form(v) for v in parts]
        return _lines([*texts[:edge], " ...", *texts[edge:]] if skip else texts, indent, form.width)
    texts = [_nested(part, indent + 1, form, shorten) for part in parts]
    texts = [*texts[:edge], "...", *texts[edge:]] if skip else texts
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _lines(texts: list[str], indent: int, width: int) -> str:
    count = max(1, (options.linewidth - indent) // (width + 2))
    rows = [", ".join(texts[i : i + count]) for i in range(0, len(texts), count)]
    return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"


def with_notes(text: str, notes: list[str], indent: int) -> str:
    """``text``, then the notes, each on a line of its own where it would pass the end of the line."""
    column = len(text) - text.rfind("\n") + 1
    for note in notes:
        fits = column + len(note) + 2 <= options.linewidth
        text += f", {note}" if fits else ",\n" + " " * indent + note
        column = column + len(note) + 2 if fits else indent + len(note)
    return text
