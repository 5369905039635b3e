"""`python -m benchmarks.ulp`: the greatest errors of generated code's functions, as a table in markdown.

An error is counted in ULP: the distance from the true value, over the distance between the two numbers of the format
around that. float32 is compared with numpy in float64, float64 with numpy's long double, erf, erfc and erfinv there
with mpmath. For float32 every 251st number is an argument (`--step 1`: every one, minutes for each function); float64
has samples.
"""

from __future__ import annotations

import argparse
import ctypes
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from graphtorch.codegen import llvm_text as ll
from graphtorch.codegen.emit_llvm import emit_kernel
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.target import Target, host_target
from graphtorch.ir.ops.error_function import erfinv_float64
from graphtorch.runtime.cpu import Machine, compile_object

Array = np.ndarray[Any, Any]
Function = Callable[..., Array]
F32, F64, WIDE = np.float32, np.float64, np.longdouble
CHUNK = 1 << 15
#: 2/sqrt(pi), and the series of erf after it: exact to float64 below 2**-10
_SLOPE = 2 / math.sqrt(math.pi)


def erf_64(x: Array) -> Array:
    """erf in float64: the C library's, where it is neither a line nor 1."""
    a = np.abs(x)
    out = np.where(a < 1, x * _SLOPE * (1 - x * x / 3), np.sign(x))
    out = np.where(a == 0, x, out)
    middle = np.flatnonzero((a >= 2.0**-10) & (a < 6))
    out[middle] = [math.erf(v) for v in x[middle].tolist()]
    return out


def sigmoid_of(x: Array) -> Array:
    """In the float format of ``x``: exponentials of negative numbers alone, none of which is infinite."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def erfc_64(x: Array) -> Array:
    """erfc in float64: the C library's, where it is neither 0 nor 2."""
    out = np.where(x > 0, 0.0, 2.0) + np.where(np.isnan(x), x, 0)
    middle = np.flatnonzero(np.abs(x) < 28)
    out[middle] = [math.erfc(v) for v in x[middle].tolist()]
    return out


def erfinv_64(x: Array) -> Array:
    """erfinv in float64: a line for small numbers, and Halley's steps to the C library's erf and erfc."""
    middle = np.flatnonzero(np.abs(x) >= 2.0**-14)
    out = np.where(x == 0, x, x / _SLOPE * (1 + x * x * (math.pi / 12)))
    out[middle] = erfinv_float64(x[middle])
    return out


def by_mpmath(name: str) -> Function:
    """A function of mpmath, in long double."""
    import mpmath

    mpmath.mp.prec = 80
    at_ends = {"erf": math.erf, "erfc": math.erfc, "erfinv": lambda v: v * math.inf if abs(v) == 1 else math.nan}

    def value(v: float) -> Any:
        most = 1 if name == "erfinv" else 28
        if not v:
            return v if name != "erfc" else 1
        return mpmath.nstr(getattr(mpmath, name)(mpmath.mpf(v)), 25) if abs(v) < most else at_ends[name](v)

    return lambda x: np.array([WIDE(value(v)) for v in x.astype(F64).tolist()])


#: name -> numpy's function
UNARY: dict[str, Function] = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log1p": np.log1p,
    "log10": np.log10, "tanh": np.tanh, "sigmoid": sigmoid_of, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": erf_64, "erfc": erfc_64, "erfinv": erfinv_64,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
}  # fmt: skip
BINARY: dict[str, Function] = {"pow": np.power, "atan2": np.arctan2, "hypot": np.hypot, "fmod": np.fmod}
#: numpy has none of these for long double
BY_MPMATH = frozenset(["erf", "erfc", "erfinv"])
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 2.5, -2.5]


def kernel_text(name: str, dtype: Any, count: int, lanes: int) -> str:
    """``count`` vectors of ``lanes`` elements."""
    kind, n = "f32" if dtype is F32 else "f64", count * lanes
    inputs = "xz" if name in BINARY else "x"
    params = ", ".join(f"%{p}: {kind}[{n}]" for p in inputs)
    loads = ", ".join(f"load %{p}[((%i * {lanes}) + %l)]" for p in inputs)
    return f"""kernel @f({params}, %y: {kind}[{n}] out) {{
      for %i in {count} {{ vec %l in {lanes} {{ store %y[((%i * {lanes}) + %l)], {name}({loads}) }} }}
    }}"""


