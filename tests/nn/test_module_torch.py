"""What modules do besides computing, with torch's classes and with graphtorch's: state of one's own, conversions."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import graphtorch as gt
from graphtorch.ir.errors import DeviceError, DTypeError, StateError
from graphtorch.nn import functional as F

LIBS = [pytest.param(torch, id="torch"), pytest.param(gt, id="gt")]


def _counting(lib: Any) -> Any:
    class Counting(lib.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, seen: int = 0) -> None:
            super().__init__()
            self.linear = lib.nn.Linear(2, 3)
            self.register_buffer("mean", lib.zeros(2))
            self.seen = {"count": seen}

        def get_extra_state(self) -> Any:
            return self.seen

        def set_extra_state(self, state: Any) -> None:
            self.seen = state

    return Counting


@pytest.mark.parametrize("lib", LIBS)
def test_extra_state(lib: Any) -> None:
    counting = _counting(lib)
    net = lib.nn.Sequential(counting(5), lib.nn.ReLU(), counting(7))
    state = net.state_dict()
    assert list(state) == [
        "0.mean", "0._extra_state", "0.linear.weight", "0.linear.bias",
        "2.mean", "2._extra_state", "2.linear.weight", "2.linear.bias",
    ]  # fmt: skip
    again = lib.nn.Sequential(counting(), lib.nn.ReLU(), counting())
    assert str(again.load_state_dict(state)) == "<All keys matched successfully>"
    assert [again[i].seen["count"] for i in (0, 2)] == [5, 7]
    assert counting(3).state_dict(prefix="net.")["net._extra_state"] == {"count": 3}

    del state["2._extra_state"]
    again[0].seen = {"count": 0}
    with pytest.raises(RuntimeError, match=r'(?i)missing key\(s\).*"2\._extra_state"'):
        again.load_state_dict(state)
    keys = again.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["2._extra_state"] and again[0].seen == {"count": 5}
    plain = lib.nn.Linear(2, 3)
    keys = plain.load_state_dict({**plain.state_dict(), "_extra_state": 1}, strict=False)
    assert keys.unexpected_keys == ["_extra_state"]
    for method in (plain.get_extra_state, lambda: plain.set_extra_state(1)):
        with pytest.raises(RuntimeError):
            method()


def test_what_does_not_fit_leaves_extra_state_as_it_was() -> None:
    net = _counting(gt)(3)
    with pytest.raises(StateError, match="size mismatch"):
        net.load_state_dict({**net.state_dict(), "mean": gt.zeros(5), "_extra_state": {"count": 9}})
    assert net.seen == {"count": 3}


@pytest.mark.parametrize("lib", LIBS)
def test_conversions(lib: Any) -> None:
    norm = lib.nn.BatchNorm1d(3)
    weight = norm.weight
    assert norm.type(lib.float64) is norm and norm.weight is weight
    assert norm.weight.dtype == norm.num_batches_tracked.dtype == lib.float64  # all of them, unlike `to`
    assert lib.nn.Linear(2, 3).type("torch.HalfTensor").weight.dtype == lib.float16
    assert norm.to_empty(device="cpu") is norm and norm.weight is weight and weight.shape == (3,)
    assert norm.share_memory() is norm
    inner = lib.nn.Linear(2, 2)
    twice = lib.nn.Sequential(inner, inner)
    assert len(list(twice.modules())) == 2 and len(list(twice.modules(remove_duplicate=False))) == 3


def test_conversions_that_are_refused() -> None:
    with pytest.raises(DTypeError, match="GT202"):
        gt.nn.Linear(2, 3).type(gt.int64)
    with pytest.raises(TypeError, match="GT301"):
        gt.nn.Linear(2, 3).type("float")
    with pytest.raises(DeviceError, match="GT402"):
        gt.nn.Linear(2, 3).to_empty(device="cuda")


@pytest.mark.parametrize("lib", LIBS)
def test_the_older_backward_hook(lib: Any) -> None:
    seen = []
    net = lib.nn.ReLU()
    x = lib.ones(3, 2, requires_grad=True)
    net.register_backward_hook(lambda module, into, out: seen.append((into[0].tolist(), out[0].tolist())))
    (net(x * 2) * 3).sum().backward()
    assert seen == [([[3.0] * 2] * 3, [[3.0] * 2] * 3)]


@pytest.mark.parametrize("lib", LIBS)
def test_containers_of_nothing_and_by_name(lib: Any) -> None:
    assert len(lib.nn.ModuleList(None)) == 0
    listed = lib.nn.ModuleList([lib.nn.ReLU(), lib.nn.Tanh()])
    assert isinstance(listed.pop(key=0), lib.nn.ReLU) and len(listed) == 1
    named = lib.nn.ModuleDict({"a": lib.nn.ReLU()})
    assert isinstance(named.pop(key="a"), lib.nn.ReLU) and len(named) == 0


@pytest.mark.parametrize("shape", [(), (3,), (3, 5), (2, 3, 5), (2, 3, 5, 4)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_a_softmax_without_dim_is_torchs_with_a_warning(name: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(torch.nn.functional, name)(torch.tensor(x)).numpy()
    with pytest.warns(UserWarning, match=f"the dim of {name} was not given") as warned:
        found = getattr(F, name)(gt.tensor(x))
    assert warned[0].filename == __file__
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    for parameter in ("input", "dim", "dtype"):
        assert parameter in inspect.signature(getattr(F, name)).parameters


@pytest.mark.parametrize(("name", "args"), [
    ("relu", ()), ("leaky_relu", (0.3,)), ("elu", (0.7,)), ("selu", ()), ("celu", (1.3,)), ("hardtanh", (-0.5, 0.5)),
    ("threshold", (0.1, -3.0)), ("rrelu", (0.1, 0.3)),
])  # fmt: skip
def test_forms_that_write_into_their_input(name: str, args: tuple[float, ...]) -> None:
    x = np.random.default_rng(4).standard_normal((3, 5)).astype(np.float32)
    found, expected = gt.tensor(x), torch.tensor(x)
    assert getattr(F, f"{name}_")(found, *args) is found
    getattr(torch.nn.functional, f"{name}_")(expected, *args)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)
    assert f"{name}_" in dir(F)


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64, gt.bfloat16])
def test_gumbel_softmax(dtype: Any) -> None:
    gt.manual_seed(5)
    shares = np.array([0.1, 0.6, 0.3])
    logits = gt.tensor(np.log(np.tile(shares, (2000, 1)))).to(dtype).requires_grad_()
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.sum(1).float().detach().numpy(), 1, atol=2e-2 if dtype is gt.bfloat16 else 1e-5)
    hard = F.gumbel_softmax(logits, hard=True)
    assert soft.dtype == hard.dtype == dtype
    rounded = hard.double().detach().numpy().round()
    assert ((rounded == 1).sum(1) == 1).all() and np.abs(rounded.mean(0) - shares).max() < 4 * np.sqrt(0.24 / 2000)
    (hard * gt.tensor([1.0, 2.0, 4.0], dtype=dtype)).sum().backward()
    assert logits.grad is not None and bool((logits.grad != 0).any())  # of the soft one: a class alone has none
    with pytest.raises(DTypeError, match="GT202"):
        F.gumbel_softmax(gt.ones(2, 3, dtype=gt.int64))


def test_gumbel_softmax_draws_the_same_in_a_program() -> None:
    def draw(x: gt.Tensor) -> gt.Tensor:
        gt.manual_seed(7)
        return F.gumbel_softmax(x, 0.7, dim=0)

    x = gt.arange(15).float().reshape(3, 5)
    np.testing.assert_allclose(gt.compile(draw)(x).numpy(), draw(x).numpy(), rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (2, 3, 0), (0, 3, 4, 5)])
def test_a_batch_of_nothing_leaves_batch_norm_as_it_was(shape: tuple[int, ...], compiled: bool) -> None:
    norm = {2: gt.nn.BatchNorm1d, 3: gt.nn.BatchNorm1d, 4: gt.nn.BatchNorm2d}[len(shape)](3)
    norm.running_mean.fill_(2.0)
    x = gt.zeros(*shape, requires_grad=True)

    def step(x: gt.Tensor) -> gt.Tensor:
        out = norm(x)
        out.sum().backward()
        return out.detach()

    assert (gt.compile(step, ignore={"GT331", "GT332"}) if compiled else step)(x).shape == shape
    assert (
        norm.weight.grad.tolist() == norm.bias.grad.tolist() == [0.0] * 3
    )  # sums of nothing; nan would end a training
    assert norm.running_mean.tolist() == [2.0] * 3 and norm.running_var.tolist() == [1.0] * 3
    assert x.grad is not None and x.grad.shape == shape


@pytest.mark.parametrize("lib", LIBS)
def test_buffers_by_assignment(lib: Any) -> None:
    class Net(lib.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.kept = lib.nn.Buffer(lib.ones(2))
            self.passing = lib.nn.Buffer(lib.zeros(3), persistent=False)
            self.linear = lib.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            self.kept += 1
            return self.linear(x) * self.kept

    net = Net()
    assert list(net.state_dict()) == ["kept", "linear.weight", "linear.bias"]
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert type(net.kept) is lib.Tensor and not net.kept.requires_grad
    net(lib.ones(1, 2))
    assert net.kept.tolist() == [2, 2]
    net.kept = lib.nn.Buffer(lib.zeros(2), persistent=False)
    assert list(net.state_dict()) == ["linear.weight", "linear.bias"] and net.kept.tolist() == [0, 0]
    net.kept = lib.ones(2)
    assert dict(net.named_buffers())["kept"] is net.kept


def test_buffers_are_the_memory_that_they_were_given_and_state_of_programs() -> None:
    array = gt.zeros(2)
    net = gt.nn.Module()
    net.count = gt.nn.Buffer(array)
    array.add_(3)
    assert net.count.tolist() == [3, 3]

    def step() -> gt.Tensor:
        net.count += 1
        return net.count * 2

    compiled = gt.compile(step)
    assert [compiled().tolist(), compiled().tolist(), net.count.tolist()] == [[8, 8], [10, 10], [5, 5]]
    with pytest.raises(TypeError, match=r"GT301.*data must be a tensor, got list"):
        gt.nn.Buffer([1.0])
    with pytest.raises(StateError, match=r"GT704.*cannot have a member 'training'"):
        net.training = gt.nn.Buffer(gt.ones(1))


#: what fails with a ValueError in torch, of a kind of error that most often is another one there
VALUE_ERRORS: dict[str, Any] = {
    "types of a recurrent layer": lambda lib: lib.nn.LSTM(3, 4)(lib.ones(2, 1, 3, dtype=lib.float64)),
    "state of another optimizer": lambda lib: lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.1).load_state_dict(
        lib.optim.SGD([{"params": [lib.ones(2, requires_grad=True)]} for _ in "ab"], lr=0.1).state_dict()
    ),
    "shape of a lazy parameter": lambda lib: lib.nn.LazyLinear(3).weight.numel(),
    "no such parameter": lambda lib: lib.nn.utils.parametrize.register_parametrization(
        lib.nn.Linear(2, 2), "wait", lib.nn.Identity()
    ),
}


@pytest.mark.parametrize("lib", LIBS)
@pytest.mark.parametrize("name", VALUE_ERRORS)
def test_errors_are_caught_by_torchs_classes(name: str, lib: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        VALUE_ERRORS[name](lib)
