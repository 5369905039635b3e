"""What these tests share: reading a run's files back with TensorBoard's own readers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")

from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.graph_pb2 import GraphDef


def files(folder: Path) -> list[Path]:
    """The event files below a folder, in order of their folders."""
    return sorted(folder.rglob("events.out.tfevents.*"))


def events(folder: Path) -> list[Any]:
    """The events of all files below a folder, less those that begin a file."""
    found = [event for path in files(folder) for event in LegacyEventFileLoader(str(path)).Load()]
    return [event for event in found if not event.file_version]


def values(folder: Path) -> list[Any]:
    """The values of summaries below a folder."""
    return [value for event in events(folder) for value in event.summary.value]


def picture(value: Any) -> np.ndarray:
    """The pixels of an image that was logged."""
    return np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))


def graph_of(folder: Path) -> dict[str, Any]:
    """The nodes of the graph that was logged, by name."""
    (event,) = (e for e in events(folder) if e.graph_def)
    graph = GraphDef.FromString(event.graph_def)
    names = {node.name: node for node in graph.node}
    assert len(names) == len(graph.node), "two nodes have one name"
    return names
