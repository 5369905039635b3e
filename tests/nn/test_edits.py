"""Modules that are edited after they were made: a compiled step computes what the edited model says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from tests.sampling import sampled


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.Tanh(), nn.Linear(5, 5)), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5)])
        self.named = nn.ModuleDict({"a": nn.Linear(5, 5), "b": nn.Sigmoid()})
        self.head = nn.Linear(5, 3)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.features(x)
        for block in self.blocks:
            x = block(x)
        for name in self.named:
            x = self.named[name](x)
        return self.head(x)


def insert(net: Net) -> None:
    net.features.insert(1, nn.Tanh())


def delete(net: Net) -> None:
    del net.features[1][1]


def swap(net: Net) -> None:
    net.features[0], net.blocks[0] = nn.Linear(6, 5, bias=False), net.blocks[1]


def slice_off(net: Net) -> None:
    net.features = net.features[:2]


def attribute_of_a_layer(net: Net) -> None:
    net.head.weight = nn.Parameter(gt.ones(3, 5))


EDITS: dict[str, Callable[[Net], Any]] = {
    "replace the head": lambda net: setattr(net, "head", nn.Linear(5, 4)),
    "replace deep": lambda net: net.features[1].__setitem__(1, nn.Linear(5, 5)),
    "set_submodule": lambda net: net.set_submodule("features.1.0", nn.ReLU()),
    "add_module deep": lambda net: net.features[1].add_module("last", nn.Sigmoid()),
    "register_module": lambda net: net.named.register_module("c", nn.Tanh()),
    "insert": insert,
    "append": lambda net: net.blocks.append(nn.Sigmoid()),
    "extend": lambda net: net.features.extend([nn.Tanh(), nn.Linear(5, 5)]),
    "delete": delete,
    "pop": lambda net: net.blocks.pop(0),
    "swap": swap,
    "slice": slice_off,
    "add": lambda net: setattr(net, "features", net.features + nn.Sequential(nn.Tanh())),
    "add in place": lambda net: net.features.__iadd__(nn.Sequential(nn.Tanh(), nn.Tanh())),
    "repeat": lambda net: setattr(net.features, "1", net.features[1] * 2),
    "repeat in place": lambda net: net.features[1].__imul__(3),
    "list in place": lambda net: net.blocks.__iadd__([nn.Tanh()]),
    "pop by name": lambda net: net.named.pop("a"),
    "update": lambda net: net.named.update({"b": nn.Tanh(), "c": nn.Linear(5, 5)}),
    "clear": lambda net: net.named.clear(),
    "a parameter": attribute_of_a_layer,
    "no bias": lambda net: net.head.register_parameter("bias", None),
    "freeze": lambda net: net.features.requires_grad_(False),
}


@pytest.mark.parametrize("edit", sampled(EDITS, 50))
def test_a_compiled_step_sees_the_edit(edit: str) -> None:
    net = Net()

    def step(x: gt.Tensor) -> Any:
        net.zero_grad()
        out = net(x)
        (out * out).sum().backward()
        return out.detach(), [p.grad for p in net.parameters()]

    compiled, x = gt.compile(step, ignore={"GT330", "GT331", "GT332"}), gt.randn(4, 6)
    before = compiled(x)[0].numpy()
    EDITS[edit](net)
    found, expected = compiled(x), step(x)
    np.testing.assert_allclose(found[0].numpy(), expected[0].numpy(), rtol=1e-4, atol=1e-5)
    assert len(found[1]) == len(expected[1]) == len(list(net.parameters()))
    for a, b in zip(found[1], expected[1], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-4)
    same = found[0].numpy().shape == before.shape and np.allclose(found[0].numpy(), before, rtol=1e-4)
    assert same == (edit == "freeze")


def test_a_program_comes_back_when_the_edit_is_taken_back() -> None:
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
    run, x, first = gt.compile(net), gt.randn(4, 5), net[0]
    before = run(x).detach().numpy()
    net[0] = nn.Linear(5, 3)
    run(x)
    net[0] = first
    np.testing.assert_array_equal(run(x).detach().numpy(), before)
    assert len(run.stages) == 2


def test_sequential_arithmetic_is_torchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")

    def nets(lib: Any) -> list[Any]:
        a, b = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU()), lib.nn.Sequential(lib.nn.Tanh())
        made = [a + b, a * 2, 3 * b, a[1:] + b, lib.nn.ModuleList([a]) + [b]]
        a += b
        b *= 3
        return [*made, a, b, a[::2], lib.nn.ModuleList(b)[1:]]

    for mine, theirs in zip(nets(gt), nets(torch), strict=True):
        assert repr(mine) == repr(theirs) and list(mine.state_dict()) == list(theirs.state_dict())
    tied = nn.Sequential(nn.Linear(2, 2)) * 3
    assert tied[0] is tied[2] and len(list(tied.parameters())) == 2
    for lib in (gt, torch):
        net = lib.nn.Sequential(lib.nn.Tanh())
        for wrong in (lambda net=net: net + [net], lambda net=net: net * 0, lambda net=net: net * 1.5):
            with pytest.raises((TypeError, ValueError)):
                wrong()


def test_paths() -> None:
    net = Net()
    assert net.get_parameter("features.1.1.weight") is net.features[1][1].weight
    net.head.register_buffer("count", gt.zeros(1))
    assert net.get_buffer("head.count") is net.head.count and net.get_submodule("") is net
    net.set_submodule("named.new", nn.Tanh())
    assert isinstance(net.named["new"], nn.Tanh)
    for wrong in (
        lambda: net.get_parameter("head.count"),
        lambda: net.get_buffer("head.weight"),
        lambda: net.get_submodule("head.weight"),
        lambda: net.set_submodule("named.newer", nn.Tanh(), strict=True),
        lambda: net.set_submodule("name.d", nn.Tanh()),
    ):
        with pytest.raises(AttributeError, match="GT702"):
            wrong()
    with pytest.raises(TypeError, match="GT301: module must be a module, got int"):
        net.set_submodule("head", 3)  # type: ignore[arg-type]
