"""Random draws in kernels: the stream that numpy gives, wherever loops begin, and a block computed once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen import target
from graphtorch.codegen.kernel_ir import Alloc, For, Kernel, Stmt, Store, body_of, walk
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.lower import lower_node
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.ir import bind
from graphtorch.ir.expr import Const
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.types import DType, TensorType, dtype_from_numpy, float32, float64
from graphtorch.runtime.executable import Executable
from graphtorch.runtime.interp import run_kernel

GT = PUBLIC["gt"]
HOST = target.host_target()
#: a seed and a stream with bits in both halves
STATE = np.array([0x1234_5678_9ABC_DEF0, 0x7_0000_0003], np.int64)
Array = Any


def words(count: int, seed: int = int(STATE[0]), stream: int = int(STATE[1])) -> Array:
    """The first words of a stream, by Philox4x32-10 in Python's integers."""
    found: list[int] = []
    seed, stream = seed % 2**64, stream % 2**64  # the state holds them with a sign
    for block in range(-(-count // 4)):
        c, k = [block % 2**32, block >> 32, stream % 2**32, stream >> 32], [seed % 2**32, seed >> 32]
        for _ in range(10):
            p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(q >> 32) ^ c[1] ^ k[0], q % 2**32, (p >> 32) ^ c[3] ^ k[1], p % 2**32]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        found += c
    return np.array(found[:count], np.uint32)


def uniform(shape: tuple[int, ...], dtype: DType = float32) -> Array:
    drawn = words(math.prod(shape)).reshape(shape)
    return (drawn >> 8).astype(np.float32) * np.float32(2**-24) if dtype == float32 else drawn * 2.0**-32


def test_philox_of_a_known_key() -> None:
    """The vectors of Random123 (kat_vectors, philox4x32 10): counters and keys of zeros, and of ones."""
    np.testing.assert_array_equal(words(4, 0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    got = OPS["random_uniform"].ref(np.zeros(2, np.int64), shape=(4,), dtype=float64)
    np.testing.assert_array_equal(got, words(4, 0, 0) * 2.0**-32)


def draw(state: Any, *shape: int, dtype: DType = float32) -> Any:
    return bind.bind(OPS["random_uniform"], state, shape=shape, dtype=dtype)


def fused(function: Callable[..., Any], *arrays: Array) -> Graph:
    """``function`` of the state and of arrays, fused."""
    graph = Graph("test")
    arrays = (STATE, *arrays)
    types = [TensorType(a.shape, dtype_from_numpy(a.dtype) or float32) for a in arrays]
    graph.params = [Param(f"x{i}", t) for i, t in enumerate(types)]
    with Builder(graph):
        graph.outputs = [function(*graph.params)]
    return run_passes(graph, (Fuse(),))


def kernel_of(graph: Graph, vector_bytes: int) -> Kernel:
    (node,) = graph.nodes
    chosen = target.Target(HOST.triple, HOST.cpu, HOST.features, vector_bytes, 16)
    return schedule_cpu(lower_node(node, "test").nest, chosen)


def run(graph: Graph, kernel: Kernel, *arrays: Array) -> Array:
    """What the one kernel of ``graph`` stores, by the interpreter."""
    (node,) = graph.nodes
    values = dict(zip(graph.params, (STATE, *arrays), strict=True))
    got = np.full(node.result.type.shape, 113, node.result.type.dtype.np)
    run_kernel(kernel, [*(values[o] for o in node.operands), got])
    return got


def count_blocks(kernel: Kernel) -> int:
    """How many blocks it computes: each is four stores to words."""
    return sum(_stores(s, 1) for s in kernel.body) // 4


def _stores(s: Stmt, times: int) -> int:
    if isinstance(s, Store):
        return times * s.buffer.name.startswith("words")
    times *= int(s.extent.value) if isinstance(s, For) and isinstance(s.extent, Const) else 1
    return sum(_stores(x, times) for x in body_of(s))


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (7,), (33, 17), (5, 515), (2053,), (3, 0, 5)], ids=str)
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_the_stream_is_numpys(shape: tuple[int, ...], dtype: DType, vector_bytes: int) -> None:
    graph = fused(lambda s: draw(s, *shape, dtype=dtype))
    np.testing.assert_array_equal(run(graph, kernel_of(graph, vector_bytes)), uniform(shape, dtype))


def beside_a_bias(s: Any, x: Any, b: Any) -> Any:
    """Loops over rows and over columns are two: the bias is another one in each column."""
    return GT["where"](draw(s, *x.type.shape) >= 0.5, x + GT["broadcast_to"](b, x.type.shape), 0.0)


def numbers(*shape: int) -> Array:
    return np.random.default_rng(3).integers(-8, 9, shape).astype(np.float32)


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("shape", [(33, 101), (7, 1023), (401, 5), (3, 4099), (129, 64)], ids=str)
def test_rows_that_begin_within_a_block(shape: tuple[int, int], vector_bytes: int) -> None:
    x, b = numbers(*shape), numbers(shape[1])
    graph = fused(beside_a_bias, x, b)
    kernel = kernel_of(graph, vector_bytes)
    assert str(parse_kernel(str(kernel))) == str(kernel)
    np.testing.assert_array_equal(run(graph, kernel, x, b), np.where(uniform(shape) >= 0.5, x + b, 0))
    assert count_blocks(kernel) < x.size / 4 * 1.3 + 16, "each block is computed once, but at the ends of pieces"


def test_words_stay_in_the_first_cache() -> None:
    kernel = kernel_of(fused(lambda s: draw(s, 1 << 20)), 32)
    sizes = [s.buffer.nbytes for s in walk(kernel.body) if isinstance(s, Alloc)]
    assert sizes and max(sizes) <= 8192 + 256
    assert [s.kind for s in kernel.body if isinstance(s, For)] == ["par"], "threads make their own words"


def part(x: Any, start: tuple[int, ...], step: tuple[int, ...]) -> Any:
    return bind.bind(OPS["slice"], x, start=start, stop=x.type.shape, step=step)


CONTEXTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "a sum of rows": (lambda s, x: GT["sum"](draw(s, 37, 51) * x, 1), lambda u, x: (u * x).sum(1)),
    "a sum of columns": (lambda s, x: GT["sum"](draw(s, 37, 51) * x, 0), lambda u, x: (u * x).sum(0)),
    "softmax": (
        lambda s, x: draw(s, 37, 51) * GT["softmax"](x, 1),
        lambda u, x: u * (np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    ),
    "read across": (lambda s, x: GT["permute"](draw(s, 51, 37), (1, 0)) + x, lambda u, x: u.reshape(51, 37).T + x),
    "a part of it": (lambda s, x: part(draw(s, 37, 51) + x, (3, 5), (1, 1)), lambda u, x: (u + x)[3:, 5:]),
    "every third": (lambda s, x: part(draw(s, 37, 51) + x, (0, 0), (1, 3)), lambda u, x: (u + x)[:, ::3]),
    "after a product": (
        lambda s, x: draw(s, 37, 37) * GT["matmul"](x, GT["permute"](x, (1, 0))),
        lambda u, x: uniform((37, 37)) * (x @ x.T),
    ),
    "an operand of a product": (
        lambda s, x: GT["matmul"](draw(s, 37, 51) * x, GT["permute"](x, (1, 0))),
        lambda u, x: (u * x) @ x.T,
    ),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_wherever_it_is_read(name: str) -> None:
    function, want = CONTEXTS[name]
    x = np.random.default_rng(5).normal(size=(37, 51)).astype(np.float32)
    graph = fused(function, x)
    got = Executable(graph).run([STATE, x])[0]
    np.testing.assert_allclose(got, want(uniform((37, 51)).astype(float), x.astype(float)), rtol=2e-5, atol=2e-4)


def test_a_seed_and_a_stream_of_ones() -> None:
    state = np.array([-1, -3], np.int64)
    got = Executable(fused(lambda s: draw(s, 33, 17, dtype=float64))).run([state])[0]
    np.testing.assert_array_equal(got, words(33 * 17, -1, -3).reshape(33, 17) * 2.0**-32)


def test_two_draws_of_one_seed() -> None:
    step, shape = np.array([0, 1], np.int64), (33, 101)
    graph = fused(lambda s, by: draw(s, *shape) - draw(s + by, *shape), step)
    first, second = (words(33 * 101, stream=int(STATE[1]) + n).reshape(shape) >> 8 for n in (0, 1))
    want = (first.astype(np.float32) - second.astype(np.float32)) * np.float32(2**-24)
    np.testing.assert_array_equal(Executable(graph).run([STATE, step])[0], want)


def test_cuda_draws_the_same() -> None:
    x, b = numbers(33, 101), numbers(101)
    graph = fused(beside_a_bias, x, b)
    got = run(graph, schedule_cuda(lower_node(graph.nodes[0], "test").nest), x, b)
    np.testing.assert_array_equal(got, np.where(uniform(x.shape) >= 0.5, x + b, 0))
