"""`save` and `load`: values of every kind, the memory that tensors share, whole modules."""

from __future__ import annotations

import functools
import io
import json
import sys
import types
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentTypeError, LoadError, SaveError
from tests.files.same import assert_same
from tests.nn.module_table import CASES

DTYPES = [gt.float64, gt.float32, gt.float16, gt.bfloat16, gt.int64, gt.int32, gt.int16, gt.int8, gt.uint8, gt.bool]


def again(value: Any, **options: Any) -> Any:
    file = io.BytesIO()
    gt.save(value, file)
    return gt.load(io.BytesIO(file.getvalue()), **options)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7, 5), (2, 3, 4)], ids=str)
def test_tensors(dtype: gt.DType, shape: tuple[int, ...]) -> None:
    gt.manual_seed(0)
    t = (gt.randn(*shape, dtype=gt.float64) * 10).to(dtype)
    assert_same(again(t), t)


def test_numbers_that_are_none() -> None:
    t = gt.tensor([float("nan"), float("inf"), -float("inf"), -0.0])
    assert_same(again(t), t)


def test_plain_data() -> None:
    value = {
        "list": [1, 2.5, None, True, False, -7, 2**70, "", "é𝄞\ud800", b"", b"\x00\xff", 1e300, 5e-324, 0.1],
        "special": [float("nan"), float("inf"), -float("inf"), -0.0, 1 - 2j, complex(float("inf"), 0)],
        "tuple": ((), (1,), (1, (2, [3]))),
        "keys": {1: "a", 2.5: "b", (1, "c"): "d", None: "e", b"f": "g"},
        "$": {"$": "tensor", "name": "x"},
        "ordered": OrderedDict(b=1, a=OrderedDict()),
        "counter": Counter("hello"),
        "set": {1, 2},
        "frozen": frozenset({"a"}),
        "bytearray": bytearray(b"ab"),
        "size": gt.Size([2, 3]),
        "device": gt.device("cuda:1"),
        "dtype": gt.bfloat16,
        "slice": slice(1, None, 2),
        "__metadata__": 3,
    }
    got = again(value)
    assert_same(got, value)
    assert str(got["special"][3]) == "-0.0"


@pytest.mark.parametrize("dtype", ["u4", "u8", "c16", ">i4", "U3", "S2", "?", "f2"])
def test_arrays_of_numpy(dtype: str) -> None:
    value = np.arange(6).reshape(2, 3).astype(dtype)
    got = again({"a": value, "none": value[:0], "b": value[0, 1]})
    assert got["a"].dtype == value.dtype and np.array_equal(got["a"], value) and got["none"].shape == (0, 3)
    assert type(got["b"]) is type(value[0, 1]) and got["b"] == value[0, 1]


