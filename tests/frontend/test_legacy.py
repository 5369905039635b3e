"""torch's older constructors, and types of tensors by name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, ArgumentTypeError, AutogradError, DeviceError, DTypeError

NAMES = "Double Float Half BFloat16 Long Int Short Char Byte Bool".split()
MADE: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda m: m.Tensor(),
    "sizes": lambda m: m.Tensor(2, 3),
    "a Size": lambda m: m.Tensor(m.ones(3, 2).shape),
    "one size": lambda m: m.FloatTensor(5),
    "a numpy size": lambda m: m.FloatTensor(np.int64(4)),
    "sizes by name": lambda m: m.ShortTensor(size=(2, 1)),
    "no elements": lambda m: m.HalfTensor(2, 0),
    "a list": lambda m: m.Tensor([[1, 2], [3, 4]]),
    "a tuple": lambda m: m.Tensor((2, 3)),
    "an empty list": lambda m: m.LongTensor([]),
    "a range": lambda m: m.Tensor(range(3)),
    "data by name": lambda m: m.Tensor(data=[1, 2.5]),
    "an array": lambda m: m.Tensor(np.arange(3)),
    "an array that is not contiguous": lambda m: m.IntTensor(np.arange(6, dtype=np.int32).reshape(2, 3).T),
    "bools": lambda m: m.Tensor([True, 2.5]),
    "floats to ints": lambda m: m.LongTensor([1.5, -2.5]),
    "ints to bools": lambda m: m.BoolTensor([0, 2]),
    "nan": lambda m: m.DoubleTensor([float("nan"), 1]),
    "tensors": lambda m: m.Tensor([m.tensor(1.5), m.tensor(2)]),
    "a tensor": lambda m: m.Tensor(m.tensor([1, 2])),
    "a tensor of the type": lambda m: m.DoubleTensor(m.ones(2, dtype=m.float64)),
    "new with sizes": lambda m: m.ones(2, dtype=m.int16).new(2, 3),
    "new with data": lambda m: m.ones(2, dtype=m.int16).new([1.5, 2]),
    "new of nothing": lambda m: m.ones(2).new(),
    "type_as": lambda m: m.tensor([1.5, 2.5]).type_as(m.tensor([1])),
    "type of a name": lambda m: m.tensor([1, 2]).type("torch.DoubleTensor"),
    "type of a type": lambda m: m.tensor([1.5]).type(m.LongTensor),
    "type of a dtype": lambda m: m.tensor([1.5]).type(m.float16),
    "type of Tensor": lambda m: m.tensor([1]).type(m.Tensor),
    "type of Tensor by name": lambda m: m.tensor([1]).type("torch.Tensor"),
}
#: whose content is not specified
UNSPECIFIED = {"sizes", "a Size", "one size", "a numpy size", "sizes by name", "new with sizes"}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gt.set_default_dtype(gt.float32)


@pytest.mark.torch
@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_is_what_torch_makes(name: str, default: str) -> None:
    torch = pytest.importorskip("torch")
    gt.set_default_dtype(getattr(gt, default))
    torch.set_default_dtype(getattr(torch, default))
    try:
        theirs = MADE[name](torch)
    finally:
        torch.set_default_dtype(torch.float32)
    ours = MADE[name](gt)
    assert (ours.dtype.name, tuple(ours.shape)) == (str(theirs.dtype).removeprefix("torch."), tuple(theirs.shape))
    if name in UNSPECIFIED:
        assert not ours.any()  # zeros, here
    else:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", NAMES)
def test_types_of_tensors(name: str) -> None:
    kind = getattr(gt, f"{name}Tensor")
    x = kind(2, 3)
    assert x.type() == f"graphtorch.{name}Tensor"
    assert kind.dtype is x.dtype
    assert repr(kind) == f"<class 'graphtorch.{name}Tensor'>"
    for other in NAMES:
        assert isinstance(x, getattr(gt, f"{other}Tensor")) is (other == name)
    for spelled in (kind, x.type(), f"torch.{name}Tensor", x.dtype):
        assert x.type(spelled) is x
        assert gt.ones(2).type(spelled).dtype is x.dtype
    assert not isinstance(np.ones(2, np.float32), kind)
    assert pickle.loads(pickle.dumps(kind)) is copy.deepcopy(kind) is kind


def test_parameters_have_types_too() -> None:
    assert isinstance(gt.nn.Parameter(gt.ones(2)), gt.FloatTensor)
    assert isinstance(gt.FloatTensor(2), gt.Tensor)


def test_a_tensor_of_a_tensor_shares_its_memory_and_its_gradients() -> None:
    for make in (gt.Tensor, gt.FloatTensor):
        x = gt.rand(3, 2).t()
        y = make(x)
        y[0, 1] = 5.0
        assert x[0, 1].item() == 5.0
        assert y is not x
        w = gt.rand(2, 3, requires_grad=True)
        (make(w) ** 2).sum().backward()
        np.testing.assert_array_equal(w.grad.numpy(), 2 * w.detach().numpy())


@pytest.mark.parametrize("wrap", [gt.compile, lambda f: f], ids=["compiled", "eager"])
def test_writes_through_it_reach_the_history_of_what_it_views(wrap: Any) -> None:
    @wrap
    def f(w: Any) -> Any:
        base = gt.zeros(2, 3)
        y = gt.Tensor(base)
        base.add_(w)
        return (y * y).sum() + base.sum()

    w = gt.rand(2, 3, requires_grad=True)
    f(w).backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.detach().numpy() + 1, rtol=1e-6)


def test_a_class_of_the_user() -> None:
    class Named(gt.Tensor):
        pass

    x = Named([1, 2])
    assert type(x) is Named
    assert x.tolist() == [1.0, 2.0]


def test_compiled() -> None:
    def f(x: Any) -> Any:
        out = gt.Tensor(2, 3) * 0 + gt.FloatTensor([1, 2, 3]) * x.type(gt.FloatTensor)
        return out if isinstance(x, gt.LongTensor) else out.type_as(x) + x.new(2, 3)

    for x in (gt.tensor([1, 2, 3]), gt.tensor([1.5, 2, 3], dtype=gt.float64)):
        found, wanted = gt.compile(f)(x), f(x)
        assert found.dtype is wanted.dtype
        assert found.tolist() == wanted.tolist()


def test_refusals() -> None:
    refused: list[tuple[Callable[[], Any], Any, str]] = [
        (lambda: gt.Tensor(2.5), ArgumentTypeError, "GT301: Tensor takes sizes or a sequence of numbers, got float"),
        (lambda: gt.Tensor(True), ArgumentTypeError, "got bool"),
        (lambda: gt.FloatTensor("a"), ArgumentTypeError, "GT301: FloatTensor takes .*, got str"),
        (lambda: gt.FloatTensor(None), ArgumentTypeError, "got NoneType"),
        (lambda: gt.Tensor(2, 3.0), ArgumentTypeError, "GT301: size must be an int, got float 3.0"),
        (
            lambda: gt.Tensor([1], requires_grad=True),
            ArgumentTypeError,
            "takes data or sizes, got requires_grad by name",
        ),
        (lambda: gt.FloatTensor(-1), ArgumentError, "GT304"),
        (lambda: gt.ByteTensor([300]), ArgumentError, "GT304: data=300 is not a number of graphtorch.uint8"),
        (
            lambda: gt.LongTensor(gt.ones(2)),
            DTypeError,
            r"GT201: LongTensor of a tensor of another dtype[\s\S]*float32",
        ),
        (lambda: gt.FloatTensor(2, device="cuda"), DeviceError, "GT402"),
        (
            lambda: gt.ones(2).type("torch.float64"),
            ArgumentTypeError,
            r"GT301: there is no such type[\s\S]*'torch.float64'",
        ),
        (lambda: gt.ones(2).type(float), ArgumentTypeError, "GT301: there is no such type of tensors"),
        (lambda: gt.ones(2).type_as(3), ArgumentTypeError, "GT301"),
    ]
    for make, kind, text in refused:
        with pytest.raises(kind, match=text):
            make()


def test_a_leaf_may_not_be_written_through_it() -> None:
    with pytest.raises(AutogradError, match="GT503"):
        gt.Tensor(gt.ones(2, requires_grad=True)).zero_()
