"""Tensors on a GPU: copies, views, devices, errors, and what other libraries see of them."""

from __future__ import annotations

import copy
import ctypes
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import AutogradError, DeviceError

pytestmark = pytest.mark.gpu
DTYPES = [gt.float64, gt.float32, gt.float16, gt.bfloat16, gt.int64, gt.int32, gt.int16, gt.int8, gt.uint8, gt.bool]


def data(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (5, 1, 13)])
def test_there_and_back(dtype: gt.dtype, shape: tuple[int, ...]) -> None:
    x = gt.tensor(data(*shape) * 3).to(dtype)
    y = x.to("cuda")
    assert (y.device, y.shape, y.dtype, y.is_cuda, y.get_device()) == (gt.device("cuda:0"), x.shape, dtype, True, 0)
    back = y.cpu()
    assert back.device == gt.device("cpu") and back.tolist() == x.tolist() and y.tolist() == x.tolist()
    assert y.to("cuda") is y and y.cuda() is y and y.to(y.device) is y and x.to(y).device == y.device


VIEWS = {
    "transposed": lambda x: x.t(),
    "part": lambda x: x[1:5, ::3],
    "row": lambda x: x[2],
    "element": lambda x: x[3, 4],
    "column": lambda x: x[:, -1],
    "new": lambda x: x[None, :, None],
    "reshaped": lambda x: x.reshape(11, 7),
    "viewed": lambda x: x.view(-1),
    "expanded": lambda x: x[:, :1].expand(7, 4),
    "diagonal": lambda x: x.diagonal(),
    "unfolded": lambda x: x.unfold(1, 4, 3),
    "narrowed": lambda x: x.narrow(0, 2, 3),
    "strided": lambda x: x.as_strided((3, 2), (5, 20), 4),
    "split": lambda x: x.split(3)[1],
    "several": lambda x: x.t()[2:9].unsqueeze(0).transpose(1, 2),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_move_nothing(name: str) -> None:
    a = data(7, 11)
    there, here = gt.tensor(a).cuda(), gt.tensor(a)
    before = gt.cuda.memory_allocated()
    x, y = VIEWS[name](there), VIEWS[name](here)
    assert gt.cuda.memory_allocated() <= before  # what earlier tests left may go meanwhile
    assert (x.shape, x.stride(), x.storage_offset()) == (y.shape, y.stride(), y.storage_offset())
    np.testing.assert_array_equal(x.cpu().numpy(), y.numpy())
    there.mul_(-2)
    np.testing.assert_array_equal(x.cpu().numpy(), -2 * y.numpy())


def test_a_view_is_written_through() -> None:
    a = data(6, 9)
    x, y = gt.tensor(a).cuda(), gt.tensor(a)
    for t in (x, y):
        t[1:4, ::2] = 7.0
        t.t()[3:5, 2] += 1
        t[0].copy_(gt.arange(9.0))
        t[:, 5].fill_(-1)
        t[t > 6] = 0.5
    np.testing.assert_array_equal(x.cpu().numpy(), y.numpy())


def test_a_reshape_that_is_no_view_is_a_copy() -> None:
    a = data(5, 4)
    x = gt.tensor(a).cuda()
    y = x.t().reshape(20)
    x.zero_()
    np.testing.assert_array_equal(y.cpu().numpy(), a.T.reshape(20))
    with pytest.raises(gt.errors.ShapeError, match="GT105"):
        x.t().view(20)


def test_copies_that_overlap() -> None:
    a = data(10)
    x = gt.tensor(a).cuda()
    x[1:].copy_(x[:-1].clone())
    y = gt.tensor(a).cuda()
    y[1:].copy_(y[:-1])
    np.testing.assert_array_equal(y.cpu().numpy(), x.cpu().numpy())


def test_what_is_made_on_the_device_has_the_cpus_numbers() -> None:
    for make in (
        lambda **k: gt.zeros(3, 4, **k), lambda **k: gt.full((2, 3), 7, **k), lambda **k: gt.arange(1, 9, 2, **k),
        lambda **k: gt.linspace(0, 1, 5, **k), lambda **k: gt.eye(3, **k), lambda **k: gt.tensor([[1, 2], [3, 4]], **k),
        lambda **k: gt.ones(2, dtype=gt.int32, **k), lambda **k: gt.as_tensor(data(3), **k),
        lambda **k: gt.triu_indices(3, 4, **k), lambda **k: gt.zeros_like(gt.ones(2, 3), **k),
    ):  # fmt: skip
        x, y = make(device="cuda"), make()
        assert x.is_cuda and x.dtype == y.dtype and x.cpu().tolist() == y.tolist()
    for draw in (
        lambda **k: gt.rand(3, 5, **k), lambda **k: gt.randn(4, **k), lambda **k: gt.randint(3, 90, (7,), **k),
        lambda **k: gt.randperm(11, **k),
    ):  # fmt: skip
        gt.manual_seed(5)
        want = draw()
        gt.manual_seed(5)
        got = draw(device="cuda")
        assert got.is_cuda
        np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=1e-6)
    x = gt.tensor(data(3)).cuda()
    for t in (gt.zeros_like(x), x.new_zeros(2), x.new_full((2,), 3.0), gt.rand_like(x), gt.empty_like(x)):
        assert t.device == x.device
    assert gt.zeros_like(x, device="cpu").is_cpu
    w = gt.rand(2, device="cuda", requires_grad=True)
    assert w.is_leaf and w.requires_grad


