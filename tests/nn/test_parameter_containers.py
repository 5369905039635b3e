"""ParameterList, ParameterDict, Unflatten and SyncBatchNorm."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError

torch = pytest.importorskip("torch", reason="torch is an optional oracle")


def text(value: Any) -> str:
    return repr(value).replace("graphtorch", "torch")


def as_list(lib: Any) -> Any:
    made = lib.nn.ParameterList([lib.nn.Parameter(lib.ones(2, 3)), lib.ones(4), "name", lib.ones(1).double()])
    made.append(lib.zeros(2))
    made += [lib.nn.Parameter(lib.ones(5), requires_grad=False)]
    made[1] = lib.zeros(7)
    return made


def test_list() -> None:
    ours, theirs = as_list(gt), as_list(torch)
    assert (
        text(ours) == text(theirs) and text(ours[1:4]) == text(theirs[1:4]) and text(ours[::-2]) == text(theirs[::-2])
    )
    assert list(ours.state_dict()) == list(theirs.state_dict()) and len(ours) == len(theirs) == 6
    assert [tuple(p.shape) for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]
    assert isinstance(ours[1], nn.Parameter) and ours[-1].requires_grad is False and ours[2] == "name"
    assert repr(nn.ParameterList()) == repr(torch.nn.ParameterList())
    for lib in (gt, torch):
        with pytest.raises(IndexError):
            as_list(lib)[6]
        with pytest.raises(TypeError):
            as_list(lib).extend(lib.ones(3))
        with pytest.raises(RuntimeError):
            as_list(lib)(lib.ones(3))


def as_dict(lib: Any) -> Any:
    made = lib.nn.ParameterDict({"b": lib.nn.Parameter(lib.ones(2, 3)), "a": lib.ones(4), "k": 3})
    made["c"] = lib.zeros(2).double()
    made.update(OrderedDict(z=lib.ones(2), d=None))
    made.update([("e", lib.ones(1))])
    del made["z"]
    return made


def test_dict() -> None:
    ours, theirs = as_dict(gt), as_dict(torch)
    assert text(ours) == text(theirs) and list(ours) == list(theirs) == ["a", "b", "k", "c", "d", "e"]
    assert list(ours.state_dict()) == list(theirs.state_dict()) and list(reversed(ours)) == list(reversed(theirs))
    assert "a" in ours and "z" not in ours and ours.get("z", 5) == 5 and ours.get("k") == 3 == ours["k"]
    for lib, made in ((gt, ours), (torch, theirs)):
        assert list((made | lib.nn.ParameterDict({"q": lib.ones(1)})).keys())[-1] == "q"
        assert list(made.copy().keys()) == list(made.keys()) and len(made) == 6
        assert made.popitem()[0] == "e" and float(made.pop("a").detach().sum()) == 4
        assert made.setdefault("n", 7) == 7 and made.setdefault("k", 0) == 3
        assert list(made.fromkeys(["x", "y"])) == ["x", "y"]
        with pytest.raises((KeyError, AttributeError)):
            made["z"]
        made.clear()
        assert not len(made) and not list(made.parameters())
    with pytest.raises(TypeError, match="GT301: key must be a str, got int 3"):
        ours[3] = gt.ones(1)  # torch keeps such a key, and can then be cleared no more
    with pytest.raises(TypeError, match="GT301: parameters must be a mapping"):
        nn.ParameterDict(3)


def test_they_train_in_programs() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = nn.ParameterList(gt.ones(3) * i for i in range(1, 4))
            self.named = nn.ParameterDict({"shift": gt.zeros(3)})

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            for p in self.each:
                x = x * p
            return x + self.named["shift"]

    net = Net()
    run, x = gt.compile(net), gt.tensor([1.0, 2.0, 3.0])
    run(x).sum().backward()
    assert net.each[0].grad.tolist() == [6, 12, 18] and net.named.shift.grad.tolist() == [1, 1, 1]
    net.each[1] = gt.zeros(3)
    net.named["shift"] = gt.ones(3) * 5
    assert run(x).tolist() == [5, 5, 5]
    net.each.append(gt.ones(3))
    net.named["shift"] = gt.ones(3)
    assert run(x).tolist() == [1, 1, 1]


def test_unflatten_refuses_names() -> None:
    for arguments in (("features", (("c", 2), ("h", 5))), (1, (("c", 2), ("h", 5)))):
        with pytest.raises(TypeError, match="GT301: Unflatten does not take named dimensions"):
            nn.Unflatten(*arguments)
    with pytest.raises(TypeError, match="unflattened_size"):
        nn.Unflatten(1, 5)  # type: ignore[arg-type]
    assert nn.Unflatten(1, (2, -1))(gt.ones(3, 10)).shape == (3, 2, 5)
    with pytest.raises(GraphTorchError, match="unflatten"):
        nn.Unflatten(1, (3, -1))(gt.ones(3, 10))


def test_sync_batchnorm_is_batchnorm() -> None:
    def nets(lib: Any) -> Any:
        inner = lib.nn.Sequential(lib.nn.BatchNorm1d(3, momentum=None), lib.nn.ReLU())
        return lib.nn.ModuleDict({"a": lib.nn.BatchNorm2d(3, affine=False), "b": inner})

    ours, theirs = nets(gt), nets(torch)
    statistics = ours["a"].running_mean
    made = nn.SyncBatchNorm.convert_sync_batchnorm(ours)
    assert made is ours and ours["a"].running_mean is statistics
    assert repr(made) == repr(torch.nn.SyncBatchNorm.convert_sync_batchnorm(theirs))
    plain, sync = nn.BatchNorm2d(3), nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm2d(3))
    x = gt.randn(4, 3, 5, 7)
    np.testing.assert_array_equal(sync(x).detach().numpy(), plain(x).detach().numpy())
    np.testing.assert_array_equal(sync.running_var.numpy(), plain.running_var.numpy())
    assert nn.SyncBatchNorm(5)(gt.randn(4, 5)).shape == (4, 5)
    with pytest.raises(ValueError, match="at least 2 dimensions, got 1"):
        nn.SyncBatchNorm(5)(gt.randn(5))
