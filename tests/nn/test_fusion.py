"""A layer and its batch norm as one: the same numbers as both, and torch's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError

#: (layer, norm, input, whether transposed)
CASES: list[tuple[str, str, tuple[int, ...], bool]] = [
    ("Conv1d(3, 4, 2)", "BatchNorm1d(4)", (2, 3, 7), False),
    ("Conv2d(4, 6, 3, groups=2, bias=False)", "BatchNorm2d(6)", (2, 4, 7, 5), False),
    ("Conv3d(2, 3, 2, stride=2)", "BatchNorm3d(3, affine=False)", (2, 2, 5, 4, 6), False),
    ("ConvTranspose2d(3, 5, 2, stride=2)", "BatchNorm2d(5, eps=0.1)", (2, 3, 4, 6), True),
    ("Linear(3, 5)", "BatchNorm1d(5)", (7, 3), False),
    ("Linear(3, 5, bias=False)", "BatchNorm1d(1)", (7, 3), False),
]


def _made(lib: Any, text: str, seed: int) -> Any:
    made = eval(f"nn.{text}", {"nn": lib.nn}).eval()
    rng = np.random.default_rng(seed)
    with lib.no_grad():
        for name, t in (*made.named_parameters(), *made.named_buffers()):
            if t.ndim:
                values = rng.uniform(0.5, 2.0, tuple(t.shape)) * (1 if name == "running_var" else rng.choice([-1, 1]))
                t.copy_(lib.from_numpy(values.astype(np.float32)))
    return made


def _fused(lib: Any, layer: Any, norm: Any, transpose: bool) -> Any:
    fusion = lib.nn.utils.fusion
    if isinstance(layer, lib.nn.Linear):
        return fusion.fuse_linear_bn_eval(layer, norm)
    return fusion.fuse_conv_bn_eval(layer, norm, transpose)


@pytest.mark.parametrize(("layer", "norm", "shape", "transpose"), CASES)
def test_one_layer_computes_what_both_do(layer: str, norm: str, shape: tuple[int, ...], transpose: bool) -> None:
    first, second = _made(gt, layer, 1), _made(gt, norm, 2)
    state = {k: v.clone() for k, v in first.state_dict().items()}
    one = _fused(gt, first, second, transpose)
    x = gt.from_numpy(np.random.default_rng(3).standard_normal(shape).astype(np.float32))
    if norm != "BatchNorm1d(1)":  # which takes no such input by itself
        np.testing.assert_allclose(one(x).detach().numpy(), second(first(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    theirs = _fused(torch, _made(torch, layer, 1), _made(torch, norm, 2), transpose)
    assert repr(one).replace("bias=False", "") == repr(theirs).replace("bias=False", "")
    for (name, p), (_, q) in zip(one.named_parameters(), theirs.named_parameters(), strict=True):
        wanted = np.broadcast_to(q.detach().numpy(), p.shape)  # torch's has one bias for all of one feature
        np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=1e-5, err_msg=name)
        assert p.requires_grad == q.requires_grad
    assert all(bool((v == state[k]).all()) for k, v in first.state_dict().items())  # a copy: the layer is as it was


def test_what_is_refused() -> None:
    conv, norm = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval()
    for layer, other in ((conv, nn.BatchNorm2d(2)), (nn.Conv2d(1, 2, 3), norm)):
        with pytest.raises(ArgumentError, match="GT304: a layer is fused with a batch norm for evaluation alone"):
            nn.utils.fuse_conv_bn_eval(layer, other)
    with pytest.raises(ArgumentError, match="GT304"):
        nn.utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(2, track_running_stats=False).eval())
    with pytest.raises(ArgumentError, match="GT304: bn has 2 features, and linear gives 3"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(2).eval())