def module_text(name: str, dtype: Any, count: int, lanes: int, target: Target | None = None) -> str:
    module = ll.Module("ulp")
    emit_kernel(module, legalize(parse_kernel(kernel_text(name, dtype, count, lanes))), target=target)
    return str(module)


def compiled(name: str, dtype: Any, count: int, lanes: int, target: Target | None = None) -> Function:
    """The function as machine code, for arrays of ``count * lanes`` elements."""
    target = target or host_target()
    machine = Machine(compile_object(module_text(name, dtype, count, lanes, target), target))
    pointers, numbers = [ctypes.c_void_p] * (4 + (name in BINARY)), [ctypes.c_int64] * 3
    native = ctypes.CFUNCTYPE(None, *pointers, *numbers, ctypes.c_void_p)(machine.address("f"))

    def run(*operands: Array) -> Array:
        out = np.empty(count * lanes, dtype)
        native(*(x.ctypes.data for x in (*operands, out)), None, None, 0, 1, 0, None)
        return out

    run.machine = machine  # type: ignore[attr-defined]
    return run


def errors(got: Array, want: Array) -> Array:
    """ULP of each element of ``got``, ``want`` being wider; huge where nan, infinity or the sign of 0 is wrong."""
    f = np.finfo(got.dtype)
    wide = want.dtype.type
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(want)
        unit = np.ldexp(wide(1), np.maximum(exponent - f.nmant - 1, f.minexp - f.nmant))
        beyond = wide(2) ** f.maxexp
        near = np.where(np.isinf(got), np.copysign(beyond, got), got.astype(want.dtype))
        limited = np.where(np.abs(want) > beyond, np.copysign(beyond, want), want)
        out = np.abs(near - limited) / np.where(np.isfinite(limited), unit, 1)
    wrong = (np.isnan(got) != np.isnan(want)) | ((want == 0) & (np.signbit(got) != np.signbit(want)))
    wrong |= np.isinf(want) & (got != want)
    out = np.where(wrong, np.inf, np.where(np.isnan(want), 0, out))
    return np.minimum(out, 1e30).astype(F64)


def _suspects(got: Array, want: Array, best: float) -> Array:
    """Where the error is more than ``best``, found quickly: units by the bits of what is wanted."""
    rounded = want.astype(F32)
    unit = np.maximum((rounded.view(np.int32) & 0x7F800000).view(F32), F32(2.0**-126)) * F64(2.0**-23)
    close = np.abs(got - want) <= best * 0.99 * unit
    return np.flatnonzero(~(close | ((got == rounded) & (best > 0.6)) | (np.isnan(got) & np.isnan(want))))


