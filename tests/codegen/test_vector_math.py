"""Functions of real numbers in generated code: how exact they are, their special values, and that nothing calls libm."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from benchmarks.ulp import BINARY, F32, F64, UNARY, WIDE, compiled, errors, measured, module_text, sweep
from graphtorch.codegen.target import Target, host_target, target_for
from graphtorch.codegen.vector_math import FORMULAS
from graphtorch.runtime.cpu import assembly

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
TARGETS = {
    "x86-64-v2": target_for(X86, "nehalem", {"sse4.2": True}),
    "haswell": target_for(X86, "haswell", {"avx2": True, "fma": True}),
    "skylake-avx512": target_for(X86, "skylake-avx512", {"avx512f": True, "avx512vl": True, "avx2": True, "fma": True}),
    "neoverse-n1": target_for(ARM, "neoverse-n1", {"neon": True}),
}
NAMES = [*UNARY, *BINARY]
#: ULP
MOST = 2.0
MANY = pytest.mark.parametrize("dtype", [F32, F64], ids=["float32", "float64"])


def wide_enough(dtype: Any) -> bool:
    return dtype is F32 or np.finfo(WIDE).nmant > 60


def runs_here(target: Target) -> bool:
    import llvmlite.binding as llvm

    return llvm.get_default_triple().startswith(target.triple.split("-")[0])


def test_every_function_is_measured() -> None:
    assert set(NAMES) == FORMULAS.keys()


@MANY
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lanes", [1, 8])
def test_errors(name: str, dtype: Any, lanes: int) -> None:
    if not wide_enough(dtype):
        pytest.skip("long double is float64 here")
    error, at = measured(name, dtype, lanes, 3000)
    assert error <= MOST, at


@MANY
@pytest.mark.parametrize("name", NAMES)
def test_errors_without_fused_multiply_add(name: str, dtype: Any) -> None:
    target = TARGETS["x86-64-v2"]
    if not (runs_here(target) and wide_enough(dtype)):
        pytest.skip("for x86 with an 80 bit long double")
    error, at = measured(name, dtype, 4, 3000, target)
    assert error <= MOST, at


@pytest.mark.parametrize("name", UNARY)
def test_samples_of_all_of_float32(name: str) -> None:
    error, at = sweep(name, 8, 9973)
    assert error <= MOST, at


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_all_of_float32(name: str) -> None:
    error, at = sweep(name, 8, 1)
    assert error <= MOST, at


@MANY
@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("exp", [-math.inf, math.inf, -1e4, 1e4, 0.0, -0.0], [0, math.inf, 0, math.inf, 1, 1]),
        ("exp2", [-math.inf, math.inf, -2000, 2000, 10, -3], [0, math.inf, 0, math.inf, 1024, 0.125]),
        ("expm1", [-math.inf, math.inf, -1e4, 1e4, 0.0, -0.0], [-1, math.inf, -1, math.inf, 0.0, -0.0]),
        ("log", [0.0, -0.0, -1, math.inf, -math.inf, 1], [-math.inf, -math.inf, math.nan, math.inf, math.nan, 0.0]),
        ("log2", [0.0, 8, 0.25, math.inf, -1, 1], [-math.inf, 3, -2, math.inf, math.nan, 0.0]),
        ("log1p", [-1, -2, 0.0, -0.0, math.inf, 1e-40], [-math.inf, math.nan, 0.0, -0.0, math.inf, 1e-40]),
        ("tanh", [math.inf, -math.inf, 0.0, -0.0, 1e3, 1e-40], [1, -1, 0.0, -0.0, 1, 1e-40]),
        ("sigmoid", [math.inf, -math.inf, 0.0, -0.0, 1e3, -1e3], [1, 0.0, 0.5, 0.5, 1, 0.0]),
        ("erf", [math.inf, -math.inf, 0.0, -0.0, 10, -10], [1, -1, 0.0, -0.0, 1, -1]),
        ("sin", [math.inf, -math.inf, 0.0, -0.0, 1e-40, -1e-40], [math.nan, math.nan, 0.0, -0.0, 1e-40, -1e-40]),
        ("cos", [math.inf, -math.inf, 0.0, -0.0], [math.nan, math.nan, 1, 1]),
        ("tan", [math.inf, 0.0, -0.0, -1e-40], [math.nan, 0.0, -0.0, -1e-40]),
        ("asin", [2, -2, 0.0, -0.0, math.inf], [math.nan, math.nan, 0.0, -0.0, math.nan]),
        ("acos", [2, 1, math.inf], [math.nan, 0.0, math.nan]),
        ("atan", [0.0, -0.0], [0.0, -0.0]),
        ("sinh", [math.inf, -math.inf, -0.0, 800], [math.inf, -math.inf, -0.0, math.inf]),
        ("cosh", [math.inf, -math.inf, 0.0], [math.inf, math.inf, 1]),
        ("log10", [0.0, 1000, 0.01, math.inf, -1, 1], [-math.inf, 3, -2, math.inf, math.nan, 0.0]),
        ("asinh", [math.inf, -math.inf, 0.0, -0.0, 1e-40], [math.inf, -math.inf, 0.0, -0.0, 1e-40]),
        ("acosh", [math.inf, -math.inf, 1, 0.5, -2], [math.inf, math.nan, 0.0, math.nan, math.nan]),
        ("atanh", [1, -1, 2, 0.0, -0.0, 1e-40], [math.inf, -math.inf, math.nan, 0.0, -0.0, 1e-40]),
        ("erfc", [math.inf, -math.inf, 0.0, -0.0, 30, -30], [0.0, 2, 1, 1, 0.0, 2]),
        ("erfinv", [1, -1, 2, 0.0, -0.0, -math.inf], [math.inf, -math.inf, math.nan, 0.0, -0.0, math.nan]),
    ],
)
def test_special_values(name: str, dtype: Any, x: list[float], want: list[float]) -> None:
    with np.errstate(over="ignore"):
        x, want = (np.resize(np.array([*v, math.nan], dtype), 8) for v in (x, want))
    got = compiled(name, dtype, 1, 8)(x)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


@MANY
def test_powers_as_in_annex_f(dtype: Any) -> None:
    """All pairs of numbers that C has rules for; Python's math.pow follows them, but raises for some."""
    values = [0.0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2.5, math.inf, -math.inf, math.nan, 2.0**24, 2.0**23 + 1]
    x, y = (np.array(v, dtype) for v in (np.repeat(values, 16), np.tile(values, 16)))
    with np.errstate(all="ignore"):
        want = np.power(x.astype(F64), y.astype(F64)).astype(dtype)
    got = compiled("pow", dtype, 32, 8)(x, y)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=0)
    np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


