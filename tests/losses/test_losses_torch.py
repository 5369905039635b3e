"""Losses, distances and activations against torch: values, gradients, kinks, nan and infinity, and warnings."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.frontend.nn import functional
from graphtorch.nn import functional as F
from tests.losses.activations import activations
from tests.losses.calls import call, reductions, tensors
from tests.losses.case import Case
from tests.losses.cases import CASES, Q, W, X, Y, signs
from tests.ops.samples import array

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Using a target size"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
]
nan, inf = np.nan, np.inf


def results(lib: Any, function: Callable[..., Any], leaves: list[Any]) -> list[Any]:
    """The result and the gradients of its weighted sum; None where there is none."""
    out = function(lib, *leaves)
    weight = np.random.default_rng(1).standard_normal(tuple(out.shape))
    (out * lib.tensor(weight).to(out.dtype)).sum().backward()
    grads = [x.grad for x in leaves]
    return [out.detach().numpy(), *(None if g is None else g.numpy() for g in grads)]


def agree(
    function: Callable[..., Any], arrays: tuple[Any, ...], dtype: str = "float32", close: Any = None, trained: int = 9
) -> None:
    """Results, and gradients of the first ``trained`` operands."""
    ours, theirs = (
        results(lib, function, [x if i < trained else x.detach() for i, x in enumerate(tensors(lib, arrays, dtype))])
        for lib in (gt, torch)
    )
    close = close or ({"rtol": 3e-5, "atol": 3e-6} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12})
    for a, b in zip(ours, theirs, strict=True):
        a, b = (np.zeros(()) if x is None and not np.any(y) else x for x, y in ((a, b), (b, a)))  # none is no slope
        assert a.dtype == b.dtype or not np.any(a)
        np.testing.assert_allclose(a, b, **close)


#: torch differentiates these by their first operands alone
TRAINED = {"binary_cross_entropy": 2, "binary_cross_entropy_with_logits": 2, "soft_margin_loss": 1}
#: torch rounds their constants to float32
SINGLE = {"hardsigmoid", "celu"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_torch(case: Case, dtype: str) -> None:
    close = {"rtol": 1e-6, "atol": 1e-6} if case.name in SINGLE else None
    for more in reductions(case):
        function = lambda lib, *xs, more=more: call(lib, case, *xs, **more)
        agree(function, case.arrays, dtype, close, TRAINED.get(case.name, 9))


# ---- kinks, nan and infinity ----------------------------------------------------------------------

#: where a function's pieces meet; no nan, whose gradient differs in torch's vectors from that in torch's numbers
KINKS = np.array(
    [-inf, -100, -6, -4, -3, -1, -0.5, -0.3, -0.0, 0, 0.3, 0.5, 1, 3, 4, 6, 30, 100, inf, *[0.25] * 13], np.float32
)


@pytest.mark.parametrize("case", [c for c in activations() if c.name not in ("glu", "softmin", "prelu")][::2], ids=str)
def test_kinks_of_activations(case: Case) -> None:
    agree(lambda lib, x: call(lib, case, x), (KINKS,))
    y = call(gt, case, gt.tensor([nan]))
    assert np.isnan(y.numpy()).all()


def test_kinks_of_prelu() -> None:
    agree(lambda lib, x, w: lib.nn.functional.prelu(x, w), (KINKS, np.array([0.25], np.float32)))


@pytest.mark.parametrize("options", [{}, {"beta": 0.5}, {"beta": 0}], ids=str)
def test_kinks_of_regression(options: dict[str, Any]) -> None:
    zero = np.zeros_like(KINKS)
    each = {"reduction": "none"}
    agree(lambda lib, x, y: lib.nn.functional.smooth_l1_loss(x, y, **each, **options), (KINKS, zero))
    agree(lambda lib, x, y: lib.nn.functional.huber_loss(x, y, **each, delta=options.get("beta") or 3), (KINKS, zero))
    agree(lambda lib, x, y: lib.nn.functional.l1_loss(x, y, **each), (KINKS, zero))
    agree(lambda lib, x, y: lib.nn.functional.mse_loss(x, y, **each), (KINKS, zero))


@pytest.mark.parametrize("label", [1, -1, 0])
def test_kinks_of_margins(label: int) -> None:
    t, zero = np.full_like(KINKS, label), np.zeros_like(KINKS)
    each = {"reduction": "none"}
    agree(lambda lib, x: lib.nn.functional.hinge_embedding_loss(x, lib.tensor(t), **each), (KINKS,))
    agree(
        lambda lib, x, y: lib.nn.functional.margin_ranking_loss(x, y, lib.tensor(t), 1.0, **each),
        (KINKS, zero),
    )


def test_ties_of_margins() -> None:
    x, other = np.ones((3, 4), np.float32), np.array([[1, -1, 0, 0]] * 3)
    agree(lambda lib, x: lib.nn.functional.multi_margin_loss(x, lib.tensor([0, 3, 1]), margin=0.0), (x,))
    agree(lambda lib, x: lib.nn.functional.multilabel_margin_loss(x, lib.tensor(other)), (x,))
    a, b = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for p in (1, 2, 3, 1.5, inf):
        agree(lambda lib, x, y, p=p: lib.nn.functional.pairwise_distance(x, y, p, 0.0), (a, b))
        agree(lambda lib, *x, p=p: lib.nn.functional.triplet_margin_loss(*x, p=p, swap=True), (a, b, a + 1))
    agree(lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y), (a, b + 1))
    agree(lambda lib, x, y: lib.nn.functional.cosine_embedding_loss(x, y, -lib.ones(2)), (a + 1, b - 1))


@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_probabilities_at_the_ends(target: float) -> None:
    """Logarithms of at least -100, and torch's gradient, whose denominator is at least 1e-12."""
    p, t = np.array([0, 1, 0.5, 1e-30, 1e-7], np.float32), np.full(5, target, np.float32)
    agree(lambda lib, p, t: lib.nn.functional.binary_cross_entropy(p, t, reduction="none"), (p, t))


