"""The four nets that compiled and eager training are compared on, for graphtorch and for torch alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Net:
    """``model(nn)`` and ``loss(nn)`` build it; ``data(step)`` gives that step's numpy batch."""

    name: str
    model: Callable[[Any], Any]
    loss: Callable[[Any], Any]
    data: Callable[[int], tuple[np.ndarray, np.ndarray]]
    random: bool = False


def _images(shape: tuple[int, ...], classes: int) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    def data(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(step)
        return rng.standard_normal(shape).astype(np.float32), rng.integers(0, classes, shape[0])

    return data


def _regression(step: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(step)
    x = rng.standard_normal((19, 11)).astype(np.float32)
    return x, np.sin(x[:, :3]).astype(np.float32)


def demo(nn: Any) -> Any:
    """No bias before a batch norm: its gradient is rounding noise, of which Adam makes steps of full size."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


def cifar(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(11, 33), nn.Sigmoid(), nn.Linear(33, 17), nn.Sigmoid(), nn.Linear(17, 3))


def dropout(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(5 * 3 * 4, 13), nn.Dropout(0.5), nn.Linear(13, 4),
    )  # fmt: skip


NETS = (
    Net("demo", demo, lambda nn: nn.CrossEntropyLoss(), _images((37, 1, 28, 28), 10)),
    Net("cifar", cifar, lambda nn: nn.CrossEntropyLoss(), _images((64, 3, 32, 32), 10)),
    Net("mlp", mlp, lambda nn: nn.MSELoss(), _regression),
    Net("dropout", dropout, lambda nn: nn.CrossEntropyLoss(), _images((23, 2, 7, 9), 4), random=True),
)
#: float32 takes small steps: rounding flips a maximum of a pooling window now and then, and large ones amplify that
RATES = {np.float64: (1e-2, 1e-3), np.float32: (2e-3, 1e-4)}
OPTIMIZERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sgd": lambda optim, p, dtype: optim.SGD(p, lr=RATES[dtype][0], momentum=0.9),
    "adam": lambda optim, p, dtype: optim.Adam(p, lr=RATES[dtype][1]),
}


def train_step(model: Any, loss_fn: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    """A step as a plain user writes it."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def train(
    lib: Any,
    net: Net,
    optimizer: str,
    steps: int,
    wrap: Callable[[Any], Any],
    start: dict[str, np.ndarray] | None = None,
    dtype: Any = np.float32,
    rates: Any = None,
):
    """(losses, final state, initial state) of ``steps`` steps in ``dtype``; ``wrap`` may compile the step.

    ``rates`` is the dtype whose learning rates are taken, if not ``dtype``.
    """
    lib.manual_seed(1234)
    model = net.model(lib.nn)
    if dtype == np.float64:
        model.double()
    if start is not None:
        model.load_state_dict({k: lib.tensor(v) for k, v in start.items()})
    first = {k: np.array(v.detach().numpy()) for k, v in model.state_dict().items()}
    step = wrap(
        train_step(model, net.loss(lib.nn), OPTIMIZERS[optimizer](lib.optim, model.parameters(), rates or dtype))
    )
    lib.manual_seed(99)
    losses = [step(*batch(lib, net, i, dtype)).detach().item() for i in range(steps)]
    return losses, {k: np.array(v.detach().numpy()) for k, v in model.state_dict().items()}, first


def batch(lib: Any, net: Net, step: int, dtype: Any) -> list[Any]:
    """A step's tensors, floating-point ones in ``dtype``."""
    arrays = net.data(step)
    return [lib.from_numpy(a.astype(dtype) if a.dtype.kind == "f" else a) for a in arrays]
