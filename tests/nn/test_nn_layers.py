"""Layers: numbers against numpy, refusals, and initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, GraphTorchError
from graphtorch.nn import functional as F
from graphtorch.nn import init
from tests.errors import without_lines


@pytest.fixture(autouse=True)
def _seed() -> None:
    gt.manual_seed(11)


def _array(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def test_linear_is_an_affine_map() -> None:
    layer, x = nn.Linear(5, 3), _array(2, 7, 5)
    expected = x @ layer.weight.data.numpy().T + layer.bias.data.numpy()
    np.testing.assert_allclose(layer(gt.tensor(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert nn.Linear(5, 3, bias=False).bias is None
    assert nn.Linear(5, 3, dtype=gt.float64).weight.dtype == gt.float64


def test_conv2d_by_its_definition() -> None:
    layer, x = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2), _array(2, 4, 9, 7)
    w, b = layer.weight.data.numpy(), layer.bias.data.numpy()
    y = layer(gt.tensor(x)).detach().numpy()
    assert y.shape == (2, 6, 5, 8) and w.shape == (6, 2, 3, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    for n, o, i, j in ((0, 0, 0, 0), (1, 5, 4, 7), (1, 2, 3, 1), (0, 3, 1, 6)):
        group = padded[n, 2 * (o // 3) : 2 * (o // 3) + 2, 2 * i : 2 * i + 3, j : j + 4 : 3]
        assert y[n, o, i, j] == pytest.approx(float((group * w[o]).sum() + b[o]), rel=1e-4, abs=1e-5)


def test_same_and_valid_padding() -> None:
    x = gt.tensor(_array(1, 3, 8, 11))
    assert nn.Conv2d(3, 2, (4, 5), padding="same", dilation=(1, 2))(x).shape == (1, 2, 8, 11)
    assert nn.Conv2d(3, 2, (4, 5), padding="valid")(x).shape == (1, 2, 5, 7)


def test_max_pool_takes_the_maximum_of_each_window() -> None:
    x = _array(2, 3, 6, 9)
    y = nn.MaxPool2d((2, 3))(gt.tensor(x)).numpy()
    np.testing.assert_array_equal(y, x.reshape(2, 3, 3, 2, 3, 3).max((3, 5)))
    assert nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)(gt.tensor(x)).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.Softmax(dim=1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        (nn.LogSoftmax(dim=-1), lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
        (nn.Identity(1, any="thing"), lambda x: x),
        (nn.Flatten(), lambda x: x.reshape(3, -1)),
        (nn.Flatten(0, 1), lambda x: x.reshape(12, 5)),
    ],
    ids=lambda v: repr(v) if isinstance(v, nn.Module) else "",
)
def test_functions_of_one_tensor(layer: nn.Module, expected: Callable[[Any], Any]) -> None:
    x = _array(3, 4, 5)
    np.testing.assert_allclose(layer(gt.tensor(x)).numpy(), expected(x), rtol=1e-5, atol=1e-6)


def test_relu_in_place() -> None:
    x = gt.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x and x.tolist() == [0.0, 2.0]
    weight = gt.tensor([-3.0, 4.0], requires_grad=True)
    F.relu(weight * 2, inplace=True).sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [0.0, 2.0]


def test_softmax_without_dim_warns_as_torch_does() -> None:
    with pytest.warns(UserWarning, match="the dim of Softmax was not given"):
        y = nn.Softmax()(gt.ones(2, 4))
    assert y.tolist() == [[0.25] * 4] * 2


# ---- dropout ----


def test_dropout_keeps_what_the_generator_says() -> None:
    x = _array(5, 7) + 3
    gt.manual_seed(9)
    drawn = gt.rand(5, 7).numpy()
    gt.manual_seed(9)
    y = nn.Dropout(0.3)(gt.tensor(x)).numpy()
    np.testing.assert_allclose(y, np.where(drawn >= 0.3, x / 0.7, 0), rtol=1e-6)
    assert 0 < (y == 0).sum() < 35


def test_dropout_limits_and_gradient() -> None:
    x = gt.tensor(_array(4, 9), requires_grad=True)
    assert F.dropout(x, 0.0) is x and F.dropout(x, training=False) is x and nn.Dropout(0.9).eval()(x) is x
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert x.grad is not None and not y.detach().numpy().any() and not x.grad.numpy().any()
    x.grad = None
    y = F.dropout(x, 0.5)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.where(y.detach().numpy() != 0, 2.0, 0.0))
    z = gt.ones(50)
    assert F.dropout(z, 0.5, inplace=True) is z and set(z.tolist()) == {0.0, 2.0}


# ---- batch norm ----


def _normalised(x: np.ndarray[Any, Any], axes: tuple[int, ...], eps: float = 1e-5) -> np.ndarray[Any, Any]:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)  # type: ignore[no-any-return]


def test_batch_norm_trains_and_tracks() -> None:
    layer, x = nn.BatchNorm2d(3, momentum=0.2), _array(4, 3, 5, 2) * 2 + 1
    y = layer(gt.tensor(x)).detach().numpy()
    np.testing.assert_allclose(y, _normalised(x, (0, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.2 * x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.8 + 0.2 * x.var((0, 2, 3), ddof=1), rtol=1e-4)
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype == gt.int64
    layer.eval()
    running = (layer.running_mean.numpy()[:, None, None], layer.running_var.numpy()[:, None, None])
    expected = (x - running[0]) / np.sqrt(running[1] + 1e-5)
    np.testing.assert_allclose(layer(gt.tensor(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_cumulative_average() -> None:
    layer, batches = nn.BatchNorm1d(5, momentum=None, affine=False), [_array(n, 5) + n for n in (4, 6, 9)]
    for batch in batches:
        layer(gt.tensor(batch))
    np.testing.assert_allclose(layer.running_mean.numpy(), np.mean([b.mean(0) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-5)


def test_batch_norm_without_statistics_or_bias() -> None:
    layer, x = nn.BatchNorm1d(3, track_running_stats=False, bias=False).eval(), _array(4, 3, 7)
    assert list(layer.state_dict()) == ["weight"]
    np.testing.assert_allclose(layer(gt.tensor(x)).detach().numpy(), _normalised(x, (0, 2)), rtol=1e-4, atol=1e-5)


def test_batch_norm_that_fails_changes_no_state() -> None:
    layer = nn.BatchNorm2d(3)
    for shape in ((2, 4, 5, 6), (1, 3, 1, 1), (2, 3)):
        with pytest.raises(GraphTorchError):
            layer(gt.ones(*shape))
    assert layer.num_batches_tracked.item() == 0 and layer.running_var.tolist() == [1.0] * 3


# ---- losses ----


def test_losses() -> None:
    scores, target = _array(6, 4), np.array([0, 3, 1, 1, 2, 0])
    logp = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    picked = -logp[np.arange(6), target]
    x, t = gt.tensor(scores), gt.tensor(target)
    assert nn.CrossEntropyLoss()(x, t).item() == pytest.approx(picked.mean(), rel=1e-5)
    assert nn.NLLLoss(reduction="sum")(gt.tensor(logp), t).item() == pytest.approx(picked.sum(), rel=1e-5)
    weight = np.array([1.0, 2.0, 0.5, 3.0], np.float32)
    weighted = nn.CrossEntropyLoss(weight=gt.tensor(weight))
    expected = (picked * weight[target]).sum() / weight[target].sum()
    assert weighted(x, t).item() == pytest.approx(expected, rel=1e-5)
    assert list(weighted.state_dict()) == ["weight"]
    assert nn.CrossEntropyLoss(ignore_index=1)(x, t).item() == pytest.approx(picked[target != 1].mean(), rel=1e-5)
    other = _array(6, 4) * 2
    assert nn.MSELoss()(x, gt.tensor(other)).item() == pytest.approx(((scores - other) ** 2).mean(), rel=1e-5)


# ---- arguments ----


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Linear(0, 3), "ArgumentError GT304: in_features=0 is not allowed\n  expected in_features > 0"),
        (lambda: nn.Linear(2.0, 3), "ArgumentTypeError GT301: in_features must be an int, got float 2.0"),
        (lambda: nn.Linear(2, 3, 4), "ArgumentTypeError GT301: bias must be a bool, got int 4"),
        (
            lambda: nn.Conv2d(3, 4, 0),
            "ArgumentError GT304: kernel_size=0 is not allowed\n  expected an int or a pair of ints, each >= 1",
        ),
        (
            lambda: nn.Conv2d(4, 6, 3, groups=4),
            "ArgumentError GT304: groups=4 is not allowed\n  expected a divisor of in_channels=4 and of out_channels=6",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding="full"),
            'ArgumentError GT304: padding=\'full\' is not allowed\n  expected "same" or "valid"',
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2),
            'ArgumentError GT304: padding="same" is not allowed with stride=(2, 2)\n'
            "  expected stride=1, or padding in numbers",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"),
            "ArgumentError GT304: padding_mode='mirror' is not allowed\n"
            '  expected "zeros" or "reflect" or "replicate" or "circular"',
        ),
        (
            lambda: nn.MaxPool2d(3, padding=2),
            "ArgumentError GT304: padding=2 is not allowed with kernel_size=3\n  expected padding <= kernel_size / 2",
        ),
        (lambda: nn.Dropout(1.5), "ArgumentError GT304: p=1.5 is not allowed\n  expected a number in [0, 1]"),
        (lambda: nn.Dropout("0.5"), "ArgumentTypeError GT301: p must be a number, got str '0.5'"),
        (lambda: nn.BatchNorm2d(4, eps=-1.0), "ArgumentError GT304: eps=-1.0 is not allowed\n  expected eps >= 0"),
        (lambda: nn.ReLU(1), "ArgumentTypeError GT301: inplace must be a bool, got int 1"),
        (
            lambda: nn.MSELoss(reduction="avg"),
            'ArgumentError GT304: reduction=\'avg\' is not allowed\n  expected "none" or "mean" or "sum"',
        ),
    ],
)
def test_constructors_refuse(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as wrong:
        make()
    assert without_lines(wrong.value) == text


def test_dropout_names_itself() -> None:
    with pytest.raises(ArgumentError, match=r"GT304 in dropout: p=-0.1 is not allowed"):
        F.dropout(gt.ones(2), -0.1)
    with pytest.raises(TypeError, match=r"GT202 in dropout: the operand of dropout must be floating point"):
        F.dropout(gt.tensor([1, 2]))


# ---- initialisation ----


def test_default_initialisation() -> None:
    linear, conv = nn.Linear(48, 301), nn.Conv2d(6, 50, (3, 5), groups=2)
    for layer, fan_in in ((linear, 48), (conv, 3 * 15)):
        bound = 1 / math.sqrt(fan_in)
        for values in (layer.weight.data.numpy(), layer.bias.data.numpy()):
            assert np.abs(values).max() <= bound and np.abs(values).max() > 0.8 * bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.2)


@pytest.mark.parametrize(
    ("fill", "mean", "std"),
    [
        (lambda w: init.uniform_(w, -1, 3), 1, 4 / math.sqrt(12)),
        (lambda w: init.normal_(w, 2, 0.5), 2, 0.5),
        (lambda w: init.xavier_uniform_(w, gain=2), 0, 2 * math.sqrt(2 / 170)),
        (lambda w: init.xavier_normal_(w), 0, math.sqrt(2 / 170)),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), 0, math.sqrt(2 / 90)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"), 0, 5 / 3 / math.sqrt(80)),
    ],
)
def test_initialisers_have_their_moments(fill: Callable[[Any], Any], mean: float, std: float) -> None:
    weight = nn.Parameter(gt.zeros(80, 90))
    assert fill(weight) is weight and weight.requires_grad and weight.is_leaf
    assert weight.data.numpy().mean() == pytest.approx(mean, abs=4 * std / math.sqrt(7200))
    assert weight.data.numpy().std() == pytest.approx(std, rel=0.05)


def test_constants_and_errors_of_init() -> None:
    assert init.eye_(gt.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.constant_(init.zeros_(gt.ones(2)), 3).tolist() == [3, 3] and init.ones_(gt.zeros(1)).tolist() == [1]
    assert init.calculate_gain("leaky_relu", 3.0) == pytest.approx(math.sqrt(0.2))
    with pytest.raises(ValueError, match=r"GT107: fan in and fan out need a weight"):
        init.kaiming_uniform_(gt.zeros(3))
    with pytest.raises(ArgumentError, match="GT304: mode='fan' is not allowed"):
        init.kaiming_normal_(gt.zeros(3, 2), mode="fan")
    with pytest.raises(ArgumentError, match="GT304: nonlinearity='gelu' is not allowed"):
        init.calculate_gain("gelu")


def test_the_seed_decides() -> None:
    gt.manual_seed(5)
    first = nn.Linear(3, 4).weight.tolist()
    gt.manual_seed(5)
    assert nn.Linear(3, 4).weight.tolist() == first != nn.Linear(3, 4).weight.tolist()


def test_functional_offers_every_name() -> None:
    assert {"conv2d", "cross_entropy", "dropout", "linear", "relu", "softmax"} <= set(dir(F))
    assert all(callable(getattr(F, name)) for name in dir(F))
    with pytest.raises(AttributeError, match=r"'graphtorch.nn.functional' has no attribute 'nothing'"):
        F.nothing  # noqa: B018
    with pytest.raises(ArgumentTypeError):
        F.relu(gt.ones(1), 1)


def test_the_output_size_of_a_transposed_convolution() -> None:
    layer = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    x = gt.randn(4, 3, 5, 6)
    assert layer(x).shape == (4, 2, 9, 11)
    assert layer(x, (10, 12)).shape == layer(x, (4, 2, 10, 12)).shape == (4, 2, 10, 12)
    with pytest.raises(ArgumentError, match=r"GT304.* output_size=\[11, 12\] is not allowed for an input of .*"):
        layer(x, (11, 12))


def test_a_compiled_step_of_convolutions_of_every_rank() -> None:
    def run(wrap: Any) -> list[Any]:
        gt.manual_seed(0)
        one, three, up = nn.Conv1d(3, 4, 3, padding=1), nn.Conv3d(1, 2, 2), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)
        parameters = [*one.parameters(), *three.parameters(), *up.parameters()]
        optimizer = gt.optim.SGD(parameters, lr=0.05, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            y = one(x).reshape(2, 4, 5, 7)
            loss = up(y).square().mean() + three(y.reshape(2, 1, 4, 5, 7)).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        losses = [step(gt.randn(2, 3, 35)).item() for _ in range(5)]
        return [losses, *(p.detach().numpy() for p in parameters)]

    for a, b in zip(run(gt.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