@pytest.mark.parametrize("pos_weight", [None, 3.0])
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_large_logits(target: float, pos_weight: float | None) -> None:
    """Against float64, where torch's own float32 cancels: what is nearly right is small, and not 0."""
    x = np.array([-90, -30, -20, -1, -0.0, 0, 1, 20, 30, 90], np.float32)
    found, expected = [], []
    for lib, dtype, into in ((gt, "float32", found), (torch, "float64", expected)):
        (leaf,) = tensors(lib, (x,), dtype)
        options = {} if pos_weight is None else {"pos_weight": lib.tensor(pos_weight).to(leaf.dtype)}
        t = lib.full((len(x),), np.float32(target).item()).to(leaf.dtype)
        loss = lib.nn.functional.binary_cross_entropy_with_logits(leaf, t, reduction="none", **options)
        loss.sum().backward()
        into += [loss.detach().numpy(), leaf.grad.numpy()]
    for a, b in zip(found, expected, strict=True):
        tiny = 1e-12 if target in (0.0, 1.0) else 1e-6
        keep = np.abs(b) > tiny  # below, torch cancels in float64 too
        np.testing.assert_allclose(a[keep], b[keep], rtol=3e-6)
        assert (np.abs(a[~keep]) <= tiny).all()


# ---- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({c.name for c in CASES} | {"nll_loss", "cross_entropy"}))
def test_parameters(name: str) -> None:
    """Names, order and defaults, where torch has a Python signature."""
    try:
        theirs = inspect.signature(getattr(torch.nn.functional, name))
    except ValueError:
        pytest.skip("torch has it in C")
    ours = inspect.signature(getattr(functional, name))
    assert [(p.name, p.default, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.default, p.kind) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("old", [(None, False), (False, None), (True, None), (False, True), (True, False)], ids=str)
def test_old_arguments(old: tuple[Any, Any]) -> None:
    def loss(lib: Any, x: Any, y: Any) -> Any:
        with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated, please use reduction="):
            return lib.nn.functional.mse_loss(x, y, *old, "sum")

    agree(loss, (X, Y))
    with pytest.warns(UserWarning, match="size_average and reduce args"):
        theirs = torch.nn.L1Loss(*old).reduction
    with pytest.warns(UserWarning, match="size_average and reduce args"):
        assert gt.nn.L1Loss(*old).reduction == theirs


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.filterwarnings("error")
def test_broadcasting_warns(name: str) -> None:
    with pytest.warns(UserWarning, match=r"^Using a target size .* different to the input size") as caught:
        getattr(F, name)(gt.ones(3), gt.ones(3, 1))
    assert caught[0].filename == __file__
    getattr(F, name)(gt.ones(3), gt.ones(3))


def test_kl_div_warns_of_its_mean() -> None:
    with pytest.warns(UserWarning, match="reduction: 'mean' divides the total loss by both") as caught:
        F.kl_div(gt.ones(3), gt.ones(3))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.kl_div(gt.ones(3), gt.ones(3), reduction="batchmean")


def test_batchmean() -> None:
    for log_target in (False, True):
        agree(
            lambda lib, x, y, l=log_target: lib.nn.functional.kl_div(x, y, reduction="batchmean", log_target=l), (X, Q)
        )
    agree(
        lambda lib, x, y: lib.nn.functional.kl_div(x, y, reduction="batchmean"),
        (np.array(0.5, np.float32), np.array(0.2, np.float32)),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights(name: str, reduction: str) -> None:
    agree(lambda lib, x, y, w: getattr(lib.nn.functional, name)(x, y, reduction=reduction, weight=w), (X, Y, W))


def test_kl_div_of_a_target_of_zero() -> None:
    target = np.array([0.0, 1.0, 0.5], np.float32)
    agree(lambda lib, x: lib.nn.functional.kl_div(x, lib.tensor(target), reduction="sum"), (array(3),))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers(dtype: str) -> None:
    """Those that torch takes, with its dtypes; all others are refused by both."""
    x = np.arange(5).astype(dtype)
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "relu6": lambda F, x: F.relu6(x),
        "hardtanh": lambda F, x: F.hardtanh(x, 1, 3.7),
        "threshold": lambda F, x: F.threshold(x, 2.5, 7.9),
        "softsign": lambda F, x: F.softsign(x),
        "tanhshrink": lambda F, x: F.tanhshrink(x),
        "poisson": lambda F, x: F.poisson_nll_loss(x, x),
    }
    for name, function in calls.items():
        a, b = function(F, gt.tensor(x)).numpy(), function(torch.nn.functional, torch.tensor(x)).numpy()
        assert a.dtype == b.dtype, name
        np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)
    refused = "hardsigmoid hardswish leaky_relu elu selu celu mish softplus logsigmoid softshrink hardshrink rrelu glu"
    for name in refused.split():
        with pytest.raises(TypeError, match=f"GT20. in {name}: "):
            getattr(F, name)(gt.tensor(x[:4]))
    for name in "mse_loss l1_loss smooth_l1_loss huber_loss kl_div soft_margin_loss".split():
        with pytest.raises(TypeError, match=f"GT202 in {name}: "):
            getattr(F, name)(gt.tensor(x), gt.tensor(x))


def test_mixed_dtypes_promote() -> None:
    for name in ("mse_loss", "huber_loss", "kl_div", "binary_cross_entropy_with_logits"):
        out = getattr(F, name)(gt.tensor(Q), gt.tensor(Q.astype(np.float64)))
        assert out.dtype == gt.float64
    whole = signs(7, 5).astype(np.int64)
    for name in ("soft_margin_loss", "hinge_embedding_loss"):
        agree(lambda lib, x, name=name: getattr(lib.nn.functional, name)(x, lib.tensor(whole)), (X,))