def sweep(name: str, lanes: int, step: int, target: Target | None = None) -> tuple[float, Any]:
    """(the greatest error over every ``step``-th float32 number, its argument)"""
    run, reference = compiled(name, F32, CHUNK // lanes, lanes, target), UNARY[name]
    best, at = 0.0, F32(0)
    for start in range(0, 2**32, CHUNK * step):
        patterns = np.arange(start, start + CHUNK * step, step, dtype=np.uint64).astype(np.uint32)
        x = patterns.view(F32)
        with np.errstate(all="ignore"):
            got, want = run(x), reference(x.astype(F64))
            where = _suspects(got, want, best)
        found = errors(got[where], want[where])
        if len(where) and found.max() > best:
            best, at = float(found.max()), x[where[found.argmax()]]
    return best, at


def sample(dtype: Any, count: int, seed: int = 0) -> Array:
    """Patterns at random, specials, and numbers near what algorithms have for thresholds."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    whole = np.uint32 if dtype is F32 else np.uint64
    top = math.log10(float(info.max))
    parts = [rng.integers(0, 2 ** (8 * whole().itemsize), 4 * count, dtype=whole).view(dtype)]
    parts += [rng.uniform(-s, s, count) for s in (0.1, 0.5, 1, 2, 6, 20, 110, 750)]
    parts += [rng.uniform(0.5, 1.5, count), 1 + rng.standard_normal(count) * 10 ** rng.uniform(-16, -1, count)]
    parts += [s * 10 ** rng.uniform(-20, top, count) for s in (1, -1)]
    parts += [2.0 ** rng.uniform(info.minexp - info.nmant, info.minexp + 30, count)]
    parts += [np.arange(1, count + 1) * step for step in (np.pi / 2, np.pi / 4, math.log(2) / 2)]
    parts += [np.round(10 ** rng.uniform(3, 18, count)) * (np.pi / 2), np.array(SPECIAL)]
    with np.errstate(all="ignore"):
        x = np.concatenate([p.astype(dtype) for p in parts])
    return np.concatenate([x, np.ones(-len(x) % 64, dtype)])


def sample_pairs(dtype: Any, count: int, seed: int = 0) -> tuple[Array, Array]:
    """Operands of functions of two: all pairs of specials, patterns at random, and powers over the whole range."""
    rng = np.random.default_rng(seed)
    most = math.log(float(np.finfo(dtype).max))
    special = np.array([*SPECIAL, 2.0**23 + 1, 2.0**24, 2.0**53, 1e-30, -1e30, 5e-324, 1 - 2.0**-20])
    x, y = [np.repeat(special, len(special))], [np.tile(special, len(special))]
    for part in (sample(dtype, count, seed), sample(dtype, count, seed + 1)[::-1]):
        x.append(part)
        y.append(rng.permutation(part))
    for base in (
        np.exp(rng.uniform(-most, most, count)),
        1 + rng.uniform(-1, 1, count) * 10 ** rng.uniform(-6, 0, count),
    ):
        x.append(np.abs(base) + 1e-9)
        y.append(rng.uniform(-1.05, 1.05, count) * most / np.log(x[-1]))
    with np.errstate(all="ignore"):
        out = [np.concatenate([p.astype(dtype) for p in parts]) for parts in (x, y)]
    size = len(out[0]) // 64 * 64
    return out[0][:size], out[1][:size]


def measured(name: str, dtype: Any, lanes: int, count: int, target: Target | None = None) -> tuple[float, Any]:
    """(the greatest error over a sample, its arguments)"""
    operands = sample_pairs(dtype, count) if name in BINARY else (sample(dtype, count),)
    slow = name in BY_MPMATH and dtype is F64
    if slow:
        operands = (np.random.default_rng(0).choice(operands[0], 6400),)  # mpmath takes its time
    run = compiled(name, dtype, len(operands[0]) // lanes, lanes, target)
    reference = by_mpmath(name) if slow else BINARY.get(name) or UNARY[name]
    with np.errstate(all="ignore"):
        want = reference(*(x.astype(F64 if dtype is F32 else WIDE) for x in operands))
    found = errors(run(*operands), want)
    worst = int(found.argmax())
    return float(found[worst]), tuple(x[worst] for x in operands)


def rows(step: int, lanes: int) -> Iterator[str]:
    yield from ("| function | float32 | at | float64 | at |", "|---|---|---|---|---|")
    for name in (*UNARY, *BINARY):
        of_32 = partial(measured, name, F32, lanes, 100_000) if name in BINARY else partial(sweep, name, lanes, step)
        cells = [name]
        for error, at in (of_32(), measured(name, F64, max(1, lanes // 2), 100_000)):
            cells += [f"{error:.2f}", ", ".join(f"{float(v):.9g}" for v in np.atleast_1d(at))]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ulp", description=__doc__)
    parser.add_argument("--step", type=int, default=251, help="1 for every float32 number")
    parser.add_argument("--lanes", type=int, default=8)
    options = parser.parse_args()
    for row in rows(options.step, options.lanes):
        print(row, flush=True)


if __name__ == "__main__":
    main()
