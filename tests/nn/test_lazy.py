"""Lazy layers: made by the first call, in eager mode, in a trace, in gt.check, and out of state."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError, StateError

#: a lazy layer, the layer that it becomes, and the shape of an input
CASES = [
    ("LazyLinear(3, bias=False)", "Linear(5, 3, bias=False)", (4, 2, 5)),
    ("LazyConv1d(6, 3, groups=2)", "Conv1d(4, 6, 3, groups=2)", (2, 4, 7)),
    ("LazyConv2d(6, (3, 2), padding='same')", "Conv2d(4, 6, (3, 2), padding='same')", (4, 5, 7)),
    ("LazyConv3d(2, 2, stride=2)", "Conv3d(3, 2, 2, stride=2)", (2, 3, 4, 5, 7)),
    ("LazyConvTranspose1d(6, 3, groups=2)", "ConvTranspose1d(4, 6, 3, groups=2)", (2, 4, 7)),
    ("LazyConvTranspose2d(6, 3, 2, output_padding=1)", "ConvTranspose2d(4, 6, 3, 2, output_padding=1)", (2, 4, 5, 7)),
    ("LazyConvTranspose3d(2, 2)", "ConvTranspose3d(3, 2, 2)", (2, 3, 4, 5, 7)),
    ("LazyBatchNorm1d(bias=False)", "BatchNorm1d(5, bias=False)", (4, 5)),
    ("LazyBatchNorm2d(momentum=None)", "BatchNorm2d(3, momentum=None)", (2, 3, 4, 5)),
    ("LazyBatchNorm3d(affine=False)", "BatchNorm3d(3, affine=False)", (2, 3, 4, 5, 7)),
    ("LazyInstanceNorm1d()", "InstanceNorm1d(5, affine=True, track_running_stats=True)", (5, 7)),
    ("LazyInstanceNorm2d(track_running_stats=False)", "InstanceNorm2d(3, affine=True)", (2, 3, 4, 5)),
    ("LazyInstanceNorm3d()", "InstanceNorm3d(3, affine=True, track_running_stats=True)", (2, 3, 4, 5, 7)),
]


def make(text: str) -> Any:
    return eval(f"nn.{text}", {"nn": nn})


def numbers(net: nn.Module) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in net.state_dict().items()}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("text", "becomes", "shape"), CASES, ids=[c[0] for c in CASES])
def test_becomes_the_layer(text: str, becomes: str, shape: tuple[int, ...], compiled: bool) -> None:
    """The same class, the same draws, the same result; the parameters stay the same objects."""
    lazy, x = make(text), gt.randn(*shape)
    before = list(lazy.parameters())
    assert all(isinstance(p, nn.UninitializedParameter) for p in before) and lazy.has_uninitialized_params()
    gt.manual_seed(3)
    out = (gt.compile(lazy) if compiled else lazy)(x)
    gt.manual_seed(3)
    layer = make(becomes)
    expected = layer(x)
    assert type(lazy) is type(layer) and repr(lazy) == repr(layer) and vars(lazy).keys() == vars(layer).keys()
    assert all(p is q and type(p) is nn.Parameter for p, q in zip(lazy.parameters(), before, strict=True))
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(numbers(lazy).values(), numbers(layer).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    again = lazy(x)
    assert again.shape == expected.shape


@pytest.mark.parametrize(("text", "becomes", "shape"), CASES, ids=[c[0] for c in CASES])
def test_state_makes_it_too(text: str, becomes: str, shape: tuple[int, ...]) -> None:
    lazy, layer = make(text), make(becomes)
    lazy.load_state_dict(layer.state_dict())
    assert repr(lazy) == repr(layer)
    for mine, theirs in zip(numbers(lazy).values(), numbers(layer).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    still = make(text)
    still.load_state_dict(make(text).state_dict())
    assert still.has_uninitialized_params()


def lazy_net() -> nn.Sequential:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))


def test_a_whole_compiled_step_makes_them() -> None:
    net, twin = lazy_net(), lazy_net()
    x = gt.randn(2, 3, 8, 9)
    twin(gt.zeros(1, 3, 8, 9))
    twin[1].reset_running_stats()
    optimizer = gt.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @gt.compile
    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    gt.manual_seed(1)
    first = float(step(x))
    start = lazy_net()
    gt.manual_seed(1)
    assert first == pytest.approx(float((start(x) ** 2).mean()), rel=1e-5)
    assert float(step(x)) < first and len(step.stages) == 1
    assert not any(isinstance(p, nn.UninitializedParameter) for p in net.parameters())


def test_check_takes_it_back() -> None:
    net = lazy_net()
    texts = repr(net), list(net.state_dict())
    report = gt.check(net, gt.TensorSpec((2, 3, 8, 9)))
    assert report and "1,810 parameters" in str(report) and [r.parameters for r in report.rows] == [112, 8, 0, 0, 1690]
    assert (repr(net), list(net.state_dict())) == texts and net[4].has_uninitialized_params()
    assert not gt.check(net, gt.TensorSpec((2, 3, 8)))
    net(gt.zeros(2, 5, 8, 9))
    assert net[0].in_channels == 5


def test_gradients_reach_parameters_that_an_optimizer_had_before() -> None:
    net = nn.LazyLinear(3)
    optimizer = gt.optim.Adam(net.parameters())
    net(gt.ones(4, 5)).sum().backward()
    before = net.weight.detach().clone()
    optimizer.step()
    assert not bool((before == net.weight).any())


def test_conversion_and_copies() -> None:
    net = copy.deepcopy(nn.LazyLinear(3).double())
    assert repr(net.weight) == "<UninitializedParameter>" and net.weight.dtype is gt.float64
    assert net(gt.ones(2, 5, dtype=gt.float64)).dtype is gt.float64 and net.weight.shape == (3, 5)
    other = nn.LazyLinear(3, dtype=gt.float64)
    twin = copy.deepcopy(other)
    other(gt.ones(5, dtype=gt.float64))
    assert twin.has_uninitialized_params() and type(other) is nn.Linear


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.shape,
        lambda p: p.numel(),
        lambda p: p + 1,
        lambda p: nn.init.zeros_(p),
        lambda p: gt.compile(lambda: p * 2)(),
    ],
)
def test_what_needs_a_shape_is_refused(use: Any) -> None:
    with pytest.raises(StateError, match=r"GT707.*not known before the first call(?s:.*)call the module once"):
        use(nn.LazyLinear(3).weight)


@pytest.mark.parametrize(
    ("text", "shape", "match"),
    [
        ("LazyConv2d(3, 2)", (4, 5), r"GT107(?s:.*)expected 4 or 3 dimensions, got 2"),
        ("LazyBatchNorm2d()", (4, 5), r"GT107(?s:.*)expected 4 dimensions, got 2"),
        ("LazyConv2d(4, 2, groups=2)", (2, 3, 5, 7), r"GT304.*groups=2"),
        ("LazyLinear(3)", (), "GT107"),
    ],
)
def test_a_first_input_that_does_not_fit_changes_nothing(text: str, shape: tuple[int, ...], match: str) -> None:
    net = make(text)
    with pytest.raises(GraphTorchError, match=match):
        net(gt.ones(*shape) if shape else gt.tensor(1.0))
    assert net.has_uninitialized_params() and "Lazy" in repr(net)


@pytest.mark.parametrize(
    "text", ["LazyLinear(0)", "LazyConv2d(3, 0)", "LazyConv2d(3, 2, groups=2)", "LazyBatchNorm1d(-1)"]
)
def test_wrong_arguments_are_refused_at_once(text: str) -> None:
    with pytest.raises(GraphTorchError, match="GT304"):
        make(text)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    for text, _, _ in CASES:
        theirs = eval(f"nn.{text}", {"nn": torch.nn})
        ours = make(text)
        assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict()), text
