"""What is said of losses that run, and are hardly what was meant: whole messages, with both lines and the fix."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ContractWarning
from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.losses import loss_problems
from graphtorch.nn import functional as F
from tests.errors import with_texts_of_lines

Spec = gt.TensorSpec
X, LABELS, YES, ONE = Spec((6, 5)), Spec((6,), gt.int64), Spec((6, 7)), Spec((6,))

layer, one = nn.Linear(5, 7), nn.Linear(5, 1)
criterion = nn.CrossEntropyLoss()


class Net(nn.Module):
    """Scores and their loss, as a module within modules."""

    def __init__(self, head: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.head, self.criterion = nn.Sequential(nn.Linear(5, 7), head), loss

    def forward(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        out = self.head(x)
        return self.criterion(out, y)


def softmax_in_a_step(x: Any, y: Any) -> Any:
    soft = nn.Softmax(dim=1)
    net = Net(nn.Sequential(soft, nn.Dropout(0.3), nn.Flatten()), nn.CrossEntropyLoss())
    net(x, y).backward()


def softmax_of_function(x: Any, y: Any) -> Any:
    p = F.softmax(layer(x), dim=1)
    return criterion(p.view(3, 2, 7).reshape(6, 7), y)


def softmax_of_method(x: Any, y: Any) -> Any:
    return F.cross_entropy(layer(x).softmax(1)[:4], y[:4])


def softmax_written_out(x: Any, y: Any) -> Any:
    e = (layer(x) - 3).exp()
    return F.cross_entropy(e / e.sum(1, keepdim=True), y)


def log_softmax(x: Any, y: Any) -> Any:
    return F.cross_entropy(F.log_softmax(layer(x), 1), y)


def sigmoid_before_logits(x: Any, y: Any) -> Any:
    p = gt.sigmoid(layer(x))
    return F.binary_cross_entropy_with_logits(F.dropout(p, 0.5), y)


def scores_as_logarithms(x: Any, y: Any) -> Any:
    return F.nll_loss(layer(x), y)


def scores_as_logarithms_in_a_module(x: Any, y: Any) -> Any:
    loss = nn.NLLLoss(ignore_index=2)
    return Net(nn.Identity(), loss)(x, y)


def softmax_as_logarithms(x: Any, y: Any) -> Any:
    soft = nn.Softmax(dim=-1)
    return F.nll_loss(soft(layer(x)), y)


def scores_as_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(layer(x), y)


def scores_as_probabilities_in_a_module(x: Any, y: Any) -> Any:
    loss = nn.BCELoss(reduction="sum")
    return loss(layer(x), y)


def tanh_as_probabilities(x: Any, y: Any) -> Any:
    squash = nn.Tanh()
    return F.binary_cross_entropy(squash(layer(x)), y)


def relu_as_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(F.relu(layer(x)), y)


def softmax_into_kl(x: Any, y: Any) -> Any:
    return F.kl_div(layer(x).softmax(1), y, reduction="batchmean")


def logarithms_as_kl_target(x: Any, y: Any) -> Any:
    return F.kl_div(layer(x).log_softmax(1), y.log_softmax(1), reduction="batchmean")


def swapped_kl(x: Any, y: Any) -> Any:
    return F.kl_div(y.softmax(1), layer(x).log_softmax(1), reduction="batchmean")


def swapped_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(y, layer(x).sigmoid())


def swapped_soft_labels(x: Any, y: Any) -> Any:
    return criterion(y, layer(x))


def column_against_row(x: Any, y: Any) -> Any:
    return F.mse_loss(one(x), y)


def row_against_column(x: Any, y: Any) -> Any:
    return nn.HuberLoss()(one(x)[:, 0], y)


def any_broadcasting(x: Any, y: Any) -> Any:
    return F.l1_loss(layer(x), y)


def more_labels_than_classes(x: Any, y: Any) -> Any:
    net = nn.Sequential(nn.Flatten(), layer)
    return criterion(net(x), y.view(-1).long())


def labels_from_one(x: Any, y: Any) -> Any:
    return criterion(layer(x), y)


def labels_of_minus_one(x: Any, y: Any) -> Any:
    return criterion(layer(x), y)


def reduced_again(x: Any, y: Any) -> Any:
    loss = criterion(layer(x), y)
    return loss.mean()


def sum_averaged(x: Any, y: Any) -> Any:
    return F.mse_loss(layer(x), y, reduction="sum").mean()


def one_class(x: Any, y: Any) -> Any:
    return F.cross_entropy(one(x), y)


def one_class_of_floats(x: Any, y: Any) -> Any:
    return criterion(one(x), y)
