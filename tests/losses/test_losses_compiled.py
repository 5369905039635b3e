"""What losses and activations are as programs: how many kernels, no broadcast in memory, nan for what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.compile import Compiled
from graphtorch.nn import functional as F
from tests.losses.cases import classes, signs

SHAPE = (37, 19)
T = gt.tensor(signs(*SHAPE))
P = (T + 1) * 0.5
LABELS = gt.tensor(np.where(np.arange(19) < 3, classes(37, 19, among=19), -1))
CLASSES = gt.tensor(classes(37, among=19))
PAIR = gt.tensor(signs(37))

#: name -> (loss of scores, kernels of its forward and backward together with the tanh that makes the scores)
LOSSES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "mse": (lambda x: F.mse_loss(x, T), 2),
    "mse weighted": (lambda x: F.mse_loss(x, T, weight=P), 2),
    "l1": (lambda x: F.l1_loss(x, T), 2),
    "smooth l1": (lambda x: F.smooth_l1_loss(x, T), 2),
    "huber": (lambda x: F.huber_loss(x, T), 2),
    "poisson": (lambda x: F.poisson_nll_loss(x, P, full=True), 2),
    "gaussian": (lambda x: F.gaussian_nll_loss(x, T, P + 1), 2),
    "kl": (lambda x: F.kl_div(F.logsigmoid(x), P, reduction="batchmean"), 2),
    "bce": (lambda x: F.binary_cross_entropy(x * 0.5 + 0.5, P), 2),
    "bce with logits": (lambda x: F.binary_cross_entropy_with_logits(x, P, pos_weight=P + 1), 2),
    "soft margin": (lambda x: F.soft_margin_loss(x, T), 2),
    "hinge": (lambda x: F.hinge_embedding_loss(x, T), 2),
    "ranking": (lambda x: F.margin_ranking_loss(x, P, T), 2),
    "multilabel soft margin": (lambda x: F.multilabel_soft_margin_loss(x, P), 3),
    "multi margin": (lambda x: F.multi_margin_loss(x, CLASSES), 3),
    "multilabel margin": (lambda x: F.multilabel_margin_loss(x, LABELS), 8),
    "cosine": (lambda x: F.cosine_similarity(x, T).sum(), 3),
    "pairwise": (lambda x: F.pairwise_distance(x, T).sum(), 3),
    "cosine embedding": (lambda x: F.cosine_embedding_loss(x, T, PAIR), 3),
    "triplet": (lambda x: F.triplet_margin_loss(x, T, P, swap=True), 3),
}
ACTIVATIONS = (
    F.hardtanh, F.relu6, F.hardsigmoid, F.hardswish, F.leaky_relu, F.elu, F.selu, F.celu, F.mish, F.softplus, F.logsigmoid,
    F.softsign, F.softshrink, F.hardshrink, F.tanhshrink,
)  # fmt: skip


def step(loss: Callable[[Any], Any]) -> Compiled:
    weight = gt.zeros(*SHAPE, requires_grad=True)

    def run(x: Any) -> tuple[Any, Any]:
        weight.grad = None
        found = loss(gt.tanh(x * 2 + weight))
        found.backward()
        return found, weight.grad

    return gt.compile(run)


@pytest.mark.parametrize("name", LOSSES)
def test_kernels_of_a_step(name: str) -> None:
    loss, kernels = LOSSES[name]
    run = step(loss)
    run(gt.randn(*SHAPE))
    assert run.stats[0].kernels <= kernels


@pytest.mark.parametrize("function", ACTIVATIONS, ids=lambda f: getattr(f, "__name__", "partial"))
def test_kernels_of_an_activation(function: Callable[[Any], Any]) -> None:
    run = step(lambda x: function(x).sum())
    run(gt.randn(*SHAPE))
    assert run.stats[0].kernels <= 2


def test_pairs_of_classes_are_not_in_memory() -> None:
    """37 * 19 * 19 of them; what is stored is rows, or sums of them."""
    run = step(LOSSES["multilabel margin"][0])
    run(gt.randn(*SHAPE))
    text = run.stages[0]["fuse"]
    stored = [line.split("=")[0] for line in text.splitlines() if line.startswith("  %")]
    assert stored and not any("[37,19,19]" in line for line in stored)


@pytest.mark.parametrize("target", [5, -2])
def test_classes_that_are_none_make_margins_nan(target: int) -> None:
    at = gt.tensor([0, target])
    for loss, y in ((F.multi_margin_loss, at), (F.multilabel_margin_loss, gt.tensor([[0, 1, -1], [0, target, -1]]))):
        x = gt.ones(2, 3, requires_grad=True)
        found = gt.compile(lambda x, y, f=loss: f(x, y, reduction="none"))(x, y)
        assert np.isnan(found.detach().numpy()).tolist() == [False, True]
        with pytest.raises(IndexError, match=rf"GT302 in {loss.__name__}: index {target} is out of range"):
            loss(x, y)


@pytest.mark.parametrize("wrong", [-0.25, 1.5])
def test_what_is_no_probability_is_nan_in_a_program(wrong: float) -> None:
    x = gt.tensor([0.5, wrong], requires_grad=True)
    found = gt.compile(lambda x: F.binary_cross_entropy(x, gt.ones(2), reduction="none"))(x)
    found.sum().backward()
    assert np.isnan(found.detach().numpy()).tolist() == np.isnan(x.grad.numpy()).tolist() == [False, True]


def test_a_negative_variance_is_nan_in_a_program() -> None:
    x, var = gt.zeros(2), gt.tensor([-1.0, 0.0], requires_grad=True)
    found = gt.compile(lambda x, v: F.gaussian_nll_loss(x, x, v, reduction="none"))(x, var)
    found.sum().backward()
    assert np.isnan(found.detach().numpy()).tolist() == np.isnan(var.grad.numpy()).tolist() == [True, False]


# ---- in place, and at random ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize(
    "name", "threshold relu6 hardtanh hardsigmoid hardswish leaky_relu elu selu celu mish rrelu".split()
)
def test_in_place(name: str, mode: str) -> None:
    f = getattr(F, name)
    options = {"threshold": 0.1, "value": 3.0} if name == "threshold" else {}
    x = gt.tensor([-2.0, -0.5, 0.5, 4.0])
    want = f(x, **options).numpy()
    written = x.clone()
    run = gt.compile(lambda x: f(x, inplace=True, **options)) if mode == "compiled" else f
    out = run(written) if mode == "compiled" else f(written, inplace=True, **options)
    np.testing.assert_allclose(written.numpy(), want, rtol=1e-6)
    np.testing.assert_allclose(out.numpy(), want, rtol=1e-6)
    weight = x.clone().requires_grad_()
    f(weight * 1, inplace=True, **options).sum().backward()
    other = x.clone().requires_grad_()
    f(other, **options).sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), other.grad.numpy())


@pytest.mark.parametrize("dtype", [gt.float32, gt.float64], ids=str)
def test_rrelu_multiplies_by_the_next_draw(dtype: Any) -> None:
    x = gt.tensor(np.linspace(-2, 2, 35).reshape(5, 7), dtype=dtype)
    gt.manual_seed(4)
    slope = gt.rand(5, 7, dtype=dtype).numpy() * (0.7 - 0.2) + 0.2
    for layer in (nn.RReLU(0.2, 0.7), gt.compile(nn.RReLU(0.2, 0.7))):
        gt.manual_seed(4)
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), np.where(x.numpy() > 0, x.numpy(), slope * x.numpy()), 1e-6)
        np.testing.assert_allclose(leaf.grad.numpy(), np.where(x.numpy() > 0, 1, slope), 1e-6)
