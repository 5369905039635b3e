"""Ants or bees: images in folders, transforms with random changes, a compiled training step, validation.

    python examples/ants_bees.py                             # drawings of ants and bees, made here
    python examples/ants_bees.py --data hymenoptera_data     # {train,val}/{ants,bees}/*.jpg
    python examples/ants_bees.py --layout files              # train/{ants,bees}_image/*.jpg, {ants,bees}_label/*.txt
    python examples/ants_bees.py --workers 2                 # images are made by two further processes

It needs Pillow: pip install 'graphtorch[vision]'.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F
from graphtorch.utils.data import DataLoader, Dataset
from graphtorch.vision import datasets, transforms

CLASSES = ["ants", "bees"]
SIZE = 48
TO_NUMBERS = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
TRAIN = transforms.Compose([
    transforms.RandomResizedCrop(SIZE, scale=(0.6, 1.0)),
    transforms.RandomHorizontalFlip(),
    transforms.RandomRotation(20),
    transforms.ColorJitter(brightness=0.2, contrast=0.2),
    *TO_NUMBERS,
])  # fmt: skip
VAL = transforms.Compose([transforms.Resize(SIZE + 8), transforms.CenterCrop(SIZE), *TO_NUMBERS])


# ---- data ----------------------------------------------------------------------------------------


class LabelFiles(Dataset):
    """Images of one folder, whose labels are texts in another one: ``ants_image/1.jpg``, ``ants_label/1.txt``."""

    def __init__(self, root: Path, image_dir: str, label_dir: str, transform: Callable[[Any], gt.Tensor]) -> None:
        self.images = sorted((root / image_dir).iterdir())
        self.labels, self.transform = root / label_dir, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[gt.Tensor, int]:
        path = self.images[index]
        label = (self.labels / f"{path.stem}.txt").read_text(encoding="utf-8").strip()
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), CLASSES.index(label)


def data_set(root: Path, split: str, layout: str) -> Any:
    """Images and the numbers of their classes, transformed; at random for training alone."""
    transform = TRAIN if split == "train" else VAL
    if layout == "folders":
        return datasets.ImageFolder(root / split, transform)
    ants, bees = (LabelFiles(root / split, f"{name}_image", f"{name}_label", transform) for name in CLASSES)
    return ants + bees


# ---- drawings, where there are no photos ----------------------------------------------------------


def draw(name: str, rng: random.Random) -> Image.Image:
    """An ant of three dark parts with six legs, or a bee with stripes and wings, somewhere on a coloured ground."""
    ground = tuple(rng.randrange(120, 240) for _ in range(3))
    image = Image.new("RGB", (80, rng.randrange(64, 96)), ground)
    pen = ImageDraw.Draw(image)
    x, y, r = 40 + rng.uniform(-8, 8), image.height / 2 + rng.uniform(-6, 6), rng.uniform(7, 10)

    def spot(dx: float, dy: float, width: float, height: float, colour: Any) -> None:
        pen.ellipse([x + (dx - width) * r, y + (dy - height) * r, x + (dx + width) * r, y + (dy + height) * r], colour)

    if name == "ants":
        dark = tuple(rng.randrange(10, 70) for _ in range(3))
        for leg in (-0.8, 0.0, 0.8):
            for side in (-1, 1):
                pen.line([x, y, x + 2 * leg * r, y + side * 1.8 * r], dark, 2)
        for dx, width in ((-1.6, 0.7), (0, 0.6), (1.8, 1.1)):
            spot(dx, 0, width, 0.7, dark)
    else:
        for dx in (-0.3, 0.7):
            spot(dx, -1.2, 0.5, 0.9, (235, 240, 250))
        spot(0.2, 0, 2.0, 1.1, (230, rng.randrange(150, 200), 30))
        for stripe in (-0.8, 0.1, 1.0):
            spot(stripe, 0, 0.2, 0.95, (30, 25, 20))
    return image.rotate(rng.uniform(-30, 30), fillcolor=ground)


def make_drawings(root: Path, layout: str) -> None:
    """A folder as that of the photos, or with labels in files."""
    rng = random.Random(0)
    for split, count in (("train", 80), ("val", 20)):
        for name in CLASSES:
            folder = root / split / (name if layout == "folders" else f"{name}_image")
            folder.mkdir(parents=True)
            labels = root / split / f"{name}_label"
            if layout == "files":
                labels.mkdir()
            for number in range(count):
                draw(name, rng).save(folder / f"{number:03}.jpg", quality=90)
                if layout == "files":
                    (labels / f"{number:03}.txt").write_text(name, encoding="utf-8")


# ---- the model and its loops ----------------------------------------------------------------------


def make_model() -> nn.Sequential:
    """Four convolutions, each of half the size of the one before."""
    layers: list[nn.Module] = []
    for before, after in ((3, 12), (12, 24), (24, 32), (32, 32)):
        conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    side = SIZE // 2**4
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * side * side, len(CLASSES)))


def evaluate(model: nn.Module, predict: Callable[..., gt.Tensor], loader: DataLoader) -> float:
    """The share of images that are classified correctly."""
    model.eval()
    with gt.no_grad():
        hits = sum((predict(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return hits / len(loader.dataset)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with train and val (default: drawings that are made)")
    parser.add_argument("--layout", choices=["folders", "files"], default="folders", help="how labels are told")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    if args.epochs < 1 or args.batch_size < 2 or args.workers < 0:
        parser.error("expected --epochs >= 1, --batch-size >= 2, --workers >= 0")
    return args


def train(args: argparse.Namespace, root: Path) -> None:
    gt.manual_seed(0)
    try:
        splits = [data_set(root, split, args.layout) for split in ("train", "val")]
    except OSError as error:
        raise SystemExit(f"--data {root}: {error}") from error
    options = {"batch_size": args.batch_size, "num_workers": args.workers}
    train_loader = DataLoader(splits[0], shuffle=True, drop_last=True, **options)
    val_loader = DataLoader(splits[1], **options)
    model = make_model()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    predict = gt.compile(model)
    print(f"{len(splits[0])} images to train with, {len(splits[1])} to validate; {' and '.join(CLASSES)}")
    for epoch in range(1, args.epochs + 1):
        losses = [step(x, y).item() for x, y in train_loader]
        schedule.step()
        mean = math.fsum(losses) / max(len(losses), 1)
        print(f"epoch {epoch}: loss {mean:.3f}, validation accuracy {evaluate(model, predict, val_loader):.3f}")

    x, y = splits[1][len(splits[1]) - 1]
    model.eval()
    with gt.no_grad():
        share = model(x[None]).softmax(1)[0]
    guess = int(share.argmax().item())
    print(f"the last image shows {CLASSES[y]}: it says {CLASSES[guess]}, {share[guess].item():.0%}")


def main() -> None:
    args = parse_args()
    if args.data is not None:
        train(args, args.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_drawings(Path(folder), args.layout)
        train(args, Path(folder))


if __name__ == "__main__":
    main()
