"""Images, figures, films, sounds and points: decoded again and compared."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import graphtorch as gt
from graphtorch.utils.tensorboard import SummaryWriter
from tests.tensorboard import picture, values

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def shown(folder: Path, method: str, *args: Any, **kwargs: Any) -> np.ndarray:
    with SummaryWriter(folder) as writer:
        getattr(writer, method)("tag", *args, **kwargs)
    (value,) = values(folder)
    found = picture(value)
    assert (value.image.height, value.image.width, value.image.colorspace) == found.shape
    return found


@pytest.mark.parametrize("order", ["HWC", "CHW", "CWH", "whc"])
@pytest.mark.parametrize("floats", [False, True])
def test_orders_of_dimensions(order: str, floats: bool, tmp_path: Path) -> None:
    given = PIXELS.transpose(["HWC".index(d) for d in order.upper()])
    given = (given / 255.0 + 1e-4).astype(np.float32) if floats else given
    np.testing.assert_array_equal(shown(tmp_path, "add_image", gt.tensor(given), dataformats=order), PIXELS)


def test_what_is_outside_is_clipped_and_nan_is_black(tmp_path: Path) -> None:
    given = np.array([[-1, 0, 0.5, 1, 2], [np.nan, np.inf, -np.inf, 1e38, 1e-9]], np.float32)
    found = shown(tmp_path, "add_image", gt.tensor(given, requires_grad=True), dataformats="HW")
    expected = [[0, 0, 127, 255, 255], [0, 255, 0, 255, 0]]
    np.testing.assert_array_equal(found, np.repeat(np.array(expected)[:, :, None], 3, axis=2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    given = gt.tensor([[0.0, 0.5, 1.0]], dtype=getattr(gt, dtype))
    assert shown(tmp_path, "add_image", given, dataformats="HW")[0, :, 0].tolist() == [0, 127, 255]


def test_an_image_of_pillows(tmp_path: Path) -> None:
    np.testing.assert_array_equal(shown(tmp_path, "add_image", Image.fromarray(PIXELS), dataformats="HWC"), PIXELS)


def test_a_batch_is_a_grid(tmp_path: Path) -> None:
    batch = RNG.integers(0, 256, (11, 2, 3, 3), dtype=np.uint8)
    found = shown(tmp_path, "add_images", gt.tensor(batch), dataformats="NHWC")
    assert found.shape == (4, 24, 3)
    for number, one in enumerate(batch):
        row, column = divmod(number, 8)
        np.testing.assert_array_equal(found[2 * row : 2 * row + 2, 3 * column : 3 * column + 3], one)
    assert not found[2:, 9:].any()


def test_a_batch_with_transparency(tmp_path: Path) -> None:
    batch = RNG.integers(0, 256, (2, 4, 3, 5), dtype=np.uint8)
    np.testing.assert_array_equal(
        shown(tmp_path, "add_images", batch), np.concatenate(list(batch.transpose(0, 2, 3, 1)), axis=1)
    )


def test_boxes_are_red(tmp_path: Path) -> None:
    box = gt.tensor([[4.0, 5, 20, 17]])
    found = shown(tmp_path, "add_image_with_boxes", gt.zeros(3, 32, 41), box, labels="one")
    assert found[5, 10].tolist() == found[10, 4].tolist() == [255, 0, 0]
    assert not found[25:].any() and not found[:, 25:].any()


def test_figures_are_closed_unless_told_otherwise(tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pyplot.figure(figsize=(1.3, 0.9), dpi=100, facecolor=(1, 0, 0))
    canvas = figure.canvas
    found = shown(tmp_path / "a", "add_figure", figure, close=False)
    assert figure.canvas is canvas
    assert found.shape == (90, 130, 3)
    assert (found == [255, 0, 0]).all()
    assert pyplot.get_fignums() == [figure.number]
    two = shown(tmp_path / "b", "add_figure", [figure, pyplot.figure(figsize=(1.3, 0.9), dpi=100, facecolor="w")])
    np.testing.assert_array_equal(two, np.concatenate([found, np.full_like(found, 255)], axis=1))
    assert pyplot.get_fignums() == []


def test_a_film(tmp_path: Path) -> None:
    films = np.zeros((2, 3, 1, 5, 7), np.uint8)
    for frame in range(3):
        films[0, frame], films[1, frame] = 50 * frame, 255 - 50 * frame
    with SummaryWriter(tmp_path) as writer:
        writer.add_video("tag", gt.tensor(films), fps=5)
    (value,) = values(tmp_path)
    assert (value.image.height, value.image.width, value.image.colorspace) == (5, 14, 3)
    with Image.open(io.BytesIO(value.image.encoded_image_string)) as film:
        assert (film.n_frames, film.info["duration"]) == (3, 200)
        for frame in range(3):
            film.seek(frame)
            pixels = np.asarray(film.convert("RGB"))
            np.testing.assert_array_equal(pixels[:, :7], 50 * frame)
            np.testing.assert_array_equal(pixels[:, 7:], 255 - 50 * frame)


def test_a_sound(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("tag", gt.tensor([[0.0, 0.5, -1.0, 2.0, float("nan")]]), sample_rate=8000)
    (value,) = values(tmp_path)
    with wave.open(io.BytesIO(value.audio.encoded_audio_string)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == [0, 16383, -32767, 32767, 0]


def test_embeddings(tmp_path: Path) -> None:
    points, icons = RNG.normal(size=(3, 2)).astype(np.float32), RNG.integers(0, 256, (3, 3, 4, 4), dtype=np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(gt.tensor(points), ["a", 1, "ü"], gt.tensor(icons), 7, "my/tag")
        writer.add_embedding(points, [["x", 1], ["y", 2], ["z", 3]], metadata_header=["name", "number"])
        writer.add_embedding(points)
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    first, second, third = config.embeddings
    read = np.loadtxt(tmp_path / first.tensor_path, delimiter="\t", dtype=np.float32)
    np.testing.assert_array_equal(read, points)
    assert first.tensor_name == "my/tag:00007"
    assert (tmp_path / first.metadata_path).read_text(encoding="utf-8") == "a\n1\nü\n"
    sprite = np.asarray(Image.open(tmp_path / first.sprite.image_path))
    assert sprite.shape == (8, 8, 3) and list(first.sprite.single_image_dim) == [4, 4]
    np.testing.assert_array_equal(sprite[4:, :4], icons[2].transpose(1, 2, 0))
    assert (tmp_path / second.metadata_path).read_text() == "name\tnumber\nx\t1\ny\t2\nz\t3\n"
    assert not third.metadata_path and not third.sprite.image_path


def test_a_mesh_is_configured_in_json(tmp_path: Path) -> None:
    from tensorboard.plugins.mesh.metadata import parse_plugin_metadata

    with SummaryWriter(tmp_path) as writer:
        writer.add_mesh("tag", gt.ones(1, 4, 3), config_dict={"camera": {"cls": "PerspectiveCamera"}})
    (value,) = values(tmp_path)
    content = parse_plugin_metadata(value.metadata.plugin_data.content)
    assert json.loads(content.json_config) == {"camera": {"cls": "PerspectiveCamera"}}
