"""Images: arrays in any order of dimensions, grids of batches, boxes, figures and films, encoded by Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.summary_pb2 import Summary

from graphtorch.utils.tensorboard.arguments import Array, refused, wrong_type

#: images in a row of a grid
COLUMNS = 8


def image(tag: str, values: Array, dataformats: Any) -> Any:
    """An image, or a batch as a grid, as PNG."""
    return encoded(tag, pixels(values, dataformats))


def pixels(values: Array, dataformats: Any, name: str = "img_tensor") -> Array:
    """uint8[H,W,C], C one of 3 and 4: gray becomes RGB, a batch becomes a grid of `COLUMNS` columns.

    ``dataformats`` names the dimensions of ``values`` in order: any order of HW, CHW or NCHW. ArgumentError GT304 for
    other names, another number of dimensions, an empty one, and other than 1, 3 or 4 channels.
    """
    if not isinstance(dataformats, str):
        raise wrong_type("dataformats", dataformats, "a str")
    order = dataformats.upper()
    if sorted(order) not in (["H", "W"], sorted("CHW"), sorted("NCHW")):
        raise refused("dataformats", repr(dataformats), 'an order of "HW", "CHW" or "NCHW"')
    if values.ndim != len(order):
        got = f"a shape of {list(values.shape)} with dataformats={dataformats!r}"
        raise refused(name, got, f"{len(order)} dimensions")
    missing = [d for d in "NHWC" if d not in order]
    whole = values.reshape(*values.shape, *(1 for _ in missing))
    nhwc = whole.transpose([[*order, *missing].index(d) for d in "NHWC"])
    if nhwc.size == 0 or nhwc.shape[3] not in (1, 3, 4):
        got = f"a shape of {list(values.shape)} with dataformats={dataformats!r}"
        raise refused(name, got, "no empty dimension, and 1, 3 or 4 channels")
    colored = np.repeat(nhwc, 3, axis=3) if nhwc.shape[3] == 1 else nhwc
    return grid(as_uint8(colored, name), COLUMNS)


def as_uint8(values: Array, name: str) -> Array:
    """uint8 as it is; of floats, bools and integers 0 is 0 and 1 is 255, what is outside is clipped, and nan is 0.

    ArgumentError GT304 for integers that are not uint8 and not all 0 or 1: torch would show them as white.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind in "iu" and not np.isin(values, (0, 1)).all():
        raise refused(name, f"{values.dtype} beyond 0 and 1", "uint8 from 0 to 255, or floats from 0 to 1")
    shares = np.nan_to_num(values, nan=0).clip(0, 1).astype(np.float32)  # clipped first: large numbers overflow
    return np.asarray(shares * np.float32(255), np.uint8)


def grid(batch: Array, columns: int) -> Array:
    """[N,H,W,C] as one image [rows * H, columns * W, C], row by row; what is left over is black."""
    count, height, width, channels = batch.shape
    columns = min(count, columns)
    rows = math.ceil(count / columns)
    whole = np.zeros((rows * columns, height, width, channels), batch.dtype)
    whole[:count] = batch
    tiles = whole.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(rows * height, columns * width, channels)


def png(values: Array) -> bytes:
    """uint8[H,W,C] as a PNG file."""
    return _saved(Image.fromarray(np.ascontiguousarray(values)))


def encoded(tag: str, values: Array) -> Any:
    """The message of uint8[H,W,C]."""
    return _message(tag, values.shape, png(values))


def _message(tag: str, shape: Sequence[int], data: bytes) -> Any:
    height, width, channels = shape
    value = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=data)
    return Summary(value=[Summary.Value(tag=tag, image=value)])


def _saved(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


# ---- boxes ---------------------------------------------------------------------------------------


def image_with_boxes(
    tag: str, values: Array, boxes: Array, rescale: float, dataformats: Any, labels: Sequence[str] | None
) -> Any:
    """An image with red boxes [N,4] (x1, y1, x2, y2 in pixels) drawn on it and scaled by ``rescale`` after that."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise refused("box_tensor", f"a shape of {list(boxes.shape)}", "a shape of [N,4]: x1, y1, x2, y2")
    image = pixels(values, dataformats)
    height, width, _ = image.shape
    size = int(width * rescale), int(height * rescale)
    if min(size) < 1:
        raise refused("rescale", f"{rescale!r} of {width} x {height} pixels", "at least one pixel")
    picture = Image.fromarray(np.ascontiguousarray(image))
    for number, box in enumerate(boxes.tolist()):
        _draw_box(picture, box, None if labels is None else labels[number])
    return _message(tag, image.shape, _saved(picture.resize(size, Image.Resampling.LANCZOS)))


def _draw_box(picture: Image.Image, box: list[float], label: str | None) -> None:
    """A frame of two pixels, with a label in its lower left corner."""
    left, top, right, bottom = box
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default()
    draw.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill="Red")
    if not label:
        return
    x0, y0, x1, y1 = font.getbbox(label)
    width, height = x1 - x0, y1 - y0
    margin = math.ceil(0.05 * height)
    draw.rectangle([(left, bottom - height - 2 * margin), (left + width, bottom)], fill="Red")
    draw.text((left + margin, bottom - height - margin), label, fill="black", font=font)


# ---- figures and films ---------------------------------------------------------------------------


def figure(drawn: Any, close: bool) -> Array:
    """A matplotlib figure, drawn by Agg, as uint8[H,W,3]; ``close`` takes it from pyplot's list of open figures."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not isinstance(drawn, Figure):
        raise wrong_type("figure", drawn, "a matplotlib figure, or a list of them")
    before = drawn.canvas
    canvas: Any = FigureCanvasAgg(drawn)
    canvas.draw()
    drawn.set_canvas(before)  # a figure that stays open has a window, which a canvas belongs to
    rgb = np.array(canvas.buffer_rgba(), np.uint8)[:, :, :3]
    if close:
        pyplot.close(drawn)
    return rgb


def figures(drawn: list[Any], close: bool) -> Array:
    """Figures of one size as a batch uint8[N,H,W,3]."""
    if not drawn:
        raise refused("figure", "an empty list", "at least one figure")
    images = [figure(one, close) for one in drawn]
    sizes = {one.shape for one in images}
    if len(sizes) > 1:
        raise refused("figure", f"a list of figures of {len(sizes)} sizes", "one size in pixels")
    return np.stack(images)


def film(tag: str, values: Array, fps: float) -> Any:
    """A batch of films [N,T,C,H,W] side by side, as an animated GIF of T frames, ``fps`` in a second."""
    if values.ndim != 5 or 0 in values.shape or values.shape[2] not in (1, 3):
        expected = "a shape of [N,T,C,H,W] with 1 or 3 channels, and no empty dimension"
        raise refused("vid_tensor", f"a shape of {list(values.shape)}", expected)
    if not fps > 0:
        raise refused("fps", repr(fps), "fps > 0")
    frames = [pixels(values[:, t], "NCHW", "vid_tensor") for t in range(values.shape[1])]
    first, *rest = map(Image.fromarray, frames)
    file = io.BytesIO()
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
    return _message(tag, frames[0].shape, file.getvalue())
