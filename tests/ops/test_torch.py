"""The public functions against torch: values, dtypes and gradients."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.ops.common import result_dtype
from graphtorch.ir.types import TENSOR_DTYPES, dtype_from_name
from tests.ops.samples import array, strided

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="torch is an optional oracle")

DTYPES = [d.name for d in TENSOR_DTYPES]


def agree(function: Any, *arrays: Any, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    """``function(lib, F, *tensors)`` gives the same with graphtorch and with torch, and so does backward."""
    found, grads = run(gt, gt.nn.functional, gt.tensor, function, arrays)
    wanted, expected = run(torch, torch.nn.functional, torch.tensor, function, arrays)
    for a, b in [(found, wanted), *zip(grads, expected, strict=True)]:
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol, atol)


def run(lib: Any, functional: Any, tensor: Any, function: Any, arrays: Any) -> tuple[Any, list[Any]]:
    leaves = [tensor(np.ascontiguousarray(a), requires_grad=True) if a.dtype.kind == "f" else tensor(a) for a in arrays]
    out = function(lib, functional, *leaves)
    if not out.requires_grad:
        return out.numpy(), []
    cotangent = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(out.detach().numpy().dtype)
    out.backward(tensor(cotangent))
    return out.detach().numpy(), [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]


def to_torch(array: Any) -> Any:
    """torch knows nothing of numpy's bfloat16."""
    if array.dtype.name == "bfloat16":
        return torch.tensor(array.astype(np.float32)).bfloat16()
    return torch.tensor(array)


def compare(ours: Any, theirs: Any, rtol: float) -> None:
    assert ours.dtype.name == name_of(theirs.dtype)
    np.testing.assert_allclose(
        ours.double().numpy(), theirs.double().numpy(), 8e-3 if ours.dtype.itemsize == 2 else rtol
    )


# ---- promotion ------------------------------------------------------------------------------------


def name_of(dtype: Any) -> str:
    return str(dtype).split(".")[-1]


@pytest.mark.parametrize("shapes", list(itertools.product([(), (3,)], repeat=2)), ids=str)
def test_promotion_of_tensors(shapes):
    for a, b in itertools.product(DTYPES, repeat=2):
        ours = result_dtype(
            *(gt.tensor(np.zeros(s, dtype_from_name(d).np)) for s, d in zip(shapes, (a, b), strict=True))
        )
        theirs = torch.result_type(
            *(torch.zeros(s, dtype=getattr(torch, d)) for s, d in zip(shapes, (a, b), strict=True))
        )
        assert ours.name == name_of(theirs), (a, b, shapes)


@pytest.mark.parametrize("number", [True, 3, 2.5])
@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_promotion_with_numbers(shape, number):
    for d in DTYPES:
        ours, theirs = gt.tensor(np.zeros(shape, dtype_from_name(d).np)), torch.zeros(shape, dtype=getattr(torch, d))
        assert result_dtype(ours, number).name == name_of(torch.result_type(theirs, number)), d
        assert result_dtype(number, ours).name == name_of(torch.result_type(number, theirs)), d


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "eq", "lt"])
def test_results_of_mixed_dtypes(name):
    for a, b in itertools.product(DTYPES, repeat=2):
        x, y = (np.array([3, 1, 2]).astype(dtype_from_name(d).np) for d in (a, b))
        ours, theirs = (
            getattr(gt, name)(gt.tensor(x), gt.tensor(y)),
            getattr(torch, name)(to_torch(x), to_torch(y)),
        )
        compare(ours, theirs, 1e-6)


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid", "sum", "square", "sign", "relu"])
def test_dtypes_of_functions_of_integers(name):
    for d in DTYPES:
        x = np.array([3, 1, 2]).astype(dtype_from_name(d).np)
        if name == "relu" and d == "bool":
            continue
        ours, theirs = getattr(gt, name)(gt.tensor(x)), getattr(torch, name)(to_torch(x))
        compare(ours, theirs, 1e-5)


