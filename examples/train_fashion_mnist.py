"""Train a small CNN on real images, and show what the compiler did. This is `make demo`.

    python examples/train_fashion_mnist.py                       # the 10,000 images of the repository
    python examples/train_fashion_mnist.py --data DIR            # the four IDX .gz files of Fashion-MNIST
    python examples/train_fashion_mnist.py --eager --epochs 1    # without the compiler
    python examples/train_fashion_mnist.py --device cuda         # on a GPU; auto takes one where there is one
    python examples/train_fashion_mnist.py --dump-ir ir          # every stage, from the trace to LLVM IR

The whole training step (zero_grad, forward, loss, backward, step) is one compiled program.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import LoadError
from graphtorch.nn import functional as F
from graphtorch.utils.data import DataLoader, TensorDataset
from graphtorch.vision.datasets.mnist import read_image_file, read_label_file
from graphtorch.vision.transforms.functional import convert_image_dtype, normalize

MINI = Path(__file__).parent / "data" / "fashion_mnist_mini.npz"
FILES = {"train": "train", "test": "t10k"}
IDX = "images-idx3-ubyte", "labels-idx1-ubyte"
MEAN, STD = 0.2860, 0.3530  # of the pixels of the full training set
TEST_BATCH = 500
COMPARED_STEPS = 20

Step = Callable[[gt.Tensor, gt.Tensor], gt.Tensor]


class Net(nn.Module):
    """Two blocks of convolution, batch norm, ReLU and pooling, then a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 10))

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.classifier(self.features(x))


# ---- data ----------------------------------------------------------------------------------------


def load(source: Path, split: str) -> TensorDataset:
    """Images f32[n,1,28,28], normalised, with classes i64[n]; ``source`` is an .npz file or a folder of IDX files."""
    if source.is_dir():
        images = read_image_file(source / f"{FILES[split]}-{IDX[0]}.gz")
        labels = read_label_file(source / f"{FILES[split]}-{IDX[1]}.gz")
    else:
        with np.load(source) as file:
            images = gt.from_numpy(file[f"{split}_images"])
            labels = gt.from_numpy(file[f"{split}_labels"].astype(np.int64))
    pixels = convert_image_dtype(images[:, None], gt.float32)
    return TensorDataset(normalize(pixels, MEAN, STD), labels)


# ---- training ------------------------------------------------------------------------------------


def make_step(model: Net, optimizer: optim.Optimizer) -> Step:
    """One step of training, as anyone would write it; it returns the loss."""

    def train_step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return train_step


def train_epoch(step: Step, loader: DataLoader, title: str, device: gt.device) -> None:
    """One pass over the training data, with a progress bar."""
    total, images, started = 0.0, 0, time.perf_counter()
    for done, (x, y) in enumerate(loader, 1):
        total += step(*to_device(device, x, y)).item()
        images += len(y)
        rate = images / (time.perf_counter() - started)
        show_progress(title, done, len(loader), f"loss {total / done:.4f}  {rate:7,.0f} images/s")


def to_device(device: gt.device, *tensors: gt.Tensor) -> list[gt.Tensor]:
    """Tensors where the model is. To a GPU they go through pinned memory, and Python goes on meanwhile."""
    if device.type == "cpu":
        return list(tensors)
    return [t.pin_memory().to(device, non_blocking=True) for t in tensors]


