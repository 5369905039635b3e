"""gt.summary: shapes, counts and memory, without running anything."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError
from graphtorch.frontend.diagnosis import summary as module


class Tied(nn.Module):
    """Two layers share a weight, one runs twice, and one never does."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(gt.ones(7))
        self.body = nn.Sequential(nn.Linear(7, 7), nn.BatchNorm1d(7))
        self.head = nn.Linear(7, 7, bias=False)
        self.head.weight = self.body[0].weight
        self.unused = nn.Linear(3, 2)
        self.body[1].weight.requires_grad_(False)

    def forward(self, x: gt.Tensor) -> Any:
        x = self.body(x * self.scale)
        return self.head(self.head(x)), x


def test_rows_and_totals() -> None:
    net = Tied()
    found = gt.summary(net, gt.TensorSpec((5, 7)))
    rows = [(r.layer, r.depth, r.kind, r.parameters, r.again) for r in found.rows]
    assert rows == [
        ("", 0, "Tied", 7, False),
        ("body", 1, "Sequential", 0, False),
        ("body.0", 2, "Linear", 56, False),
        ("body.1", 2, "BatchNorm1d", 14, False),
        ("head", 1, "Linear", 0, True),
        ("head", 1, "Linear", 0, True),
        ("unused", 1, "Linear (not called)", 8, False),
    ]
    parameters = list(net.parameters())
    assert found.total_params == sum(p.numel() for p in parameters) == sum(r.parameters for r in found.rows) == 85
    assert found.trainable_params == sum(p.numel() for p in parameters if p.requires_grad) == 78
    assert found.param_bytes == sum(p.detach().numpy().nbytes for p in parameters)
    assert found.buffer_bytes == sum(b.numpy().nbytes for b in net.buffers()) == 7 * 4 * 2 + 8
    assert found.input_bytes == 5 * 7 * 4 and found.output_bytes == 4 * 5 * 7 * 4
    assert [str(t) for t in found.rows[0].outputs] == ["f32[5,7]", "f32[5,7]"]


def test_nothing_is_computed_or_changed() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    text = repr(net)
    found = gt.summary(net, gt.TensorSpec((2, 3, 8, 9)))
    assert found.total_params == 4 * 27 + 4 + 8 + 2 * 168 + 2 and repr(net) == text
    big = nn.utils.skip_init(nn.Linear, 60_000, 60_000, bias=False)  # 13 GiB of memory that is never touched
    assert gt.summary(big, gt.TensorSpec((1, 60_000))).total_params == 3_600_000_000
    plain = nn.BatchNorm1d(3)
    gt.summary(plain, gt.TensorSpec((5, 3)))
    assert plain.num_batches_tracked.item() == 0 and not plain.running_mean.numpy().any()


def test_the_text_is_that_of_the_docstring() -> None:
    results = doctest.testmod(module)
    assert results.attempted == 2 and not results.failed


def test_html_is_escaped() -> None:
    class Odd(nn.Module):
        def forward(self, x: gt.Tensor) -> gt.Tensor:
            return x

    Odd.__name__ = "Odd<b>"
    text = gt.summary(nn.Sequential(Odd()), gt.TensorSpec((2, 3)))._repr_html_()
    assert "Odd&lt;b&gt;" in text and "<b>Sequential</b>" in text and text.count("<tr>") == 3


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_against_counts_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    text = "nn.Transformer(6, 2, 1, 1, 11)"
    ours, theirs = (eval(text, {"nn": lib.nn}) for lib in (gt, torch))
    found = gt.summary(ours, gt.TensorSpec((7, 3, 6)), gt.TensorSpec((5, 3, 6)))
    assert found.total_params == sum(p.numel() for p in theirs.parameters())
    assert np.isclose(found.param_bytes, 4 * found.total_params)


def test_errors() -> None:
    with pytest.raises(TypeError, match="GT301: model must be a module, got function"):
        gt.summary(lambda x: x, gt.TensorSpec((2,)))
    with pytest.raises(GraphTorchError, match=r'GT10.*"1"'):
        gt.summary(nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3)), gt.TensorSpec((5, 4)))