@pytest.mark.parametrize("start", [b"\x80", b"L", b"PK", b"\x1f"])
def test_a_header_of_any_length_is_told_apart(start: bytes) -> None:
    length = 4096 + int.from_bytes(start, "little") if len(start) == 1 else int.from_bytes(start, "little")
    head = json.dumps({"a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}).encode().ljust(length)
    data = len(head).to_bytes(8, "little") + head + b"\1\2\3"
    assert data.startswith(start) and gt.load(io.BytesIO(data))["a"].tolist() == [1, 2, 3]


def test_the_states_of_all_generators() -> None:
    import random

    value = [gt.get_rng_state(), random.getstate(), np.random.RandomState(3).get_state()]
    value.append(np.random.default_rng(5).bit_generator.state)
    got = again(value)
    random.Random(1).setstate(got[1])
    assert got[1] == value[1] and np.array_equal(got[2][1], value[2][1]) and got[3] == value[3]


def test_strides_stay_where_there_are_no_gaps() -> None:
    t = gt.randn(2, 3, 4)
    for view in (t.permute(2, 0, 1), t.permute(1, 2, 0), t.transpose(0, 2), gt.randn(3, 1, 5).permute(2, 1, 0)):
        got = again(view)
        assert_same(got, view)
        assert got.untyped_storage().nbytes() == view.nbytes


def test_a_part_of_a_tensor_alone_does_not_bring_the_rest() -> None:
    t = gt.randn(100, 100)
    got = again({"a": t[3:5, ::7]})["a"]
    assert got.tolist() == t[3:5, ::7].tolist() and got.untyped_storage().nbytes() == got.nbytes


def test_views_share_memory_as_they_did() -> None:
    t = gt.arange(24.0).reshape(4, 6)
    value = {"row": t[1], "columns": t[:, 1:3], "t": t[1:3].t(), "bits": t[2].view(gt.int32)}
    got = again(value)
    assert_same(got, value)
    got["row"].fill_(-1)
    assert got["columns"][1].tolist() == [-1, -1] and got["t"][:, 0].tolist() == [-1] * 6
    got["bits"].zero_()
    assert got["t"][:, 1].tolist() == [0] * 6 and got["columns"][0].tolist() == [1, 2]


def test_what_views_share_is_written_once_and_no_more_of_it_than_they_have() -> None:
    t = gt.randn(1000)
    file = io.BytesIO()
    gt.save([t[100:300], t[200:400], t[100:400:3]], file)
    assert 1200 < len(file.getvalue()) < 1200 + 900


def test_expanded_tensors_and_windows() -> None:
    for t in (gt.randn(1, 3).expand(500, 3), gt.arange(8).unfold(0, 4, 2)):
        got = again(t)
        assert_same(got, t)
        assert got.untyped_storage().nbytes() == t.untyped_storage().nbytes()


def test_memory_that_numpy_walked_backwards() -> None:
    array = np.arange(6.0)
    got = again([gt.from_numpy(array[::-1]), gt.from_numpy(array[::2])])
    assert got[0].tolist() == array[::-1].tolist() and got[1].tolist() == [0, 2, 4]


def test_parameters_and_what_users_put_on_tensors() -> None:
    p, frozen, leaf = nn.Parameter(gt.ones(2)), nn.Parameter(gt.ones(3), False), gt.ones(2, requires_grad=True)
    p.note = {"a": [1, gt.zeros(2)]}
    got = again([p, frozen, leaf, leaf * 2, p])
    assert_same(got[:3], [p, frozen, leaf])
    assert got[0] is got[4] and got[3].requires_grad and got[3].is_leaf
    assert_same(got[0].note, p.note)


def test_a_state_dict_is_read_by_others_under_its_own_names(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)).bfloat16()
    gt.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "a.pt")
    with safetensors.safe_open(tmp_path / "a.pt", "np") as file:
        assert set(file.keys()) == {f"model.{key}" for key in net.state_dict()}
        assert file.get_tensor("model.1.num_batches_tracked") == 0


