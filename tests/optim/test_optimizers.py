"""Optimizers by their formulas: updates, groups, state, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.frontend import epoch
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError
from tests.errors import without_lines


def _parameters() -> list[nn.Parameter]:
    return [nn.Parameter(gt.tensor([1.0, -2.0, 3.0])), nn.Parameter(gt.tensor([[0.5, 4.0]]))]


def _give_gradients(params: list[nn.Parameter], factor: float = 1.0) -> None:
    """The gradients of half the sum of squares, times a factor."""
    for p in params:
        p.grad = p.detach().clone() * factor


def _run(optimizer: optim.Optimizer, params: list[nn.Parameter], steps: int) -> list[Any]:
    for _ in range(steps):
        _give_gradients(params)
        optimizer.step()
    return [p.tolist() for p in params]


def test_sgd_by_hand() -> None:
    params = _parameters()
    optimizer = optim.SGD(params, lr=0.1, momentum=0.5, weight_decay=0.2)
    p, b = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    for _ in range(4):
        b = 0.5 * b + 1.2 * p
        p = p - 0.1 * b
    np.testing.assert_allclose(_run(optimizer, params, 4)[0], p, rtol=1e-6)


def test_adam_by_hand() -> None:
    params = _parameters()
    p, m, v = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    for t in range(1, 6):
        m, v = 0.8 * m + 0.2 * p, 0.9 * v + 0.1 * p * p
        p = p - 0.05 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
    optimizer = optim.Adam(params, lr=0.05, betas=(0.8, 0.9), eps=1e-3)
    np.testing.assert_allclose(_run(optimizer, params, 5)[0], p, rtol=1e-6)
    assert optimizer.state[params[0]]["step"].item() == 5


def test_parameters_without_gradient_are_left_alone() -> None:
    params = _parameters()
    optimizer = optim.Adam(params)
    params[0].grad = gt.ones(3)
    optimizer.step()
    assert params[1].tolist() == [[0.5, 4.0]] and params[1] not in optimizer.state
    assert params[0].is_leaf and params[0].requires_grad


def test_groups_have_their_own_options() -> None:
    params = _parameters()
    optimizer = optim.SGD([{"params": params[0], "lr": 1.0}, {"params": params[1:]}], lr=0.5)
    _run(optimizer, params, 1)
    assert params[0].tolist() == [0.0, 0.0, 0.0] and params[1].tolist() == [[0.25, 2.0]]
    before, extra = epoch.now(), nn.Parameter(gt.ones(2))
    optimizer.add_param_group({"params": [extra], "momentum": 0.9})
    assert epoch.now() > before and optimizer.param_groups[2]["lr"] == 0.5
    optimizer.param_groups[0]["lr"] = 0.1
    params[0].data.fill_(1.0)
    _run(optimizer, params, 1)
    np.testing.assert_allclose(params[0].tolist(), [0.9] * 3, rtol=1e-6)


def test_zero_grad_does_not_need_to_read_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    params = _parameters()
    optimizer = optim.SGD(params)
    _give_gradients(params)
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is not None and params[0].grad.tolist() == [0.0] * 3
    reads: list[object] = []
    setter = gt.Tensor.grad.fset
    monkeypatch.setattr(gt.Tensor, "grad", property(lambda t: reads.append(t), setter))
    optimizer.zero_grad()
    monkeypatch.undo()
    assert not reads and all(p.grad is None for p in params)


def test_closure() -> None:
    params = _parameters()
    optimizer = optim.SGD(params, lr=0.1)

    def closure() -> gt.Tensor:
        optimizer.zero_grad()
        loss: gt.Tensor = (params[0] * params[0]).sum()
        loss.backward()
        return loss

    with gt.no_grad():
        assert optimizer.step(closure).item() == 14.0
    np.testing.assert_allclose(params[0].tolist(), [0.8, -1.6, 2.4], rtol=1e-6)


MAKERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "damped": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.4),
    "adam": lambda p: optim.Adam(p, lr=0.05, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.05),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.05, momentum=0.9, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.05, initial_accumulator_value=0.1),
    "adadelta": lambda p: optim.Adadelta(p, lr=0.9),
    "adamax": lambda p: optim.Adamax(p, lr=0.05),
    "nadam": lambda p: optim.NAdam(p, lr=0.05),
    "radam": lambda p: optim.RAdam(p, lr=0.05),
    "asgd": lambda p: optim.ASGD(p, lr=0.05, lambd=0.1, t0=2),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", MAKERS)
def test_state_dict_resumes(name: str) -> None:
    params = _parameters()
    optimizer = MAKERS[name](params)
    _run(optimizer, params, 3)
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    resumed = MAKERS[name](copies)
    resumed.load_state_dict(optimizer.state_dict())
    assert _run(optimizer, params, 3) == _run(resumed, copies, 3)


@pytest.mark.parametrize("name", MAKERS)
def test_loading_writes_into_the_tensors_that_programs_hold(name: str) -> None:
    params = _parameters()
    optimizer = MAKERS[name](params)
    start = [p.tolist() for p in params]
    _run(optimizer, params, 1)
    saved = {k: {n: t.clone() for n, t in v.items()} for k, v in optimizer.state_dict()["state"].items()}
    kept = {"state": saved, "param_groups": optimizer.state_dict()["param_groups"]}
    group, state, structure = optimizer.param_groups[0], dict(optimizer.state[params[0]]), optimizer._structure()
    after = _run(optimizer, params, 4)
    for p, values in zip(params, start, strict=True):
        p.data.copy_(gt.tensor(values))
    optimizer.load_state_dict(kept)
    assert optimizer.param_groups[0] is group and optimizer._structure() == structure
    assert all(optimizer.state[params[0]][k] is t for k, t in state.items())
    fresh = MAKERS[name](other := _parameters())
    _run(fresh, other, 1)
    for p, q in zip(params, other, strict=True):
        p.data.copy_(q.detach())
    assert _run(optimizer, params, 4) == after


def test_loading_an_empty_state_starts_anew() -> None:
    params = _parameters()
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.3)
    empty, structure = optimizer.state_dict(), optimizer._structure()
    first = _run(optimizer, params, 2)
    for p, q in zip(params, _parameters(), strict=True):
        p.data.copy_(q.detach())
    optimizer.load_state_dict(empty)
    assert not optimizer.state and optimizer._structure() != structure
    assert _run(optimizer, params, 2) == first


def test_layout_of_the_state_dict() -> None:
    params = _parameters()
    optimizer = optim.Adam([{"params": params[0]}, {"params": params[1], "lr": 0.5}])
    _run(optimizer, params, 1)
    state = optimizer.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0], [1]] and state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [0, 1] and list(state["state"][1]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["state"][0]["step"].shape == () and state["state"][0]["step"].dtype == gt.float32


def test_loading_what_does_not_fit_changes_nothing() -> None:
    params = _parameters()
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    _run(optimizer, params, 1)
    good = optimizer.state_dict()
    other = {0: {"momentum_buffer": gt.ones(4)}, 1: {"momentum_buffer": gt.ones(1, 2)}}
    groups = [{**good["param_groups"][0], "lr": 7.0}]
    with pytest.raises(StateError) as wrong:
        optimizer.load_state_dict({"state": other, "param_groups": groups})
    assert without_lines(wrong.value) == (
        "StateError GT705: the state_dict does not fit SGD\n"
        '  size mismatch for "momentum_buffer" of parameter 0: expected [3], got [4]'
    )
    with pytest.raises(StateError, match=r"expected groups of \[2\] parameters, got \[1\]"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{**groups[0], "params": [0]}]})
    with pytest.raises(ArgumentError, match="lr=-1 is not allowed"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{**groups[0], "lr": -1}]})
    with pytest.raises(ArgumentTypeError, match='must be a mapping with "state" and "param_groups"'):
        optimizer.load_state_dict({})
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state[params[1]]["momentum_buffer"].tolist() == [[0.5, 4.0]]


def test_structure_tells_of_switches_and_not_of_numbers() -> None:
    optimizer = optim.SGD(_parameters(), lr=0.1, momentum=0.9)
    before, group = optimizer._structure(), optimizer.param_groups[0]
    group["lr"], group["momentum"] = 0.0, 0.5
    assert optimizer._structure() == before
    for name, value in (("momentum", 0), ("weight_decay", 0.1), ("nesterov", True), ("maximize", True)):
        old, group[name] = group[name], value
        assert optimizer._structure() != before, name
        group[name] = old
    optimizer.add_param_group({"params": [nn.Parameter(gt.ones(1))]})
    assert optimizer._structure() != before


def test_state_is_made_outside_of_the_running_interpreter() -> None:
    from graphtorch.ir import bind
    from graphtorch.ir.bind import Interpreter

    params = _parameters()
    optimizer = optim.SGD(params, momentum=0.9)
    bind.push(Interpreter())  # cannot run a single op
    try:
        made = optimizer._state_of(params[0], "momentum_buffer", lambda: gt.zeros(3))
    finally:
        bind.pop()
    assert made.tolist() == [0.0] * 3 and optimizer.state[params[0]]["momentum_buffer"] is made


REFUSED: list[tuple[Callable[[list[Any]], Any], str]] = [
    (
        lambda p: optim.SGD([]),
        "ArgumentError GT306: the optimizer got no parameters\n"
        "  expected at least one; layers in a plain list or dict are not found (nn.ModuleList, nn.ModuleDict are), "
        "and net.parameters() can be consumed only once",
    ),
    (
        lambda p: optim.SGD(p[0]),
        "ArgumentTypeError GT301: params must be an iterable of tensors or of dicts, got Parameter\n"
        '  expected net.parameters(), a list of tensors, or a list of dicts with "params"',
    ),
    (
        lambda p: optim.Adam([p[0], p[1], p[0]]),
        "ArgumentError GT306: params[2] f32[3] is given twice\n  group 0 has it already; expected every parameter once, in one group",
    ),
    (
        lambda p: optim.Adam([{"params": p}, {"params": p[1]}]),
        "ArgumentError GT306: params[0] f32[1,2] is given twice\n  groups 0 and 1 both have it; expected every parameter once, in one group",
    ),
    (
        lambda p: optim.SGD([p[0] * 2]),
        "ArgumentError GT306: params[0] f32[3] is computed from other tensors\n"
        "  expected leaves: tensors that no op has made",
    ),
    (lambda p: optim.SGD(["weight"]), "ArgumentTypeError GT301: params[0] must be a tensor, got str"),
    (lambda p: optim.SGD(p, lr=-0.1), "ArgumentError GT304: lr=-0.1 is not allowed\n  expected lr >= 0"),
    (lambda p: optim.SGD(p, lr="fast"), "ArgumentTypeError GT301: lr must be a number, got str 'fast'"),
    (
        lambda p: optim.SGD(p, nesterov=True),
        "ArgumentError GT304: nesterov=True is not allowed here\n  expected momentum > 0 and dampening=0, got 0 and 0",
    ),
    (
        lambda p: optim.Adam(p, betas=(0.9, 1.0)),
        "ArgumentError GT304: betas[1]=1.0 is not allowed\n  expected 0 <= betas[1] < 1",
    ),
    (lambda p: optim.Adam(p, betas=0.9), "ArgumentTypeError GT301: betas must be a pair of numbers, got 0.9"),
    (
        lambda p: optim.Rprop(p, etas=(1.1, 1.2)),
        "ArgumentError GT304: etas=(1.1, 1.2) is not allowed\n  expected 0 < etas[0] < 1 < etas[1]",
    ),
    (
        lambda p: optim.Rprop(p, step_sizes=0.1),
        "ArgumentTypeError GT301: step_sizes must be a pair of numbers, got 0.1",
    ),
    (lambda p: optim.ASGD(p, t0=-1), "ArgumentError GT304: t0=-1 is not allowed\n  expected t0 >= 0"),
    (lambda p: optim.AdamW(p, eps=-1), "ArgumentError GT304: eps=-1 is not allowed\n  expected eps >= 0"),
]


@pytest.mark.parametrize(("make", "text"), REFUSED)
def test_refusals(make: Callable[[list[Any]], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as wrong:
        make(_parameters())
    assert without_lines(wrong.value) == text
