"""Files that torch wrote now, in both formats, by all protocols; `test_fixtures` reads old ones without torch."""

from __future__ import annotations

import io
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import DeviceError, LoadError
from tests.files.same import assert_same

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
FORMATS = [(True, 2), (True, 3), (True, 4), (True, 5), (False, 2), (False, 4)]


def saved(value: Any, zipped: bool = True, protocol: int = 2) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    return file


def tensors() -> dict[str, Any]:
    torch.manual_seed(0)
    w = torch.randn(3, 4, 5)
    found = {
        "whole": w,
        "permuted": w.permute(2, 0, 1),
        "gaps": w[1:, ::2],
        "flipped": torch.flip(w, [0]),
        "none": torch.empty(0, 3),
        "number": torch.tensor(3.5),
        "nan": torch.tensor([float("nan"), float("-inf"), -0.0]),
        "expanded": torch.randn(1, 7).expand(5, 7),
        "windows": torch.arange(9).unfold(0, 4, 2),
        "leaf": torch.randn(2, requires_grad=True),
        "parameter": torch.nn.Parameter(torch.randn(2, 3)),
        "frozen": torch.nn.Parameter(torch.randn(2), requires_grad=False),
    }
    return found | {name: (torch.randn(7, 3) * 10).to(getattr(torch, name)) for name in DTYPES}


def plain() -> dict[Any, Any]:
    return {
        "list": [1, 2.5, None, True, False, -7, 2**70, -(2**40), "", "é𝄞", b"", b"\x00\xff", 1e300, float("nan")],
        "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "keys": {1: "a", 2.5: "b", (1, "c"): "d", None: "e"},
        "ordered": OrderedDict(b=1, a=2),
        "counter": Counter("hello"),
        "set": {1, 2, 300},
        "complex": 1 + 2j,
        "bytearray": bytearray(b"ab\xff"),
        "size": torch.Size([2, 3]),
        "device": torch.device("cuda:1"),
        "dtype": torch.bfloat16,
        "long": "x" * 70_000,
        "many": list(range(70_000)),
    }


@pytest.mark.parametrize(("zipped", "protocol"), FORMATS)
def test_tensors(zipped: bool, protocol: int) -> None:
    expected = tensors()
    got = gt.load(saved(expected, zipped, protocol))
    assert_same(got, expected)


@pytest.mark.parametrize(("zipped", "protocol"), FORMATS)
def test_plain_data(zipped: bool, protocol: int) -> None:
    assert_same(gt.load(saved(plain(), zipped, protocol)), plain())


@pytest.mark.parametrize("zipped", [True, False])
def test_it_gives_what_torch_gives(zipped: bool) -> None:
    value = plain()
    value["list"].remove(b"")  # which torch refuses, since protocol 2 calls `bytes` for it
    file = saved([tensors(), value], zipped)
    expected = torch.load(file, weights_only=True)
    file.seek(0)
    assert_same(gt.load(file), expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_share_memory_as_they_did(zipped: bool) -> None:
    w = torch.arange(12.0).reshape(3, 4)
    got = gt.load(saved({"w": w, "row": w[1], "t": w.t(), "same": w, "other": w.clone()}, zipped))
    assert got["w"] is got["same"]
    got["row"].fill_(-1)
    assert got["w"][1].tolist() == [-1] * 4 and got["t"][:, 1].tolist() == [-1] * 4
    assert got["other"].tolist() == w.tolist()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_training(zipped: bool) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.PReLU())
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, amsgrad=True)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    for _ in range(2):
        net(torch.randn(4, 3, 8, 7)).square().mean().backward()
        optimizer.step(), schedule.step()
    expected = {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "epoch": 2,
    }
    got = gt.load(saved(expected, zipped))
    assert_same(got, expected)
    assert got["model"]._metadata == net.state_dict()._metadata
    twin = gt.nn.Sequential(gt.nn.Conv2d(3, 5, 3), gt.nn.BatchNorm2d(5), gt.nn.PReLU())
    assert str(twin.load_state_dict(got["model"])) == "<All keys matched successfully>"
    own = gt.optim.AdamW(twin.parameters(), lr=0.5, amsgrad=True)
    own.load_state_dict(got["optimizer"])
    assert own.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    x = torch.randn(2, 3, 8, 7)
    gt.testing.assert_close(twin.eval()(gt.tensor(x.numpy())), net.eval()(x).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("zipped", [True, False])
def test_attributes_of_tensors(zipped: bool) -> None:
    p = torch.nn.Parameter(torch.ones(2))
    p.scale = 3
    t = torch.ones(3)
    t.note = ["a", {"b": 1}]
    got = gt.load(saved([p, t], zipped))
    assert type(got[0]) is gt.nn.Parameter and got[0].scale == 3 and got[1].note == ["a", {"b": 1}]


def test_attributes_that_tensors_use_themselves_are_refused() -> None:
    t = torch.ones(3)
    t._storage = "mine"
    with pytest.raises(LoadError, match="GT903: the file sets '_storage' of a tensor"):
        gt.load(saved(t))


def test_storages() -> None:
    t = torch.arange(5, dtype=torch.int16)
    got = gt.load(saved({"bytes": t.untyped_storage()}))
    assert bytes(got["bytes"].tolist()) == t.numpy().tobytes()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["complex64", "complex128", "float8_e4m3fn", "uint16", "uint64"])
def test_dtypes_that_there_are_not(name: str, zipped: bool) -> None:
    t = torch.zeros(3).to(getattr(torch, name))
    with pytest.raises(LoadError, match=f"GT905: the file has a tensor of {name}, which graphtorch has not"):
        gt.load(saved({"t": t}, zipped))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda: torch.nn.Linear(2, 3), "torch.nn.modules.linear.Linear"),
        (lambda: {"path": Path("x")}, r"pathlib\."),
        (lambda: torch.eye(3).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (lambda: torch.zeros(2, device="meta"), "torch._utils._rebuild_meta_tensor_no_storage"),
        (lambda: __import__("numpy").float64(3), "numpy"),
    ],
)
def test_what_is_not_data_is_refused_by_name(value: Any, name: str, zipped: bool) -> None:
    with pytest.raises(LoadError, match=rf"GT90[35]: .*{name}"):
        gt.load(saved(value(), zipped))


@pytest.mark.parametrize("target", ["cpu", gt.device("cpu"), {"cpu": "cpu"}, lambda storage, place: storage])
def test_places(target: Any) -> None:
    assert gt.load(saved(torch.ones(2)), map_location=target).tolist() == [1, 1]


@pytest.mark.parametrize("target", ["cuda", {"cpu": "cuda:0"}])
def test_places_that_hold_no_tensors(target: Any) -> None:
    with pytest.raises(DeviceError, match="GT402"):
        gt.load(saved(torch.ones(2)), map_location=target)


def test_a_function_hears_of_every_storage_and_its_place() -> None:
    heard = []
    gt.load(
        saved({"a": torch.ones(2), "b": torch.ones(3).double()}), lambda s, place: heard.append((s.nbytes(), place))
    )
    assert heard == [(8, "cpu"), (24, "cpu")]


def test_paths_and_positions(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    for path in (tmp_path / "a.pt", str(tmp_path / "a.pt")):
        assert gt.load(path)["a"].tolist() == [1, 1]
    file = io.BytesIO(b"before" + saved({"a": 3}, zipped=False).getvalue())
    file.seek(6)
    assert gt.load(file) == {"a": 3}
    with pytest.raises(FileNotFoundError):
        gt.load(tmp_path / "none.pt")
