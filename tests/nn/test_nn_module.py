"""Module: what it holds, what it is called, and what it refuses."""

from __future__ import annotations

import copy
from collections import OrderedDict

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend import epoch
from graphtorch.ir.errors import ArgumentTypeError, DeviceError, DTypeError, MissingAttributeError, StateError
from tests.errors import without_lines


class Net(nn.Module):
    """A net with a shared layer, a buffer and a nested container."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 5))
        self.again = self.body[2]
        self.scale = nn.Parameter(gt.ones(7))
        self.register_buffer("seen", gt.tensor([0, 0]))
        self.register_buffer("scratch", gt.zeros(2), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.again(self.body(x))


def test_names_of_everything() -> None:
    net = Net()
    parameters = ["scale", "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]
    assert [n for n, _ in net.named_parameters()] == parameters
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in net.named_parameters(prefix="net")] == [f"net.{n}" for n in parameters]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == [*parameters, "again.weight", "again.bias"]
    assert [n for n, _ in net.named_buffers()] == ["seen", "scratch"]
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2"]
    assert [n for n, _ in net.named_children()] == ["body", "again"]
    assert list(net.children()) == [net.body, net.again]
    assert list(net.modules())[1:3] == [net.body, net.body[0]]
    assert net.get_submodule("body.2") is net.again
    assert {"body", "scale", "seen", "forward"} <= set(dir(net))


def test_shared_parameter_is_counted_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_attributes_move_between_kinds() -> None:
    net = Net()
    net.scale = None
    assert "scale" not in dict(net.named_parameters()) and net.scale is None
    net.scale = nn.Linear(2, 3)
    assert "scale" in dict(net.named_children()) and "scale" not in net._parameters
    del net.scale
    assert not hasattr(net, "scale")
    net.seen = gt.ones(4)
    assert dict(net.named_buffers())["seen"].shape == (4,)
    net.plain = 3
    assert net.plain == 3
    del net.plain
    with pytest.raises(AttributeError):
        del net.plain


@pytest.mark.parametrize(
    "change",
    [
        lambda n: setattr(n, "plain", 1),
        lambda n: setattr(n, "scale", None),
        lambda n: n.train(),
        lambda n: n.eval(),
        lambda n: n.register_buffer("more", None),
        lambda n: n.register_parameter("more", None),
        lambda n: n.add_module("more", nn.ReLU()),
        lambda n: delattr(n, "again"),
        lambda n: n.load_state_dict(n.state_dict()),
        lambda n: n.body.__setitem__(0, nn.Linear(3, 5)),
        lambda n: n.body.append(nn.ReLU()),
        lambda n: n.body.__delitem__(1),
        lambda n: n.double(),
        lambda n: n.requires_grad_(False),
    ],
)
def test_every_change_moves_the_epoch(change: object) -> None:
    net = Net()
    before = epoch.now()
    change(net)  # type: ignore[operator]
    assert epoch.now() > before


def test_modes_reach_every_module_and_respect_overrides() -> None:
    class Frozen(nn.Module):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    net = nn.Sequential(nn.Sequential(nn.Dropout()), Frozen())
    assert all(m.training for m in net.modules())
    net.eval()
    assert not any(m.training for m in net.modules())
    net.train()
    assert [m.training for m in net.modules()] == [True, True, True, False]
    with pytest.raises(ArgumentTypeError, match="GT301: mode must be a bool, got int 1"):
        net.train(1)  # type: ignore[arg-type]


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())).apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_gradients_of_a_module() -> None:
    net = Net()
    net(gt.ones(2, 3)).sum().backward()
    assert net.body[0].weight.grad is not None and net.scale.grad is None
    net.zero_grad(set_to_none=False)
    assert np.all(net.body[0].weight.grad.numpy() == 0)
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_to_keeps_the_objects() -> None:
    net = Net()
    weight, before = net.body[0].weight, net.body[0].weight.data.numpy().copy()
    net(gt.ones(2, 3)).sum().backward()
    assert net.to(gt.float64) is net
    assert net.body[0].weight is weight and weight.dtype == gt.float64 and weight.grad.dtype == gt.float64
    assert net.seen.dtype == gt.int64 and net.scratch.dtype == gt.float64
    assert np.array_equal(weight.data.numpy(), before.astype(np.float64))
    assert net.float().to("cpu").scale.dtype == gt.float32
    with pytest.raises(DTypeError) as wrong:
        net.to(gt.int32)
    assert without_lines(wrong.value) == (
        "DTypeError GT202: a module can only be converted to a floating-point dtype\n"
        "  expected graphtorch.float32 or another of its kind, got graphtorch.int32"
    )
    with pytest.raises(DeviceError, match="GT402"):
        net.cuda()


def test_state_dict_round_trip() -> None:
    gt.manual_seed(3)
    net, other = Net(), Net()
    keys = ["scale", "seen", "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]
    assert list(net.state_dict()) == [*keys, "again.weight", "again.bias"]
    assert isinstance(net.state_dict(), OrderedDict)
    assert not net.state_dict()["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    weight = other.body[0].weight
    result = other.load_state_dict(net.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert other.body[0].weight is weight
    x = gt.randn(2, 3)
    assert np.array_equal(net(x).detach().numpy(), other(x).detach().numpy())
    with gt.no_grad():
        weight.zero_()  # loading copied
    assert float(net.body[0].weight.detach().abs().sum()) > 0


def test_load_state_dict_lists_all_that_is_wrong_and_changes_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    bad = {"0.weight": gt.ones(5, 3), "0.bias": gt.ones(4), "1.weight": np.ones((2, 5)), "2.bias": gt.ones(2)}
    with pytest.raises(StateError) as wrong:
        net.load_state_dict(bad)
    assert without_lines(wrong.value) == (
        "StateError GT701: the state_dict does not fit Sequential\n"
        '  missing key(s): "1.bias"\n'
        '  unexpected key(s): "2.bias"\n'
        '  size mismatch for "0.bias": expected f32[5], got f32[4]\n'
        '  "1.weight" is not a tensor: got ndarray'
    )
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in net.state_dict().items())


def test_load_state_dict_not_strict_and_assign() -> None:
    net = nn.Linear(3, 2)
    result = net.load_state_dict({"weight": gt.ones(2, 3), "more": gt.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["more"]
    assert repr(result) == "IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['more'])"
    new, old = {"weight": gt.zeros(2, 3), "bias": gt.zeros(2)}, net.weight
    net.load_state_dict(new, assign=True)
    assert net.weight is not old and isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    assert net.weight.data_ptr() == new["weight"].data_ptr()
    with pytest.raises(StateError, match="size mismatch"):
        net.load_state_dict({"weight": gt.ones(3, 2)}, strict=False)
    with pytest.raises(ArgumentTypeError, match="state_dict must be a mapping, got list"):
        net.load_state_dict([])  # type: ignore[arg-type]


def test_deepcopy_shares_nothing() -> None:
    net = Net()
    other = copy.deepcopy(net)
    assert other.again is other.body[2] and other.again is not net.again
    with gt.no_grad():
        other.scale.zero_()
    assert float(net.scale.detach().sum()) == 7
    assert isinstance(other.scale, nn.Parameter) and other.scale.requires_grad


def _assign_too_early() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(2, 3)

    Early()


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (
            _assign_too_early,
            MissingAttributeError,
            "MissingAttributeError GT702: 'fc' was assigned before Module.__init__()\n"
            "  call super().__init__() first in Early.__init__()",
        ),
        (
            lambda: nn.ReLU().depth,
            AttributeError,
            "MissingAttributeError GT702: 'ReLU' object has no attribute 'depth'",
        ),
        (
            lambda: setattr(nn.Linear(2, 3), "weight", gt.ones(3, 2)),
            TypeError,
            "ArgumentTypeError GT301: Linear.weight must be a Parameter or None, got Tensor",
        ),
        (
            lambda: nn.Sequential(nn.Linear(2, 3), "relu"),
            TypeError,
            "ArgumentTypeError GT301: Sequential.1 must be a Module or None, got str",
        ),
        (
            lambda: nn.ReLU().register_buffer("a.b", gt.ones(1)),
            StateError,
            "StateError GT704: ReLU cannot have a member 'a.b'\n"
            '  expected a name that is not empty, has no "." and is not taken by another attribute',
        ),
        (
            lambda: nn.ReLU().add_module("forward", nn.ReLU()),
            KeyError,
            "StateError GT704: ReLU cannot have a member 'forward'\n"
            '  expected a name that is not empty, has no "." and is not taken by another attribute',
        ),
        (
            lambda: nn.ReLU().register_parameter(3, None),  # type: ignore[arg-type]
            TypeError,
            "ArgumentTypeError GT301: name must be a str, got int 3",
        ),
        (
            lambda: nn.Parameter([1.0]),  # type: ignore[arg-type]
            TypeError,
            "ArgumentTypeError GT301: data must be a tensor, got list\n  wrap it with graphtorch.tensor(...)",
        ),
    ],
)
def test_refusals(action: object, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as wrong:
        action()  # type: ignore[operator]
    assert without_lines(wrong.value) == text


def test_forward_is_required() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(StateError, match=r"GT703 in Empty: Empty has no forward\(\)"):
        Empty()(gt.ones(1))


def test_parameter_repr_and_sharing() -> None:
    data = gt.ones(2)
    p = nn.Parameter(data)
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert p.data_ptr() == data.data_ptr() and p.is_leaf
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert nn.Parameter().shape == (0,)
    with pytest.raises(DTypeError, match="GT202"):
        nn.Parameter(gt.tensor([1, 2]))
