"""Cut fashion_mnist_mini.npz, the data of the examples and tests, from the full Fashion-MNIST.

    python examples/data/cut_fashion_mnist.py [--source DIR] [--out FILE]

The mini set holds the first 1,000 training and the first 200 test images of each of the 10 classes, in
the order of the full set: train_images u8[10000,28,28], train_labels u8[10000], test_images
u8[2000,28,28], test_labels u8[2000]. The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from graphtorch.errors import LoadError
from graphtorch.vision.datasets.idx import read_idx

SOURCE = Path("/usr/share/datasets/fashion-mnist")  # Debian: apt install dataset-fashion-mnist
OUT = Path(__file__).with_name("fashion_mnist_mini.npz")
SPLITS = {"train": ("train", 1000), "test": ("t10k", 200)}
CLASSES = 10


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The sorted positions of the first ``count`` examples of every class."""
    found = [np.flatnonzero(labels == c)[:count] for c in range(CLASSES)]
    if any(len(f) < count for f in found):
        raise ValueError(f"the source has fewer than {count} examples of some class")
    return np.sort(np.concatenate(found))


def cut(source: Path) -> dict[str, np.ndarray]:
    """The arrays of the mini set by their names in the .npz file."""
    out: dict[str, np.ndarray] = {}
    for split, (prefix, count) in SPLITS.items():
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        keep = first_of_each_class(labels, count)
        out[f"{split}_images"], out[f"{split}_labels"] = images[keep], labels[keep]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help=f"folder of the IDX .gz files (default: {SOURCE})")
    parser.add_argument("--out", type=Path, default=OUT, help="the .npz file to write (default: beside this script)")
    args = parser.parse_args()
    try:
        arrays = cut(args.source)
    except (OSError, ValueError, LoadError) as error:
        parser.error(f"--source {args.source}: {error}")
    np.savez_compressed(args.out, **arrays)
    for name, array in arrays.items():
        print(f"{name:<13} {array.dtype}{list(array.shape)}")
    print(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