# ---- elementwise and broadcasting -----------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, F, x, y: x + y, lambda lib, F, x, y: x - 2 * y, lambda lib, F, x, y: x / y,
        lambda lib, F, x, y: (x * x) ** y, lambda lib, F, x, y: 1 / x + 2**y, lambda lib, F, x, y: -x * (3 - y),
        lambda lib, F, x, y: lib.maximum(x, y), lambda lib, F, x, y: lib.where(x > 0, x, y),
        lambda lib, F, x, y: lib.where(x > 0, 1.0, y), lambda lib, F, x, y: lib.add(x, y, alpha=3),
        lambda lib, F, x, y: lib.clamp(x, -0.5, 1) * y, lambda lib, F, x, y: lib.clamp(x, min=y),
        lambda lib, F, x, y: x < y,
    ],
)  # fmt: skip
def test_broadcasting(function):
    agree(function, array(3, 1, 5, low=0.3), array(7, 1, low=0.3), rtol=1e-4)


@pytest.mark.parametrize("name", "exp log1p sqrt rsqrt sin cos tanh sigmoid erf relu abs neg square isnan".split())
def test_functions(name):
    agree(lambda lib, F, x: getattr(lib, name)(x), array(17, low=0.1))


# ---- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, F, x: x.reshape(5, -1), lambda lib, F, x: x.permute(2, 0, -2), lambda lib, F, x: x.transpose(0, -1),
        lambda lib, F, x: lib.flatten(x, 1), lambda lib, F, x: lib.flatten(x),
        lambda lib, F, x: x.unsqueeze(-1).squeeze(),
        lambda lib, F, x: x[1], lambda lib, F, x: x[:, 1:, ::2], lambda lib, F, x: x[..., -1],
        lambda lib, F, x: x[None, 0, :, 1:3],
        lambda lib, F, x: lib.narrow(x, 2, 1, 3), lambda lib, F, x: lib.cat([x, x * 2], 1),
        lambda lib, F, x: lib.stack([x, -x], -1),
        lambda lib, F, x: x.unsqueeze(1).expand(-1, 4, -1, -1), lambda lib, F, x: F.pad(x, (1, 2, 0, 3)),
        lambda lib, F, x: F.pad(x, (-1, 2)), lambda lib, F, x: x.view(6, 5).t(), lambda lib, F, x: x.mT,
    ],
)  # fmt: skip
def test_movement(function):
    agree(lambda lib, F, x: function(lib, F, x) * 2.0, array(2, 3, 5))


# ---- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1, (0, 2), (1,)])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "std"])
def test_reductions(name, dim, keepdim):
    agree(lambda lib, F, x: getattr(lib, name)(x, dim=dim, keepdim=keepdim), strided(3, 5, 2))


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "std", "argmax"])
def test_reductions_of_everything(name):
    agree(lambda lib, F, x: getattr(lib, name)(x), strided(3, 5, 2))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_and_argmax(dim):
    agree(lambda lib, F, x: lib.argmax(x, dim), strided(3, 5, 2))
    agree(lambda lib, F, x: lib.argmax(x, dim, keepdim=True), strided(3, 5, 2))
    for name in ("softmax", "log_softmax"):
        agree(lambda lib, F, x: getattr(F, name)(x * 50, dim), strided(3, 5, 2), rtol=1e-4)
    agree(lambda lib, F, x: F.softmax(x, 0), np.array(0.5, np.float32))


def test_variance_without_correction():
    agree(lambda lib, F, x: lib.var(x, dim=(0, 1), correction=0), strided(3, 5, 2))


