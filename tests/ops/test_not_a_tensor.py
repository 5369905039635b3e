"""Something that is no tensor, in the place of one: one error, which names the parameter, the module and the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentTypeError

F = nn.functional
ARRAY = np.ones((1, 2), np.float32)

#: call -> the rest of the first line
CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "linear array": (lambda: nn.Linear(2, 2)(ARRAY), "in linear: input must be a tensor, got ndarray"),
    "linear None": (lambda: nn.Linear(2, 2)(None), "in linear: input must be a tensor, got NoneType"),
    "linear list": (lambda: nn.Linear(2, 2)([1.0, 2.0]), "in linear: input must be a tensor, got list"),
    "linear weight": (lambda: F.linear(gt.ones(2), weight=3), "in linear: weight must be a tensor, got int"),
    "conv2d": (lambda: nn.Conv2d(2, 2, 1)(ARRAY), "in conv2d: input must be a tensor, got ndarray"),
    "flatten": (lambda: nn.Flatten()(None), "in flatten: input must be a tensor, got NoneType"),
    "max_pool2d": (lambda: nn.MaxPool2d(2)(None), "in max_pool2d: input must be a tensor, got NoneType"),
    "dropout": (lambda: nn.Dropout()(None), "in dropout: input must be a tensor, got NoneType"),
    "dropout in eval": (lambda: nn.Dropout().eval()(None), "in dropout: input must be a tensor, got NoneType"),
    "batch norm": (lambda: nn.BatchNorm2d(1)(None), "in BatchNorm2d: input must be a tensor, got NoneType"),
    "target": (lambda: nn.CrossEntropyLoss()(gt.ones(1, 2), [1]), "in cross_entropy: target must be a tensor, got list"),
    "matmul": (lambda: gt.ones(2, 2) @ ARRAY, "in matmul: other must be a tensor, got ndarray"),
    "where": (lambda: gt.where(True, gt.ones(1), gt.ones(1)), "in where: condition must be a tensor, got bool"),
    "cat": (lambda: gt.cat([gt.ones(1), 2]), "in cat: tensors[1] must be a tensor, got int"),
    "stack": (lambda: gt.stack([gt.ones(1), None]), "in stack: tensors[1] must be a tensor, got NoneType"),
    "cat of None": (lambda: gt.cat(None), "in cat: tensors must be a sequence of tensors, got NoneType"),
    "mean": (lambda: gt.mean(None), "in mean: input must be a tensor, got NoneType"),
    "softmax": (lambda: nn.Softmax(0)(2.0), "in softmax: input must be a tensor, got float"),
    "trace": (lambda: gt.trace(nn.Linear(2, 2), (2, 2)), "in linear: input must be a tensor, got tuple"),
    "backward": (lambda: gt.ones(1, requires_grad=True).backward(2.0), "gradient must be a tensor, got float"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_it_is_named(name: str) -> None:
    call, wanted = CALLS[name]
    with pytest.raises(ArgumentTypeError) as error:
        call()
    assert str(error.value).splitlines()[0].endswith(wanted)
    assert str(error.value).startswith("ArgumentTypeError GT301")
    assert error.value.loc is not None
    assert error.value.loc.file.endswith("test_not_a_tensor.py")


def test_the_path_of_the_module_is_there() -> None:
    net = nn.Sequential(nn.Identity(), nn.Linear(2, 2))
    with pytest.raises(ArgumentTypeError) as error:
        net(ARRAY)
    lines = str(error.value).splitlines()
    assert lines[0] == 'ArgumentTypeError GT301 in linear "1": input must be a tensor, got ndarray'
    assert "constructed here" in lines[2]
    assert lines[-1] == "  convert it first, with gt.tensor or gt.from_numpy"


def test_an_array_beside_a_tensor() -> None:
    for call in (lambda: gt.ones(2) + np.ones(2), lambda: np.ones(2) + gt.ones(2)):
        with pytest.raises(
            ArgumentTypeError, match=r"in add: expected a tensor or a number, got ndarray(.*\n)+.*from_numpy"
        ):
            call()


@pytest.mark.parametrize("name", ["reshape", "view", "permute", "expand", "broadcast_to"])
def test_sizes_that_are_missing(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"GT301 in {name}: (shape|size|dims) is missing"):
        getattr(gt.ones(2), name)()


def test_sizes_by_another_name() -> None:
    with pytest.raises(ArgumentTypeError, match="GT301 in reshape: size: no such argument"):
        gt.ones(2).reshape(size=(2,))
    assert gt.ones(2).reshape(shape=(1, 2)).shape == (1, 2)


def test_an_argument_that_an_op_does_not_have() -> None:
    with pytest.raises(ArgumentTypeError) as error:
        gt.mul(gt.ones(2), gt.ones(2), rounding_mode="floor")
    lines = str(error.value).splitlines()
    assert lines[0] == "ArgumentTypeError GT301 in mul: got an unexpected keyword argument 'rounding_mode'"
    assert lines[-1] == "  expected mul(input, other)"
    with pytest.raises(ArgumentTypeError, match="in exp: missing a required argument: 'input'"):
        gt.exp()
