"""Which order copies and tensors like others have in memory: strides, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentTypeError

#: name -> a tensor of the library that may lie in another order than row-major, or with gaps
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "row-major": lambda l: _counted(l, 2, 3, 4),
    "reversed": lambda l: _counted(l, 2, 3, 4).permute(2, 1, 0),
    "permuted": lambda l: _counted(l, 2, 3, 4).permute(1, 0, 2),
    "transposed": lambda l: _counted(l, 3, 5).t(),
    "every second row": lambda l: _counted(l, 2, 5, 3)[:, ::2],
    "every second row, permuted": lambda l: _counted(l, 2, 5, 3)[:, ::2].permute(1, 2, 0),
    "a part, transposed": lambda l: _counted(l, 4, 5)[:, :3].t(),
    "expanded": lambda l: _counted(l, 1, 3, 4).expand(5, 3, 4),
    "expanded and transposed": lambda l: _counted(l, 3).expand(2, 3).t(),
    "a diagonal": lambda l: _counted(l, 4, 4).diagonal(),
    "a number": lambda l: _counted(l, 1)[0],
}

#: name -> what is made of it
COPIES: dict[str, Callable[[Any, Any], Any]] = {
    "clone": lambda l, x: x.clone(),
    "clone, contiguous": lambda l, x: l.clone(x, memory_format=l.contiguous_format),
    "clone, preserved": lambda l, x: x.clone(memory_format=l.preserve_format),
    "contiguous": lambda l, x: x.contiguous(),
    "to, a copy": lambda l, x: x.to(x.dtype, copy=True),
    "to, by position": lambda l, x: x.to("cpu", l.float64, False, True),
    "to, contiguous": lambda l, x: x.to(l.float64, memory_format=l.contiguous_format),
    "double": lambda l, x: x.double(),
    "int": lambda l, x: x.int(),
    "bfloat16": lambda l, x: x.bfloat16(),
    "zeros_like": lambda l, x: l.zeros_like(x),
    "ones_like": lambda l, x: l.ones_like(x, dtype=l.int64),
    "full_like": lambda l, x: l.full_like(x, 2.5),
    "full_like, contiguous": lambda l, x: l.full_like(x, 2.5, memory_format=l.contiguous_format),
    "rand_like": lambda l, x: l.rand_like(x) * 0,
    "randn_like": lambda l, x: l.randn_like(x, dtype=l.float64) * 0,
    "randint_like": lambda l, x: l.randint_like(x, 1),
    "empty_like": lambda l, x: l.empty_like(x).fill_(1),
    "exp": lambda l, x: x.exp(),
    "add": lambda l, x: x + 1,
    "repeat": lambda l, x: x.repeat((1,) * x.ndim),
    "tile": lambda l, x: l.tile(x, (1,)),
}


def _counted(l: Any, *shape: int) -> Any:
    return l.arange(1.0, 1.0 + float(np.prod(shape))).reshape(shape)


@pytest.mark.torch
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("copy", COPIES)
def test_strides_are_those_of_torch(copy: str, layout: str) -> None:
    torch = pytest.importorskip("torch")
    expected, found = (COPIES[copy](l, LAYOUTS[layout](l)) for l in (torch, gt))
    assert found.stride() == expected.stride()
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    np.testing.assert_allclose(found.float().numpy(), expected.float().numpy(), rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_copy_has_memory_and_gradients_of_its_own(layout: str) -> None:
    x = LAYOUTS[layout](gt).detach().requires_grad_()
    for copy in (x.clone(), x.to(gt.float32, copy=True), x.clone(memory_format=gt.contiguous_format)):
        assert copy is not x and copy._base is None
        (gradient,) = gt.autograd.grad((copy * copy).sum(), x)
        np.testing.assert_allclose(gradient.numpy(), 2 * x.detach().numpy())
        copy.detach().zero_()
        assert bool((x != 0).all())
    assert x.to(gt.float32) is x


def test_writes_through_a_view_of_a_copy_agree_with_a_program() -> None:
    """reshape of a transposed copy is no view: a program must not take it for one."""

    def by(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            copy = make(x)
            copy.reshape(-1)[1:3] = 9
            return copy * 1

        return f

    x = _counted(gt, 3, 5).t()
    for make in (gt.clone, gt.zeros_like, lambda t: gt.clone(t, memory_format=gt.contiguous_format)):
        eager = by(make)(x).tolist()
        try:
            compiled = gt.compile(by(make))(x).tolist()
        except gt.errors.TraceError:
            continue  # refused, where it is not known
        assert compiled == eager


def test_no_format() -> None:
    x = gt.ones(2, 3)
    for call in (lambda: x.clone(memory_format="c"), lambda: gt.zeros_like(x, memory_format=3)):
        with pytest.raises(ArgumentTypeError, match=r"GT301 in .*: memory_format must be a memory format, got "):
            call()
    with pytest.raises(ArgumentTypeError, match=r"GT301: to\(\) does not take format"):
        x.to(gt.float64, format=1)
    with pytest.raises(ArgumentTypeError, match=r"GT301: to\(\) does not take True"):
        x.to(True)
