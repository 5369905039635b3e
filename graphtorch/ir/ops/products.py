"""Products of vectors and matrices, as torch names them: alone, added to something, or several in the best order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import mul
from graphtorch.ir.ops.common import (
    as_int,
    aval_of,
    broadcast,
    dtype_of,
    lift,
    normalize_dim,
    normalize_dims,
    same_dtype,
    shape_of,
    unify,
)
from graphtorch.ir.ops.contract import dot, matmul
from graphtorch.ir.ops.logic import logical_and, logical_or
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.reduce import sum as sum_
from graphtorch.ir.ops.shapes import transpose
from graphtorch.ir.types import bool_


def _check_ndims(**operands: tuple[Any, int]) -> None:
    """ShapeError GT107 unless each operand has so many dimensions."""
    for name, (x, wanted) in operands.items():
        ndim = len(shape_of(x))
        what = {1: "a vector", 2: "a matrix", 3: "a batch of matrices"}[wanted]
        check(ndim == wanted, "GT107", f"{name} must be {what}", f"expected {wanted} dimensions, got {ndim}")


def _check_inner(first: Any, second: Any, names: tuple[str, str], at: int) -> None:
    k, k2 = shape_of(first)[-1], shape_of(second)[at]
    check(
        k == k2,
        "GT109",
        f"{names[0]} {list(shape_of(first))} and {names[1]} {list(shape_of(second))} cannot be multiplied",
        f"expected equal inner sizes, got {k} and {k2}",
    )


@composite("gt", "Tensor", name="dot")
def vector_dot(input: Any, tensor: Any) -> Any:
    """The inner product of two vectors [n] of one dtype."""
    _check_ndims(input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


@composite("gt", "Tensor")
def inner(input: Any, other: Any) -> Any:
    """Inner products over the last dimensions: [..., k] and [..., k] give [*input less k, *other less k].

    A number is a factor.
    """
    same_dtype(aval_of(input), aval_of(other))
    a, b = shape_of(input), shape_of(other)
    if not a or not b:
        return mul(input, other)
    _check_inner(input, other, ("input", "other"), -1)
    rows = reshape(other, (math.prod(b[:-1]), b[-1]))
    return reshape(matmul(input, transpose(rows, 0, 1)), (*a[:-1], *b[:-1]))


@composite("gt", "Tensor")
def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of ``input`` [n] and one of ``vec2`` [m]: [n, m]."""
    _check_ndims(input=(input, 1), vec2=(vec2, 1))
    return mul(reshape(input, (shape_of(input)[0], 1)), vec2)


