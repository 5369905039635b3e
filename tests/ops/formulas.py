"""What every op computes, written a second time: per element in Python, or in float64 with other means than `ref`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

Array = Any


def per_element(function: Callable[..., Any], result: str | None = None) -> Callable[..., Array]:
    """Apply a function of Python numbers (of float64 numbers where they are floats) to every element."""

    def whole(*arrays: Array) -> Array:
        dtype = result or ("float64" if arrays[0].dtype.kind == "f" else arrays[0].dtype.name)
        out = np.zeros(arrays[0].shape, dtype)
        for index in np.ndindex(out.shape):
            value = function(*(a[index].item() for a in arrays))
            out[index] = np.asarray(value).astype(dtype)  # wraps, as the integers of the op do
        return out

    return whole


def guarded(
    function: Callable[[float], float], low: float = -math.inf, at_low: float = math.nan
) -> Callable[..., float]:
    """``function`` above ``low``, ``at_low`` there, nan below; inf where it overflows."""

    def value(x: float) -> float:
        if math.isnan(x) or x < low:
            return math.nan
        if x == low and not math.isinf(low):
            return at_low
        try:
            return function(x)
        except OverflowError:
            return math.inf
        except ValueError:  # sin and cos of infinity
            return math.nan

    return value


def divide(a: float, b: float) -> float:
    if b == 0:
        same = math.copysign(1, a) == math.copysign(1, b)
        return math.nan if a == 0 or math.isnan(a) else math.inf if same else -math.inf
    return a / b


def pole_of_gamma(x: float) -> bool:
    return x <= 0 and not math.isinf(x) and x == math.floor(x)


def lgamma(x: float) -> float:
    """Python's own; infinite at its poles, and where it overflows."""
    try:
        return math.inf if pole_of_gamma(x) else math.lgamma(x)
    except OverflowError:
        return math.inf


def digamma(x: float) -> float:
    """A long sum of 1 / (x + i), and the logarithm of where it ends; below 0 by reflection."""
    if math.isinf(x):
        return x if x > 0 else math.nan
    if pole_of_gamma(x):
        return math.copysign(math.inf, -x) if x == 0 else math.nan
    if x < 0:
        return digamma(1 - x) - math.pi / math.tan(math.pi * (x - round(x)))
    count = 500 if x < 1e6 else 0
    end = 1 / (x + count)
    steps = math.fsum(1 / (x + i) for i in range(count))
    return -math.log(end) - end / 2 - end**2 / 12 + end**4 / 120 - steps


def polygamma(n: int, x: float) -> float:
    """A long sum of (x + i)^-(n + 1), also over negative ones, and the integral of the rest."""
    sign = 1 if n % 2 else -1
    if pole_of_gamma(x):
        return sign * math.inf
    if math.isinf(x) or math.isnan(x):
        return 0.0 if x > 0 else math.nan
    count = 2000 - math.floor(min(x, 1000))
    end = 1 / (x + count - 0.5)
    rest = end**n / n - (n + 1) * end ** (n + 2) / 24
    return sign * math.factorial(n) * (math.fsum((1 / (x + i)) ** (n + 1) for i in range(count)) + rest)


def power(a: float, b: float) -> float:
    if isinstance(a, int):
        return a**b
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:  # 0 ** negative, negative ** fraction
        if a == 0:
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


def logarithm(x: float) -> float:
    return guarded(math.log, 0.0, -math.inf)(x)


def whole(function: Callable[[float], int]) -> Callable[[Any], Any]:
    """Rounding, with the sign of a zero; what is not finite, and integers, stay."""
    return lambda x: math.copysign(function(x), x) if isinstance(x, float) and math.isfinite(x) else x


def inverse_erf(x: float) -> float:
    """By bisection."""
    a = abs(x)
    if not a < 1:
        return math.copysign(math.inf, x) if a == 1 else math.nan
    low, high = 0.0, 6.0
    for _ in range(1100 if a < 1e-3 else 80):
        y = (low + high) / 2
        low, high = (y, high) if (math.erfc(y) > 1 - a if a > 0.5 else math.erf(y) < a) else (low, y)
    return math.copysign(high if a else 0.0, x)


def add_exponentials(a: float, b: float, base: float) -> float:
    if math.isnan(a) or math.isnan(b) or a == b == -math.inf:
        return a + b
    high = max(a, b)
    return high if math.isinf(high) else high + math.log1p(math.exp(base * (min(a, b) - high))) / base


