"""Generated CPU code against numpy in float64, on three instruction sets and odd sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen import target
from graphtorch.codegen.kernel_ir import Alloc, has_parallel_loop, walk
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.ops.functions import relu
from graphtorch.ir.ops.trigonometry import tanh
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.types import TensorType, dtype_from_name
from graphtorch.runtime import executable
from graphtorch.runtime.executable import Executable

HOST = target.host_target()
#: the host itself, and the same CPU without its wider vectors
NARROWER = {
    "host": (HOST.vector_bytes, HOST.registers),
    "32 bytes, 16 registers": (32, 16),
    "16 bytes, 16 registers": (16, 16),
}
SIZES = (1, 7, 17, 33)
G, F = PUBLIC["gt"], PUBLIC["F"]


@pytest.fixture(params=NARROWER, autouse=True)
def vectors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    nbytes, registers = NARROWER[request.param]
    if nbytes > HOST.vector_bytes:
        pytest.skip(reason="the CPU has no vectors of this width")
    chosen = target.Target(HOST.triple, HOST.cpu, HOST.features, nbytes, registers)
    monkeypatch.setattr(executable, "host_target", lambda: chosen)


def build(function: Callable[..., Any], *arrays: np.ndarray) -> Graph:
    graph = Graph("test")
    graph.params = [Param(f"x{i}", TensorType(a.shape, dtype_from_name(a.dtype.name))) for i, a in enumerate(arrays)]
    with Builder(graph):
        out = function(*graph.params)
    graph.outputs = list(out) if isinstance(out, tuple) else [out]
    return run_passes(graph, OPTIMIZE)


def agree(function: Callable[..., Any], *arrays: np.ndarray, rtol: float = 2e-5) -> Executable:
    """Compiled equals the eager ops (numpy) over float64 copies."""
    made = Executable(build(function, *arrays))
    outs = made.run([np.ascontiguousarray(a) for a in arrays])
    wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
    want = function(*map(gt.from_numpy, wide))
    for got, w in zip(outs, want if isinstance(want, tuple) else (want,), strict=True):
        reference = w.numpy()
        scale = float(np.abs(reference[np.isfinite(reference)]).max(initial=1.0))
        np.testing.assert_allclose(got, reference, rtol=rtol, atol=rtol * scale)
    return made


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elementwise_and_broadcasts(n: int, dtype: Any) -> None:
    agree(lambda a, b: relu(a * b + 1) - tanh(a), normal(3, n, dtype=dtype), normal(n, dtype=dtype))
    agree(lambda a, b: a / (b * b + 1), normal(5, n, 2, dtype=dtype), normal(5, 1, 1, dtype=dtype))
    agree(lambda a: G["permute"](a, (2, 0, 1)), normal(2, n, 9, dtype=dtype))
    agree(lambda a: G["cat"]([a, a * 2], 1), normal(3, n, dtype=dtype))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dim", [0, 1, 2, (0, 2), (1, 2), None])
def test_reductions(n: int, dim: Any) -> None:
    agree(lambda a: G["sum"](a, dim), normal(5, n, 3))
    agree(lambda a: G["amax"](a, () if dim is None else dim), normal(3, 5, n))
    agree(lambda a: G["mean"](a * a, dim, keepdim=True), normal(n, 3, 5))


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = gt.get_num_threads()
    yield gt.set_num_threads
    gt.set_num_threads(before)


@pytest.mark.parametrize("name", ["sum", "amax", "argmax"])
@pytest.mark.parametrize(("shape", "dim"), [((2**18 + 8,), 0), ((3, 70_000), 1), ((70_000, 5), 0)])
def test_long_reductions_to_few_outputs_are_shared(
    name: str, shape: tuple[int, ...], dim: int, threads: Callable[[int], None]
) -> None:
    x = normal(*shape)
    made = agree(lambda a: G[name](a, dim), x)
    assert all(has_parallel_loop(launch.kernel.body) for launch in made.launches)
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(np.array(made.run([x])[0]))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("n", SIZES)
def test_softmax_argmax_cross_entropy(n: int) -> None:
    agree(lambda a: G["softmax"](a, 1), normal(5, n))
    agree(lambda a: G["argmax"](a, 1), normal(6, n))
    agree(lambda a: G["argmax"](a, 0), normal(n, 6))
    labels = np.random.default_rng(0).integers(0, n, 5)
    agree(lambda a, y: F["cross_entropy"](a, y), normal(5, n), labels)


def test_nan_and_infinity_pass_through() -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1.0] * 7, np.float32)
    agree(lambda a: (relu(a), G["maximum"](a, a * 0), G["minimum"](a, -a), G["sigmoid"](a)), x)
    agree(lambda a: (G["sum"](a, 1), G["amax"](a, 1), G["argmax"](a, 1)), x.reshape(5, 7))
    a = normal(9, 17)
    a[3, 5] = np.nan
    agree(lambda a, b: G["matmul"](a, b), a, normal(17, 11))


MATRICES = [(17, 33, 21), (64, 1024, 65), (1, 7, 33), (65, 300, 130), (9, 600, 5), (7, 1, 33), (31, 29, 1), (1, 1, 1)]


@pytest.mark.parametrize(("m", "k", "n"), MATRICES)
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_matrix_products(m: int, k: int, n: int, layout: str) -> None:
    a = normal(m, k) if layout[0] == "n" else normal(k, m)
    b = normal(k, n) if layout[1] == "n" else normal(n, k)

    def product(x: Any, y: Any) -> Any:
        x = x if layout[0] == "n" else G["transpose"](x, 0, 1)
        return G["matmul"](x, y if layout[1] == "n" else G["transpose"](y, 0, 1))

    made = agree(product, a, b)
    if min(m, n) > 1 and m * k >= 16:
        assert any(isinstance(s, Alloc) and s.buffer.name == "acc" for s in walk(made.launches[0].kernel.body))
    agree(lambda x, y, c: relu(product(x, y) + c), a, b, normal(n))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batched_products(dtype: Any) -> None:
    agree(lambda a, b: G["matmul"](a, b), normal(3, 17, 33, dtype=dtype), normal(3, 33, 21, dtype=dtype))
    agree(lambda a, b: G["matmul"](a, b), normal(2, 3, 7, 5, dtype=dtype), normal(3, 5, 9, dtype=dtype))


CONVOLUTIONS = [
    ((3, 4, 13, 11), (6, 4, 3, 3), {"padding": (1, 1)}),
    ((3, 4, 13, 11), (6, 4, 3, 5), {"padding": (1, 2), "stride": (2, 3)}),
    ((3, 4, 13, 11), (6, 2, 3, 3), {"padding": (2, 2), "dilation": (2, 1), "groups": 2}),
    ((2, 6, 9, 7), (6, 1, 3, 3), {"padding": (1, 1), "groups": 6}),
    ((1, 3, 5, 7), (7, 3, 1, 1), {}),
    ((4, 3, 33, 17), (32, 3, 5, 5), {"padding": (2, 2)}),
    ((2, 17, 7, 7), (33, 17, 3, 3), {"padding": (1, 1)}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
]


@pytest.mark.parametrize(("x", "w", "attrs"), CONVOLUTIONS, ids=str)
def test_convolution_and_its_gradients(x: Any, w: Any, attrs: dict[str, Any]) -> None:
    conv = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **attrs}
    bind = gt.ir.bind.bind
    image, weight = normal(*x), normal(*w)
    agree(lambda a, b: bind(OPS["conv"], a, b, **conv), image, weight)
    out = bind(OPS["conv"], gt.from_numpy(image), gt.from_numpy(weight), **conv).numpy()
    grad = normal(*out.shape)
    agree(lambda g, b: bind(OPS["conv_input_grad"], g, b, size=x[2:], **conv), grad, weight)
    agree(lambda g, a: bind(OPS["conv_weight_grad"], g, a, kernel=w[2:], **conv), grad, image)


@pytest.mark.parametrize(
    ("x", "w", "stride", "padding", "dilation"),
    [
        ((3, 4, 17), (6, 4, 3), (1,), (1,), (1,)),
        ((2, 3, 33), (7, 3, 5), (2,), (2,), (3,)),
        ((2, 3, 5, 7, 6), (4, 3, 2, 3, 1), (1, 2, 1), (1, 0, 2), (1, 1, 2)),
        ((1, 17, 3, 7, 7), (33, 17, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ],
    ids=str,
)
def test_convolution_of_one_and_three_dimensions(x: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> None:
    conv = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 1}
    bind = gt.ir.bind.bind
    image, weight = normal(*x), normal(*w)
    agree(lambda a, b: bind(OPS["conv"], a, b, **conv), image, weight)
    grad = normal(*OPS["conv"].ref(image, weight, **conv).shape)
    agree(lambda g, b: bind(OPS["conv_input_grad"], g, b, size=x[2:], **conv), grad, weight)
    agree(lambda g, a: bind(OPS["conv_weight_grad"], g, a, kernel=w[2:], **conv), grad, image)


@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (3, 1, 1), ((2, 3), (1, 2), (0, 1))], ids=str)
def test_pooling_and_its_gradient(window: Any) -> None:
    kernel, stride, padding = window
    x = normal(2, 3, 13, 11)
    agree(lambda a: F["max_pool2d"](a, kernel, stride, padding), x)

    def both(v: int | tuple[int, int]) -> tuple[int, int]:
        return (v, v) if isinstance(v, int) else v

    attrs = {"kernel": both(kernel), "stride": both(stride), "padding": both(padding), "dilation": (1, 1)}
    bind = gt.ir.bind.bind
    values, at = bind(OPS["max_pool"], gt.from_numpy(x), ceil_mode=False, **attrs)
    g = normal(*values.shape)
    agree(lambda g, i: bind(OPS["max_pool_grad"], g, i, size=(13, 11), **attrs), g, at.numpy())


def test_the_generator_gives_the_same_bits() -> None:
    state = np.array([123456789012345, 7])
    graph = build(lambda s: gt.ir.bind.bind(OPS["random_uniform"], s, shape=(33, 17), dtype=gt.float32), state)
    got = Executable(graph).run([state])[0]
    want = OPS["random_uniform"].ref(state, shape=(33, 17), dtype=gt.float32)
    np.testing.assert_array_equal(got, want)


def test_equal_kernels_are_compiled_once() -> None:
    made = Executable(build(lambda a, b: (tanh(a), tanh(b)), normal(64), normal(64)))
    assert (made.kernels, len(made.launches)) == (1, 2)  # a bundle: threads do not meet between them
    assert len({launch.kernel for launch in made.launches}) == 1
