"""Products of vectors and matrices, sums of products by subscripts, and distances of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir.types import bool_, float64, int8, int32, int64, uint8
from tests.ops.public.table import Array, Call, call, refuse, row, smooth
from tests.ops.samples import array

NAN, INF = np.nan, np.inf
INTEGERS = (int64, int32, int8, uint8)


def wrapped(f: Any) -> Any:
    """numpy's result in the dtype of the first operand, in which integers wrap."""

    def formula(*args: Array, **kwargs: Any) -> Any:
        return np.asarray(f(*args, **kwargs))

    return formula


DTYPES = refuse("of one dtype", array(3), array(3, dtype=float64))

row(
    "gt.dot",
    wrapped(np.dot),
    smooth(array(7), array(7, low=-1.5)),
    smooth(array(1300), array(1300, low=-1.5)),
    smooth(array(0), array(0)),
    *(call(array(7, dtype=d), array(7, dtype=d)) for d in INTEGERS),
    call(np.array([NAN, 1.0], np.float32), np.array([1, INF], np.float32)),
    refuse("cannot be multiplied", array(3), array(2)),
    refuse("input must be a vector", array(3, 2), array(3)),
    refuse("tensor must be a vector", array(3), array()),
    refuse("do not take graphtorch.bool", array(3, dtype=bool_), array(3, dtype=bool_)),
    DTYPES,
    atol=1e-5,
)
row(
    "gt.inner",
    wrapped(np.inner),
    smooth(array(7), array(7, low=-1.5)),
    smooth(array(2, 3), array(5, 3)),
    smooth(array(2, 5, 3), array(7, 4, 3)),
    smooth(array(3), array(5, 3)),
    smooth(array(2, 3), array()),
    smooth(array(), array()),
    smooth(array(0, 3), array(5, 3)),
    call(array(2, 3, dtype=int64), array(5, 3, dtype=int64)),
    refuse("cannot be multiplied", array(2, 3), array(5, 2)),
    DTYPES,
    atol=1e-5,
)
row(
    "Tensor.outer",
    wrapped(np.outer),
    smooth(array(7), array(3)),
    smooth(array(0), array(3)),
    call(array(7, dtype=bool_), array(3, dtype=bool_)),
    call(array(7, dtype=int64), array(3)),
    call(array(7), array(3, dtype=float64)),
    refuse("input must be a vector", array(3, 2), array(3)),
    refuse("vec2 must be a vector", array(3), array()),
)


def plain(a: Array, b: Array) -> Array:
    return np.asarray((a.astype(np.int64) @ b.astype(np.int64)).astype(a.dtype) if a.dtype.kind != "f" else a @ b)