def test_results_below_the_normal_numbers() -> None:
    x = np.linspace(-103.9, -87.4, 800).astype(F32)
    assert errors(compiled("exp", F32, 100, 8)(x), np.exp(x.astype(F64))).max() < 1
    x = np.linspace(-149, -126, 800).astype(F32)
    assert errors(compiled("exp2", F32, 100, 8)(x), np.exp2(x.astype(F64))).max() < 1


@MANY
@pytest.mark.parametrize("lanes", [2, 4, 16, 32])
def test_numbers_of_lanes(lanes: int, dtype: Any) -> None:
    """The same bits for any number of lanes."""
    x = np.random.default_rng(0).uniform(-30, 30, 64).astype(dtype)
    x[:4] = 1e30, -1e8, math.inf, math.nan
    for name in UNARY:
        np.testing.assert_array_equal(compiled(name, dtype, 64 // lanes, lanes)(x), compiled(name, dtype, 64, 1)(x))


@pytest.mark.parametrize("size", [1, 7, 61])
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "sin", "cos", "tanh", "erf", "sigmoid"])
def test_rows_of_odd_length(name: str, size: int) -> None:
    x = np.random.default_rng(size).uniform(0.1, 9, (3, size)).astype(F32)
    function = getattr(gt, name)
    got, wide = gt.compile(function)(gt.from_numpy(x)).numpy(), function(gt.from_numpy(x.astype(F64))).numpy()
    assert errors(got, wide).max() <= MOST


def test_sigmoid() -> None:
    x = np.linspace(-110, 110, 200_001).astype(F32)
    got = gt.compile(gt.sigmoid)(gt.from_numpy(x)).numpy()
    assert errors(got, 1 / (1 + np.exp(-x.astype(F64)))).max() <= MOST


@pytest.mark.parametrize(("extra", "vectors"), [(0, 2), (1, 1)])
def test_two_vectors_at_a_time(extra: int, vectors: int) -> None:
    """Long loops with several functions, where nothing is left over; results are the same."""
    x = np.random.default_rng(0).standard_normal((1 << 16) + extra).astype(F32)
    run = gt.compile(lambda t: gt.tanh(t) * gt.sigmoid(t + 1))
    got, kernels = run(gt.from_numpy(x)).numpy(), run.stages[0]["kernels"]
    lanes = host_target().lanes(4) * vectors
    assert f" in {lanes} {{" in kernels and f" in {2 * lanes} {{" not in kernels
    np.testing.assert_array_equal(got[:99], run(gt.from_numpy(x[:99])).numpy())
    np.testing.assert_array_equal(got[-99:], run(gt.from_numpy(x[-99:])).numpy())


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, -1, 0, 2.5])
def test_short_powers_are_as_exact(exponent: float) -> None:
    x = np.concatenate([np.geomspace(1e-44, 3e38, 999), -np.geomspace(1e-44, 3e38, 999), [0, -0.0, math.inf]]).astype(
        F32
    )
    got = gt.compile(lambda t: t**exponent)(gt.from_numpy(x)).numpy()
    with np.errstate(all="ignore"):
        assert errors(got, x.astype(F64) ** exponent).max() <= MOST


@MANY
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_called(name: str, target: str, dtype: Any) -> None:
    lanes = TARGETS[target].lanes(dtype().itemsize)
    text = assembly(module_text(name, dtype, 4, lanes, TARGETS[target]), TARGETS[target])
    assert not re.search(r"^\s+(call\w*|bl|blr)\s", text, re.MULTILINE)
    assert not re.search(rf"\b{name}f?\b", text)
