"""The repr of tensors, as torch prints them: one width and one notation for all numbers, long tensors shortened."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
DIGITS, LINE = 4, 80
#: more elements than this are shortened to so many at each end of a dimension
MANY, EDGE = 1000, 3


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
        self.scientific = high / low > 1000 or high > 1e8 or low < 1e-4

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)

    def _text(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{DIGITS}e}"
        if not self.whole:
            return f"{value:.{DIGITS}f}"
        return f"{value:.0f}" + ("." if np.isfinite(value) else "")


def body(array: Array, indent: int) -> str:
    """The numbers in brackets; lines after the first start under the first number."""
    if not array.size:
        return "[]"
    if array.dtype.kind == "V":  # bfloat16, which formats its numbers in its own way
        array = array.astype(np.float32)
    shorten = array.size > MANY
    return _nested(array, indent, Formatter(_ends(array) if shorten else array), shorten)


def _ends(array: Array) -> Array:
    """What is shown of a tensor that is shortened."""
    for axis, n in enumerate(array.shape):
        if n > 2 * EDGE:
            array = np.take(array, [*range(EDGE), *range(n - EDGE, n)], axis)
    return array


def _nested(array: Array, indent: int, form: Formatter, shorten: bool) -> str:
    if not array.ndim:
        return form(array[()])
    skip = shorten and len(array) > 2 * EDGE
    parts = [*array[:EDGE], *array[-EDGE:]] if skip else list(array)
    if array.ndim == 1:
        texts = [form(v) for v in parts]
        return _lines([*texts[:EDGE], " ...", *texts[EDGE:]] if skip else texts, indent, form.width)
    texts = [_nested(part, indent + 1, form, shorten) for part in parts]
    texts = [*texts[:EDGE], "...", *texts[EDGE:]] if skip else texts
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _lines(texts: list[str], indent: int, width: int) -> str:
    count = max(1, (LINE - indent) // (width + 2))
    rows = [", ".join(texts[i : i + count]) for i in range(0, len(texts), count)]
    return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"


def with_notes(text: str, notes: list[str], indent: int) -> str:
    """``text``, then the notes, each on a line of its own where it would pass the end of the line."""
    column = len(text) - text.rfind("\n") + 1
    for note in notes:
        fits = column + len(note) + 2 <= LINE
        text += f", {note}" if fits else ",\n" + " " * indent + note
        column = column + len(note) + 2 if fits else indent + len(note)
    return text
