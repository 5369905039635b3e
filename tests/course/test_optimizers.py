"""The chapter on optimizers and schedules of the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphtorch
from tests.course.oracle import as_torch, as_torch_compiled, filled, numbers, quietly, same

OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda optim, p: optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2),
    "Nesterov": lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adagrad": lambda optim, p: optim.Adagrad(p, lr=0.1),
    "Adadelta": lambda optim, p: optim.Adadelta(p, lr=1.0),
    "RMSprop": lambda optim, p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adam": lambda optim, p: optim.Adam(p, lr=0.05, betas=(0.8, 0.99), weight_decay=0.01),
    "Adam, amsgrad": lambda optim, p: optim.Adam(p, lr=0.05, amsgrad=True),
    "AdamW": lambda optim, p: optim.AdamW(p, lr=0.05),
    "Adamax": lambda optim, p: optim.Adamax(p, lr=0.05),
    "NAdam": lambda optim, p: optim.NAdam(p, lr=0.05),
    "RAdam": lambda optim, p: optim.RAdam(p, lr=0.05),
    "Rprop": lambda optim, p: optim.Rprop(p, lr=0.01),
}


def trained(torch: Any, name: str) -> Any:
    net = filled(torch, torch.nn.Linear(4, 3))
    optimizer = OPTIMIZERS[name](torch.optim, net.parameters())
    x, losses = torch.from_numpy(numbers(5, 4)), []
    for _ in range(7):
        optimizer.zero_grad()
        loss = net(x).exp().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    keys = [sorted(state) for state in optimizer.state_dict()["state"].values()]
    return [losses, net.weight, net.bias, repr(optimizer), keys, optimizer.param_groups[0]["lr"]]


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    torch = pytest.importorskip("torch")
    same(trained(graphtorch, name), quietly(lambda module: trained(module, name), torch), name)


SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda s, o: s.StepLR(o, step_size=3, gamma=0.1),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, milestones=[2, 5]),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, gamma=0.9),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lr_lambda=lambda epoch: 0.95**epoch),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=6),
    "LinearLR": lambda s, o: s.LinearLR(o, total_iters=4),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=0.3, total_steps=9),
    "CyclicLR": lambda s, o: s.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3),
    "Warm-up, then cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=3), s.CosineAnnealingLR(o, T_max=5)], milestones=[3]
    ),
}


def rates(torch: Any, name: str) -> Any:
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.2, momentum=0.9)
    schedule = SCHEDULES[name](torch.optim.lr_scheduler, optimizer)
    seen = []
    for _ in range(8):
        optimizer.step()
        seen.append(schedule.get_last_lr()[0])
        schedule.step()
    return seen


@pytest.mark.torch
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    torch = pytest.importorskip("torch")
    same(rates(graphtorch, name), quietly(lambda module: rates(module, name), torch), name)


@as_torch
def test_a_plateau(torch: Any) -> Any:
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    seen = []
    for loss in (3.0, 2.0, 2.0, 2.5, 2.1, 1.0, 1.0):
        schedule.step(loss)
        seen.append(optimizer.param_groups[0]["lr"])
    return seen


@as_torch_compiled
def test_a_schedule_in_a_training_loop(torch: Any, compile: Any) -> Any:
    """Groups have rates of their own; the schedule changes both, and a program is good for all rates."""
    net = filled(torch, torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)))
    optimizer = torch.optim.SGD(
        [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.01}], lr=0.1, momentum=0.9
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    x, y = torch.from_numpy(numbers(6, 4)), torch.tensor([0, 1, 1, 0, 1, 0])

    @compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    losses = []
    for _ in range(5):
        losses.append(step(x, y).item())
        schedule.step()
    return [losses, net.state_dict(), [group["lr"] for group in optimizer.param_groups]]


@as_torch
def test_frozen_layers_and_a_saved_optimizer(torch: Any) -> Any:
    net = filled(torch, torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, 2)))
    for parameter in net[0].parameters():
        parameter.requires_grad = False
    trainable = [p for p in net.parameters() if p.requires_grad]
    x = torch.from_numpy(numbers(6, 4))

    def step(optimizer: Any) -> None:
        optimizer.zero_grad(set_to_none=False)
        (net(x) ** 2).mean().backward()
        optimizer.step()

    first = torch.optim.Adam(trainable, lr=0.1)
    step(first)
    second = torch.optim.Adam(trainable, lr=0.5)
    second.load_state_dict(first.state_dict())
    step(second)
    return [net.state_dict(), second.state_dict()["param_groups"], net[0].weight.grad is None]
