"""The nets, written once: ``nn`` is graphtorch's, torch's, or one that layers.py makes (jax, ONNX, counting)."""

from __future__ import annotations

from typing import Any


def seed(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, padding=2), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


def lenet5(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg16(nn: Any) -> Any:
    """Without adaptive pooling (an identity at 224x224) and without dropout (an identity in inference)."""
    layers, channels = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(4096, 1000))


def resnet18(nn: Any) -> Any:
    """torchvision's, its names included."""

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample = None
            if stride != 1 or channels != width:
                shortcut = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet18(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU()
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
            self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
            self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
            self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
            self.fc = nn.Linear(512, 1000)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean((2, 3)))

    return ResNet18()


def mlp_small(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(10, 32), nn.Sigmoid(), nn.Linear(32, 1))


def mlp(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )  # fmt: skip


def gpt(nn: Any, layers: int = 4, width: int = 256, heads: int = 4, length: int = 128, tokens: int = 256) -> Any:
    """A GPT-2 of tokens [batch, length]: logits [batch * length, tokens]. No dropout."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            x = x + self.c_proj(self.attend(self.c_attn(self.ln_1(x))))
            return x + self.mlp(self.ln_2(x))

        def attend(self, qkv: Any) -> Any:
            batch, long, _ = qkv.shape
            parts = (qkv[..., i * width : (i + 1) * width] for i in range(3))
            q, k, v = (part.reshape(batch, long, heads, width // heads).swapaxes(1, 2) for part in parts)
            out = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return out.swapaxes(1, 2).reshape(batch, long, width)

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte, self.wpe = nn.Embedding(tokens, width), nn.Embedding(length, width)
            self.h = nn.Sequential(*(Block() for _ in range(layers)))
            self.ln_f = nn.LayerNorm(width)
            self.lm_head = nn.Linear(width, tokens, bias=False)

        def forward(self, x: Any) -> Any:
            out = self.lm_head(self.ln_f(self.h(self.wte(x) + self.wpe.weight)))
            return out.reshape(-1, tokens)

    return Gpt()


def tiny(nn: Any) -> Any:
    """For the smoke test: compiles in no time."""
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


def ops(lib: Any) -> dict[str, Any]:
    """The ops of workloads.OPS, with torch's API or graphtorch's."""
    F = lib.nn.functional
    return {
        "matmul": lambda a, b: a @ b,
        "conv": lambda x, w: F.conv2d(x, w, padding=1),
        "elementwise": lambda x, y: lib.tanh(x * 1.5 + y) * lib.sigmoid(y) - lib.exp(-x * x),
        "softmax": lambda x: F.softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
        "column_sum": lambda x: x.sum(0),
    }


def trainer(work: Any, model: Any, nn: Any, optim: Any, rate: float) -> Any:
    """The step of a training workload, with torch's API or graphtorch's."""
    losses = {"cross_entropy": nn.CrossEntropyLoss, "mse": nn.MSELoss}
    optimizers = {"sgd": optim.SGD, "adamw": optim.AdamW}
    return train_step(model, losses[work.loss](), optimizers[work.optimizer](model.parameters(), lr=rate))


def train_step(model: Any, loss_fn: Any, optimizer: Any) -> Any:
    """A step as a plain user of torch's API writes it."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
