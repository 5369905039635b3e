"""Data sets, samplers, loaders and the script that cut the example data."""

from __future__ import annotations

import gzip
import struct
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError
from graphtorch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from tests.errors import without_lines

DATA = Path(__file__).parents[2] / "examples" / "data"


def _numbers(n: int) -> TensorDataset:
    return TensorDataset(gt.arange(n).to(gt.float32).reshape(n, 1), gt.arange(n) * 10)


class Squares(Dataset):
    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, index**2

    def __len__(self) -> int:
        return 7


# ---- data sets ----


def test_tensor_dataset() -> None:
    data = _numbers(5)
    x, y = data[3]
    assert len(data) == 5 and x.tolist() == [3.0] and y.item() == 30


def test_subset_and_split() -> None:
    data = _numbers(11)
    sub = Subset(data, [4, 2, 9])
    assert len(sub) == 3 and sub[2][1].item() == 90
    a, b = random_split(data, [8, 3], generator=gt.Generator().manual_seed(1))
    again = random_split(data, [8, 3], generator=gt.Generator().manual_seed(1))
    assert sorted([*a.indices, *b.indices]) == list(range(11)) and a.indices == again[0].indices
    assert [len(s) for s in random_split(data, [0.5, 0.3, 0.2])] == [6, 3, 2]
    with pytest.raises(ArgumentError) as wrong:
        random_split(data, [8, 4])
    assert without_lines(wrong.value) == (
        "ArgumentError GT304: lengths=[8, 4] is not allowed\n"
        "  expected sizes that sum to 11, or fractions that sum to 1"
    )


def test_tensor_dataset_refusals() -> None:
    with pytest.raises(ShapeError) as wrong:
        TensorDataset(gt.ones(3, 2), gt.ones(4))
    assert without_lines(wrong.value) == (
        "ShapeError GT115: the tensors hold different numbers of samples\n"
        "  expected one first size, got f32[3,2], f32[4]"
    )
    with pytest.raises(ArgumentTypeError, match=r"GT301: tensors\[1\] must be a tensor, got list"):
        TensorDataset(gt.ones(3), [1, 2, 3])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"GT107: tensors\[0\] has no samples"):
        TensorDataset(gt.tensor(1.0))
    with pytest.raises(ArgumentError, match="GT304: no tensors were given"):
        TensorDataset()


# ---- loaders ----


def test_batches_in_order() -> None:
    loader = DataLoader(_numbers(7), batch_size=3)
    batches = list(loader)
    assert len(loader) == 3 and [y.tolist() for _, y in batches] == [[0, 10, 20], [30, 40, 50], [60]]
    assert isinstance(batches[0], list) and batches[0][0].shape == (3, 1) and batches[0][0].dtype == gt.float32
    loader = DataLoader(_numbers(7), batch_size=3, drop_last=True)
    assert len(loader) == 2 == len(list(loader))
    assert len(DataLoader(_numbers(6), batch_size=3)) == 2 and len(DataLoader(_numbers(2))) == 2


def _order(loader: DataLoader) -> list[int]:
    return [v for _, y in loader for v in y.tolist()]


