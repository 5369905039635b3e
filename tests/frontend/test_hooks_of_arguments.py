"""Hooks that arguments of a compiled function have are a part of its programs, as those of captured tensors are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import TraceError


def step(x: Any) -> Any:
    (x * x).sum().backward()
    return x.grad


def leaf(*hooks: Callable[[Any], Any]) -> Any:
    x = gt.tensor([1.0, 2.0], requires_grad=True)
    for hook in hooks:
        x.register_hook(hook)
    return x


def ten(g: Any) -> Any:
    return g * 10


def one(g: Any) -> Any:
    return g + 1


@pytest.mark.parametrize("hooks", [(ten,), (ten, one), (one, ten), (lambda g: None,)])
def test_they_are_called(hooks: Any) -> None:
    assert gt.compile(step)(leaf(*hooks)).tolist() == step(leaf(*hooks)).tolist()


def test_other_hooks_are_another_program() -> None:
    compiled, x = gt.compile(step), leaf()
    for _ in range(2):  # the second time by the quick comparison
        assert compiled(x).tolist() == [2, 4]
        x.grad = None
    handle = x.register_hook(ten)
    for _ in range(2):
        assert compiled(x).tolist() == [20, 40]
        x.grad = None
    assert compiled(leaf(one)).tolist() == [3, 5]
    handle.remove()
    assert compiled(x).tolist() == [2, 4]
    assert len(compiled.graphs) == 3
    assert "with hooks" in compiled.explain()


def test_of_a_computed_argument() -> None:
    def inner(z: Any) -> Any:
        return gt.autograd.grad((z * z).sum(), z)[0]

    compiled, x = gt.compile(inner), leaf()
    for hooks in ((), (ten,), (ten, one)):
        for _ in range(2):
            z = x * 1
            for hook in hooks:
                z.register_hook(hook)
            assert compiled(z).tolist() == inner(z).tolist()


def test_backward_outside_calls_them_once() -> None:
    seen = []
    x = leaf(lambda g: seen.append(g.tolist()))
    gt.compile(lambda x: (x * x).sum())(x).backward()
    assert seen == [[2, 4]]


def test_backward_outside_calls_those_of_captured_tensors_once() -> None:
    seen = []
    w = leaf(lambda g: seen.append(g.tolist()))
    gt.compile(lambda x: (w * x).sum())(gt.tensor([3.0, 4.0])).backward()
    assert seen == [[3, 4]] and w.grad.tolist() == [3, 4]


def test_what_a_hook_does_to_python_is_refused() -> None:
    seen: list[Any] = []
    with pytest.raises(TraceError, match="GT60"):
        gt.compile(step)(leaf(lambda g: seen.append(g)))
