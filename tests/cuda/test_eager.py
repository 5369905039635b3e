"""Every op of eager mode on a GPU, against the same op on the CPU; and gradients of functions of several ops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
import graphtorch.nn.functional as F
from graphtorch.errors import DeviceWarning
from graphtorch.frontend import on_device
from graphtorch.ir import bind
from graphtorch.ir.op import OPS
from tests.ops.samples import SAMPLES, Sample
from tests.sampling import sampled

pytestmark = pytest.mark.gpu
NO_KERNEL = frozenset("sort ctc_loss ctc_loss_grad".split())


def tensors(found: Any) -> tuple[gt.Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


CASES = [(name, i) for name in SAMPLES for i in range(len(list(SAMPLES[name]())))]


@pytest.mark.parametrize(
    ("name", "index"), sampled(CASES, 4, lambda case: case[0], lambda case: f"{case[0]}-{case[1]}")
)
def test_an_op_gives_what_the_cpu_gives(name: str, index: int) -> None:
    sample: Sample = list(SAMPLES[name]())[index]
    here = [gt.from_numpy(np.array(a)) for a in sample.operands]
    want = tensors(bind.bind(OPS[name], *here, **sample.attrs))
    with warnings.catch_warnings():
        if name in NO_KERNEL:
            warnings.simplefilter("ignore", DeviceWarning)
        got = tensors(bind.bind(OPS[name], *(t.cuda() for t in here), **sample.attrs))
    for a, b in zip(got, want, strict=True):
        assert a.is_cuda or not here
        assert (a.shape, a.dtype) == (b.shape, b.dtype), str(sample)
        tolerance = 1e-10 if b.dtype == gt.float64 else 1e-5 if b.dtype.is_floating_point else 0
        x, y = (t.cpu().to(gt.float64).numpy() for t in (a, b))
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance, err_msg=f"{name} of {sample}")


def test_strided_operands() -> None:
    a = np.random.default_rng(1).standard_normal((6, 10)).astype(np.float32)
    x, y = gt.tensor(a), gt.tensor(a).cuda()
    for f in (
        lambda t: t.t() @ t, lambda t: t[1:5, ::3].exp(), lambda t: t[:, :1].expand(6, 4) + t[:, 2:6],
        lambda t: t.t()[::2].sum(1), lambda t: gt.cat([t[2:3], t[:1]], 1), lambda t: t[1:, 1:].reshape(-1).cumsum(0),
    ):  # fmt: skip
        np.testing.assert_allclose(f(y).cpu().numpy(), f(x).numpy(), rtol=1e-5, atol=1e-5)


FUNCTIONS: dict[str, Callable[..., gt.Tensor]] = {
    "linear": lambda x, w: F.linear(x, w).relu().sum(),
    "softmax": lambda x, w: (x.softmax(-1) * x.tanh()).sum() + w.sum(),
    "layer norm": lambda x, w: F.layer_norm(x, (12,), w[0]).pow(2).mean(),
    "loss": lambda x, w: F.cross_entropy(x @ w.t(), gt.arange(7, device=x.device) % 5),
    "gelu": lambda x, w: F.gelu(x).std() * w.max(),
    "index": lambda x, w: x[[1, 3, 3]].sum() + w[w > 0].sum(),
    "views": lambda x, w: (x.t().reshape(4, 21)[1:3] * w.flatten()[:21]).sum(),
    "attention": lambda x, w: F.scaled_dot_product_attention(x[None], w[None], w[None], is_causal=False).sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_the_cpus(name: str) -> None:
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((7, 12), (5, 12))]
    found = []
    for device in ("cpu", "cuda"):
        given = [gt.tensor(a).to(device).requires_grad_() for a in arrays]
        for _ in range(2):  # the second time by plans
            loss = FUNCTIONS[name](*given)
            grads = gt.autograd.grad(loss, given, allow_unused=True)
        assert loss.device.type == device
        found.append([loss, *grads])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b.detach().cpu().numpy(), a.detach().numpy(), rtol=2e-5, atol=2e-5)


def test_gradients_of_gradients() -> None:
    found = []
    for device in ("cpu", "cuda"):
        x = gt.tensor([0.3, -1.2, 2.5]).to(device).requires_grad_()
        (g,) = gt.autograd.grad((x.sin() * x**3).sum(), x, create_graph=True)
        g.pow(2).sum().backward()
        found.append(x.grad.cpu().numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


def test_in_place() -> None:
    a = np.random.default_rng(5).standard_normal((5, 7)).astype(np.float32)
    for step in (
        lambda t: t.add_(2).mul_(t), lambda t: t[1:3].sub_(t[2:4] * 2), lambda t: t.t().div_(3), lambda t: t.clamp_(-1, 1),
        lambda t: t.masked_fill_(t > 0, 9.0), lambda t: t.index_add_(0, gt.tensor([0, 2], device=t.device), t[3:5].clone()),
        lambda t: t.zero_(), lambda t: t.unsqueeze_(1),
    ):  # fmt: skip
        x, y = gt.tensor(a), gt.tensor(a).cuda()
        step(x), step(y)
        np.testing.assert_allclose(y.cpu().numpy(), x.numpy(), rtol=1e-6)
    x = gt.tensor(a).cuda().requires_grad_()
    y = x * 1
    y[2:, 1] = gt.zeros(3, device="cuda")
    (y * 2).sum().backward()
    want = np.full((5, 7), 2.0)
    want[2:, 1] = 0
    np.testing.assert_array_equal(x.grad.cpu().numpy(), want)


def test_what_has_no_kernel_says_so_once() -> None:
    on_device._warned.clear()
    x = gt.tensor([3.0, 1.0, 2.0]).cuda()
    with pytest.warns(DeviceWarning, match="GT407: sort has no kernel for a GPU"):
        values, order = x.sort()
    assert values.is_cuda and values.tolist() == [1.0, 2.0, 3.0] and order.tolist() == [1, 2, 0]
    assert x.topk(2).values.tolist() == [3.0, 2.0]  # no second warning: those are errors here


def test_a_program_is_made_once() -> None:
    x = gt.rand(3, 5, device="cuda")
    x * 2
    count = len(on_device._programs)
    for i in range(4):
        x * i
    assert len(on_device._programs) == count


def test_dropout_draws_the_cpus_numbers() -> None:
    x, found = gt.ones(40), []
    for device in ("cpu", "cuda"):
        gt.manual_seed(7)
        found.append([F.dropout(x.to(device), 0.4).tolist() for _ in range(2)])
    assert found[0] == found[1] and found[0][0] != found[0][1]
    gt.cuda.manual_seed_all(7)
    assert F.dropout(x.cuda(), 0.4).tolist() == found[0][0]
