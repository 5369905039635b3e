"""The same calls give the messages that torch.utils.tensorboard writes, bit for bit."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.utils.tensorboard import SummaryWriter
from tests.tensorboard import events, files

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = pytest.mark.torch

RNG = np.random.default_rng(7)
NORMAL = RNG.normal(size=(3, 5, 7)).astype(np.float32)
GRAY, RGB, BATCH = (RNG.random(shape).astype(np.float32) * 1.4 - 0.2 for shape in ((1, 5, 7), (3, 5, 7), (11, 3, 5, 7)))
BYTES = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
LABELS, PREDICTIONS = RNG.integers(0, 2, 37), RNG.random(37)
WEIGHTS = RNG.random(37)
BOXES = np.array([[1.0, 2, 20, 17], [5, 3, 31, 25]], np.float32)
BIG = RNG.random((3, 32, 41)).astype(np.float32)
POINTS = RNG.normal(size=(2, 5, 3)).astype(np.float32)
COLORS = RNG.integers(0, 256, (2, 5, 3))
LIMITS, COUNTS = [0.5, 1.5, 7.0], [3, 0, 9]
LAYOUT = {"a": {"b": ["Multiline", ["x", "y"]], "c": ["Margin", ["x", "y", "z"]]}, "d": {"e": ["Multiline", ["z"]]}}

#: (method, arguments, keyword arguments); arrays are handed in as tensors and as they are
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add_scalar", ("a/b", 1.1, 3), {}),
    ("add_scalar", ("nan", float("nan"), 4), {}),
    ("add_scalar", ("inf", float("-inf"), np.int32(5)), {}),
    ("add_scalar", ("large", 1e300, -6), {}),
    ("add_scalar", ("0-d", np.array(2.5, np.float32), 7.9), {}),
    ("add_scalar", ("1 element", np.array([[3]], np.int64), None), {}),
    ("add_scalar", ("bool", True), {}),
    ("add_scalar", ("half", np.array(1.1, np.float16), 1), {}),
    ("add_scalar", ("Ünïcode %d \n\0 名 [0]", 1), {}),
    ("add_scalar", ("", 1), {}),
    ("add_scalar", ("new", 1.1, 3), {"new_style": True}),
    ("add_scalar", ("double", 1.1, 3), {"new_style": True, "double_precision": True}),
    ("add_scalar", ("old double", 1.1, 3), {"double_precision": True}),
    ("add_scalars", ("loss/all", {"train": 1.5, "test/x": np.array(2.0), "a b": 3}, 5), {}),
    ("add_histogram", ("h", NORMAL, 1), {}),
    ("add_histogram", ("h", NORMAL[:, ::2, 1:], 1), {}),
    ("add_histogram", ("zeros", np.zeros(9), 1), {}),
    ("add_histogram", ("one", np.array([2.5]), 1), {}),
    ("add_histogram", ("ints", np.arange(-3, 17), 1), {}),
    ("add_histogram", ("bools", np.array([True, False, True]), 1), {}),
    ("add_histogram", ("nan", np.array([1.0, np.nan, 3.0]), 1), {}),
    ("add_histogram", ("inf", np.array([1.0, np.inf, 3.0]), 1), {}),
    ("add_histogram", ("outside", np.array([-1e30, 1.0, 1e30]), 1), {}),
    ("add_histogram", ("auto", NORMAL, 1), {"bins": "auto"}),
    ("add_histogram", ("fd", NORMAL, 1), {"bins": "fd"}),
    ("add_histogram", ("13", NORMAL, 1), {"bins": 13}),
    ("add_histogram", ("limits", NORMAL, 1), {"bins": [-1.0, 0.0, 0.25, 1.0]}),
    ("add_histogram", ("left bins empty", np.array([3.0, 5.0]), 1), {"bins": [0, 1, 2, 4, 6, 8]}),
    ("add_histogram", ("joined", NORMAL, 1), {"bins": 30, "max_bins": 10}),
    ("add_histogram", ("joined with a rest", NORMAL, 1), {"bins": 31, "max_bins": 7}),
    ("add_histogram", ("not joined", NORMAL, 1), {"bins": 5, "max_bins": 7}),
    ("add_histogram", ("tensorflow's joined", NORMAL, 1), {"max_bins": 64}),
    ("add_histogram_raw", ("raw", -1.5, 7, 12, 30.5, 99, LIMITS, COUNTS, 2), {}),
    ("add_histogram_raw", ("raw", np.float64(-1.5), 7, 12, 30.5, 99, np.array(LIMITS), np.array(COUNTS), 2), {}),
    ("add_image", ("chw", RGB, 1), {}),
    ("add_image", ("gray", GRAY, 1), {}),
    ("add_image", ("double", RGB.astype(np.float64), 1), {}),
    ("add_image", ("hwc", BYTES, 1), {"dataformats": "HWC"}),
    ("add_image", ("whc", BYTES, 1), {"dataformats": "WHC"}),
    ("add_image", ("lower case", BYTES, 1), {"dataformats": "hwc"}),
    ("add_image", ("hw", GRAY[0], 1), {"dataformats": "HW"}),
    ("add_image", ("wh", BYTES[:, :, 1], 1), {"dataformats": "WH"}),
    ("add_image", ("rgba", RNG.random((4, 5, 7)).astype(np.float32), 1), {}),
    ("add_image", ("not contiguous", RGB[:, ::2, ::-1].copy()[:, :, 1:], 1), {}),
    ("add_image", ("bools", GRAY[0] > 0.5, 1), {"dataformats": "HW"}),
    ("add_images", ("eleven", BATCH, 1), {}),
    ("add_images", ("nhwc", np.stack([BYTES, BYTES // 2]), 1), {"dataformats": "NHWC"}),
    ("add_images", ("gray", BATCH[:, 1:2], 1), {}),
    ("add_image_with_boxes", ("boxes", BIG, BOXES, 1), {}),
    ("add_image_with_boxes", ("labels", BIG, BOXES, 1), {"labels": ["a cat", ""], "rescale": 2.5}),
    ("add_text", ("t", "# Ünï\n* code", 3), {}),
    ("add_pr_curve", ("pr", LABELS, PREDICTIONS, 1), {}),
    ("add_pr_curve", ("pr", LABELS, PREDICTIONS, 1), {"num_thresholds": 11}),
    ("add_pr_curve", ("pr", LABELS > 0, PREDICTIONS.astype(np.float32), 1), {"num_thresholds": 500}),
    ("add_pr_curve", ("none are true", LABELS * 0, PREDICTIONS, 1), {"num_thresholds": 3}),
    ("add_custom_scalars", (LAYOUT,), {}),
    ("add_custom_scalars_multilinechart", (["x", "y"],), {}),
    ("add_custom_scalars_marginchart", (["x", "y", "z"], "category", "title"), {}),
    ("add_audio", ("sound", NORMAL[:1, :, 0], 1), {}),
    ("add_audio", ("sound", NORMAL[0, :, 0] * 0.25, 1), {"sample_rate": 8000}),
    ("add_mesh", ("mesh", POINTS), {"colors": COLORS, "faces": COLORS[:, :4] % 5, "config_dict": {"b": 1, "a": [2]}}),
    ("add_mesh", ("points", POINTS), {"global_step": 3}),
    ("add_hparams", ({"lr": 0.1, "n": 3, "s": "ü", "b": True, "none": None}, {"hp/acc": 0.5, "m": 3}), {"run_name": "r"}),
    ("add_hparams", ({"lr": 0.1, "s": "x"}, {}, {"lr": [0.1, 0.2], "s": ["x", "y"]}, "a/b", 4), {}),
]  # fmt: skip


def torch_of(x: Any) -> Any:
    return torch.tensor(x) if isinstance(x, np.ndarray) else x


def tensor_of(x: Any) -> Any:
    return gt.tensor(x) if isinstance(x, np.ndarray) else x


def same(x: Any) -> Any:
    return x


def run(writer_class: Any, folder: Path, call: tuple[str, Any, Any], convert: Any) -> list[tuple[str, Any, bytes]]:
    """(folder, step, message) of all that one call writes."""
    name, args, kwargs = call
    with writer_class(str(folder)) as writer:
        getattr(writer, name)(*map(convert, args), **{key: convert(value) for key, value in kwargs.items()})
    return [
        (str(path.parent.relative_to(folder)), event.step, event.summary.SerializeToString(deterministic=True))
        for path in files(folder)
        for event in events(path.parent)
        if event.HasField("summary")
    ]


@pytest.mark.parametrize("convert", [tensor_of, same], ids=["tensors", "arrays"])
@pytest.mark.parametrize("call", CALLS, ids=lambda c: f"{c[0]}-{c[1][0]!a:.20}")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_messages_are_torchs(call: Any, convert: Any, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter as Torchs

    # torch's labels are counted by the shape of what it is given, and curves want arrays there
    theirs = run(Torchs, tmp_path / "torch", call, torch_of)
    ours = run(SummaryWriter, tmp_path / "ours", call, convert)
    assert len(ours) > 0
    assert ours == theirs


#: what graphtorch leaves out
ABSENT = {"add_onnx_graph"}


def test_signatures_are_torchs() -> None:
    from torch.utils.tensorboard import SummaryWriter as Torchs

    names = {name for name in vars(Torchs) if not name.startswith("_")} | {"__init__"}
    assert names - {name for name in dir(SummaryWriter) if not name.startswith("_")} == ABSENT | {"__init__"}
    for name in names - ABSENT:
        theirs, ours = (inspect.signature(getattr(kind, name)).parameters for kind in (Torchs, SummaryWriter))
        assert [(p.name, p.default, p.kind) for p in ours.values()] == [
            (p.name, p.default, p.kind) for p in theirs.values()
        ], name


def test_weights_of_a_curve(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter as Torchs

    call = "add_pr_curve", ("pr", LABELS, PREDICTIONS, 1), {"weights": WEIGHTS, "num_thresholds": 9}
    assert run(SummaryWriter, tmp_path / "ours", call, tensor_of) == run(Torchs, tmp_path / "torch", call, same)


def test_figures(tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    from torch.utils.tensorboard import SummaryWriter as Torchs

    drawn = [pyplot.figure(figsize=(1.3, 0.9)) for _ in range(3)]
    for number, figure in enumerate(drawn):
        figure.gca().plot([1, number, 2])
    for given in (drawn, drawn[1]):
        call = "add_figure", ("f", given, 1), {"close": False}
        name = f"{isinstance(given, list)}"
        ours = run(SummaryWriter, tmp_path / name / "ours", call, same)
        assert ours == run(Torchs, tmp_path / name / "torch", call, same)
    assert len(pyplot.get_fignums()) == 3
    pyplot.close("all")


def test_purging_and_wall_time(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter as Torchs

    found = []
    for name, kind in (("ours", SummaryWriter), ("torch", Torchs)):
        with kind(str(tmp_path / name), purge_step=17, filename_suffix=".x") as writer:
            writer.add_scalar("a", 1.5, 17, walltime=123.25)
        (path,) = files(tmp_path / name)
        assert path.name.endswith(".x")
        found.append([(e.step, str(e.session_log)) for e in events(path.parent)])
        assert events(path.parent)[-1].wall_time == 123.25
    assert found[0] == found[1]
    assert found[0][0] == (17, "status: START\n")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
def test_tensors(dtype: str, tmp_path: Path) -> None:
    from tensorboard.util.tensor_util import make_ndarray
    from torch.utils.tensorboard import SummaryWriter as Torchs

    array = (NORMAL * 10).astype(dtype)
    with SummaryWriter(tmp_path / "ours") as writer:
        writer.add_tensor("t", gt.tensor(array), 3)
    (event,) = events(tmp_path / "ours")
    np.testing.assert_array_equal(make_ndarray(event.summary.value[0].tensor), array, strict=True)
    run(Torchs, tmp_path / "torch", ("add_tensor", ("t", array, 3), {}), torch_of)
    (theirs,) = events(tmp_path / "torch")
    mine, other = event.summary.value[0], theirs.summary.value[0]
    assert (mine.tag, mine.metadata, mine.tensor.dtype, mine.tensor.tensor_shape) == (
        other.tag, other.metadata, other.tensor.dtype, other.tensor.tensor_shape,
    )  # fmt: skip