# ---- contractions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((5,), (5,)), ((5,), (5, 3)), ((7, 5), (5,)), ((7, 5), (5, 3)), ((2, 7, 5), (5, 3)), ((2, 7, 5), (5,)),
        ((5,), (2, 5, 3)), ((4, 1, 7, 5), (2, 5, 3)), ((2, 7, 5), (4, 1, 5, 3)), ((0, 5), (5, 3)), ((7, 0), (0, 3)),
    ],
)  # fmt: skip
def test_matmul(a, b):
    agree(lambda lib, F, x, y: x @ y, strided(*a), array(*b))


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 7, 5)])
def test_linear(shape):
    agree(lambda lib, F, x, w, b: F.linear(x, w, b), strided(*shape), array(3, 5), array(3))
    agree(lambda lib, F, x, w: F.linear(x, w), array(*shape), strided(3, 5))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"stride": 2}, {"padding": 1}, {"stride": (2, 1), "padding": (0, 2)}, {"dilation": (2, 3)},
        {"padding": "valid"},
        {"padding": "same"}, {"padding": "same", "dilation": (1, 3)}, {"padding": 2, "dilation": 2, "stride": 3},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [(3, 2), (1, 4)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_conv2d(options, groups, kernel):
    x, w, b = strided(2, 4, 9, 11), array(6, 4 // groups, *kernel), array(6)
    agree(lambda lib, F, x, w, b: F.conv2d(x, w, b, groups=groups, **options), x, w, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}, {"padding": "same"}, {"padding": "valid"}],
    ids=str,
)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_conv1d_and_conv3d(options, batch):
    groups = options.get("groups", 1)
    x, w, b = strided(*batch, 4, 11), array(6, 4 // groups, 3), array(6)
    agree(lambda lib, F, x, w, b: F.conv1d(x, w, b, **options), x, w, b, rtol=1e-4, atol=1e-4)
    x, w = strided(*batch, 4, 5, 9, 7), array(6, 4 // groups, 1, 3, 2)
    agree(lambda lib, F, x, w, b: F.conv3d(x, w, b, **options), x, w, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"stride": 2}, {"stride": 3, "padding": 1, "output_padding": 2}, {"dilation": 2, "groups": 2},
        {"stride": 1, "dilation": 3, "output_padding": 2}, {"stride": 2, "dilation": 4, "output_padding": 3, "padding": 1},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("batch", [(), (2,)])
def test_transposed_convolutions(options, batch):
    groups = options.get("groups", 1)
    b = array(6)
    for rank, size, kernel in ((1, (7,), (4,)), (2, (5, 4), (3, 2)), (3, (3, 2, 4), (2, 3, 1))):
        x, w = strided(*batch, 4, *size), array(4, 6 // groups, *kernel)
        name = f"conv_transpose{rank}d"
        agree(lambda lib, F, x, w, b, name=name: getattr(F, name)(x, w, b, **options), x, w, b, rtol=1e-4, atol=1e-4)


def test_conv2d_of_one_image():
    agree(lambda lib, F, x, w: F.conv2d(x, w), array(3, 7, 5), array(2, 3, 3, 1), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": (3, 2), "stride": (1, 3)},
        {"kernel_size": 3, "padding": 1}, {"kernel_size": (2, 4), "padding": (1, 2)}, {"kernel_size": 2, "dilation": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": (1, 2)},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pool2d(options, ceil_mode):
    agree(lambda lib, F, x: F.max_pool2d(x, ceil_mode=ceil_mode, **options), strided(2, 3, 9, 8))
    agree(lambda lib, F, x: F.max_pool2d(x, ceil_mode=ceil_mode, **options), array(3, 7, 11))


def test_max_pool2d_of_nan_and_ties():
    x = np.array([[[[1, np.nan, 3, 3], [0, 2, 3, 1], [-np.inf] * 4, [-np.inf] * 4]]], np.float32)
    agree(lambda lib, F, x: F.max_pool2d(x, 2), x)


# ---- losses ---------------------------------------------------------------------------------------

REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss(reduction):
    agree(lambda lib, F, x, y: F.mse_loss(x, y, reduction=reduction), array(7, 5), strided(7, 5))


def targets(*shape: int, ignore: int = -100) -> Any:
    out = np.random.default_rng(3).integers(0, 5, shape)
    out.reshape(-1)[::4] = ignore
    return out


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 2), (5,)])
@pytest.mark.parametrize("ignore", [-100, 3])
def test_cross_entropy_of_classes(shape, reduction, weighted, smoothing, ignore):
    target = targets(*shape[:1], *shape[2:], ignore=ignore) if len(shape) > 1 else np.array(2)
    weight = array(5, low=0.1) if weighted else None

    def loss(lib, F, x, y):
        w = None if weight is None else lib.tensor(weight)
        return F.cross_entropy(x, y, w, ignore_index=ignore, reduction=reduction, label_smoothing=smoothing)

    agree(loss, array(*shape), target)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 2), (5,)])
