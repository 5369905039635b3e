"""x.op_() of every op that has an in-place form, the operators, indexed assignment: as torch, eager and compiled."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import GraphTorchError
from graphtorch.frontend.tensors.in_place import FORMS, OPERATORS, RESHAPED
from graphtorch.ir.op import PUBLIC

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def square(lib: Any, first: float = 0.2) -> Any:
    return lib.tensor(np.linspace(first, 0.9, 9).reshape(3, 3).astype(np.float32))


def one(lib: Any) -> tuple[Any, ...]:
    """Of an op of two tensors."""
    return (lib.full((3,), 0.5),)


#: arguments of ops that take any, for a tensor [3, 3]
ARGUMENTS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    **dict.fromkeys(
        "add sub mul div pow floor_divide fmod remainder atan2 arctan2 copysign hypot eq ne lt le gt ge greater "
        "greater_equal less less_equal not_equal logical_and logical_or logical_xor multiply divide subtract "
        "true_divide float_power xlogy heaviside".split(),
        one,
    ),
    **dict.fromkeys("clamp clip".split(), lambda lib: (0.4, 0.8)),
    **dict.fromkeys("clamp_max clamp_min".split(), lambda lib: (0.5,)),
    "ldexp": lambda lib: (lib.tensor([2, 0, 1]),),
    **dict.fromkeys("mvlgamma polygamma".split(), lambda lib: (1,)),
    **dict.fromkeys("bitwise_and bitwise_or bitwise_xor gcd lcm".split(), lambda lib: (lib.tensor([6, 3, 5]),)),
    **dict.fromkeys("bitwise_left_shift bitwise_right_shift".split(), lambda lib: (lib.tensor([1, 0, 2]),)),
    **dict.fromkeys("addcmul addcdiv".split(), lambda lib: (square(lib), square(lib, 0.4))),
    **dict.fromkeys("addbmm baddbmm".split(), lambda lib: (square(lib)[None], square(lib, 0.1)[None])),
    "addmm": lambda lib: (square(lib), square(lib, 0.1)),
    "addmv": lambda lib: (square(lib), square(lib)[0]),
    "addr": lambda lib: (square(lib)[0], square(lib)[1]),
    "cumsum": lambda lib: (1,),
    "cumprod": lambda lib: (0,),
    "index_add": lambda lib: (0, lib.tensor([1, 1]), square(lib)[:2]),
    "index_copy": lambda lib: (1, lib.tensor([2, 0]), square(lib)[:, :2]),
    "index_fill": lambda lib: (1, lib.tensor([0, 2]), 2.0),
    "index_put": lambda lib: ((lib.tensor([0, 2]), lib.tensor([1, 1])), lib.tensor([5.0, 6.0])),
    "index_reduce": lambda lib: (0, lib.tensor([1, 1]), square(lib)[:2], "prod"),
    "lerp": lambda lib: (square(lib), 0.25),
    "masked_fill": lambda lib: (lib.arange(3) > 1, 7.0),
    "masked_scatter": lambda lib: (square(lib) > 0.5, square(lib)),
    "put": lambda lib: (lib.tensor([0, 8, 3]), lib.tensor([5.0, 6.0, 7.0])),
    "scatter": lambda lib: (1, lib.tensor([[2], [0], [1]]), square(lib)),
    "scatter_add": lambda lib: (0, lib.tensor([[2, 2, 1]]), square(lib)),
    "scatter_reduce": lambda lib: (0, lib.tensor([[2, 2, 1]]), square(lib), "amax"),
}
#: ops of bits, and of batches
WHOLE = frozenset("bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift".split())
BATCHED = frozenset({"baddbmm"})
HERE = [n for n in FORMS if n in PUBLIC["gt"] or n in PUBLIC["Tensor"] or n in PUBLIC["F"]]


def start(lib: Any) -> Any:
    return lib.tensor(np.linspace(0.1, 0.9, 15).reshape(3, 5).astype(np.float32))


def written(name: str, lib: Any) -> Any:
    """A tensor, after the form of ``name`` has written into a part of it."""
    x = lib.arange(15).reshape(3, 5) if name in WHOLE else start(lib)
    part = x[None, :, 1:4] if name in BATCHED else x[:, 1:4]
    assert getattr(part, name + "_")(*ARGUMENTS.get(name, lambda _: ())(lib)) is part
    return x


def test_every_form_is_one_of_torch() -> None:
    assert all(hasattr(torch.Tensor, n + "_") for n in (*FORMS, *RESHAPED))
    assert all(hasattr(torch.Tensor, dunder) for dunder in OPERATORS)


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("name", HERE)
def test_a_form_writes_what_torch_writes(name: str) -> None:
    """Into a part of a tensor; the rest stays."""
    try:
        wanted = written(name, torch)
    except RuntimeError:  # comparisons and the like, whose results are of no float dtype
        with pytest.raises(GraphTorchError):
            written(name, gt)
        return
    np.testing.assert_allclose(written(name, gt).numpy(), wanted.numpy(), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize(
    "op",
    [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.ifloordiv, operator.imod],
    ids=lambda f: f.__name__,
)
def test_operators_write_where_there_is_an_op(op: Any) -> None:
    x, y = start(gt), start(torch)
    alias, other = x.detach(), 0.3
    found = op(x, other)
    np.testing.assert_allclose(found.numpy(), op(y, other).numpy(), rtol=1e-6)
    np.testing.assert_array_equal(alias.numpy(), found.numpy())


WRONG: dict[str, Callable[[Any], Any]] = {
    "floats into ints": lambda lib: lib.arange(4).mul_(1.5),
    "a float tensor into ints": lambda lib: lib.arange(4).add_(lib.ones(4)),
    "true division of ints": lambda lib: lib.arange(4).div_(2),
    "ints into bools": lambda lib: (lib.arange(4) > 1).add_(1),
    "a larger shape": lambda lib: lib.arange(4).add_(lib.ones(2, 4, dtype=lib.int64)),
    "a dimension more": lambda lib: lib.arange(4).add_(lib.ones(1, 4, dtype=lib.int64)),
    "a copy that does not fit": lambda lib: lib.zeros(3).copy_(lib.zeros(2)),
    "a copy of more dimensions": lambda lib: lib.zeros(3).copy_(lib.zeros(1, 1, 3)),
    "an expanded tensor": lambda lib: lib.zeros(1).expand(4).add_(1),
    "a copy into an expanded tensor": lambda lib: lib.zeros(1).expand(4).copy_(lib.ones(4)),
    "fill_ with a vector": lambda lib: lib.zeros(3).fill_(lib.ones(3)),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_torch_refuses(call: Any) -> None:
    with pytest.raises(RuntimeError):
        call(torch)
    with pytest.raises(GraphTorchError):
        call(gt)


def _set(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


RIGHT: dict[str, Callable[[Any], Any]] = {
    "an element": lambda lib: _set(lib.zeros(3, 4), (1, 2), 5),
    "a row from a row": lambda lib: _set(lib.zeros(3, 4), 1, lib.arange(4)),
    "a row from a number of another dtype": lambda lib: _set(lib.zeros(3, 4, dtype=lib.int64), 1, 2.7),
    "leading dimensions of one": lambda lib: _set(lib.zeros(3), slice(0, 2), lib.ones(1, 1, 2)),
    "a broadcast column": lambda lib: _set(lib.zeros(3, 4), (slice(None), slice(1, 3)), lib.ones(3, 1)),
    "None and ...": lambda lib: _set(lib.zeros(3, 4), (..., None, 0), 1),
    "all": lambda lib: _set(lib.zeros(3, 4), ..., 2),
    "an element of an expanded tensor": lambda lib: _set(lib.zeros(1).expand(4), 0, 1),
    "a shift within": lambda lib: _set(lib.arange(6), slice(1, None), lib.arange(5)),
    "fill_ of an expanded tensor": lambda lib: lib.zeros(1).expand(4).fill_(2),
    "a narrower dtype": lambda lib: lib.ones(3, dtype=lib.int32).add_(lib.ones(3, dtype=lib.int64)),
    "a comparison": lambda lib: lib.tensor([1.0, 3.0]).lt_(2),
    "no elements": lambda lib: _set(lib.zeros(0, 3), ..., 1),
    "squeeze_": lambda lib: lib.zeros(1, 3, 1).squeeze_(0),
    "unsqueeze_": lambda lib: lib.zeros(3).unsqueeze_(1),
    "t_": lambda lib: lib.tensor([[1, 2, 3], [4, 5, 6]]).t_(),
    "transpose_": lambda lib: lib.tensor([[[1, 2, 3]]]).transpose_(1, 2),
    "detach_": lambda lib: lib.ones(2, requires_grad=True).mul(2).detach_(),
}


@pytest.mark.parametrize("call", RIGHT.values(), ids=RIGHT)
def test_what_torch_does(call: Any) -> None:
    found, wanted = call(gt), call(torch)
    assert found.numpy().dtype == wanted.numpy().dtype
    assert tuple(found.shape) == tuple(wanted.shape) and found.requires_grad == wanted.requires_grad
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_draws() -> None:
    gt.manual_seed(3)
    x = gt.zeros(4000, dtype=gt.float64)
    assert abs(x.uniform_(2, 3).mean().item() - 2.5) < 0.03 and x.amin().item() >= 2 and x.amax().item() < 3
    assert abs(x.normal_(-1, 0.5).mean().item() + 1) < 0.05 and abs(x.std().item() - 0.5) < 0.03
    assert abs(x.exponential_(4).mean().item() - 0.25) < 0.03 and x.amin().item() >= 0
    assert abs(x.bernoulli_(0.3).mean().item() - 0.3) < 0.04
    assert set(gt.zeros(50, dtype=gt.int64).random_(-1, 2).tolist()) == {-1, 0, 1}
    assert set(gt.zeros(90, dtype=gt.uint8).random_(4).tolist()) == {0, 1, 2, 3}
    for call in (
        lambda: gt.arange(3).uniform_(),
        lambda: x.uniform_(2, 1),
        lambda: x.exponential_(0),
        lambda: x.random_(3, 3),
    ):
        with pytest.raises(GraphTorchError):
            call()
    leaf = gt.zeros(2, requires_grad=True)
    before = gt.default_generator.get_state().tolist()
    with pytest.raises(GraphTorchError, match="GT503"):
        leaf.normal_()
    assert gt.default_generator.get_state().tolist() == before
