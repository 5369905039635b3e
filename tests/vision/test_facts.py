"""Transforms give what torchvision gives: results that were written down, tests/vision/facts."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

import graphtorch as gt
from graphtorch.vision import transforms, utils
from graphtorch.vision.transforms import InterpolationMode
from graphtorch.vision.transforms import functional as F
from tests.vision.cases import FIXED, GRIDS, REPRS, Case, cases, pictures, tensors

FACTS = Path(__file__).parent / "facts"
RESULTS = dict(np.load(FACTS / "results.npz"))
KNOWN = json.loads((FACTS / "facts.json").read_text(encoding="utf-8"))
IMAGES = {name: gt.from_numpy(values) for name, values in tensors().items()} | pictures()

#: functions that compute on tensors by sums, so that a number in between two integers may become either one
ROUNDED = (
    "resize",
    "resized_crop",
    "rotate",
    "affine",
    "perspective",
    "gaussian_blur",
    "adjust_",
    "rgb_to_",
    "autocontrast",
)


def named(options: dict[str, Any]) -> dict[str, Any]:
    found = dict(options)
    if "interpolation" in found:
        found["interpolation"] = InterpolationMode(found["interpolation"])
    if "dtype" in found:
        found["dtype"] = getattr(gt, found["dtype"])
    return found


def compare(got: Any, want: Any, case: Case) -> None:
    """Equal but for rounding: a place between two pixels may be "nearest" to either one."""
    assert got.shape == want.shape and got.dtype == want.dtype
    if not case.function.startswith(ROUNDED):
        np.testing.assert_array_equal(got, want)
        return
    nearest, whole = case.options.get("interpolation") == "nearest", want.dtype.kind != "f"
    apart = np.abs(got.astype(np.float64) - want)
    off = apart > (0 if whole else 2e-5)
    share = (0.06 if case.options.get("angle") == 90 else 0.02) if nearest else 0.02 if whole else 0
    assert off.mean() <= share and (nearest or not whole or apart.max(initial=0) <= 1), off.mean()


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_result(case: Case) -> None:
    image = IMAGES[case.image]
    before = image.clone() if isinstance(image, gt.Tensor) else image.copy()
    out = getattr(F, case.function)(image, **named(case.options))
    parts = out if isinstance(out, tuple) else (out,)
    assert f"{case.name}#{len(parts)}" not in RESULTS
    for number, one in enumerate(parts):
        key = f"{case.name}#{number}"
        if isinstance(one, gt.Tensor):
            compare(one.numpy(), RESULTS[key], case)
        else:
            assert one.mode == KNOWN["modes"][key]
            np.testing.assert_array_equal(np.asarray(one), RESULTS[key])
    same = np.array_equal(np.asarray(before), np.asarray(image))
    assert same, "the image was changed"


@pytest.mark.parametrize("image", ["rgb8", "RGB"])
@pytest.mark.parametrize("source", FIXED)
def test_transform(source: str, image: str) -> None:
    change = eval(source, {**vars(transforms)})
    again = pickle.loads(pickle.dumps(change))  # as workers that are not forked get it
    assert repr(again) == repr(change)
    out = again(IMAGES[image])
    for number, one in enumerate(out if isinstance(out, tuple) else (out,)):
        key = f"{source} of {image}#{number}"
        want = RESULTS[key]
        if not isinstance(one, gt.Tensor):
            assert one.mode == KNOWN["modes"][key]
            np.testing.assert_array_equal(np.asarray(one), want)
            continue
        assert one.shape == want.shape
        off = one.numpy() != want
        nearest = "Rotation" in source or "Affine" in source
        near = np.abs(one.numpy().astype(int) - want) <= 1
        assert off.mean() <= 0.02 and (near.all() or nearest)


@pytest.mark.parametrize("source", REPRS)
def test_repr(source: str) -> None:
    names = {**vars(transforms), "ConvertImageDtype": lambda name: transforms.ConvertImageDtype(getattr(gt, name))}
    assert repr(eval(source, names)) == KNOWN["reprs"][source]


@pytest.mark.parametrize(("image", "options"), GRIDS, ids=str)
def test_grid(image: str, options: dict[str, Any]) -> None:
    want = RESULTS[Case("make_grid", image, options).name]
    got = utils.make_grid(IMAGES[image], **options).numpy()
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
