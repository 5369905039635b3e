"""Points for TensorBoard's projector: files beside the event file, and an index of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.compat import tf
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig

from graphtorch.utils.tensorboard.arguments import Array, as_folder, refused
from graphtorch.utils.tensorboard.images import as_uint8, grid, png


class Projector:
    """The embeddings of one run, and the file that lists them: it is written anew with every one."""

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir
        self._config = ProjectorConfig()
        self._lock = threading.Lock()

    def add(
        self,
        points: Array,
        metadata: Sequence[Any] | None,
        header: Sequence[Any] | None,
        images: Array | None,
        step: int,
        tag: str,
    ) -> None:
        """Write points [N,D], a label (or a row of labels, with a header) and an image [N,C,H,W] for each."""
        _check(points, metadata, header, images)
        folder = f"{step:05d}/{as_folder(_encoded(tag), 'tag')}"
        info = EmbeddingInfo(tensor_name=f"{tag}:{step:05d}", tensor_path=f"{folder}/tensors.tsv")
        tf.io.gfile.makedirs(f"{self._log_dir}/{folder}")
        self._write(info.tensor_path, _table(points.tolist()))
        if metadata is not None:
            info.metadata_path = f"{folder}/metadata.tsv"
            rows = [header, *metadata] if header else [[label] for label in metadata]
            self._write(info.metadata_path, _table(rows))
        if images is not None:
            info.sprite.image_path = f"{folder}/sprite.png"
            info.sprite.single_image_dim.extend([images.shape[3], images.shape[2]])
            self._write(info.sprite.image_path, png(_sprite(images)))
        with self._lock:
            self._config.embeddings.append(info)
            self._write("projector_config.pbtxt", text_format.MessageToString(self._config).encode())

    def _write(self, path: str, content: bytes) -> None:
        with tf.io.gfile.GFile(f"{self._log_dir}/{path}", "wb") as file:
            file.write(content)


def _check(points: Array, metadata: Any, header: Any, images: Array | None) -> None:
    if points.ndim != 2:
        raise refused("mat", f"a shape of {list(points.shape)}", "a shape of [N,D]: a row for each point")
    count = len(points)
    if metadata is not None and len(metadata) != count:
        raise refused("metadata", f"{len(metadata)} labels", f"{count}: one for each row of mat")
    if header and any(len(row) != len(header) for row in metadata or ()):
        raise refused("metadata_header", f"{len(header)} names", "as many as each row of metadata has")
    if images is not None and (images.ndim != 4 or len(images) != count or images.shape[1] not in (1, 3)):
        raise refused("label_img", f"a shape of {list(images.shape)}", f"a shape of [{count},3,H,W]")


def _encoded(tag: str) -> str:
    """A tag as the name of a folder."""
    for char in "%/\\":
        tag = tag.replace(char, f"%{ord(char):02x}")
    return tag


def _table(rows: Any) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def _sprite(images: Array) -> Array:
    """uint8[S,S,3]: all images in one, row by row. TensorBoard wants it square in images."""
    columns = math.ceil(len(images) ** 0.5)
    nhwc = as_uint8(images, "label_img").transpose(0, 2, 3, 1)
    colored = np.repeat(nhwc, 3, axis=3) if nhwc.shape[3] == 1 else nhwc
    filled = np.zeros((columns * columns, *colored.shape[1:]), np.uint8)
    filled[: len(colored)] = colored
    return grid(filled, columns)
