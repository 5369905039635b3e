"""The methods of a SummaryWriter for TensorBoard's pages of curves, charts, points, meshes and sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphtorch.ir.ops.common import as_int
from graphtorch.utils.tensorboard import charts
from graphtorch.utils.tensorboard.arguments import as_array, as_step, as_tag, refused
from graphtorch.utils.tensorboard.embeddings import Projector


class Charted:
    """What `SummaryWriter` has of these; it says where they are written."""

    _projector: Projector

    def _write(self, summary: Any, global_step: Any, walltime: Any, folder: str = "") -> None:
        raise NotImplementedError

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """Precision and recall of probabilities ``predictions`` of ``labels`` (0 or 1, of the same shape), at
        ``num_thresholds`` thresholds from 0 to 1, at most 127; ``weights`` of the same shape, or one for all."""
        count = charts.thresholds_of(as_int(num_thresholds, "num_thresholds"))
        scale = None if weights is None else as_array(weights, "weights")
        curve = charts.pr_curve(as_array(labels, "labels"), as_array(predictions, "predictions"), count, scale)
        self._write(charts.pr_summary(as_tag(tag), curve, count), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """The six rows of a curve that was counted elsewhere, ``num_thresholds`` numbers each. ``weights`` is torch's,
        and changes nothing."""
        rows = {
            "true_positive_counts": true_positive_counts, "false_positive_counts": false_positive_counts,
            "true_negative_counts": true_negative_counts, "false_negative_counts": false_negative_counts,
            "precision": precision, "recall": recall,
        }  # fmt: skip
        count = charts.thresholds_of(as_int(num_thresholds, "num_thresholds"))
        self._write(charts.pr_summary(as_tag(tag), charts.raw_curve(rows, count), count), global_step, walltime)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Charts of several scalars: ``{category: {chart: ["Multiline", tags]}}``, or
        ``["Margin", [value, lower, upper]]``. Once for each run."""
        self._write(charts.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """`add_custom_scalars` of one chart of lines."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """`add_custom_scalars` of one line between two bounds: three tags."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Sequence[Any] | None = None,
    ) -> None:
        """Points [N,D] for the projector, with a label for each, or a row of labels under ``metadata_header``, and an
        image [N,C,H,W]. They are files beside the event file, in a folder named by step and tag; an embedding of the
        same step and tag is written over."""
        images = None if label_img is None else as_array(label_img, "label_img")
        step = as_step(global_step) or 0
        if step < 0:
            raise refused("global_step", str(step), "global_step >= 0: it names a folder")
        self._projector.add(as_array(mat, "mat"), metadata, metadata_header, images, step, as_tag(tag))

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44100, walltime: Any = None
    ) -> None:
        """A sound of one channel, [1,L] in -1 to 1 (clipped; nan is 0), ``sample_rate`` samples in a second."""
        sound = charts.audio(as_tag(tag), as_array(snd_tensor, "snd_tensor"), as_int(sample_rate, "sample_rate"))
        self._write(sound, global_step, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: Any = None,
    ) -> None:
        """Points [B,N,3], their colors [B,N,3] in 0 to 255, triangles [B,M,3] of indices of points, and a
        configuration of three.js."""
        given = {"vertices": vertices, "faces": faces, "colors": colors}
        parts = {name: as_array(part, name) for name, part in given.items() if part is not None or name == "vertices"}
        self._write(charts.mesh(as_tag(tag), parts, config_dict), global_step, walltime)
