"""Dropouts of channels, and those that keep mean and variance: what is dropped, and the same bits compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch import nn

X = np.random.default_rng(0).standard_normal((6, 50, 7, 5)).astype(np.float32)
LAYERS = ["Dropout1d(0.3)", "Dropout2d(0.3)", "Dropout3d(0.3)", "AlphaDropout(0.3)", "FeatureAlphaDropout(0.3)"]


@pytest.mark.parametrize("text", LAYERS)
def test_eager_and_compiled_drop_the_same(text: str) -> None:
    layer = eval(f"nn.{text}", {"nn": nn})
    x = gt.tensor(X[0] if "1d" in text else X)
    found = []
    for run in (layer, gt.compile(lambda x: layer(x))):
        gt.manual_seed(3)
        found.append([run(x).numpy() for _ in range(2)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    assert (found[0][0] != found[0][1]).any()
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x.numpy())


@pytest.mark.parametrize(
    ("function", "shape"),
    [("dropout1d", (40, 30, 7)), ("dropout1d", (900, 7)), ("dropout2d", (40, 30, 5, 7)), ("dropout2d", (40, 30, 7)),
     ("dropout3d", (40, 30, 2, 3, 4)), ("dropout3d", (900, 2, 3, 4))],
)  # fmt: skip
def test_whole_channels_go(function: str, shape: tuple[int, ...]) -> None:
    gt.manual_seed(5)
    out = getattr(F, function)(gt.ones(*shape), 0.25).numpy()
    channels = out.reshape(900 if shape[0] == 900 else 1200, -1)
    assert (channels == channels[:, :1]).all()
    np.testing.assert_allclose(np.unique(channels), [0, 4 / 3], rtol=1e-6)
    assert 0.2 < (channels[:, 0] == 0).mean() < 0.3


def _both(function: Any, x: Any) -> Any:
    gt.manual_seed(7)
    return function(gt.tensor(x), 0.2, True).numpy()


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(1).standard_normal((400, 300)).astype(np.float32)
    out = _both(F.alpha_dropout, x)
    assert abs(out.mean()) < 0.02
    assert abs(out.var() - 1) < 0.02
    # what was dropped is one number; the rest is affine: scale * x + shift
    values, counts = np.unique(out, return_counts=True)
    low = values[counts.argmax()]
    scale = ((1.7580993408473766**2 * 0.2 + 1) * 0.8) ** -0.5
    np.testing.assert_allclose(low, -1.7580993408473766 * scale * 0.8, rtol=1e-5)
    kept = out != low
    np.testing.assert_allclose(out[kept], (x * scale + 1.7580993408473766 * scale * 0.2)[kept], rtol=1e-4, atol=1e-5)
    assert 0.18 < 1 - kept.mean() < 0.22


def test_feature_alpha_dropout_takes_channels() -> None:
    out = _both(F.feature_alpha_dropout, np.ones((30, 40, 7), np.float32))
    assert (out == out[:, :, :1]).all()
    assert len(np.unique(out)) == 2


@pytest.mark.torch
@pytest.mark.parametrize("compiled", [False, True])
def test_running_statistics_of_instance_norm(compiled: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    ours, theirs = (lib.nn.InstanceNorm2d(50, momentum=0.3, track_running_stats=True) for lib in (gt, torch))
    run = gt.compile(lambda x: ours(x)) if compiled else ours
    for _ in range(2):
        run(gt.tensor(X)), theirs(torch.tensor(X))
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(ours(gt.tensor(X)).numpy(), theirs(torch.tensor(X)).numpy(), rtol=1e-4, atol=1e-5)
