"""A scalar interpreter of graphtorch/ir/expr: what a `lower` means, one element at a time.

It validates `Op.lower` against `Op.ref` with no code generation in between. Values are numpy scalars
of each expression's dtype, so that arithmetic wraps and rounds as it does in generated code.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.expr import (
    Attention,
    AttentionGrad,
    Buffer,
    BufferSource,
    Compute,
    Expr,
    Reduce,
    Scan,
    Scatter,
    Sort,
    Source,
    Var,
    compute,
)
from graphtorch.ir.ops.error_function import erfinv_float64
from graphtorch.ir.types import dtype_from_name, int64

Env = dict[Var, Any]
Memory = dict[Buffer, np.ndarray[Any, Any]]

UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": np.negative, "not": np.logical_not, "abs": np.abs, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "log": np.log, "log1p": np.log1p, "log2": np.log2, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "tanh": np.tanh, "erf": lambda x: type(x)(math.erf(x)), "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc,
    "round": np.round, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "log10": np.log10,
    "sigmoid": lambda x: type(x)(1 / (1 + np.exp(-x))),
    "erfc": lambda x: type(x)(math.erfc(x)), "erfinv": lambda x: type(x)(erfinv_float64(np.float64(x))),
}  # fmt: skip
# numpy's power of scalars takes a short cut through sqrt, which is nan for (-inf) ** 0.5; that of arrays does not
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": lambda a, b: divided(a, b), "floordiv": np.floor_divide,
    "mod": np.mod, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and,
    "pow": lambda a, b: np.power(np.array([a]), [b])[0],
    "or": np.bitwise_or, "xor": np.bitwise_xor, "shl": np.left_shift, "shr": np.right_shift, "atan2": np.arctan2,
    "fmod": np.fmod, "hypot": np.hypot, "copysign": np.copysign,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def divided(a: Any, b: Any) -> Any:
    """Towards zero where they are integers."""
    if a.dtype.kind == "f":
        return np.divide(a, b)
    sign = 1 if (a < 0) == (b < 0) else -1
    return np.asarray(sign * (abs(int(a)) // abs(int(b)))).astype(a.dtype)[()] if b else b


def evaluate_expr(e: Expr, env: Env, memory: Memory | None = None) -> Any:
    """The number that ``e`` is, for values of its variables and contents of its buffers.

    IndexError for a load outside of its buffer, unless its condition is false.
    """
    with np.errstate(all="ignore"):
        return _Evaluator(env, memory or {}).value(e)


class _Evaluator:
    def __init__(self, env: Env, memory: Memory) -> None:
        self.env, self.memory = env, memory
        self.memo: dict[int, Any] = {}

    def value(self, e: Expr) -> Any:
        if id(e) not in self.memo:
            self.memo[id(e)] = e.dtype.np.type(self.compute(e))
        return self.memo[id(e)]

    def compute(self, e: Expr) -> Any:
        match e:
            case expr.Const():
                return np.asarray(e.value).astype(e.dtype.np)[()]
            case Var():
                return self.env[e]
            case expr.Unary():
                return UNARY[e.fn](self.value(e.x))
            case expr.Binary():
                return BINARY[e.fn](self.value(e.a), self.value(e.b))
            case expr.Select():  # the other side is not evaluated: it may read out of bounds
                return self.value(e.a) if self.value(e.cond) else self.value(e.b)
            case expr.Cast():
                return np.asarray(self.value(e.x)).astype(e.dtype.np)[()]
            case expr.Load():
                return self.load(e)
            case expr.Draw():
                return self.value(expr.draw_word(e))
        raise TypeError(f"not a scalar expression: {e!r}")

    def load(self, e: expr.Load) -> Any:
        if e.where is not None and not self.value(e.where):
            return 0
        index = tuple(int(self.value(i)) for i in e.indices)
        if any(not 0 <= i < n for i, n in zip(index, e.buffer.shape, strict=True)):
            raise IndexError(f"{e.buffer.name}{list(index)} of {list(e.buffer.shape)}")
        return self.memory[e.buffer][index]


def lowered(op: Any, arrays: list[np.ndarray[Any, Any]], attrs: dict[str, Any]) -> tuple[Any, Memory]:
    """``op.lower`` over buffers that hold ``arrays``."""
    buffers = [Buffer(f"b{n}", a.shape, dtype_from_name(a.dtype.name)) for n, a in enumerate(arrays)]
    memory = dict(zip(buffers, arrays, strict=True))
    return op.lower(*(BufferSource(b, b.shape) for b in buffers), **attrs), memory


def run_lower(op: Any, arrays: list[np.ndarray[Any, Any]], attrs: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """The results of ``op.lower`` over ``arrays``, element by element."""
    found, memory = lowered(op, arrays, attrs)
    if isinstance(found, Reduce):
        return _reduce(found, memory)
    if isinstance(found, Attention):
        return _attention(found, memory)
    if isinstance(found, AttentionGrad):
        return _attention_grad(found, memory)
    if isinstance(found, Sort):
        return _sort(found, memory)
    if isinstance(found, Scatter):
        return [_scatter(found, memory)]
    if isinstance(found, Scan):
        return _scan(found, memory)
    return [_compute(part, memory) for part in (found if isinstance(found, tuple) else (found,))]


def _variables(prefix: str, shape: tuple[int, ...]) -> tuple[Var, ...]:
    return tuple(Var(f"{prefix}{d}", int64, n) for d, n in enumerate(shape))


def _compute(c: Compute, memory: Memory) -> np.ndarray[Any, Any]:
    index = _variables("i", c.shape)
    out = np.zeros(c.shape, c.dtype.np)
    if not out.size:
        return out
    body = c[index] if index else c.body()
    assert body.dtype == c.dtype, f"declared {c.dtype}, the body is {body.dtype}"
    for point in itertools.product(*map(range, c.shape)):
        out[point] = evaluate_expr(body, dict(zip(index, point, strict=True)), memory)
    return out


def _array(source: Source, memory: Memory) -> np.ndarray[Any, Any]:
    return _compute(compute(source.shape, source.dtype, lambda *i: source[i]), memory)


def _scores(a: Attention, memory: Memory) -> np.ndarray[Any, Any]:
    """Every score, in float64."""
    query, key = (_array(x, memory).astype(float) for x in (a.query, a.key))
    product, index = Var("product", a.dtype), _variables("i", (*a.lead, a.rows, a.columns))
    score = a.score(index[:-2], index[-2], index[-1], product)
    out = query @ key.swapaxes(-1, -2)
    for point in np.ndindex(out.shape):
        env = {**dict(zip(index, point, strict=True)), product: a.dtype.np.type(out[point])}
        out[point] = evaluate_expr(score, env, memory)
    return out


def _attention(a: Attention, memory: Memory) -> list[np.ndarray[Any, Any]]:
    s, value = _scores(a, memory), _array(a.value, memory).astype(float)
    with np.errstate(all="ignore"):
        whole = np.log(np.exp(s).sum(-1))
        p = np.where((whole == -np.inf)[..., None], 0, np.exp(s - whole[..., None]))
        return [x.astype(a.dtype.np) for x in (p @ value, whole)]


def _attention_grad(d: AttentionGrad, memory: Memory) -> list[np.ndarray[Any, Any]]:
    a, sources = d.forward, (d.grad, d.forward.query, d.forward.key, d.forward.value, d.logsumexp, d.delta)
    g, query, key, value, whole, delta = (_array(x, memory).astype(float) for x in sources)
    with np.errstate(all="ignore"):
        p = np.where((whole == -np.inf)[..., None], 0, np.exp(_scores(a, memory) - whole[..., None]))
        ds = p * (g @ value.swapaxes(-1, -2) - delta[..., None])
        found = (a.scale * ds @ key, a.scale * ds.swapaxes(-1, -2) @ query, p.swapaxes(-1, -2) @ g)
        return [x.astype(a.dtype.np) for x in found]


def _sort(s: Sort, memory: Memory) -> list[np.ndarray[Any, Any]]:
    """By Python's sort, which is stable."""
    whole = np.moveaxis(_array(s.source, memory), s.dim, -1)
    out = np.zeros((*whole.shape[:-1], s.k), np.int64)
    sign = -1 if s.descending else 1
    for row in np.ndindex(whole.shape[:-1]):
        line = [(sign * bool(v != v), 0 if v != v else sign * v.item()) for v in whole[row]]
        out[row] = sorted(range(len(line)), key=line.__getitem__)[: s.k]
    values = np.take_along_axis(whole, out, -1)
    return [np.moveaxis(a, -1, s.dim) for a in (values, out)]


