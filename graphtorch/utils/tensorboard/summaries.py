"""Scalars, histograms, text and tensors as messages of TensorBoard's format: what torch.utils.tensorboard writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData
from tensorboard.util.tensor_util import make_tensor_proto

from graphtorch.utils.tensorboard.arguments import Array, refused


def for_plugin(name: str, content: bytes = b"") -> Any:
    """What tells TensorBoard which of its pages shows a value."""
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))


def shape_of(sizes: Sequence[int]) -> Any:
    """The message of a shape."""
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def scalar(tag: str, number: float, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number: float32, or float64 where ``new_style`` and ``double_precision`` are set."""
    if not new_style:
        return Summary(value=[Summary.Value(tag=tag, simple_value=number)])
    kept = (
        {"double_val": [number], "dtype": "DT_DOUBLE"}
        if double_precision
        else {"float_val": [number], "dtype": "DT_FLOAT"}
    )
    return Summary(value=[Summary.Value(tag=tag, tensor=TensorProto(**kept), metadata=for_plugin("scalars"))])


def tensor(tag: str, values: Array) -> Any:
    """A whole array, in its own dtype."""
    message = make_tensor_proto(values)
    return Summary(value=[Summary.Value(tag=tag, tensor=message, metadata=for_plugin("tensor"))])


def text(tag: str, content: str) -> Any:
    """Markdown."""
    metadata = for_plugin("text", TextPluginData(version=0).SerializeToString())
    message = TensorProto(dtype="DT_STRING", string_val=[content.encode()], tensor_shape=shape_of([1]))
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", tensor=message, metadata=metadata)])


# ---- histograms ----------------------------------------------------------------------------------


def _tensorflow_bins() -> Array:
    """TensorFlow's limits: 0, and both signs of 1e-12 times the powers of 1.1 below 1e20."""
    limits, limit = [], 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    return np.array([*(-v for v in reversed(limits)), 0.0, *limits])


TENSORFLOW_BINS = _tensorflow_bins()


def histogram(tag: str, values: Array, bins: Any, max_bins: int | None) -> Any:
    """The counts of ``values`` in bins, of which empty ones before the first and behind the last are left out.

    ``bins`` is "tensorflow", or what `numpy.histogram` takes. More than ``max_bins`` of them are joined.
    ArgumentError GT304 if there are no values, or none lies in a bin (nan lies in none).
    """
    if values.size == 0:
        raise refused("values", f"an empty array, of shape {list(values.shape)},", "at least one value")
    flat = values.astype(np.float64).reshape(-1)
    try:
        counts, limits = np.histogram(flat, TENSORFLOW_BINS if isinstance(bins, str) and bins == "tensorflow" else bins)
    except (TypeError, ValueError) as error:
        raise refused(
            "bins", repr(bins), f'"tensorflow", or what numpy.histogram takes for these values ({error})'
        ) from error
    if not counts.any():
        raise refused("values", f"an array that has none of its {flat.size} values in a bin", "some")
    counts, limits = _trimmed(*_joined(counts, limits, max_bins))
    figures = {"min": flat.min(), "max": flat.max(), "num": flat.size, "sum": flat.sum(), "sum_squares": flat.dot(flat)}
    return histogram_raw(tag, limits.tolist(), counts.tolist(), **figures)


def _joined(counts: Array, limits: Array, max_bins: int | None) -> tuple[Array, Array]:
    """Bins in groups of as many as leave about ``max_bins``, as torch joins them."""
    if max_bins is None or len(counts) <= max_bins:
        return counts, limits
    if max_bins < 1:
        raise refused("max_bins", str(max_bins), "max_bins >= 1")
    size = len(counts) // max_bins
    starts = np.arange(0, len(counts), size)
    return np.add.reduceat(counts, starts), np.append(limits[starts], limits[-1])


def _trimmed(counts: Array, limits: Array) -> tuple[Array, Array]:
    """The bins from the first that is not empty to the last, with their right limits.

    A format of right limits alone needs one more bin in front, an empty one, to say where the first begins.
    """
    filled = np.flatnonzero(counts)
    start, end = filled[0], filled[-1] + 1
    return np.concatenate([[0], counts[start:end]]), limits[start : end + 1]


def histogram_raw(tag: str, limits: list[float], counts: list[float], **figures: float) -> Any:
    """A histogram by the right limit and the count of each bin; ``figures``: min, max, num, sum and sum_squares."""
    message = HistogramProto(bucket_limit=limits, bucket=counts, **figures)
    return Summary(value=[Summary.Value(tag=tag, histo=message)])
