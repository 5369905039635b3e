"""Losses used right: nothing may be said of them. A contract that cries wolf is one that nobody listens to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.losses import loss_problems
from graphtorch.nn import functional as F

Spec = gt.TensorSpec
X, Z = Spec((6, 5)), Spec((6, 3))
LABELS, YES = Spec((6,), gt.int64), Spec((6,))
IMAGES, MAP = Spec((2, 3, 9, 11)), Spec((2, 9, 11), gt.int64)

body, scores, one = nn.Linear(5, 4), nn.Linear(5, 7), nn.Linear(5, 1)
teacher, generator = nn.Linear(5, 7), nn.Linear(3, 5)
frozen = nn.Linear(5, 7).requires_grad_(False)
encoder, decoder = nn.Linear(5, 2), nn.Linear(2, 5)
images = nn.Conv2d(3, 7, 3, padding=1)
mixing = gt.nn.Parameter(gt.zeros(3))
DATA = gt.tensor([0, 6, 3, 1, 2, 5])


def smoothed(x: Any, y: Any) -> Any:
    return nn.CrossEntropyLoss(label_smoothing=0.1, weight=gt.ones(7), ignore_index=2)(scores(x), y)


def heads_and_temperature(x: Any, y: Any) -> Any:
    return F.cross_entropy(F.dropout(scores(F.relu(x)), 0.5) / 0.07, y)


def attention_pooled(x: Any, y: Any) -> Any:
    weights = F.softmax(x @ x.T, dim=1)
    return F.cross_entropy(scores(weights @ x), y)


def masked_scores(x: Any, y: Any) -> Any:
    return F.cross_entropy(gt.where(scores(x) > 0, scores(x), -1e9), y)


def scaled_probabilities(x: Any, y: Any) -> Any:
    """A cosine classifier's head: bounded, and scaled before the loss."""
    return F.cross_entropy(scores(x).softmax(1) * 30.0, y)


def mixup(x: Any, y: Any) -> Any:
    out = scores(x)
    return 0.3 * F.cross_entropy(out, y) + 0.7 * F.cross_entropy(out, y.flip(0))


def distilled(x: Any, y: Any) -> Any:
    with gt.no_grad():
        wanted = F.softmax(teacher(x) / 4, dim=1)
    return F.cross_entropy(scores(x), wanted) + F.cross_entropy(scores(x), y)


def distilled_both_trained(x: Any) -> Any:
    """Deep mutual learning: each is the other's teacher."""
    a, b = scores(x), teacher(x)
    return F.cross_entropy(a, b.softmax(1).detach()) + F.cross_entropy(b, a.softmax(1))


def distilled_reverse(x: Any) -> Any:
    return F.cross_entropy(frozen(x), scores(x).softmax(1))


def distilled_kl(x: Any) -> Any:
    student, wanted = F.log_softmax(scores(x) / 4, dim=1), F.softmax(frozen(x) / 4, dim=1)
    return F.kl_div(student, wanted, reduction="batchmean") * 16


def kl_of_logarithms(x: Any) -> Any:
    return nn.KLDivLoss(reduction="batchmean", log_target=True)(
        scores(x).log_softmax(1), teacher(x).log_softmax(1).detach()
    )


def kl_of_mixture(x: Any) -> Any:
    """Jensen-Shannon: the logarithm of a mean of probabilities."""
    p, q = scores(x).softmax(1), teacher(x).softmax(1)
    m = ((p + q) / 2).log()
    return F.kl_div(m, p, reduction="batchmean") + F.kl_div(m, q, reduction="batchmean")


def nll_of_mixture(x: Any, y: Any) -> Any:
    return F.nll_loss(gt.logsumexp(gt.stack([scores(x).log_softmax(1), teacher(x).log_softmax(1)]), 0), y)


def nll_of_clamped(x: Any, y: Any) -> Any:
    return F.nll_loss(scores(x).softmax(1).clamp(1e-6, 1).log(), y)


def nll_of_module(x: Any, y: Any) -> Any:
    return nn.NLLLoss()(nn.Sequential(scores, nn.LogSoftmax(dim=1), nn.Dropout(0.0))(x), y)


