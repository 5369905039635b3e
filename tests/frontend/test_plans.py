"""Eager mode by plans: the third call gives what the first gave op by op, bit for bit, and fails as it would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch.frontend.composites import CompositeNode
from graphtorch.frontend.plans import Made, Plan, exactly
from graphtorch.ir import bind
from graphtorch.ir.errors import AutogradError, IndexRangeError
from graphtorch.ir.graph import Graph
from graphtorch.ir.op import OPS, composite
from graphtorch.ir.text import parse_graph
from tests.ops.samples import array, cases, special, strided

DIFFERENTIABLE = [p for p in cases() if not OPS[p.values[0]].nondifferentiable]
RNG = np.random.default_rng(3)


def same(a: Any, b: Any) -> None:
    a, b = a.detach(), b.detach()
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_array_equal(a.numpy(), b.numpy())


def leaves(arrays: Any) -> list[Any]:
    return [gt.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f") for a in arrays]


def gradients(out: Any, xs: Any, create_graph: bool) -> list[Any]:
    outs = [o for o in (out if isinstance(out, tuple) else (out,)) if o.requires_grad]
    seeds = [gt.from_numpy(array(*o.shape)).to(o.dtype) for o in outs]
    wanted = [x for x in xs if x.requires_grad]
    return list(gt.autograd.grad(outs, wanted, seeds, create_graph=create_graph, allow_unused=True))


# ---- gradients of ops ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sample"), DIFFERENTIABLE)
def test_every_op_has_the_gradient_that_its_vjp_gives_op_by_op(name: str, sample: Any) -> None:
    op = OPS[name]
    with np.errstate(all="ignore"):
        xs = leaves(sample.operands)
        out = bind.bind(op, *xs, **sample.attrs)
        if not any(o.requires_grad for o in (out if isinstance(out, tuple) else (out,))):
            return
        want = gradients(out, xs, create_graph=True)
        for _ in range(3):
            found = gradients(bind.bind(op, *xs, **sample.attrs), xs, create_graph=False)
        for a, b in zip(found, want, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                same(a, b)


def test_a_gradient_by_plan_says_what_was_written_and_freed() -> None:
    for _ in range(3):
        x = gt.from_numpy(array(5, 7)).requires_grad_()
        y = x.exp()
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.exp(array(5, 7)))
        with pytest.raises(AutogradError, match="GT501"):
            y.sum().backward()
        z = (x * 2).exp()
        z.mul_(3)
        with pytest.raises(AutogradError, match="GT502"):
            z.sum().backward()


def test_results_of_several_have_zeros_where_no_gradient_came() -> None:
    for _ in range(3):
        x = gt.from_numpy(array(5, 7)).requires_grad_()
        values, _places = x.max(1)
        (values * gt.from_numpy(array(5))).sum().backward()
        want = np.zeros((5, 7), np.float32)
        want[np.arange(5), array(5, 7).argmax(1)] = array(5)
        np.testing.assert_array_equal(x.grad.numpy(), want)


def test_a_hook_sees_the_gradient_and_changes_it() -> None:
    for _ in range(3):
        x = gt.from_numpy(array(5, 7)).requires_grad_()
        y = x * 3
        y.register_hook(lambda g: g * 2)
        (y + 1).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.full((5, 7), 6, np.float32))


# ---- functions of several ops ----------------------------------------------------------------------

CLASSES = np.array([2, 0, 10, 4, 2], np.int64)
CALLS: dict[str, Any] = {
    "linear": (F.linear, [array(5, 7), array(11, 7), array(11)], {}),
    "linear, no bias": (F.linear, [array(5, 7), array(11, 7)], {}),
    "linear, a vector": (F.linear, [array(7), array(11, 7), array(11)], {}),
    "linear, many": (F.linear, [array(2, 3, 5, 7), array(11, 7), array(11)], {}),
    "linear, strided": (F.linear, [strided(5, 7), strided(11, 7), strided(11)], {}),
    "linear, none": (F.linear, [array(0, 7), array(11, 7), array(11)], {}),
    "linear, float64": (F.linear, [array(5, 7, dtype=gt.float64), array(11, 7, dtype=gt.float64)], {}),
    "softmax": (F.softmax, [array(5, 7)], {"dim": 1}),
    "softmax, strided": (F.softmax, [strided(5, 7, 3)], {"dim": 1}),
    "softmax, a number": (F.softmax, [array()], {"dim": 0}),
    "softmax, special": (F.softmax, [special()], {"dim": 0}),
    "log_softmax": (F.log_softmax, [array(5, 7, 3)], {"dim": -2}),
    "log_softmax, none": (F.log_softmax, [array(5, 0)], {"dim": 1}),
    "mean": (gt.mean, [array(5, 7)], {}),
    "mean, a dimension": (gt.mean, [strided(5, 7, 3)], {"dim": (0, -1), "keepdim": True}),
    "mean, of one": (gt.mean, [array(1, 5)], {"dim": 0}),
    "mean, none": (gt.mean, [array(0, 5)], {"dim": 0}),
    "mse_loss": (F.mse_loss, [array(5, 7), array(5, 7)[::-1].copy()], {}),
    "mse_loss, each": (F.mse_loss, [strided(5, 7), array(5, 7)], {"reduction": "none"}),
    "mse_loss, weight": (F.mse_loss, [array(5, 7), -array(5, 7)], {"weight": gt.from_numpy(array(5, 7))}),
    "cross_entropy": (F.cross_entropy, [array(5, 11), CLASSES], {}),
    "cross_entropy, one": (F.cross_entropy, [array(11), CLASSES[0]], {}),
    "cross_entropy, pixels": (F.cross_entropy, [array(5, 11, 3), np.arange(15).reshape(5, 3) % 11], {}),
    "cross_entropy, weight": (F.cross_entropy, [array(5, 11), CLASSES, array(11, low=0.1)], {"reduction": "sum"}),
    "cross_entropy, smooth": (F.cross_entropy, [array(5, 11), CLASSES], {"label_smoothing": 0.1, "ignore_index": 2}),
    "cross_entropy, soft": (F.cross_entropy, [array(5, 11), array(5, 11, low=0.1)], {}),
    "cross_entropy, each": (F.cross_entropy, [array(5, 11), CLASSES], {"reduction": "none"}),
    "nll_loss": (F.nll_loss, [array(5, 11), CLASSES], {}),
    "nll_loss, special": (F.nll_loss, [np.array([special()] * 5), CLASSES % 10], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_function_gives_what_its_ops_give(name: str) -> None:
    function, arrays, kwargs = CALLS[name]
    formula = function.__wrapped__
    with np.errstate(all="ignore"):
        xs = [gt.from_numpy(np.asarray(a)).requires_grad_(np.asarray(a).dtype.kind == "f") for a in arrays]
        want = formula(*xs, **kwargs)
        before = gradients(want, xs, create_graph=True)
        for _ in range(3):
            out = function(*xs, **kwargs)
        assert isinstance(out.grad_fn, CompositeNode) or ", of one" in name or ", a number" in name
        same(out, want)
        assert out.stride() == want.stride() and out.is_leaf == want.is_leaf
        for again in (False, True):
            for a, b in zip(gradients(function(*xs, **kwargs), xs, create_graph=again), before, strict=True):
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-6, atol=1e-6)
        with gt.no_grad():
            for _ in range(3):
                out = function(*xs, **kwargs)
        same(out, want)
        assert not out.requires_grad


@composite(whole=True)
def polar(x: Any, y: Any) -> Any:
    r = gt.sqrt(x * x + y * y)
    return r, y / r


@composite(whole=True)
def apart(x: Any, y: Any) -> Any:
    return gt.exp(x), gt.exp(y)


@composite(whole=True)
def growing(x: Any, y: Any) -> Any:
    return gt.exp(x), x * y


@composite(whole=True)
def beside(x: Any, y: Any) -> Any:
    return gt.exp(x), gt.ones(3) + 1


@pytest.mark.parametrize("wanted", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("again", [False, True])
def test_a_function_of_several_results_has_the_gradients_of_its_ops(wanted: Any, again: bool) -> None:
    """Of all results, and of some: the others have no gradient."""
    for function in (polar, apart):
        xs = leaves([array(5, 7), array(5, 7) + 3])
        seeds = [gt.from_numpy(array(5, 7)), gt.from_numpy(array(5, 7)[::-1].copy())]
        found = []
        for call in (function.__wrapped__, function, function, function):
            outs = call(*xs)
            chosen, given = [outs[i] for i in wanted], [seeds[i] for i in wanted]
            found.append(gt.autograd.grad(chosen, xs, given, create_graph=again, allow_unused=True))
        assert isinstance(outs[0].grad_fn, CompositeNode) and outs[1].grad_fn is outs[0].grad_fn
        for grads in found[1:]:
            for a, b in zip(grads, found[0], strict=True):
                b = gt.zeros(5, 7) if b is None else b
                a = gt.zeros(5, 7) if a is None else a
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-6, atol=1e-6)


def test_a_result_that_depends_on_nothing_requires_no_gradient() -> None:
    for _ in range(3):
        a, b = beside(*leaves([array(3), array(3)]))
        assert a.requires_grad and not b.requires_grad


def test_a_write_into_a_result_that_backward_reads_is_found_out() -> None:
    for _ in range(3):
        xs = leaves([array(5, 7), array(5, 7) + 3])
        grown, product = growing(*xs)
        product.mul_(2)  # nothing reads it
        (grown.sum() + product.sum()).backward()
        grown, product = growing(*xs)
        grown.mul_(2)
        with pytest.raises(AutogradError, match="GT502"):
            (grown.sum() + product.sum()).backward()
    for _ in range(3):  # the first is run op by op, and nothing reads its result
        out = F.softmax(xs[0], 1)
    out.mul_(2)
    with pytest.raises(AutogradError, match="GT502: a tensor saved for the backward of softmax was changed"):
        out.max().backward()


def test_second_derivatives_go_through_both_ways_in() -> None:
    """Of x and of what is computed from x, as one function's operands: each gradient is a partial one."""
    for _ in range(3):
        x = gt.from_numpy(array(5, 7, dtype=gt.float64)).requires_grad_()
        loss = F.mse_loss(x**3, x)
        (g,) = gt.autograd.grad(loss, x, create_graph=True)
        a, n = x.detach().numpy(), 35
        np.testing.assert_allclose(g.detach().numpy(), 2 * (a**3 - a) * (3 * a**2 - 1) / n, rtol=1e-12)
        (h,) = gt.autograd.grad(g.sum(), x)
        want = (2 * (3 * a**2 - 1) ** 2 + 2 * (a**3 - a) * 6 * a) / n
        np.testing.assert_allclose(h.numpy(), want, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("frozen", ["input", "weight", "bias"])
def test_gradients_of_some_operands(frozen: str) -> None:
    names = ["input", "weight", "bias"]
    for _ in range(3):
        xs = leaves([array(5, 7), array(11, 7), array(11)])
        xs[names.index(frozen)].requires_grad_(False)
        F.linear(*xs).sum().backward()
        assert [x.grad is None for x in xs] == [n == frozen for n in names]
    assert xs[1].grad is None or xs[1].grad.is_contiguous()


def test_writes_after_a_function_are_found_out_where_they_matter() -> None:
    for _ in range(3):
        x, w, b = leaves([array(5, 7), array(11, 7), array(11)])
        out = F.linear(x, w, b)
        with gt.no_grad():
            b.add_(1)  # no gradient reads the bias
        out.sum().backward()
        out = F.linear(x, w, b)
        with gt.no_grad():
            w.mul_(2)
        with pytest.raises(AutogradError, match="GT502") as raised:
            out.sum().backward()
        assert "saved by linear at test_plans.py" in str(raised.value)
        assert "changed by mul_ at test_plans.py" in str(raised.value)
        frozen = F.linear(x.detach(), w, b)
        with gt.no_grad():
            w.mul_(2)  # which the gradient of the input alone would read
        frozen.sum().backward()


def test_a_function_is_freed_by_its_backward() -> None:
    for _ in range(3):
        (x,) = leaves([array(5, 7)])
        out = F.softmax(x, 1).max()
        out.backward(retain_graph=True)
        first = x.grad.clone()
        out.backward()
        np.testing.assert_array_equal(x.grad.numpy(), 2 * first.numpy())
        with pytest.raises(AutogradError, match="GT501"):
            out.backward()


def test_errors_are_those_of_the_function() -> None:
    x = gt.from_numpy(array(5, 11))
    for _ in range(3):
        F.cross_entropy(x, gt.from_numpy(CLASSES))
    with pytest.raises(IndexRangeError, match="GT302 in cross_entropy: index 11 is out of range") as raised:
        F.cross_entropy(x, gt.from_numpy(CLASSES + 1))
    assert "target i64[5]" in str(raised.value)


def test_a_warning_comes_at_every_call() -> None:
    for _ in range(3):
        with pytest.warns(UserWarning, match="Using a target size"):
            F.mse_loss(gt.from_numpy(array(5, 7)), gt.from_numpy(array(7)))


def test_numbers_of_equal_value_are_told_apart() -> None:
    assert exactly(0.0) != exactly(-0.0) and exactly(1) == exactly(1)


# ---- plans -----------------------------------------------------------------------------------------

TEXT = """\
graph @g(%x: f32[5,7], %y: f32[5,7]) -> (f32[5,7], f32[5,7], f32[5,7]) {
  %0: f32[5,7] = exp(%x)
  %1: f32[5,7] = mul(%0, %y)
  %2: f32[5,7] = add(%1, %1)
  %3: f32[5,7] = neg(%2)
  %4: f32[7,5] = permute(%3) {dims=[1,0]}
  %5: f32[5,7] = permute(%4) {dims=[1,0]}
  %6: f32[5,7] = sub(%3, %5)
  %7: f32[5,7] = sqrt(%0)
  return %1, %6, %7
}
"""


def test_a_plan_overwrites_nothing_that_is_read_again() -> None:
    graph: Graph = parse_graph(TEXT)
    plan, x, y = Plan(graph), array(5, 7), RNG.standard_normal((5, 7)).astype(np.float32)
    kept = x.copy(), y.copy()
    for _ in range(2):
        a, b, c = plan([x, y])
        np.testing.assert_array_equal(a, np.exp(x) * y)
        np.testing.assert_array_equal(b, np.zeros((5, 7)))
        np.testing.assert_array_equal(c, np.sqrt(np.exp(x)))
        np.testing.assert_array_equal([x, y], kept)


def test_plans_are_made_at_the_second_time_and_forgotten_when_there_are_too_many(monkeypatch: Any) -> None:
    monkeypatch.setattr(Made, "FULL", 2)
    made: Made[str] = Made()
    asked = [made.get(key, lambda key=key: key * 2) for key in "aaabbcab"]
    assert asked == [None, "aa", "aa", None, "bb", None, None, None]
    assert made.get(["no hash"], lambda: "never") is None  # type: ignore[arg-type]


# ---- whose a gradient is ---------------------------------------------------------------------------


def test_a_leaf_has_a_gradient_of_its_own() -> None:
    """Whoever else may hold it: another leaf, a hook, its array, a tensor that retains it, the caller's seed."""
    held: list[Any] = []
    for _ in range(3):
        a, b, c = leaves([array(5, 7)] * 3)
        (a + b).backward(gt.from_numpy(array(5, 7)))
        c.register_hook(lambda g: held.append((g, g.numpy())))
        y = c.sin()
        y.retain_grad()
        y.register_hook(held.append)
        (y * 2).sum().backward()
        seed = gt.from_numpy(array(5, 7))
        d = gt.from_numpy(array(5, 7)).requires_grad_()
        (d + 0).backward(seed)
        before = [g.clone() for g in (a.grad, b.grad, c.grad, y.grad, d.grad)]
        for x in (a, b, c, d):
            x.grad.mul_(-3)
        same(a.grad, before[0] * -3)
        same(b.grad, before[1] * -3)
        same(y.grad, before[3])
        same(seed, before[4])
        same(held[-1][0], before[2])
        np.testing.assert_array_equal(held[-1][1], before[2].numpy())


def test_a_gradient_that_nobody_else_has_is_not_copied(monkeypatch: Any) -> None:
    copied = []
    real = np.array
    monkeypatch.setattr(np, "array", lambda *args, **kwargs: copied.append(args) or real(*args, **kwargs))
    for _ in range(3):
        x, w, b = leaves([array(5, 7), array(11, 7), array(11)])
        out, seed = F.linear(x, w, b), gt.from_numpy(array(5, 11))
        copied.clear()
        out.backward(seed)
    assert not copied
