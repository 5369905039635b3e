"""What a writer does not take: every message names the parameter, what came, and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, TraceError
from graphtorch.utils.tensorboard import FileWriter, SummaryWriter
from tests.errors import without_lines
from tests.tensorboard import values

IMAGE, POINTS = np.zeros((3, 5, 7), np.float32), np.zeros((4, 2))

#: (method, arguments, the message less the class and the code, with facts)
TYPES: list[tuple[str, tuple[Any, ...], str]] = [
    ("add_scalar", ("x", "1.5"), "scalar_value must be a tensor, a numpy array or a number, got str"),
    ("add_scalar", ("x", [1.5]), "scalar_value must be a tensor, a numpy array or a number, got list"),
    ("add_scalar", ("x", None), "scalar_value must be a tensor, a numpy array or a number, got NoneType"),
    ("add_scalar", ("x", np.array(1j)), "scalar_value must hold real numbers, got an array of complex128"),
    ("add_scalar", ("x", np.str_("a")), "scalar_value must hold real numbers, got an array of <U1"),
    ("add_scalar", (3, 1.5), "tag must be a str, got int"),
    ("add_scalar", ("x", 1.5, "7"), "global_step must be a tensor, a numpy array or a number, got str"),
    ("add_scalar", ("x", 1.5, 7, "now"), "walltime must be a tensor, a numpy array or a number, got str"),
    ("add_scalars", ("x", [1, 2]), "tag_scalar_dict must be a dict, got list"),
    ("add_scalars", ("x", {"a": "b"}), "tag_scalar_dict['a'] must be a tensor, a numpy array or a number, got str"),
    ("add_scalars", ("x", {3: 1}), "a key of tag_scalar_dict must be a str, got int"),
    ("add_histogram", ("x", [1, 2]), "values must be a tensor, a numpy array or a number, got list"),
    ("add_histogram", ("x", POINTS, 0, "auto", None, 2.5), "max_bins must be an int, got float 2.5"),
    ("add_image", ("x", IMAGE, 0, None, 3), "dataformats must be a str, got int"),
    ("add_figure", ("x", IMAGE), "figure must be a matplotlib figure, or a list of them, got ndarray"),
    ("add_text", ("x", 3), "text_string must be a str, got int"),
    ("add_hparams", ([], {}), "hparam_dict must be a dict, got list"),
    ("add_hparams", ({}, 3), "metric_dict must be a dict, got int"),
    (
        "add_hparams",
        ({"a": [1]}, {}),
        "hparam_dict['a'] must be a number, a str, a bool, None or a tensor of one element, got list",
    ),
    ("add_hparams", ({}, {"m": "x"}), "metric_dict['m'] must be a tensor, a numpy array or a number, got str"),
    ("add_hparams", ({}, {}, []), "hparam_domain_discrete must be a dict, got list"),
    (
        "add_hparams",
        ({"a": 1}, {}, {"a": [1, "b"]}),
        "hparam_domain_discrete['a'] must be a list of values of the type of hparam_dict['a'], got list",
    ),
    (
        "add_hparams",
        ({"a": 1}, {}, {"b": [1]}),
        "hparam_domain_discrete['b'] must be a list of values of the type of hparam_dict['b'], got list",
    ),
    ("add_custom_scalars", ([],), 'layout must be a dict of dicts: {category: {chart: ["Multiline", tags]}}, got list'),
    ("add_pr_curve", ("x", POINTS, POINTS, 0, 2.5), "num_thresholds must be an int, got float 2.5"),
    ("add_mesh", ("x", None), "vertices must be a tensor, a numpy array or a number, got NoneType"),
]

VALUES: list[tuple[str, tuple[Any, ...], str, str]] = [
    ("add_scalar", ("x", gt.ones(2, 3)), "scalar_value: a shape of [2, 3] is not allowed", "one element"),
    ("add_scalar", ("x", gt.ones(0)), "scalar_value: a shape of [0] is not allowed", "one element"),
    ("add_scalar", ("\ud800", 1), "tag: '\\ud800' is not allowed", "text that UTF-8 can hold: no lone surrogates"),
    ("add_scalar", ("x", 1, float("nan")), "global_step: nan is not allowed", "one integer"),
    ("add_scalar", ("x", 1, np.array([1, 2])), "global_step: array([1, 2]) is not allowed", "one integer"),
    ("add_scalar", ("x", 1, 2**63), f"global_step: {2**63} is not allowed", "an integer of 64 bits"),
    (
        "add_scalars",
        ("x", {"/../../y": 1}),
        "main_tag and key: 'x_/../../y' is not allowed",
        "what can name a folder of the run: relative, without .. and null characters",
    ),
    (
        "add_scalars",
        ("x\0", {"y": 1}),
        "main_tag and key: 'x\\x00_y' is not allowed",
        "what can name a folder of the run: relative, without .. and null characters",
    ),
    (
        "add_hparams",
        ({}, {}, None, "/elsewhere"),
        "run_name: '/elsewhere' is not allowed",
        "what can name a folder of the run: relative, without .. and null characters",
    ),
    (
        "add_histogram",
        ("x", gt.ones(3, 0)),
        "values: an empty array, of shape [3, 0], is not allowed",
        "at least one value",
    ),
    (
        "add_histogram",
        ("x", gt.full((2, 3), float("nan"))),
        "values: an array that has none of its 6 values in a bin is not allowed",
        "some",
    ),
    (
        "add_histogram",
        ("x", POINTS, 0, "foo"),
        "bins: 'foo' is not allowed",
        '"tensorflow", or what numpy.histogram takes for these values (\'foo\' is not a valid estimator for `bins`)',
    ),
    ("add_histogram", ("x", POINTS, 0, 5, None, 0), "max_bins: 0 is not allowed", "max_bins >= 1"),
    (
        "add_histogram_raw",
        ("x", 0, 1, 2, 3, 4, [1, 2, 3], [1, 2]),
        "bucket_counts: a length of 2 is not allowed",
        "that of bucket_limits, 3",
    ),
    (
        "add_histogram_raw",
        ("x", 0, 1, 2, 3, 4, [[1, 2, 3]], [1, 2]),
        "bucket_limits: a shape of [1, 3] is not allowed",
        "one dimension",
    ),
    ("add_image", ("x", IMAGE, 0, None, "CHQ"), "dataformats: 'CHQ' is not allowed", 'an order of "HW", "CHW" or "NCHW"'),
    ("add_image", ("x", IMAGE, 0, None, "HHW"), "dataformats: 'HHW' is not allowed", 'an order of "HW", "CHW" or "NCHW"'),
    (
        "add_image",
        ("x", IMAGE[0]),
        "img_tensor: a shape of [5, 7] with dataformats='CHW' is not allowed",
        "3 dimensions",
    ),
    (
        "add_image",
        ("x", IMAGE, 0, None, "HWC"),
        "img_tensor: a shape of [3, 5, 7] with dataformats='HWC' is not allowed",
        "no empty dimension, and 1, 3 or 4 channels",
    ),
    (
        "add_images",
        ("x", np.zeros((0, 3, 5, 7))),
        "img_tensor: a shape of [0, 3, 5, 7] with dataformats='NCHW' is not allowed",
        "no empty dimension, and 1, 3 or 4 channels",
    ),
    (
        "add_image",
        ("x", IMAGE.astype(np.int64) + 128),
        "img_tensor: int64 beyond 0 and 1 is not allowed",
        "uint8 from 0 to 255, or floats from 0 to 1",
    ),
    (
        "add_image_with_boxes",
        ("x", IMAGE, np.zeros((2, 3))),
        "box_tensor: a shape of [2, 3] is not allowed",
        "a shape of [N,4]: x1, y1, x2, y2",
    ),
    (
        "add_image_with_boxes",
        ("x", IMAGE, np.zeros((2, 4)), 0, None, 1, "CHW", ["a"]),
        "labels: a length of 1 is not allowed",
        "one for each of 2 boxes",
    ),
    (
        "add_image_with_boxes",
        ("x", IMAGE, np.zeros((2, 4)), 0, None, 0.01),
        "rescale: 0.01 of 7 x 5 pixels is not allowed",
        "at least one pixel",
    ),
    ("add_figure", ("x", []), "figure: an empty list is not allowed", "at least one figure"),
    (
        "add_video",
        ("x", IMAGE),
        "vid_tensor: a shape of [3, 5, 7] is not allowed",
        "a shape of [N,T,C,H,W] with 1 or 3 channels, and no empty dimension",
    ),
    ("add_video", ("x", np.zeros((1, 2, 3, 4, 5)), 0, 0), "fps: 0.0 is not allowed", "fps > 0"),
    (
        "add_audio",
        ("x", np.zeros((2, 9))),
        "snd_tensor: a shape of [2, 9] is not allowed",
        "one channel: a shape of [1,L] with L > 1",
    ),
    ("add_audio", ("x", np.zeros(9), 0, 0), "sample_rate: 0 is not allowed", "sample_rate >= 1"),
    (
        "add_pr_curve",
        ("x", np.ones(3), np.ones(2)),
        "predictions: a shape of [2] is not allowed",
        "that of labels, [3]",
    ),
    (
        "add_pr_curve",
        ("x", np.ones(3), np.array([0, 1, 1.5])),
        "predictions: a value outside of 0 to 1 is not allowed",
        "probabilities, from 0 to 1",
    ),
    (
        "add_pr_curve",
        ("x", np.ones(3), np.array([0, 1, np.nan])),
        "predictions: a value outside of 0 to 1 is not allowed",
        "probabilities, from 0 to 1",
    ),
    (
        "add_pr_curve",
        ("x", np.array([0, 2]), np.zeros(2)),
        "labels: a value other than 0 and 1 is not allowed",
        "0 or 1, False or True",
    ),
    ("add_pr_curve", ("x", np.ones(3), np.ones(3), 0, 1), "num_thresholds: 1 is not allowed", "num_thresholds >= 2"),
    (
        "add_pr_curve",
        ("x", np.ones(3), np.ones(3), 0, 9, np.ones(2)),
        "weights: a shape of [2] is not allowed",
        "one number, or the shape of labels, [3]",
    ),
    (
        "add_pr_curve_raw",
        ("x", *[np.ones(5)] * 5, np.ones(4), 0, 5),
        "recall: a shape of [4] is not allowed",
        "[5], as num_thresholds says (at most 127)",
    ),
    (
        "add_custom_scalars",
        ({"a": {"b": ["Lines", ["x"]]}},),
        "layout: the chart 'b': ['Lines', ['x']] is not allowed",
        '["Multiline", tags] or ["Margin", three tags]',
    ),
    (
        "add_custom_scalars_marginchart",
        (["a", "b"],),
        "tags: 2 of the margin chart 'untitled' is not allowed",
        "three: a value, its lower and upper bound",
    ),
    ("add_embedding", (np.ones(3),), "mat: a shape of [3] is not allowed", "a shape of [N,D]: a row for each point"),
    ("add_embedding", (POINTS, ["a"]), "metadata: 1 labels is not allowed", "4: one for each row of mat"),
    (
        "add_embedding",
        (POINTS, [["a"]] * 4, None, 0, "t", ["x", "y"]),
        "metadata_header: 2 names is not allowed",
        "as many as each row of metadata has",
    ),
    (
        "add_embedding",
        (POINTS, None, np.zeros((3, 3, 5, 5))),
        "label_img: a shape of [3, 3, 5, 5] is not allowed",
        "a shape of [4,3,H,W]",
    ),
    ("add_embedding", (POINTS, None, None, -1), "global_step: -1 is not allowed", "global_step >= 0: it names a folder"),
    (
        "add_embedding",
        (POINTS, None, None, 0, ".."),
        "tag: '..' is not allowed",
        "what can name a folder of the run: relative, without .. and null characters",
    ),
    ("add_mesh", ("x", np.zeros((4, 3))), "vertices: a shape of [4, 3] is not allowed", "a shape of [B,N,3]"),
    ("add_mesh", ("x", np.zeros((1, 4, 3)), POINTS), "colors: a shape of [4, 2] is not allowed", "a shape of [B,N,3]"),
]  # fmt: skip


def ids(case: tuple[Any, ...]) -> str:
    return f"{case[0]}-{case[2]!a:.40}"


@pytest.mark.parametrize("case", TYPES, ids=ids)
def test_types(case: tuple[str, Any, str], tmp_path: Path) -> None:
    method, args, message = case
    with SummaryWriter(tmp_path) as writer, pytest.raises(ArgumentTypeError) as error:
        getattr(writer, method)(*args)
    assert without_lines(error.value).splitlines() == [f"ArgumentTypeError GT301: {message}"]
    assert values(tmp_path) == []


@pytest.mark.parametrize("case", VALUES, ids=ids)
def test_values(case: tuple[str, Any, str, str], tmp_path: Path) -> None:
    method, args, message, expected = case
    with SummaryWriter(tmp_path) as writer, pytest.raises(ArgumentError) as error:
        getattr(writer, method)(*args)
    assert without_lines(error.value).splitlines() == [
        f"ArgumentError GT304: {message}",
        f"  expected {expected}",
    ]
    assert values(tmp_path) == []


def test_figures_of_two_sizes(tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawn = [pyplot.figure(figsize=(1, 1)), pyplot.figure(figsize=(2, 1))]
    with SummaryWriter(tmp_path) as writer, pytest.raises(ArgumentError, match="figure: a list of figures of 2 sizes"):
        writer.add_figure("x", drawn)
    pyplot.close("all")


@pytest.mark.parametrize("kind", [SummaryWriter, FileWriter])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log_dir": 3}, "log_dir must be a str or a path, got int"),
        ({"max_queue": -1}, "max_queue: -1 is not allowed"),
        ({"max_queue": 0.5}, "max_queue must be an int, got float 0.5"),
        ({"flush_secs": float("nan")}, "flush_secs: nan is not allowed"),
        ({"filename_suffix": 3}, "filename_suffix must be a str, got int"),
    ],
)
def test_options(kind: Any, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        kind(**{"log_dir": tmp_path / "run", **options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"purge_step": "3"}, "purge_step must be a tensor, a numpy array or a number, got str"),
        ({"comment": "/../x"}, "comment: '/../x' is not allowed"),
    ],
)
def test_options_of_a_run(options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        SummaryWriter(**options)
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_written_outside_of_programs(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:

        def step(x: gt.Tensor) -> gt.Tensor:
            writer.add_scalar("rate", 0.1)
            return x * 2

        with pytest.raises(TraceError, match="GT605: logging for TensorBoard in a compiled function"):
            gt.compile(step)(gt.ones(3))
