"""The chapter on storage: views, offsets, strides, contiguous tensors, operations in place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.course.oracle import as_torch


@as_torch
def test_storage(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    storage = points.storage()
    storage[0] = 2.0
    return [
        list(storage),
        storage[1],
        len(storage),
        storage.size(),
        points,
        points.untyped_storage().nbytes(),
        points.t().storage().data_ptr() == storage.data_ptr(),
        points.t().untyped_storage().data_ptr() == points.untyped_storage().data_ptr(),
    ]


@as_torch
def test_offset_and_stride(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    second = points[1]
    return [
        second.storage_offset(),
        second.size(),
        second.shape,
        second.stride(),
        points.stride(),
        points.stride(0),
        points.t().stride(),
        points[:, 1].stride(),
        points[::2].stride(),
        points[1:, 1].storage_offset(),
        points.element_size() * second.storage_offset() == second.data_ptr() - points.data_ptr(),
    ]


@as_torch
def test_a_view_is_written_through(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    points[1][0] = 10.0
    points.t()[1, 2] = 20.0
    copy = points[0].clone()
    copy[0] = -1
    points.view(6)[5] += 1
    points.narrow(0, 0, 1).fill_(7)
    return [points, copy, points.data_ptr() == points.view(-1).data_ptr()]


@as_torch
def test_contiguous(torch: Any) -> Any:
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    turned = points.t()
    flat = turned.contiguous()
    with pytest.raises(RuntimeError):
        turned.view(6)
    return [
        points.is_contiguous(),
        turned.is_contiguous(),
        list(turned.storage()),
        flat.is_contiguous(),
        flat.stride(),
        list(flat.storage()),
        turned.reshape(6),
        flat.view(6),
        points.contiguous().data_ptr() == points.data_ptr(),
        points.is_set_to(points) if hasattr(points, "is_set_to") else True,
    ]


@as_torch
def test_higher_dimensions(torch: Any) -> Any:
    some = torch.ones(3, 4, 5)
    turned = some.transpose(0, 2)
    return [
        some.stride(),
        turned.shape,
        turned.stride(),
        some.permute(1, 2, 0).stride(),
        some.expand(2, 3, 4, 5).stride(),
        some[:, None].stride(),
        some.as_strided((2, 2), (1, 2), 3),
        turned.is_contiguous(),
        some.unfold(2, 3, 1).shape,
    ]


@as_torch
def test_in_place(torch: Any) -> Any:
    a = torch.ones(3, 2)
    before = a.data_ptr()
    a.zero_()
    a += 2
    a.mul_(3).sub_(1)
    a.clamp_(max=4)
    a.t_()
    with pytest.raises(RuntimeError):
        torch.ones(2).add_(torch.ones(3, 2))
    return [
        a,
        a.data_ptr() == before,
        a.copy_(torch.arange(3)),
        a.fill_(1.5),
        a.unsqueeze_(0).shape,
        a.squeeze_().shape,
    ]
