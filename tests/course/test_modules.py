"""The chapter on modules: definition, registration, containers, modes, state."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from tests.course.oracle import as_torch, as_torch_compiled, filled, numbers


def make_net(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, kernel_size=3, padding=1)
            self.norm = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width // 2, kernel_size=3, padding=1)
            self.fc1 = nn.Linear(4 * 4 * width // 2, 16)
            self.fc2 = nn.Linear(16, 2)
            self.width = width

        def forward(self, x: Any) -> Any:
            out = F.max_pool2d(torch.tanh(self.norm(self.conv1(x))), 2)
            out = F.max_pool2d(torch.tanh(self.conv2(out)), 2)
            out = out.view(-1, 4 * 4 * self.width // 2)
            return self.fc2(torch.tanh(self.fc1(out)))

    return filled(torch, Net())


@as_torch
def test_definition(torch: Any) -> Any:
    net = make_net(torch)
    x = torch.from_numpy(numbers(2, 3, 16, 16))
    counts = [p.numel() for p in net.parameters() if p.requires_grad]
    return [
        net(x),
        repr(net),
        sum(counts),
        counts,
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_modules()],
        [name for name, _ in net.named_children()],
        [name for name, _ in net.named_buffers()],
        list(net.state_dict()),
        net.conv1.weight.shape,
        isinstance(net.fc1.weight, torch.nn.Parameter),
        net.get_submodule("fc1") is net.fc1,
        [type(m).__name__ for m in net.modules()],
    ]


@as_torch
def test_modes(torch: Any) -> Any:
    net = make_net(torch)
    x = torch.from_numpy(numbers(4, 3, 16, 16))
    seen = [net.training, net(x)]
    net.eval()
    seen += [net.training, net.norm.training, net(x), net.norm.num_batches_tracked]
    net.train()
    seen += [net.norm.training, net(x), net.norm.running_mean]
    with torch.no_grad():
        seen.append(net(x).requires_grad)
    return seen


@as_torch
def test_containers(torch: Any) -> Any:
    nn = torch.nn
    named = nn.Sequential(
        OrderedDict([("hidden", nn.Linear(1, 8)), ("activation", nn.Tanh()), ("output", nn.Linear(8, 1))])
    )
    layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
    layers.append(nn.ReLU())
    choices = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    stack = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    stack.append(nn.Linear(2, 1))
    stack.add_module("last", nn.Sigmoid())
    return [
        repr(named),
        named.output.bias.shape,
        [name for name, _ in named.named_parameters()],
        repr(layers),
        len(layers),
        repr(choices),
        list(choices.keys()),
        "relu" in choices,
        repr(stack),
        len(stack),
        repr(stack[1:]),
        list(layers.state_dict()),
    ]


@as_torch
def test_parameters_and_buffers_of_ones_own(torch: Any) -> Any:
    nn = torch.nn

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(3))
            self.register_buffer("calls", torch.zeros(1))
            self.register_parameter("bias", None)

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.gain

        def extra_repr(self) -> str:
            return "size=3"

    scale = Scale()
    scale(torch.ones(2, 3)).sum().backward()
    with pytest.raises(AttributeError):
        scale.nothing  # noqa: B018
    with pytest.raises(TypeError):
        scale.gain = torch.ones(3)
    return [repr(scale), scale.state_dict(), scale.gain.grad, scale.bias is None, list(scale.buffers())]


@as_torch
def test_state_dicts(torch: Any) -> Any:
    net, other = make_net(torch), make_net(torch)
    with torch.no_grad():
        net.fc2.bias.add_(1)
    result = other.load_state_dict(net.state_dict())
    x = torch.from_numpy(numbers(2, 3, 16, 16))
    state = net.state_dict()
    del state["fc1.bias"]
    with pytest.raises(RuntimeError, match=r"fc1\.bias"):
        other.load_state_dict(state)
    partial = other.load_state_dict(state, strict=False)
    wrong = dict(net.state_dict(), **{"fc1.bias": torch.zeros(3)})
    with pytest.raises(RuntimeError, match=r"fc1\.bias"):
        other.load_state_dict(wrong)
    return [str(result), net(x), other(x), partial.missing_keys, partial.unexpected_keys]


@as_torch
def test_initialization(torch: Any) -> Any:
    nn = torch.nn

    def start(module: Any) -> None:
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 0.25)
            nn.init.zeros_(module.bias)

    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).apply(start)
    wide = nn.Linear(400, 300)
    bound = 1 / 400**0.5
    nn.init.kaiming_normal_(wide.weight, nonlinearity="relu")
    spread = wide.weight.std().item() / (2 / 400) ** 0.5
    nn.init.xavier_uniform_(wide.weight)
    return [
        net(torch.ones(1, 3)),
        bool((wide.bias.abs() <= bound).all()),
        abs(spread - 1) < 0.02,
        bool(wide.weight.abs().max() <= (6 / 700) ** 0.5),
    ]


@as_torch_compiled
def test_residual_blocks(torch: Any, compile: Any) -> Any:
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(channels)
            nn.init.constant_(self.norm.weight, 0.5)
            nn.init.zeros_(self.norm.bias)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.norm(self.conv(x))) + x

    body = nn.Sequential(*(Block(4) for _ in range(3)))
    net = filled(torch, nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), body, nn.Flatten(), nn.Linear(4 * 5 * 6, 3)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=1e-3)
    x, y = torch.from_numpy(numbers(2, 3, 5, 6)), torch.tensor([0, 2])

    @compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = [step(x, y).item() for _ in range(3)]
    net.eval()
    with torch.no_grad():
        predicted = compile(net)(x)
    return [losses, net.state_dict(), predicted]