def _scatter(s: Scatter, memory: Memory) -> np.ndarray[Any, Any]:
    out = _compute(Compute(s.shape, s.dtype, lambda *i: s.init(i)), memory)
    index, inner = _variables("i", s.shape), _variables("k", s.domain)
    if not out.size or 0 in s.domain:
        return out
    rows, old = s.rows(inner), Var("old", s.dtype)
    new = s.combine(old, s.term(index, inner))
    for point in itertools.product(*map(range, s.domain)):
        env: Env = dict(zip(inner, point, strict=True))
        at = {d: int(evaluate_expr(row, env, memory)) for d, row in zip(s.dims, rows, strict=True)}
        assert all(0 <= row < s.shape[d] for d, row in at.items())
        for i in itertools.product(*((at[d],) if d in at else range(n) for d, n in enumerate(s.shape))):
            out[i] = evaluate_expr(new, env | {old: out[i]} | dict(zip(index, i, strict=True)), memory)
    return out


def _scan(s: Scan, memory: Memory) -> list[np.ndarray[Any, Any]]:
    """Combines what comes first one by one, and as two halves: `combine` may not care about brackets."""
    index = _variables("i", s.shape)
    left, right = (tuple(Var(f"{side}{n}", e.dtype) for n, e in enumerate(s.init)) for side in "ab")
    combined, post = s.combine(left, right), s.post(left)
    out = [np.zeros(s.shape, e.dtype.np) for e in post]
    if 0 in s.shape:
        return out
    body, start = s.body(index), [evaluate_expr(c, {}) for c in s.init]

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        env = {**dict(zip(left, a, strict=True)), **dict(zip(right, b, strict=True))}
        return [evaluate_expr(e, env, memory) for e in combined]

    for point in np.ndindex(s.shape):
        n, at = s.shape[s.dim], point[s.dim]
        order = range(n - 1, at - 1, -1) if s.reverse else range(at + 1)
        steps = []
        for k in order:
            here = (*point[: s.dim], k, *point[s.dim + 1 :])
            steps.append([evaluate_expr(e, dict(zip(index, here, strict=True)), memory) for e in body])
        total = functools.reduce(combine, steps, start)
        half = len(steps) // 2
        first, second = (functools.reduce(combine, part, start) for part in (steps[:half], steps[half:]))
        np.testing.assert_allclose(total, combine(first, second), rtol=1e-5, atol=1e-5)
        for o, e in zip(out, post, strict=True):
            o[point] = evaluate_expr(e, dict(zip(left, total, strict=True)), memory)
    return out


