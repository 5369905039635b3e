"""`ctc_loss` against torch: forms of its arguments, reductions, what does not fit; and its refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import functional as F
from tests.ops.samples import array

TARGETS = np.array([[1, 2, 4], [1, 1, 3], [3, 2, 1]])
#: name -> (targets, input_lengths, target_lengths, options)
CALLS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "lists": (TARGETS, [7, 6, 5], (3, 2, 1), {}),
    "tensors": (TARGETS, np.array([7, 6, 5]), np.array([3, 2, 1]), {}),
    "int32": (TARGETS.astype(np.int32), np.array([7, 6, 5], np.int32), np.array([3, 2, 1]), {}),
    "one after the other": (np.array([1, 2, 4, 1, 1, 3]), [7, 6, 5], [3, 2, 1], {}),
    "no labels": (TARGETS, [7, 6, 5], [0, 0, 2], {}),
    "another blank": (np.array([[1, 3, 4], [1, 1, 3], [3, 4, 1]]), [7, 6, 5], [2, 2, 1], {"blank": 2}),
    "what does not fit": (TARGETS, [2, 6, 5], [3, 2, 1], {}),
    "what does not fit is 0": (TARGETS, [2, 6, 5], [3, 2, 1], {"zero_infinity": True}),
    "no steps": (TARGETS, [0, 6, 0], [1, 2, 0], {"zero_infinity": True}),
}


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is an optional oracle")


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", CALLS)
def test_as_torch(name: str, reduction: str, torch: Any) -> None:
    *arguments, options = CALLS[name]
    for normal in (True, False):
        found = []
        for lib in (gt, torch):
            x = lib.tensor(array(7, 3, 5)).requires_grad_()
            given = [lib.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
            loss = lib.nn.functional.ctc_loss(x.log_softmax(2) if normal else x, *given, reduction=reduction, **options)
            loss.sum().backward()
            found.append((loss.detach().numpy(), x.grad.numpy()))
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_sample(reduction: str, torch: Any) -> None:
    found = []
    for lib in (gt, torch):
        x = lib.tensor(array(7, 5)).requires_grad_()
        lengths = lib.tensor(6), lib.tensor([3])
        loss = lib.nn.CTCLoss(reduction=reduction)(x.log_softmax(1), lib.tensor([1, 4, 2]), *lengths)
        loss.backward()
        found.append((loss.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("inside", [False, True], ids=["backward outside", "backward inside"])
@pytest.mark.parametrize("name", CALLS)
def test_compiled_as_eager(name: str, inside: bool) -> None:
    *arguments, options = CALLS[name]
    reduction = "mean" if inside else "none"
    found = []
    for wrap in (lambda f: f, gt.compile):
        x = gt.tensor(array(7, 3, 5)).requires_grad_()
        given = [gt.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]

        def step(x: Any, *given: Any) -> Any:
            loss = F.ctc_loss(x.log_softmax(2) if inside else x, *given, reduction=reduction, **options)
            if inside:
                loss.backward()
            return loss

        loss = wrap(step)(x, *given)
        if not inside:
            (loss * gt.tensor([1.0, 2.0, 0.5])).sum().backward()
        found.append((loss.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-5)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-4, atol=2e-6)


def test_a_program_serves_other_labels_and_lengths() -> None:
    f = gt.compile(lambda x, *given: F.ctc_loss(x.log_softmax(2), *given, reduction="none"))
    x = gt.tensor(array(7, 3, 5), dtype=gt.float64)
    for targets, steps, counts in ((TARGETS, [7, 6, 5], [3, 2, 1]), (TARGETS[::-1].copy(), [3, 7, 1], [0, 3, 1])):
        given = gt.tensor(targets), gt.tensor(steps), gt.tensor(counts)
        wanted = F.ctc_loss(x.log_softmax(2), *given, reduction="none")
        np.testing.assert_allclose(f(x, *given).numpy(), wanted.numpy(), rtol=1e-12)
    assert len(f.graphs) == 1


def test_one_sample_compiled() -> None:
    x = gt.tensor(array(7, 5))
    given = gt.tensor([1, 4, 2]), gt.tensor(6), gt.tensor([3])
    found = gt.compile(F.ctc_loss)(x.log_softmax(1), *given)
    np.testing.assert_allclose(found.numpy(), F.ctc_loss(x.log_softmax(1), *given).numpy(), rtol=1e-5)
    assert found.shape == ()


def test_no_time_steps_compiled() -> None:
    given = gt.tensor(TARGETS), [0] * 3, gt.tensor([0, 1, 0])
    found = gt.compile(lambda x, *given: F.ctc_loss(x, *given, reduction="none"))(gt.zeros(0, 3, 5), *given)
    assert found.tolist() == [0.0, np.inf, 0.0]


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "dims": (
        lambda x, y: F.ctc_loss(x[0, 0], y, [7] * 3, [3] * 3),
        r"GT107 in ctc_loss: log_probs must be \[t, n, c\]",
    ),
    "dtype": (lambda x, y: F.ctc_loss(x.to(gt.int64), y, [7] * 3, [3] * 3), "GT202 in ctc_loss: log_probs must be"),
    "floats": (
        lambda x, y: F.ctc_loss(x, y.to(gt.float32), [7] * 3, [3] * 3),
        "GT203 in ctc_loss: targets must be int",
    ),
    "float lengths": (lambda x, y: F.ctc_loss(x, y, [7.0] * 3, [3] * 3), "GT301 in ctc_loss: input_lengths must be an"),
    "batch": (lambda x, y: F.ctc_loss(x, y, [7] * 2, [3] * 3), "GT103 in ctc_loss: input_lengths does not match"),
    "long": (lambda x, y: F.ctc_loss(x, y, [7, 8, 7], [3] * 3), "GT304 in ctc_loss: input_lengths has the element 8"),
    "negative": (lambda x, y: F.ctc_loss(x, y, [7] * 3, [3, -1, 2]), "GT304 in ctc_loss: target_lengths has the elem"),
    "few": (lambda x, y: F.ctc_loss(x, y, [7] * 3, [4] * 3), "GT103 in ctc_loss: targets does not match target_len"),
    "few in a row": (
        lambda x, y: F.ctc_loss(x, y.reshape(-1), [7] * 3, [2] * 3),
        "GT103 in ctc_loss: targets does not",
    ),
    "labels": (lambda x, y: F.ctc_loss(x, y + 2, [7] * 3, [3] * 3), "GT302 in ctc_loss: targets has the element [56]"),
    "blank": (lambda x, y: F.ctc_loss(x, y, [7] * 3, [3] * 3, 5), "GT304 in ctc_loss: blank=5 is not allowed"),
    "reduction": (lambda x, y: F.ctc_loss(x, y, [7] * 3, [3] * 3, 0, "avg"), "GT304 in ctc_loss: reduction='avg' is"),
    "zero_infinity": (lambda x, y: nn.CTCLoss(zero_infinity=1), "GT301: zero_infinity must be a bool"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(gt.errors.GraphTorchError, match=text):
        call(gt.zeros(7, 3, 5), gt.tensor(TARGETS))
    if name not in ("labels", "few in a row"):  # which numbers of tensors say
        with pytest.raises(gt.errors.GraphTorchError, match=text):
            gt.compile(call)(gt.zeros(7, 3, 5), gt.tensor(TARGETS))
