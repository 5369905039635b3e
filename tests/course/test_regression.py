"""The chapter on learning: a line through points, by hand, with autograd, and with optim."""

from __future__ import annotations

from typing import Any

from tests.course.oracle import as_torch, as_torch_compiled, filled

CELSIUS = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
UNKNOWN = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]


def model(t: Any, w: Any, b: Any) -> Any:
    return w * t + b


def mean_square(found: Any, expected: Any) -> Any:
    return ((found - expected) ** 2).mean()


@as_torch
def test_gradients_by_hand(torch: Any) -> Any:
    t_c, t_u = torch.tensor(CELSIUS), 0.1 * torch.tensor(UNKNOWN)
    params, losses = torch.tensor([1.0, 0.0]), []
    for _ in range(50):
        w, b = params
        t_p = model(t_u, w, b)
        losses.append(float(mean_square(t_p, t_c)))
        slope = 2 * (t_p - t_c) / t_p.size(0)
        params = params - 1e-2 * torch.stack([(slope * t_u).sum(), slope.sum()])
    return [params, losses]


@as_torch_compiled
def test_gradients_by_autograd(torch: Any, compile: Any) -> Any:
    t_c, t_u = torch.tensor(CELSIUS), 0.1 * torch.tensor(UNKNOWN)
    params = torch.tensor([1.0, 0.0], requires_grad=True)

    @compile
    def step(t_u: Any, t_c: Any) -> Any:
        if params.grad is not None:
            params.grad.zero_()
        loss = mean_square(model(t_u, *params), t_c)
        loss.backward()
        with torch.no_grad():
            params.sub_(1e-2 * params.grad)
        return loss.detach()

    losses = [step(t_u, t_c).item() for _ in range(50)]
    return [params, params.grad, losses]


@as_torch_compiled
def test_an_optimizer_and_a_validation_set(torch: Any, compile: Any) -> Any:
    t_c, t_u = torch.tensor(CELSIUS), 0.1 * torch.tensor(UNKNOWN)
    train, val = torch.arange(9), torch.arange(9, 11)
    params = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=1e-2)

    @compile
    def step(t_u: Any, t_c: Any) -> Any:
        loss = mean_square(model(t_u, *params), t_c)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = []
    for _ in range(40):
        loss = step(t_u[train], t_c[train])
        with torch.no_grad():
            losses.append((loss.item(), mean_square(model(t_u[val], *params), t_c[val]).item()))
    return [params, losses]


@as_torch_compiled
def test_a_hidden_layer(torch: Any, compile: Any) -> Any:
    nn = torch.nn
    t_c, t_u = torch.tensor(CELSIUS).unsqueeze(1), 0.1 * torch.tensor(UNKNOWN).unsqueeze(1)
    net = filled(torch, nn.Sequential(nn.Linear(1, 13), nn.Tanh(), nn.Linear(13, 1)))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    loss_fn = nn.MSELoss()

    @compile
    def step(t_u: Any, t_c: Any) -> Any:
        loss = loss_fn(net(t_u), t_c)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = [step(t_u, t_c).item() for _ in range(30)]
    return [losses, net(t_u), [p.shape for p in net.parameters()], net.state_dict(), net[2].bias.grad]
