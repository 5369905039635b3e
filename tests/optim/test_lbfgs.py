"""LBFGS beside torch's, iterate by iterate; the conditions that its line search promises; what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.frontend.optim.strong_wolfe import Point, search
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError, TraceError
from tests.errors import without_lines

Loss = Callable[[list[Any]], Any]


def _rosenbrock(params: list[Any]) -> Any:
    (x,) = params
    bend, rest = x[1:] - x[:-1] * x[:-1], 1 - x[:-1]
    return (100 * bend * bend + rest * rest).sum()


RNG = np.random.default_rng(8)
FEATURES, TARGETS = RNG.standard_normal((13, 5)), RNG.standard_normal((13, 2))


def _regression(params: list[Any]) -> Any:
    """Two layers and a parameter without gradient, whose array type says whose tensors they are."""
    weight, bias, top, _ = params
    make = gt.tensor if isinstance(weight, gt.Tensor) else __import__("torch").tensor
    x, y = make(FEATURES), make(TARGETS)
    error = (x @ weight + bias).tanh() @ top - y
    return (error * error).mean() + 0.05 * ((weight * weight).sum() + (top * top).sum())


START: dict[str, tuple[Loss, list[Any]]] = {
    "rosenbrock": (_rosenbrock, [np.array([-1.2, 1.0, -0.5, 0.3, 2.0])]),
    "regression": (_regression, [RNG.standard_normal(s) * 0.5 for s in ((5, 3), (3,), (3, 2), (4,))]),
}
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("rosenbrock", {"line_search_fn": "strong_wolfe"}),
    ("rosenbrock", {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3}),
    ("rosenbrock", {"line_search_fn": "strong_wolfe", "max_iter": 10, "max_eval": 3, "lr": 0.3}),
    ("rosenbrock", {"line_search_fn": "strong_wolfe", "max_iter": 1}),
    ("rosenbrock", {"lr": 0.0003, "max_iter": 2}),
    ("regression", {}),
    ("regression", {"lr": 0.2, "max_iter": 3, "history_size": 2}),
    ("regression", {"line_search_fn": "strong_wolfe", "lr": 3.0}),
    ("regression", {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-3, "tolerance_change": 1e-5}),
    ("regression", {"max_eval": 1}),
    ("regression", {"max_iter": 0}),
]


def _closure(optimizer: Any, loss: Loss, params: list[Any]) -> Callable[[], Any]:
    def closure() -> Any:
        optimizer.zero_grad()
        value = loss(params)
        value.backward()
        return value

    return closure


class _Both:
    """The same run here and in torch."""

    def __init__(self, problem: str, options: dict[str, Any]) -> None:
        torch = pytest.importorskip("torch", reason="torch is an optional oracle")
        self.loss, start = START[problem]
        self.ours = [nn.Parameter(gt.tensor(a)) for a in start]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
        self.a, self.b = optim.LBFGS(self.ours, **options), torch.optim.LBFGS(self.theirs, **options)

    def steps(self, count: int) -> None:
        for at in range(count):
            x = self.a.step(_closure(self.a, self.loss, self.ours))
            y = self.b.step(_closure(self.b, self.loss, self.theirs))
            np.testing.assert_allclose(x.item(), y.item(), rtol=1e-6, atol=1e-9, err_msg=str(at))
            for p, q in zip(self.ours, self.theirs, strict=True):
                np.testing.assert_allclose(p.tolist(), q.tolist(), rtol=1e-6, atol=1e-6, err_msg=str(at))

    def counts(self) -> None:
        s, t = self.a.state[self.ours[0]], self.b.state[self.theirs[0]]
        assert (s["n_iter"], s["func_evals"]) == (t["n_iter"], t["func_evals"])


@pytest.mark.torch
@pytest.mark.parametrize(("problem", "options"), OPTIONS, ids=str)
def test_50_steps_are_torchs(problem: str, options: dict[str, Any]) -> None:
    run = _Both(problem, options)
    run.steps(50)
    run.counts()


def _converted(value: Any, make: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {k: _converted(v, make) for k, v in value.items()}
    if isinstance(value, list):
        return [_converted(v, make) for v in value]
    return make(value.numpy()) if hasattr(value, "numpy") else value


@pytest.mark.torch
@pytest.mark.parametrize("problem", START)
def test_states_are_torchs(problem: str) -> None:
    import torch

    options = {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 4}
    run, other = _Both(problem, options), _Both(problem, options)
    run.steps(4)
    saved, theirs = run.a.state_dict(), run.b.state_dict()
    assert {*theirs["state"][0]} - {*saved["state"][0]} == {"al"}  # scratch memory
    assert list(saved["state"]) == list(theirs["state"])
    other.a.load_state_dict(_converted(theirs, gt.tensor))
    other.b.load_state_dict(_converted(saved, lambda a: torch.tensor(a)))
    for p, q, r in zip(other.ours, other.theirs, run.ours, strict=True):
        p.data.copy_(r.detach())
        q.data.copy_(torch.tensor(r.tolist(), dtype=q.dtype))
    other.steps(5)
    other.counts()


def test_loading_copies() -> None:
    p, q = (nn.Parameter(gt.tensor([-1.2, 1.0, 0.5])) for _ in range(2))
    first, second = (optim.LBFGS([t], line_search_fn="strong_wolfe", max_iter=2, history_size=2) for t in (p, q))
    for _ in range(2):
        first.step(_closure(first, _rosenbrock, [p]))
    saved = first.state_dict()
    kept = _converted(saved, lambda a: a.tolist())
    second.load_state_dict(saved)
    q.data.copy_(p.detach())
    for _ in range(3):
        second.step(_closure(second, _rosenbrock, [q]))
    assert _converted(first.state_dict(), lambda a: a.tolist()) == kept
    for _ in range(3):
        first.step(_closure(first, _rosenbrock, [p]))
    assert p.tolist() == q.tolist()
    wrong = {**saved, "state": {0: {"old_stps": [gt.ones(3), gt.ones(4)]}}}
    with pytest.raises(StateError) as error:
        second.load_state_dict(wrong)
    assert without_lines(error.value) == (
        "StateError GT705: the state_dict does not fit LBFGS\n"
        '  size mismatch for "old_stps" of parameter 0: expected [3], got [4]'
    )


def test_a_quadratic_in_as_many_steps_as_it_has_dimensions() -> None:
    """By theory: with exact steps (the line search comes near) it ends after about one step a dimension."""
    rng = np.random.default_rng(2)
    root, goal = rng.standard_normal((9, 6)), rng.standard_normal(6)
    matrix = gt.tensor(root.T @ root)
    p = nn.Parameter(gt.zeros(2, 3, dtype=gt.float64).t())  # not contiguous
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=60, tolerance_change=0)

    def loss(params: list[Any]) -> Any:
        away = params[0].reshape(-1) - gt.tensor(goal)
        return away @ (matrix @ away)

    optimizer.step(_closure(optimizer, loss, [p]))
    np.testing.assert_allclose(p.reshape(-1).tolist(), goal, rtol=1e-6)
    assert optimizer.state[p]["n_iter"] < 30


LINES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "a bowl far off": (lambda t: (t - 37.0) ** 2, lambda t: 2 * (t - 37.0)),
    "a near one": (lambda t: (t - 1e-3) ** 2, lambda t: 2 * (t - 1e-3)),
    "waves": (lambda t: 0.1 * t - np.sin(3 * t), lambda t: 0.1 - 3 * np.cos(3 * t)),
    "a cliff": (lambda t: np.exp(t) - 3 * t, lambda t: np.exp(t) - 3),
    "a quartic": (lambda t: t**4 - 2 * t**2 - t, lambda t: 4 * t**3 - 4 * t - 1),
}


@pytest.mark.parametrize("first", [1e-4, 0.3, 1.0, 19.0])
@pytest.mark.parametrize("name", LINES)
def test_the_search_ends_where_the_strong_wolfe_conditions_hold(name: str, first: float) -> None:
    loss, slope = LINES[name]
    calls: list[float] = []

    def at(step: float) -> Point:
        calls.append(step)
        return Point(step, float(loss(step)), gt.ones(1), float(slope(step)))

    start = Point(0.0, float(loss(0.0)), gt.ones(1), float(slope(0.0)))
    end = search(at, start, first, 1e-12, 40)
    assert end.loss <= start.loss + 1e-4 * end.step * start.slope
    assert abs(end.slope) <= 0.9 * abs(start.slope)
    assert len(calls) <= 41 and end.step in calls


def test_the_search_keeps_to_its_budget() -> None:
    calls: list[float] = []

    def at(step: float) -> Point:  # falls for ever, so that nothing is found
        calls.append(step)
        return Point(step, -step, gt.ones(1), -1.0)

    start = Point(0.0, 0.0, gt.ones(1), -1.0)
    assert search(at, start, 1.0, 1e-9, 4).step == max(calls) and len(calls) == 5
    calls.clear()
    assert search(at, start, 1.0, 1e-9, 0).step == 1.0 and len(calls) == 1


@pytest.mark.parametrize("dtype", [gt.float16, gt.bfloat16, gt.float32])
def test_few_digits(dtype: Any) -> None:
    p = nn.Parameter(gt.tensor([-1.2, 1.0, 0.5], dtype=dtype))
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=40)

    def loss(params: list[Any]) -> Any:
        return _rosenbrock([params[0] * 0.5 + 0.5]) * 0.1

    optimizer.step(_closure(optimizer, loss, [p]))
    assert p.dtype is dtype and optimizer.state[p]["n_iter"] > 4  # pairs of vectors were used
    assert loss([p.detach().to(gt.float64)]).item() < 0.5  # of 10; the loss in bfloat16 stays the same soon


def test_a_loss_that_is_nan_ends() -> None:
    p = nn.Parameter(gt.tensor([0.5, 2.0]))
    optimizer = optim.LBFGS([p], lr=10, line_search_fn="strong_wolfe")
    first = optimizer.step(_closure(optimizer, lambda params: (params[0].log() * params[0]).sum(), [p]))
    assert np.isfinite(first.item())


def test_what_the_closure_calls_may_be_compiled() -> None:
    p = nn.Parameter(gt.tensor([-1.2, 1.0, 0.5]))
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=80)
    loss = gt.compile(lambda: _rosenbrock([p]))
    optimizer.step(_closure(optimizer, lambda params: loss(), [p]))
    np.testing.assert_allclose(p.tolist(), [1, 1, 1], rtol=1e-3)
    assert len(loss.stats) == 1


def test_hooks_are_called_once_a_step() -> None:
    p, seen = nn.Parameter(gt.tensor([-1.2, 1.0])), []
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=3)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(p.tolist()))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(p.tolist()))
    optimizer.step(_closure(optimizer, _rosenbrock, [p]))
    assert len(seen) == 2 and seen[0] != seen[1] == p.tolist()


def test_not_in_a_program() -> None:
    p = nn.Parameter(gt.ones(2))
    optimizer = optim.LBFGS([p])
    with pytest.raises(TraceError) as wrong:
        gt.compile(lambda: optimizer.step(_closure(optimizer, lambda params: params[0].sum(), [p])))()
    assert without_lines(wrong.value) == (
        "TraceError GT601: LBFGS is for eager mode: how often step() calls its closure depends on the loss\n"
        "  call step() outside of gt.compile; what the closure calls may be compiled"
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"lr": -1}, "lr=-1 is not allowed\n  expected lr >= 0"),
    ({"max_iter": -1}, "max_iter=-1 is not allowed\n  expected max_iter >= 0"),
    ({"max_eval": -2}, "max_eval=-2 is not allowed\n  expected max_eval >= 0"),
    ({"history_size": 0}, "history_size=0 is not allowed\n  expected history_size > 0"),
    ({"tolerance_change": -1e-3}, "tolerance_change=-0.001 is not allowed\n  expected tolerance_change >= 0"),
    ({"line_search_fn": "armijo"}, "line_search_fn='armijo' is not allowed\n  expected None or \"strong_wolfe\""),
]


@pytest.mark.parametrize(("options", "text"), REFUSED)
def test_refusals(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as wrong:
        optim.LBFGS([nn.Parameter(gt.ones(2))], **options)
    assert without_lines(wrong.value) == f"ArgumentError GT304: {text}"


def test_one_group_and_a_closure() -> None:
    p, q = nn.Parameter(gt.ones(2)), nn.Parameter(gt.ones(3))
    with pytest.raises(ArgumentError, match="GT304: LBFGS takes no second group of parameters"):
        optim.LBFGS([{"params": p}, {"params": q}])
    with pytest.raises(ArgumentTypeError, match="GT301: closure must be a function, got NoneType"):
        optim.LBFGS([p]).step()