class Net(nn.Module):
    """A module with everything that a module can have."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        Net.calls += 1
        self.first = nn.Linear(3, 4, bias=False)
        self.second = nn.Linear(3, 4)
        self.second.weight = self.first.weight
        self.twice = self.second
        self.register_buffer("kept", gt.ones(2))
        self.register_buffer("dropped", gt.zeros(3), persistent=False)
        self.register_parameter("none", None)
        self.missing = None
        self.act, self.norm, self.doubled = nn.functional.gelu, nn.LayerNorm, doubled
        self.sizes, self.names = (3, 4), ["a", {"b": 1}]
        self.above = [self]
        self.plain = gt.arange(4.0)

    def forward(self, x: Any) -> Any:
        return self.doubled(self.act(self.twice(x)) * self.kept.sum() + self.first(x) + self.plain)


def doubled(x: Any) -> Any:
    return x * 2


def test_a_module_of_a_user_without_its_init() -> None:
    net = Net().eval()
    net.first.train()
    calls = Net.calls
    with pytest.raises(LoadError, match=r"GT906: .* made of tests\.files\.test_native:Net(.|\n)*classes=\[Net\]"):
        again(net)
    with pytest.raises(LoadError, match="GT906"):
        again(net, weights_only=None)  # torch's default, and not False
    for options in ({"classes": [Net, doubled]}, {"weights_only": False}):
        got = again(net, **options)
        assert type(got) is Net and Net.calls == calls and repr(got) == repr(net)
        assert not got.training and got.first.training
        assert got.first.weight is got.second.weight and got.twice is got.second and got.above == [got]
        assert got.none is None and got.missing is None and got.sizes == (3, 4) and got.names == net.names
        assert list(got.state_dict()) == list(net.state_dict()) and "dropped" in dict(got.named_buffers())
        assert got.act is nn.functional.gelu and got.norm is nn.LayerNorm and got.doubled is doubled
        x = gt.randn(5, 3)
        assert gt.equal(got(x), net(x))
        assert gt.equal(gt.compile(got)(x), gt.compile(net)(x))
        got.extra = nn.Linear(2, 2)
        assert "extra.weight" in got.state_dict()


def test_a_class_that_is_gone_or_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    home = types.ModuleType("home")
    monkeypatch.setitem(sys.modules, "home", home)
    home.Moved = type("Moved", (nn.Linear,), {"__module__": "home"})
    file = io.BytesIO()
    gt.save(home.Moved(3, 2), file)
    kept = home.Moved
    del home.Moved
    with pytest.raises(LoadError, match="GT906: a module of the file cannot be made again: home has no Moved"):
        gt.load(io.BytesIO(file.getvalue()), weights_only=False)
    monkeypatch.delitem(sys.modules, "home")
    with pytest.raises(LoadError, match=r"GT906: .*home has no Moved, or cannot be imported"):
        gt.load(io.BytesIO(file.getvalue()), weights_only=False)
    kept.__module__ = "elsewhere"
    assert type(gt.load(io.BytesIO(file.getvalue()), classes=[kept])) is kept
    home.Moved = lambda: None
    monkeypatch.setitem(sys.modules, "home", home)
    with pytest.raises(LoadError, match=r"GT906: .*home:Moved is no class of modules any more"):
        gt.load(io.BytesIO(file.getvalue()), weights_only=False)


def given(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(given(part) for part in x)
    return gt.tensor(x.array(3)) if hasattr(x, "array") else x


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(case: Any) -> None:
    gt.manual_seed(1)
    made = eval(case.text, {"nn": nn, "lib": gt})
    if case.name.startswith("Lazy"):
        with pytest.raises(SaveError, match="GT907"):  # there is nothing to save before the first call
            again(made)
        return
    got = again(made)
    assert repr(got) == repr(made)
    assert_same(got.state_dict(), made.state_dict())
    inputs = [given(x) for x in case.inputs]
    call = case.call or (lambda module, *args: module(*args))
    results = []
    for module in (made.eval(), got.eval()):
        gt.manual_seed(2)
        with gt.no_grad():
            results.append(call(module, *inputs))
    assert repr(results[0]) == repr(results[1])


def test_a_compiled_module_is_saved_as_the_module() -> None:
    net = nn.Linear(3, 2)
    got = again({"net": gt.compile(net)})["net"]
    assert type(got) is nn.Linear and gt.equal(got.weight, net.weight)


def hooked() -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 2))
    net[0].register_forward_hook(doubled)
    return net


def local() -> nn.Module:
    class Local(nn.Module):
        pass

    return Local()


def endless() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


def deep() -> Any:
    value: list[Any] = []
    for _ in range(150):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda: {"a": [1, lambda: 2]}, "a.1 cannot be saved: it is a function .*<lambda>"),
        (lambda: {"o": gt.optim.SGD([gt.ones(1, requires_grad=True)], 0.1)}, r"o cannot be saved(.|\n)*o\.state_dict"),
        (lambda: object(), "the value cannot be saved: it is a object"),
        (lambda: np.array([None]), "cannot be saved: it is a ndarray"),
        (hooked, "0 has the forward hook doubled, which is code"),
        (local, "of a class that no import finds: .*Local"),
        (lambda: nn.LazyLinear(3), "weight has no shape yet|load pre hook"),
        (endless, "0.again contains itself"),
        (deep, "is nested more than 100 deep"),
        (lambda: 1 << 10_000, "is an integer of 10001 bits"),
        (lambda: {"a": {gt.ones(1): 1}}, "a has a key that cannot be loaded: a Tensor"),
        (lambda: [{gt.ones(1)}], "0 has a key that cannot be loaded: a Tensor"),
        (lambda: {1 << 70: 1}, "the value has a key that cannot be loaded: an integer of more than 64 bits"),
        (lambda: {((((((1,),),),),),): 1}, "cannot be loaded: a tuple of tuples, and those of more"),
        (lambda: functools.reduce(lambda net, _: nn.Sequential(net), range(500), nn.ReLU()), "nested too deep"),
    ],
)
def test_what_is_no_data_is_refused_by_name_and_nothing_is_touched(value: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    gt.save(3, path)
    with pytest.raises(SaveError, match=f"GT907: .*{said}"):
        gt.save(value(), path)
    assert gt.load(path) == 3 and [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_arguments_of_the_wrong_type() -> None:
    with pytest.raises(ArgumentTypeError, match="GT301: f must be a path or a file to write, got int"):
        gt.save({}, 3)
    with pytest.raises(ArgumentTypeError, match="GT301: f must be a path or a file that is open"):
        gt.load(3)
    with pytest.raises(ArgumentTypeError, match="GT301: classes must be classes of modules, got 3"):
        gt.load(io.BytesIO(), classes=[3])
    with pytest.raises(ArgumentTypeError, match="GT301: map_location must be"):
        gt.load(io.BytesIO(), 3)
    with pytest.raises(ArgumentTypeError, match="GT301: f gives str"):
        gt.load(io.StringIO("text"))


def test_a_file_of_a_newer_version() -> None:
    head = json.dumps({"__metadata__": {"graphtorch": '{"version":2,"value":3}'}}).encode()
    with pytest.raises(LoadError, match="GT901: the file has the version 2"):
        gt.load(io.BytesIO(len(head).to_bytes(8, "little") + head))
