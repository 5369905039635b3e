"""Sequences of different lengths as one tensor: padded, or packed without padding, as torch's nn.utils.rnn does.

What lies where in a packed tensor depends on lengths, which have to be numbers: in a program they are those of a list
of ints, and other lengths are another program (a tensor of lengths is refused there, TraceError GT601).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn.arguments import flag, one_of
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import as_int

Array = np.ndarray[Any, Any]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class PackedSequence(_Fields):
    """Sequences, the longest first, step by step: ``data`` [sum of lengths, ...] has ``batch_sizes[t]`` rows of step t.

    ``sorted_indices`` are the numbers that the sequences had before, ``unsorted_indices`` their inverse. Made by
    `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with ``data.to(...)``."""
        return self.with_data(self.data.to(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same in another dtype, if one is given."""
        return self.to(*args, **kwargs) if args or kwargs else self

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """DeviceError GT402: see `Module.to`."""
        return self.to("cuda")

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether it lies in memory that a GPU copies from: there is none."""
        return False

    def pin_memory(self) -> PackedSequence:
        """This: see `is_pinned`."""
        return self

    def with_data(self, data: Tensor) -> PackedSequence:
        """The same sequences of other rows."""
        out = PackedSequence(data, *self[1:])
        out.__dict__.update(self.__dict__)
        return out

    def counts(self) -> Array:
        """``batch_sizes`` as numbers; TraceError GT601 in a program that did not make them of numbers."""
        known = self.__dict__.get("_counts")
        return np.asarray(self.batch_sizes.tolist() if known is None else known, np.int64)

    # ---- by step and sequence: [t, n, ...] with sequences in the order of ``data`` ----

    def padded(self) -> tuple[Tensor, Array]:
        """(rows [t, n, ...], bools [t, n] that say which are there); the others repeat the sequence's last row."""
        counts = self.counts()
        lengths = (np.arange(counts[0]) < counts[:, None]).sum(0)
        at = np.minimum(np.arange(len(counts))[:, None], lengths - 1)
        rows = (np.cumsum(counts) - counts)[at] + np.arange(counts[0])
        data = self.data.index_select(0, _constant(rows.ravel()))
        return data.reshape(*rows.shape, *self.data.shape[1:]), at == np.arange(len(counts))[:, None]

    def packed_as(self, rows: Tensor) -> PackedSequence:
        """``rows`` [t, n, ...] packed as these are."""
        return self.with_data(_picked(rows, self.counts(), np.arange(rows.shape[1])))


def _converting(name: str) -> Any:
    def convert(self: PackedSequence) -> PackedSequence:
        return self.with_data(getattr(self.data, name)())

    convert.__name__, convert.__doc__ = name, f"The same with ``data.{name}()``."
    return convert


for _name in ("byte", "char", "double", "float", "half", "int", "long", "short"):
    setattr(PackedSequence, _name, _converting(_name))


def _constant(array: Array) -> Tensor:
    return bind.current().array(array)  # type: ignore[no-any-return]


def _picked(rows: Tensor, counts: Array, order: Array) -> Tensor:
    """Of each step t of ``rows`` [t, n, ...] the first ``counts[t]`` sequences of ``order``, one after the other."""
    steps, batch, *rest = rows.shape
    wanted = np.concatenate([t * batch + order[:count] for t, count in enumerate(counts)])
    return rows.reshape(steps * batch, *rest).index_select(0, _constant(wanted))  # type: ignore[no-any-return]


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of indices [n]; None of None."""
    return None if permutation is None else PUBLIC["gt"]["argsort"](permutation)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """``input`` [t, n, ...], with ``batch_first`` [n, t, ...], of which sequence i has ``lengths[i]`` steps.

    Without ``enforce_sorted`` sequences come in any order; with it the longest is first. ShapeError GT107 or GT103 for
    an input or a number of lengths that do not fit, ArgumentError GT304 for lengths outside of [1, t] or not sorted.
    """
    check(input.dim() >= 2, "GT107", f"input has {input.dim()} dimensions", "expected [t, n, ...]")
    rows = input.transpose(0, 1) if flag(batch_first, "batch_first") else input
    counted = _lengths(lengths, rows.shape[0], rows.shape[1])
    order = np.arange(len(counted)) if flag(enforce_sorted, "enforce_sorted") else np.argsort(-counted, kind="stable")
    counted = counted[order]
    falls = bool((counted[1:] <= counted[:-1]).all())
    expected = "expected the longest first, or enforce_sorted=False"
    check(falls, "GT304", f"lengths={counted.tolist()} is not allowed", expected, kind=ArgumentError)
    counts = (np.arange(counted[0])[:, None] < counted).sum(1)
    indices = () if enforce_sorted else (_constant(order), _constant(np.argsort(order)))
    out = PackedSequence(_picked(rows, counts, order), _constant(counts), *indices)
    out.__dict__["_counts"] = counts
    return out


def _lengths(given: Any, steps: int, batch: int) -> Array:
    listed = given.tolist() if isinstance(given, Tensor) else list(given)
    found = np.array([as_int(n, "lengths") for n in listed], np.int64)
    check(
        len(found) == batch, "GT103", f"there are {len(found)} lengths", f"expected one for each of {batch} sequences"
    )
    inside = batch > 0 and bool((found > 0).all() and (found <= steps).all())
    expected = f"expected numbers in [1, {steps}], the steps of input"
    check(inside, "GT304", f"lengths={listed} is not allowed", expected, kind=ArgumentError)
    return found


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(the sequences [t, n, ...] in their first order, padded with ``padding_value``, their lengths [n]).

    With ``batch_first`` [n, t, ...]. t is the greatest length, or ``total_length``, which cannot be less (ArgumentError
    GT304).
    """
    rows, there = sequence.padded()
    steps = len(there)
    more = 0 if total_length is None else as_int(total_length, "total_length") - steps
    check(
        more >= 0,
        "GT304",
        f"total_length={total_length} is not allowed",
        f"expected at least the longest sequence, {steps}",
        kind=ArgumentError,
    )
    absent = ~there.reshape(*there.shape, *[1] * (rows.dim() - 2))
    rows = F.pad(rows.masked_fill(_constant(absent), padding_value), _at_first(rows, 0, more), value=padding_value)
    lengths = _constant(there.sum(0))
    if sequence.unsorted_indices is not None:
        rows = rows.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices)
    return rows.transpose(0, 1) if flag(batch_first, "batch_first") else rows, lengths


def _at_first(x: Tensor, before: int, after: int) -> tuple[int, ...]:
    """What `F.pad` takes for so many slices before and after those along the first dimension."""
    return (*[0, 0] * (x.dim() - 1), before, after)


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences [l_i, ...] as one tensor [t, n, ...] of the greatest length, with ``batch_first`` [n, t, ...].

    ``padding_side`` "left" puts ``padding_value`` before each. ArgumentError GT304 for no sequences, ShapeError for
    those whose other sizes differ.
    """
    one_of(padding_side, "padding_side", "left", "right")
    given = list(sequences)
    check(bool(given), "GT304", "sequences is empty", "expected at least one tensor", kind=ArgumentError)
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise ArgumentTypeError("GT301", f"sequences[{i}] must be a tensor, got {type(x).__name__}")
        check(x.dim() > 0, "GT107", f"sequences[{i}] has no dimensions", "expected [l, ...]")
    steps = max(x.shape[0] for x in given)
    left = padding_side == "left"
    missing = [(steps - x.shape[0]) * left for x in given], [(steps - x.shape[0]) * (not left) for x in given]
    padded = [F.pad(x, _at_first(x, a, b), value=padding_value) for x, a, b in zip(given, *missing, strict=True)]
    return PUBLIC["gt"]["stack"](padded, 0 if flag(batch_first, "batch_first") else 1)  # type: ignore[no-any-return]


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences [lengths[i], ...] of a tensor [t, n, ...], with ``batch_first`` [n, t, ...]; see `pad_sequence`."""
    rows = padded_sequences.transpose(0, 1) if flag(batch_first, "batch_first") else padded_sequences
    return [rows[:n, i] for i, n in enumerate(_lengths(lengths, rows.shape[0], rows.shape[1]))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """`pack_padded_sequence` of sequences [l_i, ...]."""
    return pack_padded_sequence(pad_sequence(sequences), [x.shape[0] for x in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences [l_i, ...] that were packed, in their first order."""
    rows, there = packed_sequences.padded()
    lengths, order = there.sum(0), packed_sequences.unsorted_indices
    numbers = range(len(lengths)) if order is None else order.tolist()
    return [rows[: int(lengths[i]), i] for i in numbers]