def policy_gradient(x: Any, y: Any) -> Any:
    log_p = scores(x).log_softmax(1)
    return (F.nll_loss(log_p, y, reduction="none") * x.sum(1)).mean()


def segmentation(x: Any, y: Any) -> Any:
    return nn.CrossEntropyLoss(ignore_index=255)(images(x), y)


def segmentation_upsampled(x: Any, y: Any) -> Any:
    return F.cross_entropy(F.interpolate(images(F.max_pool2d(x, 2)), size=(9, 11), mode="bilinear"), y)


def language_model(x: Any) -> Any:
    tokens = gt.zeros(6, 4, dtype=gt.int64)
    out = scores(x)[:, None, :].expand(6, 4, 7)
    return F.cross_entropy(out.reshape(-1, 7), tokens.reshape(-1))


def contrastive(x: Any) -> Any:
    a, b = F.normalize(body(x), dim=1), F.normalize(encoder(x) @ gt.ones(2, 4), dim=1)
    similar, labels = a @ b.T / 0.07, gt.arange(6)
    return (F.cross_entropy(similar, labels) + F.cross_entropy(similar.T, labels)) / 2


def yes_or_no(x: Any, y: Any) -> Any:
    return nn.BCEWithLogitsLoss(pos_weight=gt.tensor(3.0))(one(x).squeeze(1), y)


def yes_or_no_of_probabilities(x: Any, y: Any) -> Any:
    return nn.BCELoss()(nn.Sequential(one, nn.Sigmoid(), nn.Flatten(0))(x), y)


