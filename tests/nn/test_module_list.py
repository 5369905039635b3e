"""Every module of the list against torch: repr, state both ways, results and gradients, eager and in a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from tests.nn.module_table import CASES, Case, Input
from tests.sampling import sampled

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

LIST = (Path(__file__).parent / "torch_modules.txt").read_text(encoding="utf-8").split()


def test_every_module_has_a_case() -> None:
    assert len(LIST) == len(set(LIST)) > 140
    assert [name for name in LIST if not hasattr(nn, name)] == []
    assert set(LIST) - {case.name for case in CASES} == set()


def construct(lib: Any, case: Case) -> Any:
    return eval(case.text, {"nn": lib.nn, "lib": lib}).train(case.training)


def tensors(tree: Any) -> list[Any]:
    """The tensors in nested tuples and lists, in order."""
    if isinstance(tree, tuple | list):
        return [t for part in tree for t in tensors(part)]
    return [tree] if hasattr(tree, "shape") else []


class Given:
    """The arguments of a case, as tensors of a library."""

    def __init__(self, lib: Any, case: Case) -> None:
        self._lib, self._seed = lib, 0
        self.wanted: list[Any] = []
        self.args = self._made(case.inputs)

    def _made(self, part: Any) -> Any:
        if isinstance(part, tuple) and not all(isinstance(p, int) for p in part):
            return tuple(map(self._made, part))
        if not isinstance(part, Input):
            return part
        self._seed += 1
        array = part.array(self._seed)
        t = self._lib.from_numpy(array)
        if t.dtype.is_floating_point and not part.fixed:
            self.wanted.append(t.requires_grad_())
        return t


def weighted(lib: Any, out: Any) -> Any:
    """A number that depends on every element of every result in a way of its own."""
    total = 0
    for i, t in enumerate(t for t in tensors(out) if t.requires_grad):
        factor = np.random.default_rng(50 + i).standard_normal(tuple(t.shape)).astype(np.float32)
        total = total + (t * lib.from_numpy(np.asarray(factor))).sum()
    return total


def run(lib: Any, net: Any, case: Case, given: Given, compiled: bool = False) -> list[tuple[str, Any]]:
    """Results, gradients of arguments and parameters, and the state after that."""

    def step(*args: Any) -> Any:
        out = case.call(net, *args) if case.call else net(*args)
        total = weighted(lib, out)
        if not isinstance(total, int):
            total.backward()
        return [t.detach() for t in tensors(out)]

    out = (gt.compile(step, ignore=IGNORED) if compiled else step)(*given.args)
    found = [(f"result {i}", t) for i, t in enumerate(out)]
    found += [(f"gradient of argument {i}", t.grad) for i, t in enumerate(given.wanted)]
    found += [(f"gradient of {n}", p.grad) for n, p in net.named_parameters()]
    return found + list(net.state_dict().items())


#: what is odd about a lone layer that is called a training step
IGNORED = {"GT330", "GT331", "GT332", "GT333", "GT340", "GT341"}


def compare(mine: list[tuple[str, Any]], theirs: list[tuple[str, Any]]) -> None:
    assert [name for name, _ in mine] == [name for name, _ in theirs]
    for (name, a), (_, b) in zip(mine, theirs, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            assert tuple(a.shape) == tuple(b.shape), name
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5, err_msg=name)


def exchanged(case: Case) -> tuple[Any, Any]:
    """The module of both libraries, with torch's state; which is checked to go the other way as well."""
    torch.manual_seed(11)
    theirs, ours = construct(torch, case), construct(gt, case)
    assert repr(ours).replace("graphtorch", "torch") == repr(theirs)
    if "Lazy" in case.text:
        theirs(*Given(torch, case).args)
        theirs.zero_grad()
    state = {k: gt.from_numpy(np.array(v)) for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({k: torch.from_numpy(np.array(v.numpy())) for k, v in ours.state_dict().items()})
    assert repr(ours).replace("graphtorch", "torch") == repr(theirs)
    return ours, theirs


@pytest.mark.parametrize("case", [pytest.param(c, id=c.text) for c in CASES])
def test_eager(case: Case) -> None:
    ours, theirs = exchanged(case)
    compare(run(gt, ours, case, Given(gt, case)), run(torch, theirs, case, Given(torch, case)))


@pytest.mark.parametrize("case", sampled(CASES, 12, name=lambda c: c.text))
def test_compiled(case: Case) -> None:
    ours, theirs = exchanged(case)
    compare(run(gt, ours, case, Given(gt, case), True), run(torch, theirs, case, Given(torch, case)))
