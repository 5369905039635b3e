"""gt.autograd, hooks and second gradients: as torch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import AutogradError, TraceError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
BOTH = pytest.mark.parametrize("lib", [gt, torch], ids=["graphtorch", "torch"])


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


@BOTH
def test_grad_of_leaves_and_of_what_lies_between(lib: Any) -> None:
    x, y = leaf(lib, 1.0, -2.0), leaf(lib, 3.0, 5.0)
    h = x * y
    out = (h * h).sum()
    gx, gh = lib.autograd.grad(out, [x, h], retain_graph=True)
    np.testing.assert_allclose(gh.numpy(), [6, -20])
    np.testing.assert_allclose(gx.numpy(), [18, -100])
    (weighted,) = lib.autograd.grad(h, y, lib.tensor([1.0, 10.0], dtype=lib.float64), retain_graph=True)
    np.testing.assert_allclose(weighted.numpy(), [1, -20])
    assert x.grad is None and y.grad is None
    unused = leaf(lib, 1.0)
    assert lib.autograd.grad(out, [unused], allow_unused=True, retain_graph=True) == (None,)
    with pytest.raises(RuntimeError):
        lib.autograd.grad(out, unused)


@BOTH
def test_gradients_of_gradients(lib: Any) -> None:
    """d/dx (d/dx sum x^3 sin y)^2 and the mixed ones, against the formulas."""
    x, y = leaf(lib, 1.0, -2.0), leaf(lib, 0.3, 0.7)
    (g,) = lib.autograd.grad((x * x * x * y.sin()).sum(), x, create_graph=True)
    a, b = lib.autograd.grad((g * g).sum(), [x, y])
    xs, s, c = np.array([1.0, -2.0]), np.sin([0.3, 0.7]), np.cos([0.3, 0.7])
    np.testing.assert_allclose(a.numpy(), 2 * 3 * xs**2 * s * 6 * xs * s, rtol=1e-12)
    np.testing.assert_allclose(b.numpy(), 2 * 3 * xs**2 * s * 3 * xs**2 * c, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Using backward")
@BOTH
def test_gradients_of_gradients_go_through_writes(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0, 3.0)
    h = x * 1
    h[1:].mul_(h[:2] * 1)  # h = x0, x0 x1, x1 x2
    (h.exp().sum()).backward(create_graph=True)
    g = x.grad
    x.grad = None
    (second,) = lib.autograd.grad(g[0], x)
    a, b = 1.0, 2.0
    np.testing.assert_allclose(
        second.detach().numpy(), [np.exp(a) + b * b * np.exp(a * b), np.exp(a * b) * (1 + a * b), 0], rtol=1e-12
    )


@BOTH
def test_backward_to_inputs_alone(lib: Any) -> None:
    x, y = leaf(lib, 1.0), leaf(lib, 2.0)
    (x * y).sum().backward(inputs=[y])
    assert x.grad is None and y.grad.item() == 1


@BOTH
def test_hooks(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    h = x * 3
    seen: list[Any] = []
    first = h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    h.retain_grad()
    h.sum().backward(retain_graph=True)
    assert seen == [[1, 1]] and x.grad.tolist() == [31, 31] and h.grad.tolist() == [10, 10]
    first.remove()
    h.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [62, 62] and h.grad.tolist() == [20, 20]


@BOTH
def test_a_retained_gradient_is_that_of_the_changed_tensor(lib: Any) -> None:
    x = leaf(lib, 1.0, 2.0)
    h = x * 1
    h.retain_grad()
    h.mul_(3)
    h.sum().backward()
    assert h.grad.tolist() == [1, 1] and x.grad.tolist() == [3, 3]


@BOTH
def test_a_function_with_a_backward_of_its_own(lib: Any) -> None:
    class Cube(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, scale: float) -> Any:
            ctx.save_for_backward(x)
            ctx.scale = scale
            rounded = x.detach() > 0
            ctx.mark_non_differentiable(rounded)
            return x * x * x * scale, rounded

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            assert ctx.needs_input_grad == (True, False)
            (x,) = ctx.saved_tensors
            return g * 3 * x * x * ctx.scale, None

    x = leaf(lib, 1.0, -2.0)
    y, positive = Cube.apply(x, 2.0)
    assert y.requires_grad and not positive.requires_grad
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), [6, 24])
    (second,) = lib.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(second.numpy(), [12, -24])
    z, _ = Cube.apply(x * 1, 1.0)
    with lib.no_grad():
        x.mul_(2)
    z.sum().backward()
    y, _ = Cube.apply(x, 1.0)
    with lib.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError):
        y.sum().backward()


def test_gradcheck_finds_a_wrong_gradient() -> None:
    class Wrong(gt.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: gt.Tensor) -> gt.Tensor:
            return x * x

        @staticmethod
        def backward(ctx: Any, g: gt.Tensor) -> gt.Tensor:
            return g * 2

    x = leaf(gt, 0.5, -1.5, 3.0)
    assert gt.autograd.gradcheck(lambda x: (x * x, x.sin()), (x,))
    assert not gt.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)
    with pytest.raises(AutogradError, match="GT513"):
        gt.autograd.gradcheck(Wrong.apply, (x,))


def test_inference_mode_records_nothing() -> None:
    x = leaf(gt, 1.0)
    with gt.inference_mode():
        assert not (x * 2).requires_grad
    with gt.inference_mode(False):
        assert (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_a_trace_refuses_what_it_cannot_repeat() -> None:
    with pytest.raises(TraceError, match=r"GT602: retain_grad\(\) cannot be traced"):
        gt.compile(lambda x: (x * 1).retain_grad())(leaf(gt, 1.0))


@BOTH
def test_copies_keep_views_together(lib: Any) -> None:
    x = lib.arange(12).reshape(3, 4)
    both = [x, x.t()[1:], x[1]]
    for copies in (copy.deepcopy(both), pickle.loads(pickle.dumps(both)) if lib is gt else copy.deepcopy(both)):
        copies[0][1, 1] = 100
        assert copies[1][0, 1].item() == 100 and copies[2][1].item() == 100 and x[1, 1].item() == 5
        assert copies[1].stride() == (1, 4)
    alias = copy.copy(x)
    alias[0, 0] = 7
    assert x[0, 0].item() == 7
    with pytest.raises(RuntimeError):
        copy.deepcopy(leaf(lib, 1.0) * 2)


def test_numpy_and_dlpack_share_memory() -> None:
    x = gt.arange(6, dtype=gt.float32).reshape(2, 3)
    a = np.from_dlpack(x.t())
    assert a.shape == (3, 2) and np.shares_memory(a, x.numpy())
    t = torch.from_dlpack(x)
    t[0, 0] = 50
    assert x[0, 0].item() == 50
    back = gt.from_dlpack(t)
    back[1, 1] = 60
    assert t[1, 1].item() == 60 and x[1, 1].item() == 60
    assert np.asarray(x, dtype=np.float64).dtype == np.float64 and np.array(x, copy=True)[1, 1] == 60
    with pytest.raises(AutogradError, match="GT507"):
        leaf(gt, 1.0).__dlpack__()


def test_storage_and_layout() -> None:
    for lib in (gt, torch):
        x = lib.arange(12).reshape(3, 4)
        v = x.t()[1:]
        assert (v.stride(), v.storage_offset(), v.is_contiguous()) == ((1, 4), 1, False)
        assert len(v.untyped_storage()) == 96 and v.untyped_storage().nbytes() == 96
        assert v.data_ptr() == x.data_ptr() + 8 and v.untyped_storage().data_ptr() == x.data_ptr()
        assert (v.element_size(), v.nbytes, v.itemsize) == (8, 72, 8)
        assert x.is_set_to(x.view(3, 4)) and not x.is_set_to(v)
        assert x.as_strided((2, 2), (5, 1), 1).tolist() == [[1, 2], [6, 7]]
        assert v.as_strided((2,), (3,)).tolist() == [1, 4]
        assert v.contiguous().is_contiguous()
    assert list(gt.arange(3).storage()) == [0, 1, 2] and gt.arange(3)[1:].storage()[0] == 0


def test_bytes_under_another_dtype() -> None:
    for lib in (gt, torch):
        x = lib.tensor([1.0, -2.0])
        bits = x.view(lib.int32)
        assert bits.tolist() == [0x3F800000, -0x40000000]
        bits[0] = 0
        assert x.tolist() == [0, -2]
        assert lib.zeros(4).view(lib.int64).shape == (2,)
        with pytest.raises(RuntimeError):
            lib.zeros(3).view(lib.int64)


def test_nodes_of_the_tape_print_their_names() -> None:
    x = gt.ones(3).requires_grad_()
    y = x * 2
    y[0] = 1.0
    assert [repr(t.grad_fn) for t in (y, x * 2, gt.nn.functional.softmax(x, 0))] == ["<CopySlices>", "<mul>", "<div>"]