row(
    "gt.mv",
    plain,
    smooth(array(7, 3), array(3)),
    smooth(array(70, 33), array(33)),
    smooth(array(0, 3), array(3)),
    smooth(array(3, 0), array(0)),
    *(call(array(5, 7, dtype=d), array(7, dtype=d)) for d in INTEGERS),
    refuse("cannot be multiplied", array(2, 3), array(2)),
    refuse("vec must be a vector", array(2, 3), array(3, 1)),
    refuse("input must be a matrix", array(3), array(3)),
    atol=1e-5,
)
row(
    "Tensor.mm",
    plain,
    smooth(array(7, 3), array(3, 5)),
    smooth(array(33, 70), array(70, 17)),
    smooth(array(0, 3), array(3, 5)),
    smooth(array(3, 0), array(0, 5)),
    *(call(array(5, 37, dtype=d), array(37, 18, dtype=d)) for d in INTEGERS),
    refuse("mat2 must be a matrix", array(2, 3), array(3)),
    refuse("cannot be multiplied", array(2, 3), array(2, 3)),
    refuse("of one dtype", array(2, 3), array(3, 2, dtype=float64)),
    refuse("do not take graphtorch.bool", array(2, 3, dtype=bool_), array(3, 2, dtype=bool_)),
    atol=2e-5,
)
row(
    "gt.bmm",
    plain,
    smooth(array(2, 7, 3), array(2, 3, 5)),
    smooth(array(0, 7, 3), array(0, 3, 5)),
    smooth(array(2, 7, 0), array(2, 0, 5)),
    *(call(array(3, 5, 7, dtype=d), array(3, 7, 4, dtype=d)) for d in INTEGERS),
    refuse("batches of 1 and of 2", array(1, 7, 3), array(2, 3, 5)),
    refuse("cannot be multiplied", array(2, 7, 3), array(2, 7, 3)),
    refuse("input must be a batch of matrices", array(7, 3), array(2, 3, 5)),
    refuse("do not take graphtorch.bool", array(2, 7, 3, dtype=bool_), array(2, 3, 5, dtype=bool_)),
    atol=1e-5,
)
row(
    "gt.matmul",
    plain,
    smooth(array(7), array(7, low=-1.5)),
    smooth(array(7, 3), array(3)),
    smooth(array(3), array(3, 5)),
    smooth(array(7, 3), array(3, 5)),
    smooth(array(2, 7, 3), array(3, 5)),
    smooth(array(7, 3), array(2, 3, 5)),
    smooth(array(2, 1, 7, 3), array(4, 3, 5)),
    smooth(array(2, 7, 3), array(3)),
    smooth(array(3), array(2, 3, 5)),
    smooth(array(0, 3), array(3, 5)),
    *(call(array(2, 5, 7, dtype=d), array(7, 4, dtype=d)) for d in INTEGERS),
    call(array(33, 70, dtype=int64), array(70, 40, dtype=int64)),
    refuse("0-d tensor", array(), array(3)),
    refuse("cannot be multiplied", array(2, 3), array(2, 3)),
    refuse("do not broadcast", array(2, 7, 3), array(4, 3, 5)),
    refuse("do not take graphtorch.bool", array(2, 3, dtype=bool_), array(3, dtype=bool_)),
    DTYPES,
    atol=1e-5,
)

# ---- added to something ---------------------------------------------------------------------------


