"""What transforms draw: repeated by seeds, in the ranges that were asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

import graphtorch as gt
from graphtorch.errors import ArgumentError, ShapeError, TraceError
from graphtorch.vision import transforms as T
from tests.vision.cases import pictures, tensors

RGB8, BATCH, DOUBLE = (gt.from_numpy(tensors()[name]) for name in ("rgb8", "batch", "double"))
PICTURE = pictures()["RGB"]


RANDOM = {
    "crop": T.RandomCrop(6, padding=2), "resized": T.RandomResizedCrop((5, 6)), "flip": T.RandomHorizontalFlip(),
    "jitter": T.ColorJitter(0.5, 0.5, 0.5, 0.2), "gray": T.RandomGrayscale(0.5), "rotation": T.RandomRotation(40),
    "affine": T.RandomAffine(20, (0.2, 0.3), (0.5, 1.5), (1, 9, 2, 8)), "perspective": T.RandomPerspective(p=0.8),
    "apply": T.RandomApply([T.Pad(1), T.Pad(2)]), "choice": T.RandomChoice([T.Pad(1), T.Pad(2)], [1, 2]),
    "order": T.RandomOrder([T.Pad(1, fill=5), T.Pad(2, fill=3)]), "blur": T.GaussianBlur(3),
}  # fmt: skip


def shown(image: Any) -> tuple[Any, bytes]:
    array = np.asarray(image)
    return array.shape, array.tobytes()


@pytest.mark.parametrize("image", [PICTURE, RGB8], ids=["picture", "tensor"])
@pytest.mark.parametrize("name", RANDOM)
def test_seeds_repeat(name: str, image: Any) -> None:
    found = []
    for seed in (1, 1, *range(2, 12)):
        gt.manual_seed(seed)
        found.append(shown(RANDOM[name](image)))
    assert found[0] == found[1] and len(set(found)) > 1


def test_numbers_are_those_of_the_generator() -> None:
    compiled = gt.compile(lambda: gt.rand(3))
    found = []
    for draw in (gt.default_generator.number, lambda: gt.rand((), dtype=gt.float64).item()):
        gt.manual_seed(2**63 + 5)
        found.append([draw(), *compiled().tolist(), draw(), *gt.rand(2).tolist(), draw()])
    assert found[0] == found[1] and len(set(found[0])) == 8
    gt.set_rng_state(gt.tensor([4, 2**63 - 1]))
    gt.default_generator.number()
    assert gt.get_rng_state().tolist() == [4, -(2**63)]


def test_probabilities() -> None:
    gt.manual_seed(0)
    x = gt.tensor([[[1.0, 2.0]]])
    for change, p in (
        (T.RandomHorizontalFlip(0.3), 0.3),
        (T.RandomHorizontalFlip(0), 0),
        (T.RandomHorizontalFlip(1), 1),
    ):
        share = sum(change(x)[0, 0, 0].item() == 2 for _ in range(400)) / 400
        assert abs(share - p) < 0.1 and (share == p or 0 < p < 1)
    chosen = Counter(T.RandomChoice([T.Pad(0), T.Pad(1), T.Pad(2)], [1, 0, 3])(x).shape[1] for _ in range(400))
    assert set(chosen) == {1, 5} and 0.65 < chosen[5] / 400 < 0.85
    orders = Counter(T.RandomOrder([lambda v: v + 1, lambda v: v * 2])(x)[0, 0, 0].item() for _ in range(200))
    assert set(orders) == {3, 4} and 60 < orders[3] < 140


def test_crops_lie_everywhere() -> None:
    gt.manual_seed(0)
    found = {T.RandomCrop.get_params(gt.zeros(1, 5, 7), (4, 4)) for _ in range(200)}
    assert found == {(top, left, 4, 4) for top in (0, 1) for left in range(4)}
    assert T.RandomCrop.get_params(gt.zeros(1, 5, 7), (5, 7)) == (0, 0, 5, 7)
    assert T.RandomCrop((9, 12), pad_if_needed=True)(PICTURE.crop((0, 0, 5, 6))).size == (12, 9)
    with pytest.raises(ShapeError, match="pad_if_needed"):
        T.RandomCrop(30)(PICTURE)


def test_resized_crops_have_the_area_and_the_proportions() -> None:
    gt.manual_seed(0)
    image = gt.zeros(3, 200, 300)
    for _ in range(100):
        top, left, height, width = T.RandomResizedCrop.get_params(image, (0.2, 0.6), (0.5, 2))
        assert 0 <= top <= 200 - height and 0 <= left <= 300 - width
        assert 0.19 < height * width / 60000 < 0.61 and 0.49 < width / height < 2.05
    # what cannot be had is the largest part in the middle
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 10, 100), (1, 1), (0.5, 2)) == (0, 40, 10, 20)
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 100, 10), (1, 1), (0.5, 2)) == (40, 0, 20, 10)
    assert T.RandomResizedCrop.get_params(gt.zeros(1, 10, 10), (4, 4), (0.5, 2)) == (0, 0, 10, 10)


def test_parameters_lie_in_their_ranges() -> None:
    gt.manual_seed(0)
    orders = set()
    for _ in range(50):
        order, *factors = T.ColorJitter.get_params((0.5, 1.5), None, (1, 1.2), (-0.1, 0.1))
        orders.add(tuple(order))
        assert 0.5 <= factors[0] <= 1.5 and factors[1] is None and 1 <= factors[2] <= 1.2 and -0.1 <= factors[3] <= 0.1
        assert 5 <= T.RandomRotation.get_params([5, 9]) <= 9 and 0.1 <= T.GaussianBlur.get_params(0.1, 2.0) <= 2
        angle, move, scale, shear = T.RandomAffine.get_params([-5, 5], (0.1, 0.2), (0.5, 2), [1, 2, 3, 4], [100, 50])
        assert abs(angle) <= 5 and abs(move[0]) <= 10 and abs(move[1]) <= 10 and 0.5 <= scale <= 2
        assert 1 <= shear[0] <= 2 and 3 <= shear[1] <= 4
        start, end = T.RandomPerspective.get_params(20, 10, 0.5)
        assert start == [[0, 0], [19, 0], [19, 9], [0, 9]]
        assert 0 <= end[0][0] <= 5 and 14 <= end[1][0] <= 19 and 7 <= end[2][1] <= 9 and 0 <= end[0][1] <= 2
    assert len(orders) > 10 and sorted(next(iter(orders))) == [0, 1, 2, 3]
    assert T.RandomAffine.get_params([0, 0], None, None, None, [9, 9]) == (0, (0, 0), 1.0, (0.0, 0.0))


def test_erasing() -> None:
    gt.manual_seed(0)
    x = gt.full((3, 40, 50), 0.5)
    for value in (0, [0.1, 0.2, 0.3], "random"):
        out = T.RandomErasing(1.0, (0.1, 0.2), (0.5, 2), value)(x)
        changed = (out != x).numpy()
        share = changed[0].mean()
        assert 0.08 < share < 0.23 and changed.all(0).sum() == changed[0].sum()
        rows, columns = np.flatnonzero(changed[0].any(1)), np.flatnonzero(changed[0].any(0))
        assert changed[0].sum() == len(rows) * len(columns)  # a rectangle
    assert T.RandomErasing(0.0)(x) is x
    np.testing.assert_array_equal(T.RandomErasing(1.0, (1, 1), (1, 1))(x).numpy(), x.numpy())  # nothing fits
    with pytest.raises(ArgumentError, match="value"):
        T.RandomErasing(1.0, value=(1, 2))(x)


def test_a_program_cannot_draw_them() -> None:
    with pytest.raises(TraceError):
        gt.compile(T.RandomHorizontalFlip())(BATCH)
