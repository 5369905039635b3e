"""Contractions over shapes, layouts, vector widths and cache sizes drawn at random: against float64, on 1 to 4 threads.

Scratch memory begins as nan, so that an element that is read and was never written shows. Small caches make small
problems take the paths of big ones: several blocks of k, of rows and of columns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen import target
from graphtorch.ir import bind
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.types import TensorType, dtype_from_name
from graphtorch.runtime import entry, executable

HOST = target.host_target()
WIDTHS = [w for w in ((64, 32), (32, 16), (16, 16)) if w[0] <= HOST.vector_bytes]
SIZES = (1, 2, 3, 5, 7, 13, 16, 17, 31, 33, 64, 65, 100)
G = PUBLIC["gt"]


@dataclass(frozen=True)
class Case:
    text: str
    function: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    target: target.Target


def products(draw: random.Random, array: Callable[..., np.ndarray]) -> tuple[str, Callable[..., Any], list[np.ndarray]]:
    m, n, k = draw.choice(SIZES), draw.choice(SIZES), draw.choice((1, 2, 5, 17, 33, 100, 257, 1031, 2000))
    layout, batch = draw.choice(("nn", "nt", "tn", "tt")), draw.choice(((), (), (3,)))
    a = array(*batch, *((m, k) if layout[0] == "n" else (k, m)))
    b = array(*batch, *((k, n) if layout[1] == "n" else (n, k)))

    def function(x: Any, y: Any) -> Any:
        x = x if layout[0] == "n" else G["transpose"](x, -1, -2)
        return G["matmul"](x, y if layout[1] == "n" else G["transpose"](y, -1, -2))

    return f"matmul {layout} {batch} {m}x{n}x{k}", function, [a, b]


def convolutions(
    draw: random.Random, array: Callable[..., np.ndarray]
) -> tuple[str, Callable[..., Any], list[np.ndarray]]:
    groups, batch = draw.choice((1, 1, 1, 2)), draw.choice((1, 2, 5))
    c, o = groups * draw.choice((1, 2, 3, 8, 17)), groups * draw.choice((1, 2, 5, 16, 33))
    kernel = draw.choice((1, 2, 3, 5)), draw.choice((1, 3, 4))
    conv = {
        "stride": (draw.choice((1, 1, 2, 3)), draw.choice((1, 1, 2))),
        "padding": (draw.choice((0, 1, 2)), draw.choice((0, 1))),
        "dilation": (draw.choice((1, 1, 2)), 1),
        "groups": groups,
    }
    size = draw.choice((11, 13, 17, 24)), draw.choice((5, 6, 11, 16, 33))
    spans = zip(size, kernel, conv["stride"], conv["padding"], conv["dilation"], strict=True)
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    x, w, g = (batch, c, *size), (o, c // groups, *kernel), (batch, o, *out)
    kind = draw.choice(("conv", "conv_input_grad", "conv_weight_grad"))
    shapes, attrs = {
        "conv": ((x, w), {}),
        "conv_input_grad": ((g, w), {"size": size}),
        "conv_weight_grad": ((g, x), {"kernel": kernel}),
    }[kind]
    function = lambda a, b: bind.bind(OPS[kind], a, b, **attrs, **conv)
    return f"{kind} {x} {w} {conv}", function, [array(*s) for s in shapes]


def draw_case(seed: int) -> Case:
    draw = random.Random(seed)
    nbytes, registers = draw.choice(WIDTHS)
    caches = draw.choice((HOST.l1, 1 << 12)), draw.choice((HOST.l2, 1 << 16, 1 << 14))
    dtype = draw.choice((np.float32, np.float32, np.float64))
    array = lambda *shape: np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    text, function, arrays = draw.choice((products, convolutions))(draw, array)
    machine = target.Target(HOST.triple, HOST.cpu, HOST.features, nbytes, registers, *caches)
    return Case(f"{text} {np.dtype(dtype)} {nbytes} bytes, caches {caches}", function, tuple(arrays), machine)


def compiled(case: Case, monkeypatch: pytest.MonkeyPatch) -> executable.Executable:
    graph = Graph("test")
    types = [TensorType(a.shape, dtype_from_name(a.dtype.name)) for a in case.arrays]
    graph.params = [Param(f"x{i}", t) for i, t in enumerate(types)]
    with Builder(graph):
        graph.outputs = [case.function(*graph.params)]
    monkeypatch.setattr(executable, "host_target", lambda: case.target)
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    return executable.Executable(run_passes(graph, OPTIMIZE))


def poisoned(nbytes: int) -> np.ndarray:
    raw = np.full(nbytes + 64, 0xFF, np.uint8)
    skip = -entry.address(raw) % 64
    return raw[skip : skip + nbytes]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = gt.get_num_threads()
    yield
    gt.set_num_threads(before)


def compare(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled case against float64, and bit for bit on 1 to 4 threads."""
    program = compiled(case, monkeypatch)
    results = []
    for count in (1, 2, 3, 4):
        gt.set_num_threads(count)
        results.append(program.run(list(case.arrays))[0])
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other, err_msg=f"on other numbers of threads: {case.text}")
    want = case.function(*(gt.from_numpy(a.astype(np.float64)) for a in case.arrays)).numpy()
    tolerance = (2e-6 if case.arrays[0].dtype == np.float32 else 1e-14) * max(1.0, float(np.abs(want).max(initial=0)))
    np.testing.assert_allclose(results[0], want, rtol=0, atol=4 * tolerance, err_msg=case.text)


@pytest.mark.parametrize("seed", range(48))
def test_contractions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(draw_case(seed), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_contractions(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        compare(draw_case(seed), monkeypatch)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["conv", "conv_input_grad", "conv_weight_grad"])
def test_nan_and_infinity_reach_the_outputs_that_read_them(kind: str, special: float) -> None:
    """Neither more (the zeros of a tile's padding times infinity) nor fewer."""
    conv = {"stride": (1, 2), "padding": (1, 2), "dilation": (1, 1), "groups": 1}
    attrs = {"conv": {}, "conv_input_grad": {"size": (13, 11)}, "conv_weight_grad": {"kernel": (3, 5)}}[kind]
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(s).astype(np.float32) for s in ((3, 7, 13, 11), (17, 7, 3, 5), (3, 17, 13, 6)))
    a, b = {"conv": (x, w), "conv_input_grad": (g, w), "conv_weight_grad": (g, x)}[kind]
    a[1, 4, 2, 0] = special
    function = lambda p, q: bind.bind(OPS[kind], p, q, **attrs, **conv)
    got = gt.compile(function)(gt.from_numpy(a), gt.from_numpy(b)).numpy()
    with np.errstate(invalid="ignore"):
        want = function(gt.from_numpy(a), gt.from_numpy(b)).numpy()
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
