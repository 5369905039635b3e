"""The chapter on tensors: creation, dtypes, indexing, broadcasting, reductions, the bridge to numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.course.oracle import as_torch, numbers


@as_torch
def test_creation(torch: Any) -> Any:
    like = torch.ones(2, 5, dtype=torch.int16)
    return {
        "list": torch.tensor([[1.0, 4.0], [2.0, 1.0], [3.0, 5.0]]),
        "whole": torch.tensor([1, 2, 3]),
        "mixed": torch.tensor([1, 2.5]),
        "truth": torch.tensor([True, False]),
        "number": torch.tensor(3.5),
        "zeros": torch.zeros(3, 2),
        "of a tuple": torch.zeros((3, 2), dtype=torch.float64),
        "ones": torch.ones(3),
        "full": torch.full((2, 3), 7),
        "full of floats": torch.full((2, 3), 0.5),
        "arange": torch.arange(7),
        "a range of floats": torch.arange(0, 1, 0.25),
        "linspace": torch.linspace(-1, 1, 5),
        "eye": torch.eye(3, 4),
        "like": [torch.zeros_like(like), torch.ones_like(like), torch.full_like(like, 3)],
        "new": [like.new_zeros(3), like.new_tensor([1, 2])],
        "empty's facts": [torch.empty(0, 3).shape, torch.empty(0, 3).numel()],
        "float": torch.FloatTensor([1, 2]),
        "long": torch.LongTensor([1, 2]),
    }


@as_torch
def test_facts(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    return [
        points.shape == (3, 2),
        tuple(points.size()),
        points.size(0),
        points.size(-1),
        points.ndim,
        points.dim(),
        points.numel(),
        points.nelement(),
        len(points),
        points.dtype,
        points.device,
        points.device.type,
        points.is_floating_point(),
        points.element_size(),
        points.type(),
        points.tolist(),
        points[0, 1].item(),
        float(points[0, 0]),
        int(points[1, 1]),
        bool(points[0, 0] > 3),
        list(points.shape),
        isinstance(points, torch.Tensor),
        torch.is_tensor(points),
        torch.is_tensor(3),
    ]


@as_torch
def test_printing(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.5], [2.0, -1.0]])
    return [
        repr(points),
        str(points[0]),
        repr(points[0, 1]),
        repr(points.long()),
        repr(points > 2),
        repr(points.double()),
        repr(torch.arange(3)),
        repr(torch.zeros(0)),
        repr(torch.tensor([1e-8, 1.0])),
        repr(torch.tensor([float("nan"), float("inf")])),
        repr(torch.ones(2, requires_grad=True)),
        repr((torch.ones(2, requires_grad=True) * 2).sum()).split("grad_fn=")[0],
        f"{points.mean().item():.3f} {points[0, 0]:.2f}",
        repr(torch.ones(100, 100)),
        repr(points.shape),
    ]


@as_torch
def test_dtypes(torch: Any) -> Any:
    points = torch.ones(3, 2)
    short = torch.tensor([[1, 2], [3, 4]], dtype=torch.short)
    return [
        points.double(),
        points.to(torch.double),
        points.to(dtype=torch.int32),
        points.type(torch.int64),
        points.half().dtype,
        short.float(),
        short.dtype,
        short.to(points),
        short.type_as(points),
        short.bool(),
        torch.tensor([1.9, -1.9]).int(),
        torch.tensor([0.1], dtype=torch.float64) * points[:1, 0],
        torch.zeros(2, dtype=torch.double) * torch.ones(2, dtype=torch.short),
        points + short[:1],
        short + 1,
        short * 1.5,
        short / 2,
        short // 2,
        short % 2,
        short**2,
        torch.get_default_dtype(),
        torch.tensor([1, 2]).sum().dtype,
        torch.finfo(torch.float32).eps,
        torch.iinfo(torch.int16).max,
    ]


@as_torch
def test_indexing(torch: Any) -> Any:
    a = torch.arange(60).reshape(3, 4, 5)
    chosen = torch.tensor([2, 0])
    return [
        a[1],
        a[1, 2],
        a[1, 2, 3],
        a[1:],
        a[1:, :],
        a[1:, 0],
        a[:, -1],
        a[..., 0],
        a[::2, ::3],
        a[None].shape,
        a[:, None, 1].shape,
        a[chosen],
        a[chosen, chosen + 1],
        a[:, [0, 2]],
        a[a > 55],
        a[(a > 10) & (a < 20)],
        a[a[:, 0, 0] > 0].shape,
        torch.where(a % 2 == 0, a, -a)[0],
        torch.nonzero(a > 57),
        torch.index_select(a, 1, chosen),
        torch.gather(a, 2, torch.zeros(3, 4, 1, dtype=torch.int64)),
        torch.take(a, torch.tensor([0, 59])),
        a.masked_select(a < 3),
        [row[0, 0].item() for row in a],
    ]


@as_torch
def test_assignment(torch: Any) -> Any:
    a = torch.zeros(4, 5)
    a[0] = 1
    a[1, 2] = 7.5
    a[:, 4] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    a[a == 0] = -1
    a[torch.tensor([3, 2]), torch.tensor([0, 1])] = 9
    a[2:, 1:3] *= 2
    a[3].zero_()
    a.add_(0.5)
    return a


@as_torch
def test_shapes(torch: Any) -> Any:
    a = torch.arange(24)
    b = a.view(2, 3, 4)
    return [
        b,
        a.reshape(4, -1),
        b.transpose(0, 2).shape,
        b.permute(2, 0, 1),
        b.flatten(1),
        torch.flatten(b).shape,
        b.unsqueeze(1).shape,
        b[:1].squeeze(0).shape,
        b.t().shape if b.ndim == 2 else b[0].t(),
        torch.cat([b, b], dim=1).shape,
        torch.stack([b[0], b[1]], dim=2),
        [part.shape for part in b.chunk(2, dim=2)],
        [part.shape for part in torch.split(b, 2, dim=1)],
        b.unbind(0)[1],
        b.expand(2, 3, 4).shape,
        b[:, :, :1].expand(-1, -1, 3),
        torch.arange(3).repeat(2, 2),
        torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[1],
        torch.tril(torch.ones(3, 3)),
        b.flip(0)[0],
        torch.roll(b, 1, 2)[0],
    ]


@as_torch
def test_broadcasting(torch: Any) -> Any:
    image = torch.from_numpy(numbers(3, 5, 7))
    batch = torch.from_numpy(numbers(2, 3, 5, 7, seed=1))
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    lines = weights.unsqueeze(-1).unsqueeze(-1)
    with pytest.raises(RuntimeError):
        torch.ones(3) + torch.ones(2)
    return [
        image.mean(-3),
        batch.mean(-3).shape,
        (image * lines).sum(-3),
        (batch * lines).sum(-3),
        torch.einsum("...chw,c->...hw", batch, weights),
        torch.ones(4, 1) + torch.ones(3),
        torch.broadcast_shapes((4, 1), (3,)),
        torch.arange(3)[:, None] * torch.arange(4)[None],
    ]


@as_torch
def test_arithmetic(torch: Any) -> Any:
    a, b = torch.from_numpy(numbers(3, 4)), torch.from_numpy(numbers(4, 5, seed=1))
    return [
        a @ b,
        torch.matmul(a, b),
        a.mm(b),
        torch.mv(a, b[:, 0]),
        torch.dot(a[0], b[:, 1]),
        torch.bmm(a[None], b[None]),
        a.abs().sqrt().exp().log(),
        a.clamp(min=0),
        -a,
        2 - a,
        1 / a,
        2**a,
        a > 0,
        (a > 0) | (a < -1),
        ~(a > 0),
        torch.sigmoid(a) + torch.tanh(a) + torch.relu(a),
        torch.softmax(a, dim=1),
        torch.allclose(a, a + 1e-9),
        torch.equal(a, a),
        torch.eq(a, a).all(),
        torch.isnan(a).any(),
    ]


@as_torch
def test_reductions(torch: Any) -> Any:
    a = torch.from_numpy(numbers(4, 6))
    greatest = a.max(dim=1)
    return [
        a.sum(),
        a.sum(0),
        a.sum(dim=1, keepdim=True),
        a.mean(),
        a.mean(axis=0),
        a.std(),
        a.var(0, unbiased=False),
        a.max(),
        greatest.values,
        greatest.indices,
        list(greatest),
        a.min(dim=0)[1],
        a.argmax(),
        a.argmax(dim=-1),
        a.prod(1),
        a.cumsum(0),
        a.norm(),
        a.median(),
        torch.sort(a, dim=1, descending=True),
        a.topk(2)[0],
        a.topk(2).indices,
        torch.unique(torch.tensor([3, 1, 3, 2])),
        torch.bincount(torch.tensor([1, 1, 4])),
        (a > 0).sum(),
        (a > 0).float().mean().item(),
    ]


@as_torch
def test_the_bridge_to_numpy(torch: Any) -> Any:
    tensor = torch.ones(3, 4)
    array = tensor.numpy()
    array[0, 0] = 5  # both are the same memory
    back = torch.from_numpy(array)
    back[1] = 2
    copied = torch.tensor(array)
    array[2] = 8
    scalar = np.float32(2.5) * np.ones(2, dtype=np.float32)
    return [
        tensor,
        back,
        copied,
        array,
        torch.as_tensor(array).data_ptr() == tensor.data_ptr(),
        torch.from_numpy(np.arange(3)),
        torch.from_numpy(np.zeros(2)),
        torch.tensor(scalar),
        np.asarray(tensor),
        np.array(tensor.tolist()),
        tensor.detach().cpu().numpy(),
    ]


@as_torch
def test_one_hot_and_scatter(torch: Any) -> Any:
    target = torch.tensor([3, 0, 4])
    onehot = torch.zeros(3, 5)
    onehot.scatter_(1, target.unsqueeze(1), 1.0)
    return [onehot, torch.nn.functional.one_hot(target, 5), torch.nn.functional.one_hot(target)]


@as_torch
def test_random_numbers_have_their_distributions(torch: Any) -> Any:
    torch.manual_seed(3)
    first = torch.rand(4)
    torch.manual_seed(3)
    again = torch.rand(4)
    drawn = torch.randn(20_000)
    return [
        torch.equal(first, again),
        bool((first >= 0).all() and (first < 1).all()),
        abs(drawn.mean().item()) < 0.05,
        abs(drawn.std().item() - 1) < 0.05,
        sorted(torch.randperm(6).tolist()),
        set(torch.randint(0, 3, (100,)).tolist()) == {0, 1, 2},
        torch.rand_like(drawn).shape,
        torch.randn(2, 3, dtype=torch.float64).dtype,
        torch.normal(torch.zeros(3), 1.0).shape,
        torch.bernoulli(torch.ones(3)),
        torch.multinomial(torch.tensor([0.0, 1.0]), 4, replacement=True),
    ]
