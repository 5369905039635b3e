"""The training contract: what is wrong with a step is said before it is compiled, and what is right is left alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import ContractError, ContractWarning
from graphtorch.ir.codes.running import run
from graphtorch.nn import functional as F
from tests.errors.broken_training import BROKEN
from tests.errors.training_programs import PROGRAMS, Made, Net, images, labels, plain_step


@pytest.mark.parametrize("name", BROKEN)
def test_the_message_of_a_broken_program(name: str) -> None:
    program, *expected = BROKEN[name]
    assert [said.text for said in run(program)] == expected


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_that_is_right_is_left_alone(make: Callable[[], Made]) -> None:
    step, arguments = make()
    checked = [str(p) for p in gt.check(step, *arguments).problems if p.severity != "note"]
    assert checked == []
    compiled = gt.compile(step)
    for _ in range(3):  # the second call finds what the first has left
        compiled(*arguments)


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) > 45 and len(BROKEN) > 20


# ---- gradients that are left from one call to the next -----------------------------------------------


def accumulating(net: nn.Module, optimizer: optim.Optimizer) -> Callable[..., Any]:
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_the_second_call_tells_of_gradients_that_the_first_has_left() -> None:
    net = Net()
    step = gt.compile(accumulating(net, optim.SGD(net.parameters(), lr=0.1)))
    step(images(), labels())
    with pytest.warns(ContractWarning, match="GT336"):
        step(images(), labels())
    step(images(), labels())  # the same program


@pytest.mark.parametrize("to_none", [True, False])
def test_the_caller_may_clear_gradients(to_none: bool) -> None:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    step = gt.compile(accumulating(net, optimizer))
    for size in (6, 6, 4, 4):
        optimizer.zero_grad(to_none)
        step(images()[:size], labels()[:size])


def test_a_check_sees_all_that_there_is() -> None:
    net = Net()
    report = gt.check(accumulating(net, optim.SGD(net.parameters(), lr=0.1)), images(), labels())
    assert [(p.code, p.severity) for p in report.problems] == [("GT336", "warning")]


def test_steps_may_be_made_every_few_calls() -> None:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @gt.compile
    def step(number: int, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        if number % 3 == 0:
            optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y) / 3
        loss.backward()
        if number % 3 == 2:
            optimizer.step()
        return loss

    for number in range(9):
        step(number % 3, images(), labels())


def test_accumulation_in_a_function_of_its_own() -> None:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    last = gt.compile(accumulating(net, optimizer))

    @gt.compile
    def earlier(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        earlier(images(), labels())
        last(images(), labels())
        optimizer.zero_grad()


# ---- what is done about them -------------------------------------------------------------------------


def outdated() -> tuple[nn.Module, optim.Optimizer]:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    net.head = nn.Linear(5, 7)
    return net, optimizer


def hopeless() -> tuple[nn.Module, optim.Optimizer]:
    return Net(), optim.SGD(Net().parameters(), lr=0.1)


def test_a_code_can_be_left_out() -> None:
    step = gt.compile(plain_step(*outdated()), ignore={"GT330", "GT331"})
    step(images(), labels())
    assert len(step.stats) == 1
    step = gt.compile(plain_step(*hopeless()), ignore=["GT330", "GT331"])
    step(images(), labels())


def test_what_is_left_out_is_left_out_of_copies() -> None:
    import copy

    step = copy.deepcopy(gt.compile(Net(), ignore={"GT330"}))
    assert step._ignore == {"GT330"}


def test_warnings_can_be_made_errors() -> None:
    step = gt.compile(plain_step(*outdated()))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=ContractWarning)
        with pytest.raises(ContractWarning, match="GT330"):
            step(images(), labels())
    assert step.stats == []


def test_a_warning_is_at_the_line_of_the_call() -> None:
    step = gt.compile(plain_step(*outdated()))
    with pytest.warns(ContractWarning) as caught:
        step(images(), labels())
    (only,) = caught
    with open(only.filename, encoding="utf-8") as file:
        assert file.readlines()[only.lineno - 1].strip() == "step(images(), labels())"
    assert only.filename == __file__


def test_an_error_leaves_everything_as_it_was() -> None:
    net, optimizer = hopeless()
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    step = gt.compile(plain_step(net, optimizer))
    for _ in range(2):
        with pytest.raises(ContractError, match="GT330"):
            step(images(), labels())
    assert step.stats == [] and not optimizer.state
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before
    assert all(p.grad is None for p in net.parameters())
    optimizer.param_groups[0]["params"] = list(net.parameters())
    step(images(), labels())
    assert len(step.stats) == 1


def test_an_error_of_a_function_with_named_sizes() -> None:
    step = gt.compile(plain_step(*hopeless()), dynamic={"x": {0: "B"}, "y": {0: "B"}})
    with pytest.raises(ContractError, match="GT330"):
        step(images(), labels())


def test_a_parameter_that_was_taken_out_is_meant_to_stay() -> None:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    step = gt.compile(plain_step(net, optimizer))
    step(images(), labels())
    del optimizer.param_groups[0]["params"][2:]
    before = net.head.weight.tolist()
    step(images(), labels())
    assert len(step.stats) == 2 and net.head.weight.tolist() == before


@pytest.mark.parametrize("given", ["GT330", 330, [330]])
def test_what_cannot_be_ignored(given: Any) -> None:
    with pytest.raises(gt.errors.ArgumentTypeError, match="GT301: ignore must be a collection of codes"):
        gt.compile(Net(), ignore=given)


# ---- a model without a step --------------------------------------------------------------------------


def test_a_model_that_is_checked_alone() -> None:
    class Listed(Net):
        def __init__(self) -> None:
            super().__init__()
            self.more = [nn.Linear(3, 3)]

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            return super().forward(self.more[0](x))

    assert [p.code for p in gt.check(Listed(), images()).problems] == ["GT334"]
    net = Net()
    for optimizer in (optim.SGD(net.parameters(), lr=0.1), [optim.SGD(net.parameters(), lr=0.1)]):
        assert gt.check(net, images(), loss=F.cross_entropy, targets=labels(), optimizer=optimizer).problems == []
    foreign = optim.SGD(Net().parameters(), lr=0.1)
    del net
    for loss in (None, F.cross_entropy):
        report = gt.check(Net(), images(), loss=loss, targets=labels() if loss else None, optimizer=foreign)
        assert [(p.code, p.severity) for p in report.problems] == [("GT330", "error")]


def test_integers_pass_no_gradients_in_a_program() -> None:
    w = gt.ones(3, requires_grad=True)
    v = gt.ones(3, requires_grad=True)

    @gt.compile
    def f() -> None:
        ((w * 2.5).long().float() * v).sum().backward()

    f()
    assert w.grad is None and v.grad is not None and v.grad.tolist() == [2.0, 2.0, 2.0]