def test_shuffling_depends_on_the_generator_alone() -> None:
    generator = gt.Generator().manual_seed(3)
    loader = DataLoader(_numbers(23), batch_size=4, shuffle=True, generator=generator)
    epochs = [_order(loader) for _ in range(3)]
    assert all(sorted(e) == list(range(0, 230, 10)) for e in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    state = generator.manual_seed(3) and generator.get_state()
    gt.manual_seed(99)  # another generator
    assert [_order(loader) for _ in range(2)] == epochs[:2]
    generator.set_state(state)
    assert _order(loader) == epochs[0]
    gt.manual_seed(5)
    first = _order(DataLoader(_numbers(23), shuffle=True))
    gt.manual_seed(5)
    assert _order(DataLoader(_numbers(23), shuffle=True)) == first


def test_own_sampler_and_collate() -> None:
    loader = DataLoader(Squares(), batch_size=2, sampler=[6, 1, 4], collate_fn=lambda samples: samples)
    assert list(loader) == [[(6, 36), (1, 1)], [(4, 16)]]
    assert len(RandomSampler(Squares())) == 7


def test_samples_one_by_one_and_gathered_are_the_same() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> tuple[gt.Tensor, ...]:
            x, y = super().__getitem__(index)
            return x * 2, y

    tensors = _numbers(9).tensors
    loaders = [DataLoader(Subset(data(*tensors), [7, 0, 3, 5]), batch_size=3) for data in (TensorDataset, Doubled)]
    (x, y), (twice, same) = next(iter(loaders[0])), next(iter(loaders[1]))
    assert x.tolist() == [[7.0], [0.0], [3.0]] and twice.tolist() == [[14.0], [0.0], [6.0]]
    assert y.tolist() == same.tolist() == [70, 0, 30]


def test_a_batch_is_a_copy() -> None:
    data = _numbers(4)
    next(iter(DataLoader(data, batch_size=4)))[0].zero_()
    assert data.tensors[0].tolist() == [[0.0], [1.0], [2.0], [3.0]]


def test_collation() -> None:
    point = namedtuple("point", "x y")
    samples = [{"a": 1, "b": (0.5, "s")}, {"a": 2, "b": (1.5, "t")}]
    out = default_collate(samples)
    assert out["a"].tolist() == [1, 2] and out["a"].dtype == gt.int64
    assert out["b"][0].dtype == gt.float64 and out["b"][1] == ("s", "t")
    assert default_collate([np.ones(3, np.int16)] * 2).dtype == gt.int16
    assert default_collate([point(gt.ones(2), True), point(gt.zeros(2), False)]).y.tolist() == [True, False]
    with pytest.raises(
        ShapeError, match=r"GT116: samples of one batch differ in length\n.*\n  expected one length, got \[1, 2\]"
    ):
        default_collate([(1,), (1, 2)])
    with pytest.raises(ArgumentTypeError, match="GT301: samples of type object cannot be collated"):
        default_collate([object()])


def test_loader_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"GT304: batch_size=0 is not allowed\n.*\n  expected batch_size > 0"):
        DataLoader(Squares(), batch_size=0)
    with pytest.raises(ArgumentError, match="GT304: shuffle=True is not allowed with a sampler"):
        DataLoader(Squares(), shuffle=True, sampler=[1])


# ---- the mini Fashion-MNIST ----


def test_mini_fashion_mnist() -> None:
    with np.load(DATA / "fashion_mnist_mini.npz") as file:
        found = {name: file[name] for name in file.files}
    for split, count in (("train", 1000), ("test", 200)):
        images, labels = found[f"{split}_images"], found[f"{split}_labels"]
        assert images.shape == (10 * count, 28, 28) and images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count] * 10
        assert 60 < images.mean() < 90 and images.max() == 255


def _write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def test_cutting_takes_the_first_of_each_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DATA))
    import cut_fashion_mnist as script

    labels = np.tile(np.arange(10, dtype=np.uint8)[::-1], 3)
    images = np.arange(30 * 6, dtype=np.uint8).reshape(30, 2, 3)
    for prefix in ("train", "t10k"):
        _write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        _write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", labels)
    monkeypatch.setattr(script, "SPLITS", {"train": ("train", 2), "test": ("t10k", 1)})
    cut = script.cut(tmp_path)
    np.testing.assert_array_equal(cut["train_images"], images[:20])
    np.testing.assert_array_equal(cut["test_labels"], labels[:10])
    monkeypatch.setattr(script, "SPLITS", {"train": ("train", 4)})
    with pytest.raises(ValueError, match="fewer than 4 examples"):
        script.cut(tmp_path)
    sys.modules.pop("cut_fashion_mnist")


def test_arrays_of_unequal_length() -> None:
    with pytest.raises(ShapeError) as error:
        next(iter(DataLoader([np.ones(2), np.ones(3)], batch_size=2)))  # type: ignore[arg-type]
    assert without_lines(error.value) == (
        "ShapeError GT116: samples of one batch differ in shape\n  expected one shape, got [2], [3]"
    )