def added(product: Any) -> Any:
    def formula(x: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
        found = product(a, b)
        kind = np.result_type(x, found)
        start = np.zeros_like(found) if beta == 0 else (beta * x)
        return np.asarray((alpha * found if alpha else 0 * np.zeros_like(found)) + start).astype(kind)

    return formula


def sums(a: Any, b: Any, out: tuple[int, ...]) -> list[Call]:
    """Calls of all functions that add a product of ``a`` and ``b``, whose shape is ``out``, to something."""
    bad = np.full(out, NAN, np.float32)
    infinite = np.full_like(a, INF)
    whole = [array(*np.shape(x), dtype=int64) for x in (a, b)]
    return [
        smooth(array(*out), a, b),
        smooth(array(*out), a, b, beta=0.5, alpha=-2),
        smooth(array(out[-1]), a, b, alpha=3),
        smooth(array(1), a, b, beta=2),
        smooth(array(), a, b),
        call(bad, a, b, beta=0),
        call(bad, a, b, beta=0, alpha=0.5),
        Call((array(*out), infinite, b), {"alpha": 0}, torch=False),  # torch has nan here and there
        call(array(*out, dtype=int64), *whole, beta=2, alpha=3),
    ]


def refused_sums(a: Any, b: Any, out: tuple[int, ...], name: str) -> list[Any]:
    return [
        refuse("cannot be expanded", array(*(n + 1 for n in out)), a, b),
        refuse("of one dtype", array(*out, dtype=float64), a, b),
        refuse("do not take graphtorch.bool", array(*out, dtype=bool_), a.astype(bool), b.astype(bool)),
        refuse(f"{name} must be", array(*out), a[0], b),
        refuse("cannot be multiplied", array(*out), a[..., :-1], b),
    ]


MATRICES = array(3, 7), array(7, 5, low=-1.5), (3, 5)
VECTOR = array(3, 7), array(7, low=-1.5), (3,)
BATCHES = array(2, 3, 7), array(2, 7, 5, low=-1.5), (2, 3, 5)
TOGETHER = (*BATCHES[:2], (3, 5))

row("gt.addmm", added(plain), *sums(*MATRICES), *refused_sums(*MATRICES, "mat1"), atol=1e-5)
row("Tensor.addmv", added(plain), *sums(*VECTOR), *refused_sums(*VECTOR, "mat"), atol=1e-5)
row("gt.baddbmm", added(plain), *sums(*BATCHES), *refused_sums(*BATCHES, "batch1"), atol=1e-5)
row(
    "gt.addbmm",
    added(lambda a, b: plain(a, b).sum(0)),
    *sums(*TOGETHER),
    *refused_sums(*TOGETHER, "batch1"),
    refuse("batches of 2 and of 1", array(3, 5), array(2, 3, 7), array(1, 7, 5)),
    atol=1e-5,
)


def addr(x: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    if x.dtype == bool and a.dtype == bool:
        return np.broadcast_to(x & bool(beta), (len(a), len(b))) | (np.outer(a, b) & bool(alpha))
    return added(np.outer)(x, a, b, beta=beta, alpha=alpha)


row(
    "gt.addr",
    addr,
    smooth(array(3, 5), array(3), array(5)),
    smooth(array(3, 5), array(3), array(5), beta=0.5, alpha=-2),
    smooth(array(5), array(3), array(5)),
    smooth(array(), array(3), array(5)),
    call(np.full((3, 5), NAN, np.float32), array(3), array(5), beta=0),
    call(array(3, 5, dtype=int64), array(3), array(5)),
    call(array(3, 5, dtype=int64), array(3, dtype=int64), array(5, dtype=int64), beta=2, alpha=3),
    call(array(3, 5, dtype=bool_), array(3, dtype=bool_), array(5, dtype=bool_)),
    refuse("vec1 must be a vector|input must be a vector", array(3, 5), array(3, 1), array(5)),
    refuse("larger than the outer product", array(2, 3, 5), array(3), array(5)),
    refuse("do not broadcast", array(2, 5), array(3), array(5)),
)

# ---- sums by subscripts ---------------------------------------------------------------------------


def einsum(equation: Any, *operands: Any) -> Array:
    """numpy's, which takes lists of subscripts as letters in another order."""
    if isinstance(equation, str):
        given = operands[0] if isinstance(operands[0], list) else operands
        # numpy sums over no ellipsis
        equation = {"...i->i": "ji->i", "i...->": "ij->"}.get(equation, equation)
        return np.asarray(np.einsum(equation, *given))
    return np.asarray(np.einsum(equation, *operands))


row(
    "gt.einsum",
    einsum,
    smooth("ij,jk", array(2, 3), array(3, 5)),
    smooth("ij,jk->ki", array(2, 3), array(3, 5)),
    smooth("ij,jk->ki", [array(2, 3), array(3, 5)]),
    smooth("bij,bjk->bik", array(2, 3, 5), array(2, 5, 7)),
    smooth("bhqd,bhkd->bhqk", array(2, 3, 4, 5), array(2, 3, 7, 5)),
    smooth("bqhd,bkhd->bhqk", array(2, 4, 3, 5), array(2, 7, 3, 5)),
    smooth("ii->i", array(5, 5)),
    smooth("ii", array(5, 5)),
    smooth("iji->j", array(5, 3, 5)),
    smooth("iiii->i", array(3, 3, 3, 3)),
    smooth("ijji->ij", array(3, 2, 2, 3)),
    smooth("...ij,...jk->...ik", array(2, 4, 3), array(3, 5)),
    smooth("...ij,...jk", array(2, 4, 3), array(7, 2, 3, 5)),
    smooth("...i->i...", array(2, 4, 3)),
    smooth("...i->i", array(2, 3)),
    smooth("i...->", array(2, 3)),
    smooth("...", array(2, 3)),
    smooth("Bi,bi", array(2, 3), array(5, 3)),
    smooth("bA,A", array(2, 3), array(3)),
    smooth("ij->", array(2, 3)),
    smooth("ij->ji", array(2, 3)),
    smooth("ij,ij", array(2, 3), array(2, 3)),
    smooth("ij,ij->j", array(2, 3), array(2, 3)),
    smooth("ij,ij", array(2, 3), array(1, 3)),
    smooth("ij,jk->ik", array(2, 3), array(1, 5)),
    smooth("i,j->ij", array(3), array(5)),
    smooth("i,->i", array(3), array()),
    smooth(",", array(), array()),
    smooth("", array()),
    smooth(" i j , j k -> i k ", array(2, 3), array(3, 5)),
    smooth("ij,jk,kl->il", array(2, 3), array(3, 5), array(5, 7)),
    smooth("ij,jk,kl,lm", array(2, 3), array(3, 5), array(5, 7), array(7, 2)),
    smooth("bi,ijk,bk->bj", array(2, 3), array(3, 5, 7), array(2, 7)),
    smooth("iij,jk,k->i", array(3, 3, 5), array(5, 7), array(7)),
    smooth("ab,cd,ef->fbdace", array(2, 3), array(4, 5), array(6, 7)),
    smooth("ij,jk,jk", array(2, 3), array(3, 4), array(3, 4)),
    smooth(array(2, 3), [0, 1], array(3, 5), [1, 2], [0, 2]),
    smooth(array(2, 3), [0, 1], array(3, 5), [1, 2]),
    smooth(array(2, 7, 3), [..., 0, 1], array(3, 5), [1, 2], [..., 2, 0]),
    smooth("ij,jk", array(0, 3), array(3, 5)),
    smooth("ij,jk", array(2, 0), array(0, 5)),
    call("ij,jk", array(2, 3, dtype=int64), array(3, 5, dtype=int64)),
    call("ij->i", array(2, 3, dtype=int64)),
    call("ij->ji", array(2, 3, dtype=bool_)),
    call("ij,ij->ij", array(2, 3, dtype=int64), array(2, 3)),
    refuse("has size 3 in operand 1 and 2 before", "i,i", array(2), array(3)),
    refuse("'i' 2 times", "i->ii", array(2)),
    refuse("'j' is in no operand", "i->j", array(2)),
    refuse("operand 0 has 2 subscripts and 1 dimensions", "ij", array(2)),
    refuse("operand 0 has 3 subscripts and 2 dimensions", "ij...k", array(2, 2)),
    refuse("subscripts for 2 operands, and there are 1", "i,j", array(2)),
    refuse("subscripts for 1 operands, and there are 2", "ij->i", array(2, 3), array(3)),
    refuse("'.' in operand 0 is no subscript", "i.j", array(2, 3)),
    refuse("'1' in operand 0 is no subscript", "i1", array(2, 3)),
    refuse("has sizes 2 and 3 in operand 0", "ii", array(2, 3)),
    refuse("several '...' in operand 0", "...i...", array(2, 3)),
    refuse("is no subscript", array(2, 3), [0, 52]),
    refuse("at least one operand", "i"),
    refuse("of one dtype", "ij,jk", array(2, 3), array(3, 5, dtype=float64)),
    atol=1e-5,
)


def tensordot(a: Array, b: Array, dims: Any = 2) -> Array:
    return np.asarray(np.tensordot(a, b, dims))


row(
    "gt.tensordot",
    tensordot,
    smooth(array(2, 3, 4), array(3, 4, 5)),
    smooth(array(2, 3, 4), array(4, 5), dims=1),
    smooth(array(2, 3), array(4, 5), dims=0),
    smooth(array(2, 3, 4), array(4, 3, 5), dims=([1, 2], [1, 0])),
    smooth(array(2, 3, 4), array(4, 7, 5), ([-1], [0])),
    smooth(array(2, 3, 4), array(7, 3, 2), ((0, 1), (2, 1))),
    smooth(array(2, 3), array(2, 3)),
    smooth(array(0, 3), array(3, 5), 1),
    call(array(2, 3, dtype=int64), array(3, 5, dtype=int64), 1),
    refuse("has size 3, dimension 0 of b has size 4", array(2, 3), array(4, 5), dims=1),
    refuse("dims=-1 is not allowed", array(2, 3), array(3, 5), dims=-1),
    refuse("dims=3 is not allowed", array(2, 3), array(3, 5), dims=3),
    refuse("names 1 and 2 dimensions", array(2, 3), array(3, 5), dims=([1], [0, 1])),
    refuse("out of range", array(2, 3), array(3, 5), dims=([2], [0])),
    refuse("names a dimension twice", array(2, 2), array(2, 2), dims=([1, 1], [0, 1])),
    refuse("of one dtype", array(2, 3), array(3, 5, dtype=float64), 1),
    atol=1e-5,
)
row(
    "gt.kron",
    wrapped(np.kron),
    smooth(array(2, 3), array(4, 5)),
    smooth(array(3), array(4, 5)),
    smooth(array(2, 3, 4), array(5)),
    smooth(array(), array(4, 5)),
    smooth(array(0, 3), array(4, 5)),
    call(array(3, dtype=int64), array(4, 5)),
    call(array(3, dtype=bool_), array(4, 5, dtype=bool_)),
    Call((array(3, dtype=int8), array(5, dtype=int8))),
    refuse("must be a tensor", array(3), 2.0),
)
row(
    "linalg.multi_dot",
    lambda tensors: (
        np.asarray(np.linalg.multi_dot(tensors)) if len(tensors) > 2 else np.asarray(tensors[0] @ tensors[1])
    ),
    smooth([array(2, 3), array(3, 5)]),
    smooth([array(2, 3), array(3, 5), array(5, 7)]),
    smooth((array(7, 2), array(2, 5), array(5, 3), array(3, 4))),
    smooth([array(3), array(3, 5), array(5)]),
    smooth([array(3), array(3, 5), array(5, 2), array(2)]),
    smooth([array(3), array(3)]),
    smooth([array(3, 5), array(5)]),
    refuse("multi_dot of 1 tensors", [array(3)]),
    refuse("must be a sequence", array(3, 2, 2)),
    refuse("cannot be multiplied", [array(3, 2), array(3, 4)]),
    refuse("tensors.0. must be a matrix", [array(2, 2, 3), array(3, 4)]),
    refuse("tensors.1. must be a matrix", [array(2, 3), array(3), array(3, 4)]),
    refuse("of one dtype", [array(2, 3), array(3, 5, dtype=float64)]),
    atol=1e-5,
)

# ---- distances ------------------------------------------------------------------------------------


def cdist(x1: Array, x2: Array, p: float = 2.0, compute_mode: Any = None) -> Array:
    d = np.abs(x1[..., :, None, :] - x2[..., None, :, :])
    if p == 0:
        return np.asarray((d != 0).sum(-1) * 1.0)
    if p == INF:
        return np.asarray(d.max(-1, initial=0))
    return np.asarray((d**p).sum(-1) ** (1 / p))


MANY = array(30, 3), array(7, 3, low=-1.9)
row(
    "gt.cdist",
    cdist,
    smooth(array(5, 3), array(7, 3, low=-1.9)),
    *(smooth(array(5, 3), array(7, 3, low=-1.9), p) for p in (1, INF, 3, 0, 1.5)),
    call(array(5, 3), array(7, 3, low=-1.9), 0.5),
    smooth(array(2, 5, 3), array(7, 3, low=-1.9)),
    smooth(array(2, 5, 3), array(1, 7, 3, low=-1.9), p=1.0),
    smooth(*MANY),
    smooth(*MANY, p=1),
    smooth(*MANY, compute_mode="donot_use_mm_for_euclid_dist"),
    smooth(array(2, 5, 3), array(7, 3, low=-1.9), compute_mode="use_mm_for_euclid_dist"),
    call(np.array([[1, 2, 3], [0, 0, 0]], np.float32), np.array([[1, 2, 3], [1, 0, 3]], np.float32)),
    *(call(np.array([[1, 2], [0, 0]], np.float32), np.array([[1, 2], [1, 0]], np.float32), p) for p in (1, 3, 1.5)),
    smooth(array(0, 3), array(7, 3)),
    call(array(5, 0), array(7, 0)),
    call(np.array([[NAN, 1], [INF, 1]], np.float32), array(3, 2)),
    refuse("rows of different sizes", array(2, 3), array(5, 2)),
    refuse("x1 must be", array(3), array(5, 3)),
    refuse("p=-1 is not allowed", array(2, 3), array(5, 3), -1),
    refuse("compute_mode='foo' is not known", array(2, 3), array(5, 3), compute_mode="foo"),
    refuse("must be floating point", array(2, 3, dtype=int64), array(5, 3, dtype=int64)),
    refuse("of one dtype", array(2, 3), array(5, 3, dtype=float64)),
    rtol=2e-4,
    atol=2e-5,
)