def parted(a: Any, b: Any, floors: bool) -> tuple[Any, Any]:
    """(quotient, remainder) of a division towards minus infinity, or towards zero; exactly."""
    if isinstance(a, int) or (math.isfinite(a) and math.isfinite(b) and b):
        exact = Fraction(a) / Fraction(b)
        n = math.floor(exact) if floors else int(exact)
        rest = Fraction(a) - n * Fraction(b)
        if isinstance(a, int):
            return n, int(rest)
        quotient = divide(a, b)
        try:
            count = float(n)
        except OverflowError:
            count = math.inf
        return math.copysign(count, quotient), math.copysign(float(rest), a if rest == 0 else float(rest))
    quotient = divide(a, b) if not (math.isinf(b) and math.isfinite(a)) else math.copysign(0.0, a) * math.copysign(1, b)
    if b and math.isfinite(a) and math.isinf(b):
        wraps = floors and a != 0 and (a < 0) != (b < 0)
        return (-1.0 if wraps else quotient), (b if wraps else a)
    if b == 0 or not floors:
        return quotient, math.nan
    return math.nan, math.nan


def pick(better: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """The one of two numbers that is better; nan if either is."""
    return lambda a, b: a if a != a else b if b != b else a if better(a, b) else b


def logical(function: Callable[..., bool]) -> Callable[..., Array]:
    return per_element(function, "bool")


def gather(array: Array, shape: Any, source: Callable[..., tuple[int, ...]]) -> Array:
    """result[i] = array[source(i)], element by element."""
    out = np.zeros(shape, array.dtype)
    for index in np.ndindex(*shape):
        out[index] = array[source(*index)]
    return out


def broadcast_to(x: Array, *, shape: Any) -> Array:
    lead = len(shape) - x.ndim
    return gather(x, shape, lambda *i: tuple(0 if n == 1 else v for n, v in zip(x.shape, i[lead:], strict=True)))


def reshape(x: Array, *, shape: Any) -> Array:
    flat = [x[i] for i in np.ndindex(x.shape)]
    return np.array(flat, x.dtype).reshape(shape)


def permute(x: Array, *, dims: Any) -> Array:
    shape = tuple(x.shape[d] for d in dims)
    return gather(x, shape, lambda *i: tuple(i[dims.index(d)] for d in range(len(dims))))


def slice_(x: Array, *, start: Any, stop: Any, step: Any) -> Array:
    picked = [range(a, b, s) for a, b, s in zip(start, stop, step, strict=True)]
    return gather(x, tuple(map(len, picked)), lambda *i: tuple(p[v] for p, v in zip(picked, i, strict=True)))


def as_strided(x: Array, *, size: Any, stride: Any, storage_offset: Any) -> Array:
    memory = [x[i] for i in np.ndindex(x.shape)]
    out = np.zeros(size, x.dtype)
    for index in np.ndindex(*size):
        out[index] = memory[storage_offset + sum(v * s for v, s in zip(index, stride, strict=True))]
    return out


def diagonal(x: Array, *, offset: Any, dim1: Any, dim2: Any) -> Array:
    pairs = [(a, a + offset) for a in range(x.shape[dim1]) if 0 <= a + offset < x.shape[dim2]]
    lines = [x.take(a, dim1).take(b, dim2 - (dim2 > dim1)) for a, b in pairs]
    rest = [n for i, n in enumerate(x.shape) if i not in (dim1, dim2)]
    return np.stack(lines, -1) if lines else np.zeros((*rest, 0), x.dtype)


def unfold(x: Array, *, dim: Any, size: Any, step: Any) -> Array:
    starts = range(0, x.shape[dim] - size + 1, step)
    return np.stack([np.moveaxis(x.take(range(a, a + size), dim), dim, -1) for a in starts], dim)


def pad(x: Array, *, low: Any, high: Any, interior: Any) -> Array:
    sizes = zip(x.shape, low, high, interior, strict=True)
    out = np.zeros([a + n + max(n - 1, 0) * k + b for n, a, b, k in sizes], x.dtype)
    for index in np.ndindex(x.shape):
        out[tuple(a + v * (k + 1) for v, a, k in zip(index, low, interior, strict=True))] = x[index]
    return out


def cat(*xs: Array, dim: int) -> Array:
    rows = [row for x in xs for row in np.moveaxis(x, dim, 0)]
    return np.moveaxis(np.stack(rows), 0, dim)


def iota(*, shape: Any, dim: int, dtype: Any) -> Array:
    return np.indices(shape)[dim].astype(dtype.np)


def cast(x: Array, *, dtype: Any) -> Array:
    if dtype.kind == "f":
        return np.array([float(v) for v in x.ravel()]).reshape(x.shape)
    if dtype.kind == "b":
        return np.array([bool(v) for v in x.ravel().tolist()], bool).reshape(x.shape)
    whole = [int(v) for v in x.ravel().tolist()]
    bits, signed = 8 * dtype.itemsize, dtype.kind == "i"
    wrapped = [(v + (2 ** (bits - 1) if signed else 0)) % 2**bits - (2 ** (bits - 1) if signed else 0) for v in whole]
    return np.array(wrapped, dtype.np).reshape(x.shape)


def gelu(x: Array, *, approximate: str) -> Array:
    def exact(v: float) -> float:
        return v / 2 * (1 + guarded(math.erf)(v / math.sqrt(2)))

    def approximated(v: float) -> float:
        return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v * v * v)))

    return per_element(exact if approximate == "none" else approximated)(x)


