"""Sequential, ModuleList and ModuleDict."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import IndexRangeError
from tests.errors import without_lines


def _names(net: nn.Module) -> list[tuple[str, str]]:
    return [(name, type(m).__name__) for name, m in net.named_children()]


def test_sequential_calls_in_order() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 1)))
    x = gt.randn(5, 2, 3)
    inner = net[2]
    expected = inner[1](inner[0](net[1](x.flatten(1))))
    assert net(x).shape == (5, 1)
    assert gt.eq(net(x), expected).tolist() == [[True]] * 5


def test_sequential_like_a_list() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.Tanh())
    assert len(net) == 4 and net[-1] is net[3] and [type(m).__name__ for m in net][:2] == ["Linear", "ReLU"]
    part = net[1:3]
    assert type(part) is nn.Sequential and part[1] is net[2] and list(part._modules) == ["1", "2"]
    net[1] = nn.Sigmoid()
    assert _names(net) == [("0", "Linear"), ("1", "Sigmoid"), ("2", "Linear"), ("3", "Tanh")]
    del net[1]
    assert _names(net) == [("0", "Linear"), ("1", "Linear"), ("2", "Tanh")]
    net.append(nn.ReLU()).insert(1, nn.Identity()).extend([nn.Flatten()])
    assert [kind for _, kind in _names(net)] == ["Linear", "Identity", "Linear", "Tanh", "ReLU", "Flatten"]
    assert type(net.pop()).__name__ == "Flatten" and len(net) == 5
    del net[1:4]
    assert _names(net) == [("0", "Linear"), ("1", "ReLU")]
    net[-1] = nn.Tanh()
    assert net[1] in net and nn.Tanh() not in net


def test_sequential_by_name() -> None:
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), act=nn.ReLU()))
    net.add_module("fc", nn.Linear(2, 3))
    assert list(net.state_dict()) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    assert net.act is net[1] and _names(net[:2]) == [("conv", "Conv2d"), ("act", "ReLU")]


def test_index_out_of_range() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    with pytest.raises(IndexRangeError) as wrong:
        net[2]
    assert without_lines(wrong.value) == (
        "IndexRangeError GT302: index 2 is out of range for Sequential of 2 modules\n  expected -2 <= index <= 1"
    )
    with pytest.raises(IndexError, match="it is empty"):
        nn.Sequential()[0]
    with pytest.raises(TypeError, match="GT301: index must be an int, got str '0'"):
        net["0"]  # type: ignore[call-overload]


def test_module_list_and_dict() -> None:
    layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 4)])
    layers.append(nn.ReLU())
    assert len(layers[1:]) == 2 and type(layers[1:]) is nn.ModuleList
    named = nn.ModuleDict({"a": layers, "b": nn.ReLU()})
    assert "a" in named and list(named) == ["a", "b"] == list(named.keys()) and named["a"] is layers
    assert [n for n, _ in named.named_parameters()] == ["a.0.weight", "a.0.bias", "a.1.weight", "a.1.bias"]
    del named["a"]
    assert len(named) == 1 and list(named.items()) == [("b", named.b)] and list(named.values()) == [named.b]


def test_subclass_of_sequential() -> None:
    class Twice(nn.Sequential):
        def forward(self, input: gt.Tensor) -> gt.Tensor:
            return super().forward(super().forward(input))

    net = Twice(nn.Linear(3, 3))
    assert net(gt.ones(3)).shape == (3,) and type(net[:1]) is Twice
