"""Curves of precision and recall, layouts of charts, sounds and meshes."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

from graphtorch.utils.tensorboard.arguments import Array, as_array, as_tag, refused, wrong_type
from graphtorch.utils.tensorboard.summaries import for_plugin, shape_of

#: more break the messages, says torch, and so writes no more
_THRESHOLDS = 127
#: what keeps precision and recall of nothing at 0
_LEAST_COUNT = 1e-7
_KINDS = {"vertices": "VERTEX", "faces": "FACE", "colors": "COLOR"}


# ---- precision and recall ------------------------------------------------------------------------


def pr_curve(labels: Array, predictions: Array, thresholds: int, weights: Any) -> Array:
    """f64[6,thresholds]: true and false positives, true and false negatives, precision and recall.

    What is predicted with at least the i-th of the thresholds 0, 1 / (n - 1), ..., 1 is positive. After
    tensorboard/plugins/pr_curve/summary.py.
    """
    if labels.shape != predictions.shape:
        raise refused("predictions", f"a shape of {list(predictions.shape)}", f"that of labels, {list(labels.shape)}")
    if not ((predictions >= 0) & (predictions <= 1)).all():
        raise refused("predictions", "a value outside of 0 to 1", "probabilities, from 0 to 1")
    true = labels.astype(np.float64)
    if not np.isin(true, (0, 1)).all():
        raise refused("labels", "a value other than 0 and 1", "0 or 1, False or True")
    scale = np.asarray(1.0 if weights is None else weights)
    if scale.size != 1 and scale.shape != labels.shape:
        expected = f"one number, or the shape of labels, {list(labels.shape)}"
        raise refused("weights", f"a shape of {list(scale.shape)}", expected)
    bins = np.floor(predictions * (thresholds - 1)).astype(np.int32)
    counts = [
        np.histogram(bins, thresholds, (0, thresholds - 1), weights=weight * scale)[0] for weight in (true, 1.0 - true)
    ]
    tp, fp = (np.cumsum(count[::-1])[::-1] for count in counts)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision, recall = (tp / np.maximum(_LEAST_COUNT, tp + other) for other in (fp, fn))
    return np.stack((tp, fp, tn, fn, precision, recall))


def raw_curve(rows: Mapping[str, Any], thresholds: int) -> Array:
    """Six given rows as f64[6,thresholds]."""
    arrays = {name: as_array(row, name) for name, row in rows.items()}
    for name, array in arrays.items():
        if array.shape != (thresholds,):
            raise refused(
                name, f"a shape of {list(array.shape)}", f"[{thresholds}], as num_thresholds says (at most 127)"
            )
    return np.stack([array.astype(np.float64) for array in arrays.values()])


def thresholds_of(given: int) -> int:
    """How many thresholds a curve has."""
    if given < 2:
        raise refused("num_thresholds", str(given), "num_thresholds >= 2")
    return min(given, _THRESHOLDS)


def pr_summary(tag: str, curve: Array, thresholds: int) -> Any:
    """The message of f64[6,n]."""
    content = PrCurvePluginData(version=0, num_thresholds=thresholds).SerializeToString()
    message = TensorProto(dtype="DT_FLOAT", float_val=curve.reshape(-1).tolist(), tensor_shape=shape_of(curve.shape))
    return Summary(value=[Summary.Value(tag=tag, tensor=message, metadata=for_plugin("pr_curves", content))])


# ---- layouts of charts ---------------------------------------------------------------------------


def custom_scalars(layout: Any) -> Any:
    """``{category: {chart: ["Multiline", tags]}}``, or ``["Margin", [value, lower, upper]]``."""
    if not isinstance(layout, Mapping) or not all(isinstance(charts, Mapping) for charts in layout.values()):
        raise wrong_type("layout", layout, 'a dict of dicts: {category: {chart: ["Multiline", tags]}}')
    categories = [
        layout_pb2.Category(title=as_tag(title, "layout"), chart=[_chart(*chart) for chart in charts.items()])
        for title, charts in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    message = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=shape_of([]))
    tag = "custom_scalars__config__"
    return Summary(value=[Summary.Value(tag=tag, tensor=message, metadata=for_plugin("custom_scalars"))])


def _chart(title: str, properties: Any) -> Any:
    kind, tags = properties if isinstance(properties, list | tuple) and len(properties) == 2 else ("", ())
    if kind not in ("Multiline", "Margin") or not isinstance(tags, list | tuple):
        raise refused("layout", f"the chart {title!r}: {properties!r}", '["Multiline", tags] or ["Margin", three tags]')
    if kind == "Multiline":
        return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    if len(tags) != 3:
        raise refused("tags", f"{len(tags)} of the margin chart {title!r}", "three: a value, its lower and upper bound")
    series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))


# ---- sounds and meshes ---------------------------------------------------------------------------


def audio(tag: str, sound: Array, sample_rate: int) -> Any:
    """f32[L] or f32[1,L] in -1 to 1 (what is outside is clipped, nan is 0) as a WAV file of 16 bits."""
    flat = sound.squeeze()
    if flat.ndim != 1:
        raise refused("snd_tensor", f"a shape of {list(sound.shape)}", "one channel: a shape of [1,L] with L > 1")
    if sample_rate < 1:
        raise refused("sample_rate", str(sample_rate), "sample_rate >= 1")
    samples = (np.nan_to_num(flat).clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(samples.tobytes())
    message = Summary.Audio(
        sample_rate=sample_rate, num_channels=1, length_frames=len(samples), encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )  # fmt: skip
    return Summary(value=[Summary.Value(tag=tag, audio=message)])


def mesh(tag: str, parts: Mapping[str, Array], config: Any) -> Any:
    """Points or triangles [B,N,3], with colors and a configuration of three.js; ``parts`` has vertices, and may have
    faces and colors."""
    for name, array in parts.items():
        if array.ndim != 3 or array.shape[2] != 3:
            raise refused(name, f"a shape of {list(array.shape)}", "a shape of [B,N,3]")
    kinds = {name: MeshPluginData.ContentType.Value(_KINDS[name]) for name in parts}
    components = mesh_metadata.get_components_bitmask(list(kinds.values()))
    text = "{}" if config is None else json.dumps(config, sort_keys=True)
    return Summary(value=[_mesh_part(tag, array, kinds[name], components, text) for name, array in parts.items()])


def _mesh_part(tag: str, array: Array, kind: int, components: int, config: str) -> Any:
    metadata = mesh_metadata.create_summary_metadata(tag, None, kind, components, array.shape, json_config=config)
    message = TensorProto(dtype="DT_FLOAT", float_val=array.reshape(-1).tolist(), tensor_shape=shape_of(array.shape))
    return Summary.Value(tag=mesh_metadata.get_instance_name(tag, kind), tensor=message, metadata=metadata)