@composite("gt", "Tensor")
def mv(input: Any, vec: Any) -> Any:
    """A matrix [n, m] times a vector [m]: [n]."""
    _check_ndims(input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@composite("gt", "Tensor")
def bmm(input: Any, mat2: Any) -> Any:
    """Products of the matrices of two batches, [b, n, m] and [b, m, p]: [b, n, p]."""
    _check_batches(input, mat2, ("input", "mat2"))
    return dot(input, mat2)


def _check_batches(first: Any, second: Any, names: tuple[str, str]) -> None:
    _check_ndims(**{names[0]: (first, 3), names[1]: (second, 3)})
    a, b = shape_of(first)[0], shape_of(second)[0]
    check(a == b, "GT109", f"{names[0]} and {names[1]} are batches of {a} and of {b} matrices", "expected equal sizes")
    _check_inner(first, second, names, 1)


# ---- added to something ---------------------------------------------------------------------------


def _added(input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """beta * input + alpha * product. What has the factor 0 is ignored, nan in it, too."""
    same_dtype(aval_of(input), aval_of(product))
    if dtype_of(input).kind in "iu":
        beta, alpha = int(beta), int(alpha)
    start = broadcast(input, shape_of(product))
    scaled = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        return scaled
    start = start if beta == 1 else mul(start, beta)
    return start if alpha == 0 else start + scaled


@composite("gt", "Tensor")
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * (mat1 @ mat2) for matrices; ``input`` is broadcast. With beta=0 it is ignored."""
    _check_ndims(mat1=(mat1, 2), mat2=(mat2, 2))
    return _added(input, matmul(mat1, mat2), beta, alpha)


@composite("gt", "Tensor")
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * (mat @ vec) for a matrix and a vector; ``input`` is broadcast."""
    _check_ndims(mat=(mat, 2), vec=(vec, 1))
    return _added(input, matmul(mat, vec), beta, alpha)


@composite("gt", "Tensor")
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * `bmm`(batch1, batch2); ``input`` is broadcast."""
    _check_batches(batch1, batch2, ("batch1", "batch2"))
    return _added(input, dot(batch1, batch2), beta, alpha)


@composite("gt", "Tensor")
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * the sum of all products of `bmm`(batch1, batch2): one product of long rows and columns."""
    _check_batches(batch1, batch2, ("batch1", "batch2"))
    b, n, m = shape_of(batch1)
    wide = reshape(permute(batch1, (1, 0, 2)), (n, b * m))
    return _added(input, dot(wide, reshape(batch2, (b * m, shape_of(batch2)[-1]))), beta, alpha)


@composite("gt", "Tensor")
def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * `outer`(vec1, vec2), promoted; ``input`` is broadcast. With beta=0 it is ignored."""
    product, start = unify(outer(vec1, vec2), input)
    check(
        shape_of(product) == (shape_of(vec1)[0], shape_of(vec2)[0]),
        "GT104",
        f"input {list(shape_of(input))} is larger than the outer product",
        f"expected what broadcasts to {[shape_of(vec1)[0], shape_of(vec2)[0]]}",
    )
    if dtype_of(product) == bool_:
        scaled = logical_and(product, lift(bool(alpha), bool_))
        return logical_or(start, scaled) if beta else scaled
    return _added(start, product, beta, alpha)


# ---- several dimensions ---------------------------------------------------------------------------


def _dims_of_both(a: Any, b: Any, dims: Any) -> tuple[list[int], list[int]]:
    """The dimensions of either operand that are contracted with each other."""
    ndims = len(shape_of(a)), len(shape_of(b))
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if not isinstance(dims, Sequence):
        count = as_int(dims, "dims")
        check(
            0 <= count <= min(ndims),
            "GT304",
            f"dims={count} is not allowed",
            f"expected 0 <= dims <= {min(ndims)}",
            kind=ArgumentError,
        )
        return list(range(ndims[0] - count, ndims[0])), list(range(count))
    check(len(dims) == 2, "GT304", f"dims={dims!r} is not allowed", "expected a pair of lists", kind=ArgumentError)
    pair = [list(d) if isinstance(d, Sequence) else [d] for d in dims]
    check(
        len(pair[0]) == len(pair[1]),
        "GT304",
        f"dims={dims!r} names {len(pair[0])} and {len(pair[1])} dimensions",
        "expected as many of a as of b",
        kind=ArgumentError,
    )
    for given, ndim in zip(pair, ndims, strict=True):
        normalize_dims(given or None, ndim, "dims")  # distinct ones
    first, second = ([normalize_dim(d, n, "dims") for d in given] for given, n in zip(pair, ndims, strict=True))
    return first, second


@composite("gt")
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sums of products over pairs of dimensions: the last ``dims`` of ``a`` with the first of ``b``, or two lists.

    The result has the other dimensions of ``a``, and then those of ``b``.
    """
    same_dtype(aval_of(a), aval_of(b))
    of_a, of_b = _dims_of_both(a, b, dims)
    for i, j in zip(of_a, of_b, strict=True):
        n, m = shape_of(a)[i], shape_of(b)[j]
        check(
            n == m or 1 in (n, m),
            "GT109",
            f"dimension {i} of a has size {n}, dimension {j} of b has size {m}",
            "expected equal sizes",
        )
        if n != m:  # a size of 1 is repeated: the sum goes to the other operand
            a, b = (a, sum_(b, j, True)) if n == 1 else (sum_(a, i, True), b)
    rest_a, rest_b = ([d for d in range(len(shape_of(x))) if d not in of] for x, of in ((a, of_a), (b, of_b)))
    rows, columns = [shape_of(a)[d] for d in rest_a], [shape_of(b)[d] for d in rest_b]
    k = math.prod(shape_of(a)[d] for d in of_a)
    left = reshape(permute(a, (*rest_a, *of_a)), (math.prod(rows), k))
    right = reshape(permute(b, (*of_b, *rest_b)), (k, math.prod(columns)))
    return reshape(dot(left, right), (*rows, *columns))


@composite("gt", "Tensor")
def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: every element of ``input`` times ``other``, in its place. Sizes multiply."""
    a, b = shape_of(input), shape_of(other)
    ndim = max(len(a), len(b))
    a, b = ((1,) * (ndim - len(s)) + s for s in (a, b))
    blocks = reshape(input, tuple(n for size in a for n in (size, 1)))
    inside = reshape(other, tuple(n for size in b for n in (1, size)))
    return reshape(mul(blocks, inside), tuple(n * m for n, m in zip(a, b, strict=True)))


def _best_order(sizes: Sequence[int]) -> list[list[int]]:
    """Where to cut the product of matrices i..j, sizes[i] x sizes[i+1] each, for the fewest multiplications
    (Cormen et al., Introduction to Algorithms, "Matrix-chain multiplication")."""
    n = len(sizes) - 1
    cost, cut = [[0] * n for _ in range(n)], [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            ways = [
                (cost[i][s] + cost[s + 1][j] + sizes[i] * sizes[s + 1] * sizes[j + 1], s)  # the first of equal ones
                for s in range(i, j)
            ]
            cost[i][j], cut[i][j] = min(ways)
    return cut


@composite("linalg")
def multi_dot(tensors: Any) -> Any:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first may be a vector, which is a row then, and the last one, a column.
    """
    check(
        isinstance(tensors, list | tuple),
        "GT301",
        f"tensors must be a sequence of tensors, got {type(tensors).__name__}",
        kind=ArgumentTypeError,
    )
    check(
        len(tensors) > 1,
        "GT304",
        f"multi_dot of {len(tensors)} tensors",
        "expected at least 2",
        kind=ArgumentError,
    )
    last = len(tensors) - 1
    for i, x in enumerate(tensors):
        ndim = len(shape_of(x))
        check(
            ndim == 2 or (ndim == 1 and i in (0, last)),
            "GT107",
            f"tensors[{i}] must be a matrix",
            f"expected 2 dimensions (or 1, of the first and the last), got {ndim}",
        )
        same_dtype(aval_of(tensors[0]), aval_of(x))
    ends = len(shape_of(tensors[0])) == 1, len(shape_of(tensors[-1])) == 1
    parts = list(tensors)
    parts[0] = reshape(parts[0], (1, *shape_of(parts[0]))) if ends[0] else parts[0]
    parts[-1] = reshape(parts[-1], (*shape_of(parts[-1]), 1)) if ends[1] else parts[-1]
    for i in range(last):
        _check_inner(parts[i], parts[i + 1], (f"tensors[{i}]", f"tensors[{i + 1}]"), 0)
    cut = _best_order([shape_of(parts[0])[0], *(shape_of(x)[1] for x in parts)])

    def product(i: int, j: int) -> Any:
        return parts[i] if i == j else dot(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    out = product(0, last)
    rows, columns = shape_of(out)
    return reshape(out, (*(() if ends[0] else (rows,)), *(() if ends[1] else (columns,))))