def test_cross_entropy_of_probabilities(shape, reduction, weighted, smoothing):
    weight = array(5, low=0.1) if weighted else None

    def loss(lib, F, x, y):
        w = None if weight is None else lib.tensor(weight)
        return F.cross_entropy(x, y, w, reduction=reduction, label_smoothing=smoothing)

    agree(loss, array(*shape), array(*shape, low=0, high=1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss(reduction):
    agree(lambda lib, F, x, y: F.nll_loss(x, y, reduction=reduction), array(7, 5), targets(7))


def test_losses_of_nothing():
    agree(lambda lib, F, x, y: F.cross_entropy(x, y, reduction="sum"), array(0, 5), np.zeros(0, np.int64))
    agree(lambda lib, F, x, y: F.cross_entropy(x, y), array(3, 5), np.full(3, -100))


# ---- normalization --------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (2, 5, 3), (2, 5, 3, 4)])
def test_batch_norm(shape, training, affine):
    def norm(lib, F, x, w, b):
        mean, var = lib.tensor(array(5)), lib.tensor(array(5, low=0.5))
        extra = (w, b) if affine else (None, None)
        out = F.batch_norm(x, mean, var, *extra, training=training, momentum=0.3, eps=1e-3)
        return lib.cat([out.reshape(-1), mean, var])

    agree(norm, strided(*shape), array(5, low=0.5), array(5), rtol=1e-4, atol=1e-5)


# ---- creation -------------------------------------------------------------------------------------


def bounded(lib, dtype, bound):
    """A 0-d bound is promoted as a number of its kind."""
    x = lib.tensor([1, 2, 3]).to(getattr(lib, dtype))
    return x.clamp(max=lib.tensor(2).to(getattr(lib, bound)))


@pytest.mark.parametrize(
    "function",
    [
        lambda lib: lib.zeros(2, 3), lambda lib: lib.ones((2, 3)), lambda lib: lib.full((2,), 7),
        lambda lib: lib.full((2,), 0.5),
        lambda lib: lib.full((2,), True), lambda lib: lib.arange(5), lambda lib: lib.arange(1, 8, 3),
        lambda lib: lib.arange(0.0, 1, 0.25),
        lambda lib: lib.arange(5, 0, -2), lambda lib: lib.zeros_like(lib.ones(3, dtype=lib.int64)),
        lambda lib: lib.tensor([[1, 2], [3, 4]]),
        lambda lib: lib.tensor([True, False]), lambda lib: lib.tensor(1.5),
        lambda lib: lib.arange(3, dtype=lib.float64),
        lambda lib: lib.arange(0.5, 10, 2.5, dtype=lib.int64), lambda lib: lib.arange(10, -0.5, -1.5, dtype=lib.int32),
        lambda lib: lib.arange(9.5, dtype=lib.uint8), lambda lib: lib.arange(-3.5, 2, 1, dtype=lib.int16),
        lambda lib: lib.linspace(2.5, 0, 6, dtype=lib.int32), lambda lib: lib.linspace(-2.9, 2.9, 7, dtype=lib.int8),
        lambda lib: lib.logspace(5, 0.5, 3, dtype=lib.int64),
        lambda lib: lib.ones(2, dtype=lib.float32).fill_(float("-inf")),
        *(partial(bounded, dtype=dtype, bound=bound) for dtype, bound in (
            ("float16", "float32"), ("float32", "float64"), ("int32", "int64"), ("int8", "float32"), ("float16", "bfloat16"),
        )),
    ],
)  # fmt: skip
def test_creation(function):
    ours, theirs = function(gt), function(torch)
    assert ours.dtype.name == name_of(theirs.dtype)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
