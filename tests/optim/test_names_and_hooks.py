"""What an optimizer is given beside parameters: their names, functions to call around a step, rates that are tensors."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError
from tests.errors import without_lines


def _net(lib: Any) -> Any:
    return lib.Sequential(lib.Linear(3, 4), lib.Tanh(), lib.Linear(4, 2))


NAMES = ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.torch
def test_names_are_kept_as_torch_keeps_them() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    groups = []
    for lib, opt in ((nn, optim), (torch.nn, torch.optim)):
        net = _net(lib)
        named = list(net.named_parameters())
        optimizer = opt.SGD([{"params": named[:1], "lr": 0.5}, {"params": iter(named[1:3])}], lr=0.1)
        optimizer.add_param_group({"params": [named[3]], "momentum": 0.9})
        bare = opt.SGD(net.parameters(), lr=0.1)
        bare.load_state_dict(opt.SGD(net.named_parameters(), lr=0.2).state_dict())
        kept = opt.SGD(net.named_parameters(), lr=0.1)
        kept.load_state_dict(opt.SGD(net.parameters(), lr=0.2).state_dict())
        groups.append([o.state_dict()["param_groups"] for o in (optimizer, bare, kept)])
    assert groups[0] == groups[1]
    assert [g["param_names"] for g in groups[0][1]] == [NAMES]


def test_named_parameters_are_trained() -> None:
    net = _net(nn)
    optimizer = optim.Adam(net.named_parameters())
    assert optimizer.param_groups[0]["params"] == list(net.parameters())
    before = [p.tolist() for p in net.parameters()]
    net(gt.ones(5, 3)).sum().backward()
    optimizer.step()
    assert all(p.tolist() != b for p, b in zip(net.parameters(), before, strict=True))


def test_names_of_some() -> None:
    p, q = nn.Parameter(gt.ones(2)), nn.Parameter(gt.ones(3))
    expected = "  expected all as pairs of a name and a tensor, or none"
    with pytest.raises(ArgumentError) as wrong:
        optim.SGD([("p", p), q])
    assert (
        without_lines(wrong.value) == f"ArgumentError GT304: params[1] comes without a name, unlike others\n{expected}"
    )
    optimizer = optim.SGD([p])
    with pytest.raises(ArgumentError) as wrong:
        optimizer.add_param_group({"params": [("q", q)]})
    assert without_lines(wrong.value) == f"ArgumentError GT304: params[0] comes with a name, unlike others\n{expected}"
    with pytest.raises(ArgumentTypeError, match=r"GT301: params\[0\] must be a tensor, got float"):
        optim.SGD([("p", 0.5)])


def test_a_rate_that_is_a_tensor() -> None:
    with pytest.raises(ArgumentTypeError) as wrong:
        optim.SGD([nn.Parameter(gt.ones(2))], lr=gt.tensor(0.1))
    assert without_lines(wrong.value) == (
        "ArgumentTypeError GT301: lr must be a number, got Tensor tensor(0.1000)\n"
        "  pass its item(): programs take it as an input"
    )


# ---- hooks ----


@pytest.mark.torch
def test_hooks_are_called_as_torchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    logs = []
    for lib, opt, make in ((nn, optim, gt.ones), (torch.nn, torch.optim, torch.ones)):
        p, log = lib.Parameter(make(2)), []
        optimizer = opt.SGD([p], lr=0.5)
        other = lambda log=log: log.append("other closure") or 2.0

        def note(name: str, log: list[Any] = log, optimizer: Any = optimizer) -> Callable[..., None]:
            return lambda o, args, kwargs: log.append((name, o is optimizer, args[0] is o, len(args), kwargs))

        optimizer.register_step_post_hook(note("after"))
        handle = optimizer.register_step_pre_hook(note("before"))
        optimizer.register_step_pre_hook(
            lambda o, args, kwargs, other=other: ((o, other), {}) if len(args) > 1 else None
        )
        optimizer.register_step_pre_hook(note("then"))
        p.grad = make(2)
        log.append(optimizer.step())
        log.append(optimizer.step(lambda: 1.0))
        handle.remove()
        optimizer.step()
        logs.append([log, p.tolist()])
    assert logs[0] == logs[1]


class Run:
    """A step with gradients cut off before it and weights that are kept in a ball after it."""

    def __init__(self, compiled: bool) -> None:
        gt.manual_seed(4)
        self.net = _net(nn)
        self.optimizer = optim.Adam(self.net.parameters(), lr=0.1)
        self.step = gt.compile(self._step) if compiled else self._step

    def _step(self, x: gt.Tensor) -> gt.Tensor:
        self.optimizer.zero_grad()
        loss: gt.Tensor = (self.net(x) - x[:, :2] * 3).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss

    def cut(self, o: Any, args: Any, kwargs: Any) -> None:
        for p in self.net.parameters():
            p.grad.clamp_(-0.01, 0.01)

    def keep(self, o: Any, args: Any, kwargs: Any) -> None:
        with gt.no_grad():
            self.net[2].weight.div_(self.net[2].weight.norm().clamp(min=0.5) * 2)

    def all(self) -> list[Any]:
        return [p.detach().numpy().copy() for p in self.net.parameters()]


def test_hooks_are_a_part_of_the_program() -> None:
    eager, compiled = Run(False), Run(True)
    x = gt.tensor(np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32))
    for run in (eager, compiled):
        run.step(x)
        cut = run.optimizer.register_step_pre_hook(run.cut)
        for _ in range(3):
            run.step(x)
        run.optimizer.register_step_post_hook(run.keep)
        for _ in range(3):
            run.step(x)
        cut.remove()
        for _ in range(2):
            run.step(x)
    for a, b in zip(eager.all(), compiled.all(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(compiled.step.stats) == 4  # a program for each set of hooks
    assert np.linalg.norm(compiled.all()[2]) == pytest.approx(0.5, rel=1e-5)


def test_what_is_no_hook() -> None:
    optimizer = optim.SGD([nn.Parameter(gt.ones(2))], lr=0.1)
    with pytest.raises(ArgumentTypeError, match="GT301: hook must be a function, got int"):
        optimizer.register_step_post_hook(3)  # type: ignore[arg-type]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
    with pytest.raises(ArgumentTypeError) as wrong:
        optimizer.step()
    assert without_lines(wrong.value) == (
        "ArgumentTypeError GT301: a hook of step() returned int 5\n"
        "  expected None or a pair of new arguments: (args, kwargs)"
    )


@pytest.mark.torch
def test_hooks_of_state_are_called_as_torchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    seen: dict[str, list[Any]] = {}
    for lib in (torch, gt):
        told = seen[lib.__name__] = []
        optimizer = lib.optim.SGD([lib.ones(2, requires_grad=True)], lr=0.5)
        optimizer.register_state_dict_pre_hook(lambda o, told=told: told.append(("collecting", o.defaults["lr"])))
        optimizer.register_state_dict_post_hook(lambda o, s, told=told: told.append(("collected", sorted(s))))
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1}, prepend=True)
        state = optimizer.state_dict()
        last = optimizer.register_load_state_dict_pre_hook(lambda o, s, told=told: told.append(("loading", sorted(s))))
        optimizer.register_load_state_dict_pre_hook(lambda o, s: s.pop("more") and None, prepend=True)
        optimizer.register_load_state_dict_post_hook(lambda o, told=told: told.append(("loaded", o.defaults["lr"])))
        optimizer.load_state_dict(state)
        last.remove()
        optimizer.load_state_dict(state)
        told.append(sorted(state))
    assert seen["torch"] == seen["graphtorch"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copies_have_no_hooks(copied: Callable[[Any], Any]) -> None:
    weight = nn.Parameter(gt.ones(2))
    optimizer = optim.SGD([weight], lr=0.5)
    called: list[int] = []
    optimizer.register_step_post_hook(lambda *_: called.append(1))  # of which a pickle can make nothing
    again = copied(optimizer)
    again.step()
    assert called == [] and again.param_groups[0]["lr"] == 0.5
    optimizer.step()
    assert called == [1]