def probability_of_a_class(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(scores(x).softmax(1)[:, 0], y)


def mixture_of_experts(x: Any, y: Any) -> Any:
    """A mean of probabilities by probabilities is one."""
    return F.binary_cross_entropy((scores(x).softmax(1) * teacher(x).sigmoid()).sum(1), y)


def multi_label(x: Any) -> Any:
    return F.binary_cross_entropy_with_logits(scores(x), gt.zeros(6, 7))


def gan_discriminator(x: Any, z: Any) -> Any:
    real, fake = one(x), one(generator(z).detach())
    return F.binary_cross_entropy_with_logits(real, gt.ones_like(real)) + F.binary_cross_entropy_with_logits(
        fake, gt.zeros_like(fake)
    )


def gan_generator(z: Any) -> Any:
    judged = one(generator(z)).sigmoid()
    return F.binary_cross_entropy(judged, gt.ones(6, 1))


def least_squares_gan(z: Any) -> Any:
    judged = one(generator(z))
    return F.mse_loss(judged, gt.ones_like(judged))


def autoencoder(x: Any) -> Any:
    return F.mse_loss(decoder(F.relu(encoder(x))), x)


def autoencoder_other_way(x: Any) -> Any:
    """The square is the same whichever comes first."""
    return F.mse_loss(x, decoder(encoder(x)))


def variational(x: Any) -> Any:
    mean, logvar = encoder(x), decoder(encoder(x))[:, :2]
    z = mean + gt.randn(6, 2) * (logvar / 2).exp()
    kl = -0.5 * (1 + logvar - mean * mean - logvar.exp()).sum()
    return F.binary_cross_entropy(decoder(z).sigmoid(), x.sigmoid(), reduction="sum") + kl


def robust_regression(x: Any, y: Any) -> Any:
    out = one(x)[:, 0]
    return F.smooth_l1_loss(out, y) + F.huber_loss(out, y) + F.l1_loss(out, y)


def regression_of_columns(x: Any, y: Any) -> Any:
    return nn.MSELoss()(one(x), y.unsqueeze(1))


def q_learning(x: Any, y: Any) -> Any:
    taken = scores(x).gather(1, y[:, None]).squeeze(1)
    with gt.no_grad():
        wanted = x[:, 0] + 0.99 * frozen(x).max(1).values
    return F.smooth_l1_loss(taken, wanted)


def self_supervised(x: Any) -> Any:
    return F.mse_loss(decoder(encoder(x)), generator(encoder(x) @ gt.ones(2, 3)).detach())


def unreduced_then_masked(x: Any, y: Any) -> Any:
    losses = F.cross_entropy(scores(x), y, reduction="none")
    return (losses * (y > 0)).sum() / (y > 0).sum()


def summed_and_divided(x: Any, y: Any) -> Any:
    return F.cross_entropy(scores(x), y, reduction="sum") / x.shape[0]


def two_losses(x: Any, y: Any) -> Any:
    return F.cross_entropy(scores(x), y) + 0.1 * F.mse_loss(decoder(encoder(x)), x)


def adversarial(x: Any, y: Any) -> Any:
    """The model is frozen; what is trained is the input."""
    return F.cross_entropy(frozen(x), y)


def soft_labels(x: Any) -> Any:
    return F.cross_entropy(scores(x), gt.full((6, 7), 1 / 7))


def knowing_the_labels(x: Any) -> Any:
    return F.cross_entropy(scores(x), DATA)


def without_a_model(x: Any, z: Any) -> Any:
    """Neither comes from parameters: nothing is known of which is which."""
    return F.binary_cross_entropy_with_logits(x, x.sigmoid())


def learned_mixture(x: Any, y: Any) -> Any:
    p = mixing.softmax(0)
    return F.nll_loss((scores(x).softmax(1) * p[0] + teacher(x).softmax(1) * (1 - p[0])).log(), y)


def margins(x: Any, y: Any) -> Any:
    return F.multi_margin_loss(scores(x), y) + F.hinge_embedding_loss(one(x)[:, 0], gt.ones(6))


def classified(x: Any, y: Any) -> Any:
    return F.cross_entropy(scores(x), y)


def half_precision(x: Any, y: Any) -> Any:
    return F.cross_entropy(scores(x).to(gt.bfloat16), y)


SILENT: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (classified, (X, LABELS)),
    (classified, (X, gt.tensor([6, 0, 1, 2, 3, -100]))),
    (smoothed, (X, LABELS)),
    (heads_and_temperature, (X, LABELS)),
    (attention_pooled, (X, LABELS)),
    (masked_scores, (X, LABELS)),
    (scaled_probabilities, (X, LABELS)),
    (mixup, (X, LABELS)),
    (distilled, (X, LABELS)),
    (distilled_both_trained, (X,)),
    (distilled_reverse, (X,)),
    (distilled_kl, (X,)),
    (kl_of_logarithms, (X,)),
    (kl_of_mixture, (X,)),
    (nll_of_mixture, (X, LABELS)),
    (nll_of_clamped, (X, LABELS)),
    (nll_of_module, (X, LABELS)),
    (policy_gradient, (X, LABELS)),
    (segmentation, (IMAGES, MAP)),
    (segmentation_upsampled, (IMAGES, MAP)),
    (language_model, (X,)),
    (contrastive, (X,)),
    (yes_or_no, (X, YES)),
    (yes_or_no_of_probabilities, (X, YES)),
    (probability_of_a_class, (X, YES)),
    (mixture_of_experts, (X, YES)),
    (multi_label, (X,)),
    (gan_discriminator, (X, Z)),
    (gan_generator, (Z,)),
    (least_squares_gan, (Z,)),
    (autoencoder, (X,)),
    (autoencoder_other_way, (X,)),
    (variational, (X,)),
    (robust_regression, (X, YES)),
    (regression_of_columns, (X, YES)),
    (q_learning, (X, LABELS)),
    (self_supervised, (X,)),
    (unreduced_then_masked, (X, LABELS)),
    (summed_and_divided, (X, LABELS)),
    (two_losses, (X, LABELS)),
    (adversarial, (Spec((6, 5), requires_grad=True), LABELS)),
    (soft_labels, (X,)),
    (knowing_the_labels, (X,)),
    (without_a_model, (X, Z)),
    (learned_mixture, (X, LABELS)),
    (margins, (X, LABELS)),
    (half_precision, (X, LABELS)),
]


@pytest.mark.parametrize(("program", "given"), SILENT, ids=[program.__name__ for program, _ in SILENT])
def test_a_loss_that_is_used_right(program: Callable[..., Any], given: tuple[Any, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = observe(program, given)
    assert seen.error is None, str(seen.error)
    assert seen.tracer.notes.losses or program is margins
    assert [str(p) for p in loss_problems(seen.tracer, numbers=True)] == []