def show_progress(title: str, done: int, total: int, text: str, width: int = 30) -> None:
    """A bar that redraws itself on a terminal; elsewhere only the full one is printed."""
    full = done == total
    if not full and not sys.stdout.isatty():
        return
    bar = "#" * (width * done // total)
    print(f"\r{title} [{bar:<{width}}] {done}/{total}  {text}", end="\n" if full else "", flush=True)


def accuracy(model: Net, predict: Callable[[gt.Tensor], gt.Tensor], test: TensorDataset) -> float:
    """The share of the test images that are classified correctly, in evaluation mode."""
    model.eval()
    correct, device = 0, model.classifier[2].weight.device
    with gt.no_grad():
        for batch in DataLoader(test, TEST_BATCH):
            x, y = to_device(device, *batch)
            correct += (predict(x).argmax(1) == y).sum().item()
    model.train()
    return correct / len(test)


# ---- what the compiler did -----------------------------------------------------------------------


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def print_layers(model: Net, batch_size: int) -> None:
    """The layers in the order in which they run, with shapes that were checked by tracing without data."""
    graph = gt.trace(model, gt.TensorSpec((batch_size, 1, 28, 28), gt.float32))
    outputs = {node.locs[0].path: str(node.result.type) for node in graph.nodes}
    rows = [("layer", "op", "output", "parameters")]
    for path, module in model.named_modules():
        if path in outputs and not list(module.children()):
            count = sum(p.numel() for p in module.parameters())
            rows.append((path, type(module).__name__, outputs[path], f"{count:,}" if count else ""))
    print_table(rows)
    total = sum(p.numel() for p in model.parameters())
    print(f"  {total:,} parameters; {len(graph.nodes)} Graph-IR nodes in the forward pass\n")


def print_compilation(step: Any) -> None:
    """What the program of the whole training step came to."""
    stats = step.stats[0]
    print(f"the training step: {stats.nodes} Graph-IR nodes became {stats.kernels} kernels of one program")
    print(f"compiled in {stats.compile_seconds:.2f} s ({'from cache' if stats.from_cache else 'cold'})\n")


def timed_steps(args: argparse.Namespace, train: TensorDataset, compiled: bool) -> tuple[list[float], float, Net]:
    """(losses, median seconds of a step, model) after 20 steps from the seed, on the same batches every time."""
    gt.manual_seed(args.seed)
    model = Net().to(args.device)
    gt.manual_seed(args.seed)
    step = make_step(model, optim.Adam(model.parameters(), lr=args.lr))
    if compiled:
        step = gt.compile(step)
    loader = DataLoader(train, args.batch_size, shuffle=True, drop_last=True)
    losses: list[float] = []
    seconds: list[float] = []
    while len(losses) < COMPARED_STEPS:
        for x, y in loader:
            started = time.perf_counter()
            losses.append(step(*to_device(args.device, x, y)).item())
            seconds.append(time.perf_counter() - started)
            if len(losses) == COMPARED_STEPS:
                break
    return losses, statistics.median(seconds), model


def compare(args: argparse.Namespace, train: TensorDataset) -> None:
    """Eager against compiled: the same seed, the same batches, the same dropout masks."""
    eager_losses, eager_seconds, eager = timed_steps(args, train, compiled=False)
    losses, seconds, model = timed_steps(args, train, compiled=True)
    loss_gap = max(abs(a - b) for a, b in zip(eager_losses, losses, strict=True))
    pairs = zip(eager.cpu().parameters(), model.cpu().parameters(), strict=True)
    gap = max((p - q).detach().abs().amax().item() for p, q in pairs)
    print(f"\neager against compiled, {COMPARED_STEPS} steps on the same batches:")
    print(f"  largest difference in loss {loss_gap:.1e}, in parameters {gap:.1e}")
    print(
        f"  a step takes {eager_seconds * 1e3:.1f} ms eager, {seconds * 1e3:.1f} ms compiled: "
        f"{eager_seconds / seconds:.1f}x faster"
    )


# ---- the program ---------------------------------------------------------------------------------


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=MINI, help="folder of the IDX .gz files (default: the mini set)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate of Adam; halved after every epoch")
    parser.add_argument("--eager", action="store_true", help="run op by op, without the compiler")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu", help="auto: a GPU if there is one")
    parser.add_argument("--num-threads", type=int, help="threads of compiled programs (default: one for each core)")
    parser.add_argument("--dump-ir", type=Path, metavar="DIR", help="write every stage of the compiled step to DIR")
    args = parser.parse_args()
    threads = args.num_threads
    wrong = {
        "--batch-size >= 2 (batch norm needs more than one image)": args.batch_size < 2,
        "--epochs >= 0": args.epochs < 0,
        "--lr >= 0, and finite": not 0 <= args.lr < math.inf,
        "--num-threads between 1 and 256": threads is not None and not 1 <= threads <= 256,
        "a folder for --dump-ir": args.dump_ir is not None and args.dump_ir.exists() and not args.dump_ir.is_dir(),
        "no --dump-ir with --eager (nothing is compiled)": args.eager and args.dump_ir is not None,
    }
    if any(wrong.values()):
        parser.error("expected " + ", ".join(what for what, is_so in wrong.items() if is_so))
    return args


def chosen_device(asked: str) -> gt.device:
    """Where to train. Without a GPU "auto" is the CPU, and "cuda" an end with the reason."""
    if asked == "cpu" or gt.cuda.is_available():
        place = gt.device("cuda" if asked == "auto" else asked)
        print(f"device: {place}" + (f" ({gt.cuda.get_device_name()})" if place.type == "cuda" else ""))
        return place
    why = gt.cuda.why_unavailable()
    if asked == "cuda":
        raise SystemExit(f"--device cuda: there is no GPU to train on: {why}. --device auto goes on without one")
    print(f"device: cpu, for there is no GPU: {why}")
    return gt.device("cpu")


def main() -> None:
    args = parse_args()
    args.device = chosen_device(args.device)
    if args.num_threads is not None:
        gt.set_num_threads(args.num_threads)
    try:
        train, test = load(args.data, "train"), load(args.data, "test")
    except (OSError, ValueError, KeyError, LoadError) as error:
        names = ", ".join(f"{name}-{kind}.gz" for name in FILES.values() for kind in IDX)
        raise SystemExit(f"--data {args.data}: expected a folder with {names} ({error})") from error
    if len(train) < args.batch_size:
        raise SystemExit(f"--batch-size {args.batch_size} is more than the {len(train):,} training images")
    print(f"Fashion-MNIST: {len(train):,} training and {len(test):,} test images\n")
    gt.manual_seed(args.seed)
    model = Net()
    print_layers(model, args.batch_size)
    model.to(args.device)

    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    step, predict = make_step(model, optimizer), model
    loader = DataLoader(train, args.batch_size, shuffle=True, drop_last=True)
    if not args.eager:
        step, predict = gt.compile(step), gt.compile(model)
    step(
        *to_device(args.device, *next(iter(loader)))
    )  # the first call compiles; without the compiler it is made too, so that both train alike
    if not args.eager:
        print_compilation(step)
    for epoch in range(1, args.epochs + 1):
        train_epoch(step, loader, f"epoch {epoch}/{args.epochs}", args.device)
        print(f"  test accuracy {accuracy(model, predict, test):.4f}")
        schedule.step()
    if args.eager:
        return
    compare(args, train)
    if args.dump_ir is not None:
        print(f"wrote {len(step.dump(str(args.dump_ir)))} files of IR to {args.dump_ir}")


if __name__ == "__main__":
    main()
