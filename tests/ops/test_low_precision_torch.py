"""float16 and bfloat16 against torch's CPU kernels: values, gradients, dtypes, printing and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from tests.ops.samples import array, strided

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="torch is an optional oracle")

LOW = ("float16", "bfloat16")
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def run(lib: Any, function: Any, arrays: Any, dtype: str) -> tuple[Any, list[Any]]:
    """The result and the gradients of ``arrays`` in ``dtype``, as float64."""
    low = getattr(lib, dtype)
    leaves = [
        lib.tensor(np.ascontiguousarray(a)).to(low).requires_grad_() if a.dtype.kind == "f" else lib.tensor(a)
        for a in arrays
    ]
    out = function(lib, lib.nn.functional, *leaves)
    assert out.dtype == low
    if out.requires_grad:
        cotangent = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(np.float32)
        out.backward(lib.tensor(cotangent).to(low))
    grads = [leaf.grad for leaf in leaves]
    assert all(g is None or g.dtype == low for g in grads)
    return out.detach().double().numpy(), [None if g is None else g.double().numpy() for g in grads]


def agree(function: Any, *arrays: Any, dtype: str, ulps: float = 1.01) -> None:
    """Within ``ulps`` of the greatest number."""
    found, grads = run(gt, function, arrays, dtype)
    wanted, expected = run(torch, function, arrays, dtype)
    for a, b in [(found, wanted), *zip(grads, expected, strict=True)]:
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, 0, ulps * EPS[dtype] * float(np.abs(b).max(initial=2.0**-14)))


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    "function",
    [
        lambda lib, F, x, y: x + y, lambda lib, F, x, y: x / y, lambda lib, F, x, y: x * 0.999 - y,
        lambda lib, F, x, y: x**y, lambda lib, F, x, y: lib.maximum(x, y), lambda lib, F, x, y: lib.where(x > y, x, 0.3),
        lambda lib, F, x, y: F.mse_loss(x, y), lambda lib, F, x, y: 0.1 / (x + 1e-3) * y,
        lambda lib, F, x, y: x * lib.tensor(0.999) + y, lambda lib, F, x, y: lib.clamp(x, 0.4, 1.3) * y,
    ],
)  # fmt: skip
def test_two_operands(function, dtype):
    agree(function, array(7, 17, low=0.3), strided(7, 17, low=0.2), dtype=dtype, ulps=2.01)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("name", "exp log log1p sqrt rsqrt sin cos tanh sigmoid erf relu abs neg square sign".split())
def test_functions(name, dtype):
    agree(lambda lib, F, x: getattr(lib, name)(x), array(7, 17, low=0.1), dtype=dtype, ulps=1.01)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    "function",
    [
        lambda lib, F, x: x.sum(0), lambda lib, F, x: x.mean(1), lambda lib, F, x: x.mean(), lambda lib, F, x: x.var(1),
        lambda lib, F, x: x.std(0), lambda lib, F, x: x.amax(1), lambda lib, F, x: x.amin(0),
        lambda lib, F, x: F.softmax(x, 1), lambda lib, F, x: F.log_softmax(x, 0), lambda lib, F, x: F.gelu(x),
        lambda lib, F, x: F.gelu(x, approximate="tanh"), lambda lib, F, x: F.silu(x),
        lambda lib, F, x: F.layer_norm(x, (97,)), lambda lib, F, x: F.rms_norm(x, (97,)),
        lambda lib, F, x: x.reshape(97, 33).t()[1:, ::2], lambda lib, F, x: F.pad(x, (1, 2)),
        lambda lib, F, x: lib.cat([x, x], 1), lambda lib, F, x: x.softmax(1).log(),
    ],
)  # fmt: skip
def test_one_operand(function, dtype):
    agree(function, strided(33, 97), dtype=dtype, ulps=2.01)


@pytest.mark.parametrize("dtype", LOW)
def test_contractions(dtype):
    agree(lambda lib, F, x, y: x @ y, strided(7, 33), array(33, 5), dtype=dtype)
    agree(lambda lib, F, x, y: x @ y, strided(3, 7, 33), array(3, 33, 5), dtype=dtype)
    agree(lambda lib, F, x, w, b: F.linear(x, w, b), array(7, 33), strided(5, 33), array(5), dtype=dtype, ulps=2.01)
    agree(lambda lib, F, x, w: F.conv2d(x, w, padding=1, stride=2), array(2, 3, 9, 11), array(5, 3, 2, 4), dtype=dtype)
    agree(lambda lib, F, x: F.max_pool2d(x, 2), array(2, 3, 9, 8), dtype=dtype)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy(smoothing, dtype):
    target = np.random.default_rng(3).integers(0, 17, 7)
    agree(
        lambda lib, F, x, y: F.cross_entropy(x, y, label_smoothing=smoothing), array(7, 17), target, dtype=dtype, ulps=3
    )


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_and_its_statistics(training, dtype):
    def norm(lib, F, x, w, b):
        low = getattr(lib, dtype)
        mean, var = lib.tensor(array(5)).to(low), lib.tensor(array(5, low=0.5)).to(low)
        out = F.batch_norm(x, mean, var, w, b, training=training, momentum=0.3)
        assert mean.dtype == var.dtype == low
        return lib.cat([out.reshape(-1), mean, var])

    agree(norm, strided(7, 5), array(5, low=0.5), array(5), dtype=dtype, ulps=2.01)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal, dtype):
    def attend(lib, F, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    agree(attend, array(2, 3, 7, 5), array(2, 3, 9, 5), strided(2, 3, 9, 4), dtype=dtype, ulps=4)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_optimizers_and_their_state(name, dtype):
    options = {"lr": 0.05, "momentum": 0.9} if name == "SGD" else {"lr": 0.05}

    def steps(lib):
        p = lib.nn.Parameter(lib.tensor(array(7, 3)).to(getattr(lib, dtype)))
        optimizer = getattr(lib.optim, name)([p], **options)
        for _ in range(5):
            optimizer.zero_grad()
            (p * p * 0.7 + p).sum().backward()
            optimizer.step()
        state = [v for v in optimizer.state[p].values() if hasattr(v, "dtype") and v.ndim]
        assert state and all(v.dtype == p.dtype for v in state)
        return p.detach().double().numpy()

    np.testing.assert_allclose(steps(gt), steps(torch), 0, 6 * EPS[dtype])


# ---- dtypes themselves ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    "data",
    [[1.5], [1.0, 2.0], [[0.1, -300.0], [1e-4, 7.0]], 2.5, [], [float("nan"), float("inf"), -1.0], [1e-3, 5e4]],
    ids=str,
)
def test_printed_as_torch_prints(data, dtype):
    ours, theirs = (repr(lib.tensor(data, dtype=getattr(lib, dtype))) for lib in (gt, torch))
    assert ours.replace("graphtorch.", "") == theirs.replace("torch.", "")


@pytest.mark.parametrize(
    "name", ["half", "bfloat16", "float", "double", "byte", "char", "short", "int", "long", "bool"]
)
def test_conversions(name):
    x = np.array([0.0, 1.0, -3.7, 100.2], np.float32) if name != "byte" else np.array([0.0, 1.0, 3.7], np.float32)
    ours, theirs = getattr(gt.tensor(x), name)(), getattr(torch.tensor(x), name)()
    assert str(ours.dtype.name) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(ours.double().numpy(), theirs.double().numpy())
    assert ours.type() == theirs.type().replace("torch", "graphtorch")
    assert gt.tensor(x).type(ours.dtype).dtype is ours.dtype


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_finfo(name):
    ours, theirs = gt.finfo(getattr(gt, name)), torch.finfo(getattr(torch, name))
    assert (ours.bits, ours.dtype) == (theirs.bits, theirs.dtype)
    for fact in ("eps", "max", "min", "tiny", "smallest_normal", "resolution"):
        assert getattr(ours, fact) == pytest.approx(getattr(theirs, fact), rel=1e-15), fact
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["int64", "int32", "int16", "int8", "uint8"])
def test_iinfo(name):
    ours, theirs = gt.iinfo(getattr(gt, name)), torch.iinfo(getattr(torch, name))
    assert [ours.bits, ours.max, ours.min, ours.dtype] == [theirs.bits, theirs.max, theirs.min, theirs.dtype]
    assert repr(ours) == repr(theirs)