def test_the_default_device() -> None:
    gt.set_default_device("cuda")
    try:
        made = [gt.zeros(2), gt.tensor([1.0]), gt.rand(3), gt.nn.Linear(2, 3).weight, gt.arange(3)]
    finally:
        gt.set_default_device("cpu")
    assert all(t.is_cuda for t in made) and gt.zeros(2).is_cpu


def test_devices_are_not_mixed() -> None:
    x, y = gt.ones(3, 2).cuda(), gt.ones(3, 2)
    with pytest.raises(
        DeviceError, match=r"GT404: the tensors of add (.*\n)+.*f32\[3,2\] on cuda:0\n.*f32\[3,2\] on cpu\n"
    ) as failed:
        x + y
    assert "x.to(y.device)" in str(failed.value)
    with pytest.raises(DeviceError, match="GT404"):
        gt.nn.functional.linear(x, y)
    with pytest.raises(DeviceError, match="GT404"):
        gt.cat([x, y])
    with pytest.raises(DeviceError, match="GT404"):
        gt.nn.Linear(2, 3)(x)
    np.testing.assert_array_equal((x * gt.tensor(2.5) + 1).cpu().numpy(), np.full((3, 2), 3.5))


def test_several_devices(second: gt.device) -> None:
    a = data(4, 3)
    x, y = gt.tensor(a).to("cuda:0"), gt.tensor(a).to(second)
    assert y.device == second and y.get_device() == 1
    with pytest.raises(DeviceError, match=r"cuda:0\n.*cuda:1"):
        x @ y.t()
    np.testing.assert_array_equal((y * 2).cpu().numpy(), a * 2)
    np.testing.assert_array_equal(y.to("cuda:0").cpu().numpy(), a)
    x.copy_(y * 3)
    np.testing.assert_array_equal(x.cpu().numpy(), a * 3)
    with gt.cuda.device(1):
        assert gt.cuda.current_device() == 1 and gt.zeros(2, device="cuda").device == second
    assert gt.cuda.current_device() == 0 and gt.zeros(2, device="cuda").device == gt.device("cuda:0")
    with pytest.raises(DeviceError, match="GT402"):
        gt.zeros(2, device="cuda:7")


def test_numpy_does_not_get_it() -> None:
    x = gt.ones(3).cuda()
    for take in (lambda: x.numpy(), lambda: np.asarray(x), lambda: np.add(np.ones(3), x._data)):
        with pytest.raises((DeviceError, TypeError)):
            take()
    with pytest.raises(DeviceError, match=r"GT408(.*\n)+.*x\.cpu\(\)"):
        x.numpy()
    assert (x.sum().item(), bool(x[0] > 0), float(x[1]), int(x[2]), f"{x[0]:.2f}") == (3.0, True, 1.0, 1, "1.00")
    assert repr(x) == "tensor([1., 1., 1.], device='cuda:0')"


def test_copies_pickles_and_state() -> None:
    x = gt.tensor(data(4, 6)).cuda()
    both = copy.deepcopy({"x": x, "part": x[1:3, ::2]})
    both["x"].zero_()
    assert both["part"].device == x.device and both["part"].abs().sum().item() == 0 and x.abs().sum().item() > 0
    again, part = pickle.loads(pickle.dumps((x, x.t()[2:4])))
    assert again.device == x.device and part.stride() == x.t()[2:4].stride()
    again.fill_(3)
    assert part.tolist() == [[3.0] * 4] * 2