def elu(x: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
    return per_element(lambda v: scale * (alpha * math.expm1(v * input_scale) if v <= 0 else v))(x)


def mish(x: float) -> float:
    if x > 700 or x != x:
        return x
    return x * math.tanh(math.log1p(math.exp(x))) if x != -math.inf else math.nan


def logsigmoid(x: float) -> float:
    return x if x < -700 else -math.log1p(math.exp(-x))


def binary_cross_entropy(p: float, t: float) -> float:
    yes, no = (max(math.log(v), -100) if v > 0 else -100 if v == 0 else v for v in (p, 1 - p))
    return -(t * yes + (1 - t) * no)


def alignments(log_probs: Array, labels: Array, steps: Array, counts: Array, blank: int) -> Iterator[Any]:
    """(sample, path, its log-probability) of every path that gives the labels: repeats are one, blanks are none."""
    for n, (t, count) in enumerate(zip(steps, counts, strict=True)):
        for path in itertools.product(range(log_probs.shape[2]), repeat=int(t)):
            said = [c for c, _ in itertools.groupby(path) if c != blank]
            if said == list(labels[n, :count]):
                yield n, path, sum(float(log_probs[i, n, c]) for i, c in enumerate(path))


def ctc_loss(log_probs: Array, labels: Array, steps: Array, counts: Array, *, blank: int) -> Array:
    total = np.zeros(len(steps))
    for n, _, score in alignments(log_probs, labels, steps, counts, blank):
        total[n] += math.exp(score)
    with np.errstate(divide="ignore"):
        return -np.log(total)


def ctc_loss_grad(log_probs: Array, labels: Array, steps: Array, counts: Array, *, blank: int) -> Array:
    total, out = np.exp(-ctc_loss(log_probs, labels, steps, counts, blank=blank)), np.zeros(log_probs.shape)
    for n, path, score in alignments(log_probs, labels, steps, counts, blank):
        for i, c in enumerate(path):
            out[i, n, c] -= math.exp(score) / total[n]
    for n in np.flatnonzero(total == 0):
        out[: steps[n], n] = np.nan
    return out


def dot(a: Array, b: Array) -> Array:
    wide = "float64" if a.dtype.kind == "f" else a.dtype
    with np.errstate(all="ignore"):
        return (a.astype(wide)[..., :, :, None] * b.astype(wide)[..., None, :, :]).sum(-2)


def attended(q: Array, k: Array, bias: Any, scale: float, causal: bool, at: Any) -> Iterator[tuple[Any, int, float]]:
    """(row, column, score) of what the rows of ``at`` see."""
    for t, s in itertools.product(range(q.shape[-2]), range(k.shape[-2])):
        if causal and s > t:
            continue
        score = scale * sum(float(a) * float(b) for a, b in zip(q[(*at, t)], k[(*at, s)], strict=True))
        for b in bias:
            if b.dtype == bool and not b[(*at, t, s)]:
                break
            score += 0.0 if b.dtype == bool else float(b[(*at, t, s)])
        else:
            yield (*at, t), s, score


def attention(q: Array, k: Array, v: Array, *bias: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    """By the definition of softmax, with no care for overflow."""
    out, total = np.zeros((*q.shape[:-1], v.shape[-1])), np.zeros(q.shape[:-1])
    for at in np.ndindex(q.shape[:-2]):
        for row, s, score in attended(q, k, bias, scale, causal, at):
            total[row] += math.exp(score)
            out[row] += math.exp(score) * v[(*at, s)].astype(float)
    with np.errstate(all="ignore"):
        return np.where(total[..., None] == 0, 0, out / total[..., None]), np.log(total)


def attention_grad(
    g: Array, q: Array, k: Array, v: Array, whole: Array, delta: Array, *bias: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    dq, dk, dv = (np.zeros(x.shape) for x in (q, k, v))
    for at in np.ndindex(q.shape[:-2]):
        for row, s, score in attended(q, k, bias, scale, causal, at):
            column, weight = (*at, s), math.exp(score - whole[row])
            ds = weight * (float(g[row].astype(float) @ v[column].astype(float)) - float(delta[row]))
            dq[row] += scale * ds * k[column].astype(float)
            dk[column] += scale * ds * q[row].astype(float)
            dv[column] += weight * g[row].astype(float)
    return dq, dk, dv


def taps(size: Any, kernel: Any, out: Any, *, stride: Any, padding: Any, dilation: Any, **_: Any) -> Any:
    """(output y, x, kernel a, b, input y, x) of everything that meets inside of the input."""
    for oy, ox, a, b in itertools.product(*map(range, (*out, *kernel))):
        y, x = (o * s + k * d - p for o, s, k, d, p in zip((oy, ox), stride, (a, b), dilation, padding, strict=True))
        if 0 <= y < size[0] and 0 <= x < size[1]:
            yield oy, ox, a, b, y, x


def out_size(size: Any, kernel: Any, *, stride: Any, padding: Any, dilation: Any, **_: Any) -> tuple[int, ...]:
    parts = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in parts)


def split_groups(x: Array, w: Array, y: Array, groups: int) -> Any:
    return [*zip(np.split(x, groups, 1), np.split(w, groups, 0), np.split(y, groups, 1), strict=True)]


def meetings(size: Any, kernel: Any, out: Any, *, stride: Any, padding: Any, dilation: Any, **_: Any) -> Any:
    """(index into output, kernel, input), each a whole subscript, of everything that meets inside of the input."""
    for o, k in itertools.product(np.ndindex(*out), np.ndindex(*kernel)):
        at = tuple(a * s + b * d - p for a, s, b, d, p in zip(o, stride, k, dilation, padding, strict=True))
        if all(0 <= a < n for a, n in zip(at, size, strict=True)):
            yield (..., *o), (..., *k), (..., *at)


def conv(x: Array, w: Array, *, groups: int, **conv: Any) -> Array:
    out = np.zeros((x.shape[0], w.shape[0], *out_size(x.shape[2:], w.shape[2:], **conv)))
    for xs, ws, ys in split_groups(x.astype(float), w.astype(float), out, groups):
        for o, k, at in meetings(x.shape[2:], w.shape[2:], out.shape[2:], **conv):
            ys[o] += xs[at] @ ws[k].T
    return out


def conv_input_grad(g: Array, w: Array, *, size: Any, groups: int, **conv: Any) -> Array:
    out = np.zeros((g.shape[0], w.shape[1] * groups, *size))
    for xs, ws, ys in split_groups(out, w.astype(float), g.astype(float), groups):
        for o, k, at in meetings(size, w.shape[2:], g.shape[2:], **conv):
            xs[at] += ys[o] @ ws[k]
    return out


def conv_weight_grad(g: Array, x: Array, *, kernel: Any, groups: int, **conv: Any) -> Array:
    out = np.zeros((g.shape[1], x.shape[1] // groups, *kernel))
    for xs, ws, ys in split_groups(x.astype(float), out, g.astype(float), groups):
        for o, k, at in meetings(x.shape[2:], kernel, g.shape[2:], **conv):
            ws[k] += ys[o].T @ xs[at]
    return out


def reduced(function: Callable[[list[Any]], Any]) -> Callable[..., Array]:
    """A reduction of the elements of each cell, as a list of Python numbers."""

    def whole(x: Array, *, dims: Any) -> Array:
        keep = [d for d in range(x.ndim) if d not in dims]
        out = np.zeros([x.shape[d] for d in keep], "float64" if x.dtype.kind == "f" else x.dtype)
        cells = x.transpose(*keep, *dims)
        for index in np.ndindex(out.shape):
            out[index] = np.asarray(function(cells[index].ravel().tolist())).astype(out.dtype)
        return out

    return whole


def extreme(better: Callable[[Any, Any], bool]) -> Callable[[list[Any]], Any]:
    def best(values: list[Any]) -> Any:
        out = values[0]
        for v in values[1:]:
            out = pick(better)(out, v)
        return out

    return best


def first_best(best: Callable[[list[Any]], Any]) -> Callable[..., tuple[Array, Array]]:
    """The best of each row along ``dim``, and its first position; nan is better than any number."""

    def whole(x: Array, *, dim: int) -> tuple[Array, Array]:
        rows = np.moveaxis(x, dim, -1)
        values, places = np.zeros(rows.shape[:-1], x.dtype), np.zeros(rows.shape[:-1], np.int64)
        for index in np.ndindex(places.shape):
            row = rows[index].tolist()
            nans = [i for i, v in enumerate(row) if v != v]
            places[index] = nans[0] if nans else row.index(best(row))
            values[index] = rows[index][places[index]]
        return values, places

    return whole


def scanned(function: Callable[[list[Any]], Any]) -> Callable[..., Array]:
    """``function`` of all numbers up to each one, or from each one on."""

    def whole(x: Array, *, dim: int, reverse: bool) -> Array:
        rows = np.moveaxis(x, dim, -1)
        out = np.zeros(rows.shape, "float64" if x.dtype.kind == "f" else x.dtype)
        for at in np.ndindex(rows.shape):
            row = rows[at[:-1]].tolist()
            found = function(row[: at[-1] : -1] + [row[at[-1]]] if reverse else row[: at[-1] + 1])
            out[at] = np.asarray(found).astype(out.dtype)
        return np.moveaxis(out, -1, dim)

    return whole


def log_of_sum(values: list[Any]) -> float:
    top = max(values) if all(v == v for v in values) else math.nan
    if top in (math.inf, -math.inf) or top != top:
        return top
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def running(better: Callable[[Any, Any], bool]) -> Callable[..., tuple[Array, Array]]:
    """The best so far and its last position."""

    def whole(x: Array, *, dim: int) -> tuple[Array, Array]:
        rows = np.moveaxis(x, dim, -1)
        values, places = np.zeros(rows.shape, x.dtype), np.zeros(rows.shape, np.int64)
        for at in np.ndindex(rows.shape[:-1]):
            best = 0
            for i, v in enumerate(rows[at].tolist()):
                have = rows[at][best].item()
                best = i if v != v or (have == have and better(v, have)) else best
                values[(*at, i)], places[(*at, i)] = rows[at][best], best
        return np.moveaxis(values, -1, dim), np.moveaxis(places, -1, dim)

    return whole


def run_sum(x: Array, label: Array, *, dim: int, reverse: bool) -> Array:
    rows, names = np.moveaxis(x, dim, -1), np.moveaxis(label, dim, -1)
    out = np.zeros(rows.shape)
    for at in np.ndindex(rows.shape):
        here = [i for i, n in enumerate(names[at[:-1]]) if n == names[at] and (i >= at[-1] if reverse else i <= at[-1])]
        out[at] = sum(float(rows[at[:-1]][i]) for i in here)
    return np.moveaxis(out, -1, dim)


def recurrence(x: Array, factor: Array, *, dim: int, reverse: bool) -> Array:
    rows, factors = (np.moveaxis(a, dim, -1)[..., :: -1 if reverse else 1] for a in (x, factor))
    out = np.zeros(rows.shape)
    for at in np.ndindex(rows.shape[:-1]):
        last = 0.0
        for i, (v, f) in enumerate(zip(rows[at].tolist(), factors[at].tolist(), strict=True)):
            last = v + f * last if i else v
            out[(*at, i)] = last
    return np.moveaxis(out[..., :: -1 if reverse else 1], -1, dim)


def max_pool(x: Array, *, kernel: Any, ceil_mode: bool, **pool: Any) -> tuple[Array, Array]:
    """Values and positions, window by window."""
    sizes = []
    for n, k, s, p, d in zip(
        x.shape[2:], kernel, *(pool[key] for key in ("stride", "padding", "dilation")), strict=True
    ):
        starts = [o for o in range(n + 2 * p) if o * s - p < n]
        span = n + 2 * p - d * (k - 1) - 1
        count = (math.ceil if ceil_mode else math.floor)(span / s) + 1
        sizes.append(min(count, len(starts)) if ceil_mode else count)
    best = np.zeros((*x.shape[:2], *sizes), x.dtype)
    where = np.full(best.shape, -1, np.int32)
    for (_, *to), (_, *tap), (_, *at) in meetings(x.shape[2:], kernel, sizes, **pool):
        for n, c in np.ndindex(x.shape[:2]):
            value, have = x[n, c, *at], best[n, c, *to]
            if where[n, c, *to] < 0 or value > have or value != value:  # the last nan counts
                best[n, c, *to], where[n, c, *to] = value, np.ravel_multi_index(tap, kernel)
    return best, where


def max_pool_grad(g: Array, window: Array, *, size: Any, kernel: Any, **pool: Any) -> Array:
    out = np.zeros((*g.shape[:2], *size))
    for to, (_, *tap), at in meetings(size, kernel, g.shape[2:], **pool):
        out[at] += np.where(window[to] == np.ravel_multi_index(tap, kernel), g[to], 0)
    return out


def max_pool_gather(x: Array, window: Array, *, kernel: Any, **pool: Any) -> Array:
    out = np.zeros(window.shape)
    for to, (_, *tap), at in meetings(x.shape[2:], kernel, window.shape[2:], **pool):
        out[to] = np.where(window[to] == np.ravel_multi_index(tap, kernel), x[at], out[to])
    return out


def windows(x: Array, *, kernel: Any, out: Any, **window: Any) -> Array:
    lead = x.ndim - len(kernel)
    found = np.zeros((*x.shape[:lead], *out, *kernel))
    for to, (_, *tap), at in meetings(x.shape[lead:], kernel, out, **window):
        found[(*to, *tap)] = x[at]
    return found


def window_sum(x: Array, *, kernel: Any, out: Any, **window: Any) -> Array:
    return windows(x, kernel=kernel, out=out, **window).sum(tuple(range(-len(kernel), 0)))


def fold(g: Array, *, size: Any, **window: Any) -> Array:
    rank = len(size)
    found = np.zeros((*g.shape[: -2 * rank], *size))
    for to, (_, *tap), at in meetings(size, g.shape[-rank:], g.shape[-2 * rank : -rank], **window):
        found[at] += g[(*to, *tap)]
    return found


def window_spread(g: Array, *, size: Any, kernel: Any, **window: Any) -> Array:
    return fold(np.broadcast_to(g.reshape(*g.shape, *(1 for _ in kernel)), (*g.shape, *kernel)), size=size, **window)


def keys(x: float, a: float = -0.75) -> float:
    """Keys' cubic kernel."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def resampling(kind: str, n: int, m: int, scale: float) -> Array:
    """The matrix [new, old] that `resample` multiplies by."""
    rows = []
    windows = [(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m)]
    for i, (start, end) in enumerate(windows):
        if kind == "cover":
            longest = max(b - a for a, b in windows)
            rows += [np.arange(n) == min(start + t, end - 1) for t in range(longest)]
        elif kind == "area":
            rows.append([(start <= j < end) / (end - start) for j in range(n)])
        elif kind.startswith("nearest"):
            rows.append(np.arange(n) == min(math.floor((i + 0.5 * kind.endswith("exact")) * scale), n - 1))
        elif kind.endswith("smooth"):
            kernel, wide = (lambda x: keys(x, -0.5)) if kind.startswith("cubic") else triangle, max(scale, 1)
            row = np.array([kernel(((i + 0.5) * scale - (j + 0.5)) / wide) for j in range(n)])
            rows.append(row / row.sum())
        else:
            at = i * scale if kind.endswith("corners") else (i + 0.5) * scale - 0.5
            kernel = keys if kind.startswith("cubic") else triangle
            row = np.zeros(n)
            for j in range(-9, n + 9):  # what stands outside is the element at the border
                row[min(max(j, 0), n - 1)] += kernel(at - j)
            rows.append(row)
    return np.array(rows, float).reshape(-1, n)


def resample(x: Array, *, dim: int, size: int, kind: str, scale: float) -> Array:
    matrix = resampling(kind, x.shape[dim], size, scale)
    return np.moveaxis(np.tensordot(matrix, x, (1, dim)), 0, dim)


def resample_grad(g: Array, *, dim: int, old: int, size: int, kind: str, scale: float) -> Array:
    return np.moveaxis(np.tensordot(resampling(kind, old, size, scale), g, (0, dim)), 0, dim)


def random_uniform(state: Array, *, shape: Any, dtype: Any) -> Array:
    """Philox4x32-10 with Python's integers, one element at a time."""
    seed, stream = (int(v) % 2**64 for v in state)
    words = [philox_word(seed, stream, i) for i in range(math.prod(shape))]
    drop, bits = (8, 24) if dtype.itemsize == 4 else (0, 32)
    return np.array([(w >> drop) / 2**bits for w in words]).reshape(shape)


def philox_word(seed: int, stream: int, position: int) -> int:
    mask = 2**32 - 1
    block = position // 4
    counter = [block & mask, block >> 32, stream & mask, stream >> 32]
    key = [seed & mask, seed >> 32]
    for _ in range(10):
        first, second = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [
            (second >> 32) ^ counter[1] ^ key[0],
            second & mask,
            (first >> 32) ^ counter[3] ^ key[1],
            first & mask,
        ]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter[position % 4]


def constant(*, value: Any, dtype: Any) -> Array:
    return cast(np.array([value]), dtype=dtype).reshape(())


def one_hot(index: Array, *, dim: int, size: int, ignore: int) -> Array:
    out = np.zeros((*index.shape[:dim], size, *index.shape[dim:]), bool)
    for at in np.ndindex(index.shape):
        named = [] if index[at] == ignore else [index[at]] if 0 <= index[at] < size else range(size)
        for k in named:
            out[(*at[:dim], k, *at[dim:])] = True
    return out


def _places(indices: tuple[Array, ...], dims: tuple[int, ...], shape: Any) -> Iterator[tuple[Any, Any]]:
    """Where each element of what is read stands there, and where in the array of ``shape``."""
    first = dims[0]
    others = [n for d, n in enumerate(shape) if d not in dims]
    for rest in np.ndindex(*others):
        for k in np.ndindex(indices[0].shape):
            at, left = {d: int(i[k]) for d, i in zip(dims, indices, strict=True)}, iter(rest)
            place = tuple(at[d] if d in at else next(left) for d in range(len(others) + len(dims)))
            yield (*rest[:first], *k, *rest[first:]), place


def index(x: Array, *indices: Array, dims: tuple[int, ...], negative: bool) -> Array:
    others = [n for d, n in enumerate(x.shape) if d not in dims]
    out = np.zeros((*others[: dims[0]], *indices[0].shape, *others[dims[0] :]), x.dtype)
    for there, place in _places(indices, dims, x.shape):
        out[there] = x[place]
    return out


def _put(combine: Callable[[Any, Any], Any], x: Array, values: Array, indices: tuple[Array, ...], dims: Any) -> Array:
    out = np.array(x)
    with np.errstate(over="ignore", invalid="ignore"):
        for there, place in _places(indices, dims, x.shape):
            out[place] = combine(out[place], values[there])
    return out


def index_put(x: Array, values: Array, *indices: Array, dims: Any, negative: bool, accumulate: bool) -> Array:
    return _put(lambda old, new: old + new if accumulate else new, x, values, indices, dims)


def index_reduce(x: Array, values: Array, *indices: Array, dims: Any, negative: bool, kind: str) -> Array:
    greater, less = pick(lambda a, b: a > b), pick(lambda a, b: a < b)
    return _put({"mul": lambda a, b: a * b, "max": greater, "min": less}[kind], x, values, indices, dims)


def sort(x: Array, *, dim: int, descending: bool, k: int) -> tuple[Array, Array]:
    out = np.zeros((*np.moveaxis(x, dim, -1).shape[:-1], k), np.int64)
    for row in np.ndindex(out.shape[:-1]):
        left = list(enumerate(np.moveaxis(x, dim, -1)[row].tolist()))
        for place in range(k):
            best = left[0]
            for other in left[1:]:
                a, b = (best[1], other[1]) if descending else (other[1], best[1])
                if a == a and not b <= a:  # a stands before b, or, if descending, b before a
                    best = other
            out[(*row, place)] = best[0]
            left.remove(best)
    index = np.moveaxis(out, -1, dim)
    return np.take_along_axis(x, index, dim), index


def searchsorted(sequence: Array, values: Array, *, right: bool) -> Array:
    out = np.zeros(values.shape, np.int64)
    for at in np.ndindex(values.shape):
        line, v = sequence if sequence.ndim == 1 else sequence[at[:-1]], values[at]
        for e in line:
            less, greater = e == e and not v <= e, v == v and not e <= v
            out[at] += not greater if right else less
    return out


FORMULAS: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "cast": cast,
    "detach": per_element(lambda x: x),
    "clone": per_element(lambda x: x),
    "overwrite": per_element(lambda value, history: value),
    "check_index": lambda index, *, size, ignore, dtype: np.ones(index.shape),
    "one_hot": one_hot,
    "index": index,
    "index_put": index_put,
    "index_reduce": index_reduce,
    "sort": sort,
    "searchsorted": searchsorted,
    "neg": per_element(lambda x: -x),
    "abs": per_element(abs),
    "sign": per_element(lambda x: (x > 0) - (x < 0)),
    "exp": per_element(guarded(math.exp)),
    "log": per_element(guarded(math.log, 0.0, -math.inf)),
    "log1p": per_element(guarded(math.log1p, -1.0, -math.inf)),
    "sqrt": per_element(guarded(math.sqrt, 0.0, 0.0)),
    "rsqrt": per_element(lambda x: divide(1.0, math.copysign(guarded(math.sqrt, 0.0, 0.0)(x), x))),
    "sin": per_element(guarded(math.sin)),
    "cos": per_element(guarded(math.cos)),
    "tanh": per_element(guarded(math.tanh)),
    "sigmoid": per_element(lambda x: 1 / (1 + guarded(math.exp)(-x))),
    "erf": per_element(guarded(math.erf)),
    "exp2": per_element(guarded(lambda x: math.pow(2, x))),
    "expm1": per_element(guarded(math.expm1)),
    "log2": per_element(guarded(math.log2, 0.0, -math.inf)),
    "log10": per_element(guarded(math.log10, 0.0, -math.inf)),
    "logit": per_element(lambda x: logarithm(divide(x, 1 - x))),
    "tan": per_element(guarded(math.tan)),
    "asin": per_element(guarded(math.asin)),
    "acos": per_element(guarded(math.acos)),
    "atan": per_element(math.atan),
    "sinh": per_element(lambda x: math.copysign(guarded(math.sinh)(abs(x)), x)),
    "cosh": per_element(guarded(math.cosh)),
    "asinh": per_element(math.asinh),
    "acosh": per_element(guarded(math.acosh)),
    "atanh": per_element(
        lambda x: math.copysign(guarded(math.atanh)(x), x) if abs(x) != 1 else math.copysign(math.inf, x)
    ),
    "erfc": per_element(guarded(math.erfc)),
    "erfinv": per_element(inverse_erf),
    "reciprocal": per_element(lambda x: divide(1.0, x)),
    "lgamma": per_element(lgamma),
    "digamma": per_element(digamma),
    "polygamma": lambda x, n: per_element(lambda v: polygamma(n, v))(x),
    **{
        n: per_element(whole(f))
        for n, f in {"floor": math.floor, "ceil": math.ceil, "trunc": int, "round": round}.items()
    },
    "signbit": logical(lambda x: math.copysign(1, x) < 0),
    "heaviside": per_element(lambda x, at_zero: at_zero if x == 0 else x > 0),
    "atan2": per_element(math.atan2),
    "hypot": per_element(math.hypot),
    "xlogy": per_element(lambda a, b: 0.0 if a == 0 and b == b else a * logarithm(b)),
    "logaddexp": per_element(lambda a, b: add_exponentials(a, b, 1.0)),
    "logaddexp2": per_element(lambda a, b: add_exponentials(a, b, math.log(2))),
    "copysign": per_element(math.copysign),
    "fmod": per_element(lambda a, b: parted(a, b, False)[1]),
    "remainder": per_element(lambda a, b: parted(a, b, True)[1]),
    "floor_divide": per_element(lambda a, b: parted(a, b, True)[0]),
    "trunc_divide": per_element(lambda a, b: parted(a, b, False)[0]),
    "bitwise_and": per_element(lambda a, b: a & b),
    "bitwise_or": per_element(lambda a, b: a | b),
    "bitwise_xor": per_element(lambda a, b: a ^ b),
    "bitwise_left_shift": per_element(lambda a, b: ((a << b if 0 <= b < 64 else 0) + 2**63) % 2**64 - 2**63),
    "bitwise_right_shift": per_element(lambda a, b: a >> (b if b >= 0 else 64)),
    "lerp": per_element(lambda a, b, w: a + w * (b - a) if abs(w) < 0.5 else b - (b - a) * (1 - w)),
    "silu": per_element(lambda x: x / (1 + guarded(math.exp)(-x)) if x != -math.inf else math.nan),
    "gelu": gelu,
    "logsigmoid": per_element(logsigmoid),
    "mish": per_element(mish),
    "elu": elu,
    "check_range": lambda x, *, low, high, parameter: per_element(lambda v: v)(x),
    "binary_cross_entropy": per_element(binary_cross_entropy),
    "relu": per_element(lambda x: x if x > 0 or x != x else 0),
    "logical_not": logical(lambda x: not x),
    "add": per_element(lambda a, b: a or b if isinstance(a, bool) else a + b),
    "sub": per_element(lambda a, b: a - b),
    "mul": per_element(lambda a, b: a and b if isinstance(a, bool) else a * b),
    "div": per_element(divide),
    "pow": per_element(power),
    "maximum": per_element(pick(lambda a, b: a > b)),
    "minimum": per_element(pick(lambda a, b: a < b)),
    "eq": logical(lambda a, b: a == b),
    "ne": logical(lambda a, b: a != b),
    "lt": logical(lambda a, b: a < b),
    "le": logical(lambda a, b: a <= b),
    "gt": logical(lambda a, b: a > b),
    "ge": logical(lambda a, b: a >= b),
    "logical_and": logical(lambda a, b: a and b),
    "logical_or": logical(lambda a, b: a or b),
    "where": lambda c, a, b: per_element(lambda x, y, k: x if k else y)(a, b, c),
    "broadcast_to": broadcast_to,
    "reshape": reshape,
    "permute": permute,
    "flip": lambda x, dims: x[tuple(slice(None, None, -1 if d in dims else 1) for d in range(x.ndim))],
    "slice": slice_,
    "as_strided": as_strided,
    "diagonal": diagonal,
    "unfold": unfold,
    "pad": pad,
    "cat": cat,
    "iota": iota,
    "dot": dot,
    "attention": attention,
    "attention_grad": attention_grad,
    "conv": conv,
    "conv_input_grad": conv_input_grad,
    "conv_weight_grad": conv_weight_grad,
    "ctc_loss": ctc_loss,
    "ctc_loss_grad": ctc_loss_grad,
    "reduce_sum": reduced(sum),
    "reduce_prod": reduced(math.prod),
    "reduce_max": reduced(extreme(lambda a, b: a > b)),
    "reduce_min": reduced(extreme(lambda a, b: a < b)),
    "reduce_argmax": lambda x, *, dim: first_best(max)(x, dim=dim)[1],
    "reduce_argmin": lambda x, *, dim: first_best(min)(x, dim=dim)[1],
    "reduce_max_at": first_best(max),
    "reduce_min_at": first_best(min),
    "cumsum": scanned(sum),
    "cumprod": scanned(math.prod),
    "cummax": running(lambda a, b: a >= b),
    "cummin": running(lambda a, b: a <= b),
    "logcumsumexp": scanned(log_of_sum),
    "run_sum": run_sum,
    "recurrence": recurrence,
    "random_uniform": random_uniform,
    "max_pool": max_pool,
    "max_pool_grad": max_pool_grad,
    "max_pool_gather": max_pool_gather,
    "windows": windows,
    "fold": fold,
    "window_sum": window_sum,
    "window_spread": window_spread,
    "resample": resample,
    "resample_grad": resample_grad,
}