def _reduce(r: Reduce, memory: Memory) -> list[np.ndarray[Any, Any]]:
    """Combines the terms in reverse, and in the order of the domain: `combine` may not care about order."""
    outer, inner = _variables("i", r.shape), _variables("k", r.domain)
    empty = 0 in r.shape or 0 in r.domain
    terms = r.init if empty else r.body(outer, inner)
    left = tuple(Var(f"a{n}", e.dtype) for n, e in enumerate(r.init))
    right = tuple(Var(f"b{n}", e.dtype) for n, e in enumerate(r.init))
    combined, post = r.combine(left, right), r.post(left)
    out = [np.zeros(r.shape, e.dtype.np) for e in post]

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        env = {**dict(zip(left, a, strict=True)), **dict(zip(right, b, strict=True))}
        return [evaluate_expr(e, env, memory) for e in combined]

    for point in itertools.product(*map(range, r.shape)):
        at = dict(zip(outer, point, strict=True))
        steps = [
            [evaluate_expr(t, {**at, **dict(zip(inner, k, strict=True))}, memory) for t in terms]
            for k in itertools.product(*map(range, r.domain))
        ]
        start = [evaluate_expr(c, {}) for c in r.init]
        total = functools.reduce(combine, steps, start)
        np.testing.assert_allclose(
            total, functools.reduce(lambda b, a: combine(a, b), reversed(steps), start), rtol=1e-4, atol=1e-5
        )
        for o, e in zip(out, post, strict=True):
            o[point] = evaluate_expr(e, dict(zip(left, total, strict=True)), memory)
    return out