def test_modules_and_optimizers_move() -> None:
    net = gt.nn.Sequential(gt.nn.Linear(3, 4), gt.nn.BatchNorm1d(4), gt.nn.Linear(4, 2))
    before, parameters = {k: v.clone() for k, v in net.state_dict().items()}, list(net.parameters())
    assert net.to("cuda") is net and all(p is q for p, q in zip(net.parameters(), parameters, strict=True))
    assert all(t.is_cuda for t in net.state_dict().values())
    optimizer = gt.optim.Adam(net.parameters())
    net(gt.rand(5, 3, device="cuda")).sum().backward()
    optimizer.step()
    assert all(t.is_cuda for state in optimizer.state.values() for t in state.values())
    saved = copy.deepcopy(optimizer.state_dict())
    for state in saved["state"].values():
        state.update({k: v.cpu() for k, v in state.items()})
    other = gt.optim.Adam(net.parameters())
    other.load_state_dict(saved)
    assert all(t.is_cuda for state in other.state.values() for t in state.values())
    net.load_state_dict(before)
    net.cpu()
    assert all(t.is_cpu and t.tolist() == before[k].tolist() for k, t in net.state_dict().items())
    assert all(p.grad is not None and p.grad.is_cpu for p in net.parameters())
    assert gt.nn.Conv2d(1, 2, 3, device="cuda").weight.is_cuda
    lazy = gt.nn.LazyLinear(3).to("cuda")
    assert lazy(gt.ones(2, 5, device="cuda")).is_cuda


def test_gradients_come_back_from_another_device() -> None:
    w = gt.tensor(data(3, 4)).requires_grad_()
    ((w.cuda() * 3).cpu() ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 18 * w.detach().numpy(), rtol=1e-6)


def test_what_other_libraries_see() -> None:
    x = gt.tensor(data(5, 6)).cuda()
    part = x[1:4, ::2]
    told = part.__cuda_array_interface__
    assert (told["shape"], told["strides"], told["typestr"], told["version"]) == ((3, 3), (24, 8), "<f4", 3)
    assert told["data"] == (part.data_ptr(), False) and x.__cuda_array_interface__["strides"] is None
    with pytest.raises(AutogradError, match="GT507"):
        _ = gt.ones(2, device="cuda").requires_grad_().__cuda_array_interface__


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dlpack_both_ways(dtype: gt.dtype) -> None:
    x = gt.tensor(data(5, 6)).to(dtype).cuda()
    y = gt.from_dlpack(x[1:4, ::2])
    assert (y.device, y.dtype, y.stride(), y.data_ptr()) == (x.device, dtype, (6, 2), x[1].data_ptr())
    x.fill_(1)
    assert y.tolist() == x[1:4, ::2].tolist()
    before = gt.cuda.memory_allocated()
    capsule = x.__dlpack__()
    del x, y
    assert gt.cuda.memory_allocated() == before  # whoever has the capsule has the memory
    del capsule
    assert gt.cuda.memory_allocated() < before
    assert ctypes.sizeof(ctypes.c_void_p) == 8


def test_pinned_memory() -> None:
    x = gt.tensor(data(3, 5))
    pinned = x.pin_memory()
    assert pinned.is_pinned() and not x.is_pinned() and pinned.pin_memory() is pinned
    assert pinned[1].is_pinned() and pinned.tolist() == x.tolist()
    there = pinned.to("cuda", non_blocking=True)
    gt.cuda.synchronize()
    assert there.tolist() == x.tolist()
    big = gt.tensor(data(3000, 1500))  # more than one piece of what copies pass through
    np.testing.assert_array_equal(big.cuda().cpu().numpy(), big.numpy())


def test_the_hosts_memory_may_be_written_at_once() -> None:
    a, found = data(4000), []
    for i in range(12):
        a[...] = i
        found.append(gt.from_numpy(a).cuda())
    assert [t[-1].item() for t in found] == list(range(12))


def test_files_are_loaded_onto_a_gpu(tmp_path: Path) -> None:
    w = gt.randn(7, 5)
    saved = {"w": w, "rows": w[2:5], "turned": w.t(), "none": gt.zeros(0, 3), "layer": gt.nn.Parameter(gt.randn(3))}
    gt.save(saved, tmp_path / "state")
    for where in ("cuda", gt.device("cuda", 0), {"cpu": "cuda:0"}, lambda storage, place: "cuda"):
        found = gt.load(tmp_path / "state", map_location=where)
        assert all(t.is_cuda for t in found.values())
        for name, t in saved.items():
            np.testing.assert_array_equal(found[name].detach().cpu().numpy(), t.detach().numpy())
        assert found["turned"].stride() == saved["turned"].stride()
        found["w"].zero_()
        assert not found["rows"].any() and not found["turned"].any()  # they share memory again
    assert not gt.load(tmp_path / "state", map_location=lambda storage, place: storage)["w"].is_cuda
