"""The whole routine on images: train, validate, test, save, load, predict.

python examples/train_cifar.py                                    # images that are made up here
python examples/train_cifar.py --data cifar-10-batches-py         # CIFAR-10, as its python version is unpacked
python examples/train_cifar.py --epochs 10 --save model.pt
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import LoadError
from graphtorch.nn import functional as F
from graphtorch.utils.data import DataLoader, Dataset, random_split
from graphtorch.vision import transforms
from graphtorch.vision.datasets.cifar import read_batch

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
PLAIN = [transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]
TEST = transforms.Compose(PLAIN)
TRAIN = transforms.Compose([*PLAIN, transforms.RandomHorizontalFlip()])


# ---- data ----------------------------------------------------------------------------------------


class Images(Dataset):
    """Pixels u8[n,32,32,3] and classes; samples are transformed."""

    def __init__(self, pixels: np.ndarray, labels: Sequence[int], transform: Callable[[Any], gt.Tensor]) -> None:
        self.pixels, self.labels, self.transform = pixels, list(labels), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[gt.Tensor, int]:
        return self.transform(self.pixels[index]), self.labels[index]


def cifar(folder: Path, names: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """Pixels and classes of files of CIFAR-10; `datasets.CIFAR10` would download them, and want the published ones."""
    batches = [read_batch(folder / name) for name in names]
    return np.concatenate([pixels for pixels, _ in batches]), [n for _, labels in batches for n in labels]


def made_up(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Stripes and discs in noise: the class is the shape, and which of five widths it has."""
    rng = np.random.default_rng(seed)
    labels = [n % 10 for n in range(count)]
    row, column = np.mgrid[:32, :32]
    pixels = rng.integers(0, 90, (count, 3, 32, 32))
    for image, label in zip(pixels, labels, strict=True):
        width, colour = 3 + 2 * (label // 2), rng.integers(60, 165, 3)
        stripes = (row + rng.integers(32)) // width % 2 == 0
        disc = (row - rng.integers(12, 20)) ** 2 + (column - rng.integers(12, 20)) ** 2 < (width + 1) ** 2
        image += (disc if label % 2 else stripes) * colour[:, None, None]
    return pixels.astype(np.uint8).transpose(0, 2, 3, 1), labels


# ---- the model and its loops ---------------------------------------------------------------------


class Residual(nn.Module):
    """x + f(x), for f of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def make_model(width: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Residual(width),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(2 * width * 4 * 4, len(CLASSES)),
    )


def train_epoch(step: Callable[..., gt.Tensor], loader: DataLoader, title: str) -> float:
    """The mean loss of one pass over the training images."""
    total = 0.0
    for done, (x, y) in enumerate(loader, 1):
        total += step(x, y).item()
        if sys.stdout.isatty():
            bar = "#" * (30 * done // len(loader))
            print(f"\r{title} [{bar:<30}] {done}/{len(loader)}", end="", flush=True)
    return total / len(loader)


def evaluate(model: nn.Module, predict: Callable[..., gt.Tensor], loader: DataLoader) -> tuple[float, float]:
    """(mean loss, accuracy) in evaluation mode."""
    model.eval()
    loss, hits, count = 0.0, 0, 0
    with gt.no_grad():
        for x, y in loader:
            scores = predict(x)
            loss += F.cross_entropy(scores, y, reduction="sum").item()
            hits += (scores.argmax(1) == y).sum().item()
            count += len(y)
    model.train()
    return loss / count, hits / count


# ---- loading -------------------------------------------------------------------------------------


def load(path: Path) -> nn.Sequential:
    """The model again; torch's files of such a model are read as well."""
    model = make_model()
    model.load_state_dict(gt.load(path))
    return model.eval()


# ---- the program ---------------------------------------------------------------------------------


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder cifar-10-batches-py (default: images that are made up)")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--save", type=Path, help="where to leave the state, a file (default: nowhere)")
    return parser.parse_args()


def load_data(folder: Path | None) -> tuple[Images, Images, Images]:
    """Images to train, validate and test with."""
    if folder is None:
        arrays, tested = made_up(1000, seed=0), made_up(200, seed=1)
    else:
        arrays = cifar(folder, [f"data_batch_{n}" for n in range(1, 6)])
        tested = cifar(folder, ["test_batch"])
    held = len(arrays[1]) // 10
    split = random_split(range(len(arrays[1])), [len(arrays[1]) - held, held])
    parts = zip(split, (TRAIN, TEST), strict=True)
    train, val = (Images(arrays[0][list(s)], [arrays[1][i] for i in s], transform) for s, transform in parts)
    return train, val, Images(*tested, TEST)


def main() -> None:
    args = parse_args()
    gt.manual_seed(0)
    try:
        train, val, test = load_data(args.data)
    except (OSError, LoadError) as error:
        raise SystemExit(f"--data {args.data}: expected data_batch_1 to 5 and test_batch ({error})") from error
    device = gt.device("cuda" if gt.cuda.is_available() else "cpu")
    model = make_model().to(device)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr)
    train_loader = DataLoader(train, args.batch_size, shuffle=True, drop_last=True)
    val_loader, test_loader = DataLoader(val, 2 * args.batch_size), DataLoader(test, 2 * args.batch_size)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    predict = gt.compile(model)
    print(f"{len(train):,} images to train with, {len(val):,} to validate, {len(test):,} to test; on {device}")
    for epoch in range(1, args.epochs + 1):
        title = f"epoch {epoch}/{args.epochs}"
        loss = train_epoch(step, train_loader, title)
        val_loss, accuracy = evaluate(model, predict, val_loader)
        schedule.step()
        line = f"{title}: loss {loss:.3f}, validation loss {val_loss:.3f}, accuracy {accuracy:.3f}"
        print(f"\r{line:<60}" if sys.stdout.isatty() else line)
    print(f"test accuracy {evaluate(model, predict, test_loader)[1]:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = args.save or Path(folder) / "model.pt"
        gt.save(model.state_dict(), path)
        again = load(path)
    images, labels = next(iter(test_loader))
    with gt.no_grad():
        chosen = again(images[:6]).argmax(1)
    named = [f"{CLASSES[guess]} ({'right' if guess == label else CLASSES[label]})" for guess, label in
             zip(chosen.tolist(), labels[:6].tolist(), strict=True)]  # fmt: skip
    print(f"loaded again, it says: {', '.join(named)}")


if __name__ == "__main__":
    main()
