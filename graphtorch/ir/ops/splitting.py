"""Tensors cut apart; the parts are views."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import as_int, aval_of, is_handle, normalize_dim, shape_of, sizes
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.shapes import narrow


@composite("gt")
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    """Parts of a size along ``dim``, the last of which may be smaller; or parts of these sizes."""
    return _split(tensor, split_size_or_sections, dim, "split_size_or_sections")


@composite("Tensor", name="split")
def _tensor_split_size(self: Any, split_size: Any, dim: int = 0) -> Any:
    """Parts of a size along ``dim``, the last of which may be smaller; or parts of these sizes."""
    return _split(self, split_size, dim, "split_size")


def _split(x: Any, size: Any, dim: int, name: str) -> Any:
    if isinstance(size, list | tuple):
        return _by_sizes(x, size, dim, name)
    d, each = _dim(x, dim), as_int(size, name)
    total = shape_of(x)[d]
    check(
        each > 0 or (each == 0 and total == 0),
        "GT304",
        f"{name}={each} is not allowed",
        f"expected a size > 0 for a dimension of size {total}",
        kind=ArgumentError,
    )
    return _parts(x, d, [min(each, total - at) for at in range(0, total, each)] if total else [0])


@composite("gt", "Tensor")
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> Any:
    """Parts of these sizes along ``dim``."""
    return _by_sizes(input, split_sizes, dim, "split_sizes")


def _by_sizes(x: Any, given: Any, dim: int, name: str) -> Any:
    d, wanted = _dim(x, dim), sizes((given,), name)
    total = shape_of(x)[d]
    check(
        sum(wanted) == total and min(wanted, default=0) >= 0,
        "GT304",
        f"{name}={list(wanted)} do not make up dimension {dim} of size {total}",
        f"expected sizes >= 0 whose sum is {total}, got {sum(wanted)}",
        kind=ArgumentError,
    )
    return _parts(x, d, wanted)


@composite("gt", "Tensor")
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most ``chunks`` parts of equal size along ``dim``, the last of which may be smaller."""
    d, count = _dim(input, dim), as_int(chunks, "chunks")
    check(count > 0, "GT304", f"chunks={count} is not allowed", "expected a number > 0", kind=ArgumentError)
    total = shape_of(input)[d]
    each = -(-total // count)
    return _parts(input, d, [min(each, total - at) for at in range(0, total, each)] if total else [0] * count)


@composite("gt", "Tensor")
def tensor_split(
    input: Any, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> Any:
    """So many parts along ``dim`` whose sizes differ by at most one; or the parts between these indices."""
    given = [x for x in (indices_or_sections, indices, sections) if x is not None]
    check(len(given) == 1, "GT301", "tensor_split takes indices or sections", "expected one", kind=ArgumentTypeError)
    d = _dim(input, dim)
    return _cut(input, given[0], d, "indices_or_sections")


def _cut(x: Any, given: Any, d: int, name: str) -> Any:
    total = shape_of(x)[d]
    if is_handle(given):
        given = _numbers(given, name)
    if isinstance(given, list | tuple):
        cuts = [i + total if i < 0 else i for i in sizes((given,), name)]
        bounds = [0, *(min(max(i, 0), total) for i in cuts), total]
        return tuple(narrow(x, d, min(a, b) if b < a else a, max(b - a, 0)) for a, b in itertools.pairwise(bounds))
    count = as_int(given, name)
    check(count > 0, "GT304", f"{name}={count} is not allowed", "expected a number > 0", kind=ArgumentError)
    return _parts(x, d, [total // count + (i < total % count) for i in range(count)])


def _numbers(given: Any, name: str) -> Any:
    kind = aval_of(given)
    check(
        kind.dtype.kind in "iu" and kind.ndim <= 1,
        "GT203",
        f"{name} is a tensor {kind}",
        "expected int64, of at most one dimension",
        kind=ArgumentTypeError,
    )
    return bind.current().data(given, f"{name} of tensor_split").tolist()


@composite("gt", "Tensor")
def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """`tensor_split` of columns: along dimension 1, or 0 of a vector. A number has to divide the size."""
    ndim = len(shape_of(input))
    return _equal_cut(input, indices_or_sections, 0 if ndim == 1 else 1, 1)


@composite("gt", "Tensor")
def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """`tensor_split` of rows: along dimension 0. A number has to divide the size."""
    return _equal_cut(input, indices_or_sections, 0, 2)


@composite("gt", "Tensor")
def dsplit(input: Any, indices_or_sections: Any) -> Any:
    """`tensor_split` along dimension 2. A number has to divide the size."""
    return _equal_cut(input, indices_or_sections, 2, 3)


def _equal_cut(x: Any, given: Any, d: int, least: int) -> Any:
    shape = shape_of(x)
    check(len(shape) >= least, "GT107", f"expected at least {least} dimensions, got {len(shape)}", "use tensor_split")
    if not isinstance(given, list | tuple):
        count = as_int(given, "indices_or_sections")
        check(
            count > 0 and shape[d] % count == 0,
            "GT304",
            f"indices_or_sections={count} does not divide size {shape[d]} of dimension {d}",
            "expected a divisor, or indices",
            kind=ArgumentError,
        )
    return _cut(x, given, d, "indices_or_sections")


@composite("gt", "Tensor")
def unbind(input: Any, dim: int = 0) -> Any:
    """The slices along ``dim``, without it."""
    d = _dim(input, dim)
    shape = shape_of(input)
    return tuple(reshape(narrow(input, d, i, 1), (*shape[:d], *shape[d + 1 :])) for i in range(shape[d]))


def _dim(x: Any, dim: int) -> int:
    ndim = len(shape_of(x))
    check(ndim > 0, "GT107", "a 0-d tensor cannot be cut apart", "expected at least 1 dimension")
    return normalize_dim(dim, ndim)


def _parts(x: Any, d: int, counts: Sequence[int]) -> tuple[Any, ...]:
    starts = [sum(counts[:i]) for i in range(len(counts))]
    return tuple(narrow(x, d, start, count) for start, count in zip(starts, counts, strict=True))
