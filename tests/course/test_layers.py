"""The chapter on layers: what each computes, its gradients, its repr and its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.course.oracle import as_torch, as_torch_compiled, filled, numbers, quietly, same

#: (layer of nn, shape of its input)
LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "Linear": (lambda nn: nn.Linear(7, 5), (3, 7)),
    "Linear of more dimensions": (lambda nn: nn.Linear(7, 5, bias=False), (2, 3, 7)),
    "Identity": (lambda nn: nn.Identity(), (2, 3)),
    "Conv1d": (lambda nn: nn.Conv1d(3, 4, 5, padding=2), (2, 3, 11)),
    "Conv2d": (lambda nn: nn.Conv2d(3, 4, kernel_size=3, padding=1), (2, 3, 7, 9)),
    "Conv2d with strides": (lambda nn: nn.Conv2d(3, 6, (3, 2), stride=2, padding=(1, 0), groups=3), (2, 3, 7, 9)),
    "Conv2d of one image": (lambda nn: nn.Conv2d(3, 4, 3, dilation=2, padding="same"), (3, 7, 9)),
    "Conv2d with reflection": (lambda nn: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 7, 9)),
    "Conv3d": (lambda nn: nn.Conv3d(2, 3, 3), (1, 2, 4, 5, 6)),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), (2, 3, 4, 5)),
    "MaxPool2d": (lambda nn: nn.MaxPool2d(2), (2, 3, 7, 9)),
    "MaxPool2d with overlap": (lambda nn: nn.MaxPool2d(3, stride=2, padding=1), (2, 3, 7, 9)),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2), (2, 3, 7, 9)),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 7, 9)),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(1), (2, 3, 7, 9)),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(7), (5, 7)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3), (2, 3, 4, 5)),
    "BatchNorm2d without affine": (lambda nn: nn.BatchNorm2d(3, affine=False, momentum=None), (2, 3, 4, 5)),
    "LayerNorm": (lambda nn: nn.LayerNorm([4, 5]), (3, 4, 5)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 6), (2, 6, 3)),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(3), (2, 3, 4, 5)),
    "Flatten": (lambda nn: nn.Flatten(), (2, 3, 4)),
    "Softmax": (lambda nn: nn.Softmax(dim=1), (3, 5)),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(dim=-1), (3, 5)),
    "ReLU": (lambda nn: nn.ReLU(inplace=True), (3, 5)),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.2), (3, 5)),
    "PReLU": (lambda nn: nn.PReLU(), (3, 5)),
    "ELU": (lambda nn: nn.ELU(), (3, 5)),
    "GELU": (lambda nn: nn.GELU(), (3, 5)),
    "SiLU": (lambda nn: nn.SiLU(), (3, 5)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), (3, 5)),
    "Tanh": (lambda nn: nn.Tanh(), (3, 5)),
    "Hardtanh": (lambda nn: nn.Hardtanh(-0.5, 0.5), (3, 5)),
    "Softplus": (lambda nn: nn.Softplus(), (3, 5)),
    "Upsample": (lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4, 5)),
    "ZeroPad2d": (lambda nn: nn.ZeroPad2d((1, 0, 2, 1)), (2, 3, 4, 5)),
    "ReflectionPad2d": (lambda nn: nn.ReflectionPad2d(1), (2, 3, 4, 5)),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), (1, 8, 3, 2)),
    "Dropout of nothing": (lambda nn: nn.Dropout(0.0), (3, 5)),
}


def runs(torch: Any, name: str) -> Any:
    make, shape = LAYERS[name]
    layer = filled(torch, make(torch.nn))
    x = torch.from_numpy(numbers(*shape, seed=9)).requires_grad_()
    y = layer(x * 1)
    (y * torch.from_numpy(numbers(*y.shape, seed=8))).sum().backward()
    layer.eval()
    with torch.no_grad():
        evaluated = layer(x * 1)
    grads = {name: p.grad for name, p in layer.named_parameters()}
    return [repr(layer), y, x.grad, grads, layer.state_dict(), evaluated]


@pytest.mark.torch
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    import graphtorch

    torch = pytest.importorskip("torch")
    same(runs(graphtorch, name), quietly(lambda module: runs(module, name), torch), name)


@as_torch
def test_embedding(torch: Any) -> Any:
    layer = filled(torch, torch.nn.Embedding(10, 3, padding_idx=0))
    y = layer(torch.tensor([[1, 0, 4], [1, 9, 9]]))
    (y**2).sum().backward()
    return [y, layer.weight.grad, repr(layer)]


@as_torch
def test_dropout(torch: Any) -> Any:
    """Draws differ between the libraries: what does not depend on them is compared."""
    layer, x = torch.nn.Dropout(p=0.25), torch.ones(200, 301)
    y = layer(x)
    kept = y != 0
    layer.eval()
    channels = torch.nn.Dropout2d(0.5)(torch.ones(7, 9, 4, 5))
    per_channel = channels.flatten(2).amax(2) == channels.flatten(2).amin(2)
    return [
        repr(layer),
        abs(kept.float().mean().item() - 0.75) < 0.01,
        y[kept].unique(),
        layer(x) is x or torch.equal(layer(x), x),
        per_channel.all(),
        torch.nn.functional.dropout(x, 0.5, training=False).equal(x),
    ]


@as_torch
def test_a_kernel_written_by_hand(torch: Any) -> Any:
    """An edge detector: weights of a layer are assigned and filled in place."""
    conv = torch.nn.Conv2d(1, 1, kernel_size=3, padding=1)
    with torch.no_grad():
        conv.bias.zero_()
        conv.weight.fill_(1.0 / 9.0)
    image = torch.from_numpy(numbers(1, 1, 6, 7))
    blurred = conv(image)
    with torch.no_grad():
        conv.weight[:] = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
        conv.bias.fill_(0.5)
    return [blurred, conv(image), conv.weight.shape, conv.bias]


@as_torch
def test_recurrent_layers(torch: Any) -> Any:
    nn = torch.nn
    x = torch.from_numpy(numbers(2, 5, 3))
    lstm = filled(torch, nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True))
    y, (h, c) = lstm(x)
    gru = filled(torch, nn.GRU(3, 4))
    z, last = gru(x.transpose(0, 1))
    cell = filled(torch, nn.RNNCell(3, 4))
    return [y, h, c, z, last, cell(x[:, 0]), repr(lstm), repr(gru), list(lstm.state_dict())]


@as_torch
def test_attention(torch: Any) -> Any:
    nn = torch.nn
    x = torch.from_numpy(numbers(2, 5, 12))
    attention = filled(torch, nn.MultiheadAttention(12, 3, batch_first=True))
    y, weights = attention(x, x, x)
    layer = filled(torch, nn.TransformerEncoderLayer(12, 3, dim_feedforward=20, dropout=0.0, batch_first=True))
    q = x.reshape(2, 5, 3, 4).transpose(1, 2)
    return [y, weights, layer(x), nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)]


@as_torch_compiled
def test_a_shared_layer(torch: Any, compile: Any) -> Any:
    """One module at two places is one set of parameters, whose gradients add up."""
    nn = torch.nn

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 6)
            self.again = self.inner
            self.out = nn.Linear(6, 6)
            self.out.weight = self.inner.weight

        def forward(self, x: Any) -> Any:
            return self.out(torch.relu(self.again(torch.relu(self.inner(x)))))

    net = filled(torch, Twice())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.from_numpy(numbers(3, 6))

    @compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    losses = [step(x) for _ in range(4)]
    names = [name for name, _ in net.named_parameters()]
    return [losses, names, list(net.state_dict()), net.state_dict(), net.inner.weight.grad, net.again is net.inner]
