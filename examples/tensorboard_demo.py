"""Train a small net on real images, and log the run for TensorBoard.

    pip install graphtorch[tensorboard] matplotlib
    python examples/tensorboard_demo.py
    tensorboard --logdir runs

The page then has curves of loss and accuracy, the images that are taken for something else, histograms of weights, a
confusion matrix, the graph of the net, and a row in the table of hyperparameters. Run it with another --lr to compare.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F
from graphtorch.utils.data import DataLoader, TensorDataset
from graphtorch.utils.tensorboard import SummaryWriter

DATA = Path(__file__).parent / "data" / "fashion_mnist_mini.npz"
CLASSES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
BATCH = 64
SHOWN = 24


class Net(nn.Module):
    """One block of convolution, and a linear classifier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, channels, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(channels * 36, len(CLASSES)))

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.features(x))


def load(split: str) -> TensorDataset:
    """Images f32[n,1,28,28] in 0 to 1, with classes i64[n]."""
    with np.load(DATA) as file:
        images, labels = file[f"{split}_images"], file[f"{split}_labels"]
    return TensorDataset(gt.tensor(images[:, None].astype(np.float32) / 255), gt.tensor(labels.astype(np.int64)))


def train(writer: SummaryWriter, model: Net, args: argparse.Namespace) -> None:
    """Every step's loss is logged; the step itself is one compiled program."""
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    loader, steps = DataLoader(load("train"), BATCH, shuffle=True, drop_last=True), 0
    for epoch in range(1, args.epochs + 1):
        for x, y in loader:
            loss = step(x, y)
            steps += 1
            writer.add_scalar("loss/train", loss, steps)
        for name, parameter in model.named_parameters():
            writer.add_histogram(name.replace(".", "/"), parameter, epoch)
        print(f"epoch {epoch}/{args.epochs}: loss {loss.item():.4f}")


def evaluate(writer: SummaryWriter, model: Net, epoch: int) -> float:
    """The accuracy on the test images, logged with what was taken for what."""
    images, labels = load("test").tensors
    with gt.no_grad():
        chances = F.softmax(gt.compile(model)(images), 1)
    truth, found = labels.numpy(), chances.argmax(1).numpy()
    wrong = np.flatnonzero(found != truth)
    if len(wrong):
        writer.add_images("mistakes", images.numpy()[wrong[:SHOWN]], epoch)
        names = "".join(f"| {CLASSES[truth[i]]} | {CLASSES[found[i]]} |\n" for i in wrong[:SHOWN])
        writer.add_text("mistakes", "| is | taken for |\n|---|---|\n" + names, epoch)
    writer.add_figure("confusion", confusion(truth, found), epoch)
    writer.add_pr_curve("shirts", truth == CLASSES.index("shirt"), chances[:, CLASSES.index("shirt")], epoch)
    return float(np.mean(found == truth))


def confusion(truth: np.ndarray, found: np.ndarray) -> Any:
    """A figure of how often each class (rows) was taken for each (columns)."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (truth, found), 1)
    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=90)
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    return figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logdir", help="where the run is written (default: runs/DATE_HOST)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.epochs < 1 or args.channels < 1 or not args.lr >= 0:
        parser.error("expected --epochs >= 1, --channels >= 1 and --lr >= 0")
    return args


def main() -> None:
    args = parse_args()
    pyplot.switch_backend("agg")  # figures are drawn for the log alone
    gt.manual_seed(args.seed)
    model = Net(args.channels)
    with SummaryWriter(args.logdir) as writer:
        writer.add_graph(model, gt.TensorSpec((BATCH, 1, 28, 28)))
        train(writer, model, args)
        accuracy = evaluate(writer, model, args.epochs)
        writer.add_hparams({"lr": args.lr, "channels": args.channels}, {"accuracy/test": accuracy})
        print(f"test accuracy {accuracy:.4f}; look at it with: tensorboard --logdir {writer.log_dir}")


if __name__ == "__main__":
    main()
