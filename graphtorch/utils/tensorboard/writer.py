"""SummaryWriter: what a run logs, by torch's names."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from tensorboard.compat.proto.event_pb2 import Event

from graphtorch.ir.ops.common import as_int
from graphtorch.utils.tensorboard import graphs, hparams, images, summaries
from graphtorch.utils.tensorboard.arguments import (
    as_array,
    as_folder,
    as_numbers,
    as_scalar,
    as_seconds,
    as_step,
    as_tag,
    refused,
    wrong_type,
)
from graphtorch.utils.tensorboard.charted import Charted
from graphtorch.utils.tensorboard.embeddings import Projector
from graphtorch.utils.tensorboard.files import Files, FileWriter


class SummaryWriter(Charted):
    """Writes event files into ``log_dir``, which TensorBoard shows as a run.

    ``log_dir`` is ``runs/Nov27_11-19-39_HOST`` with ``comment`` behind it unless it is given. ``purge_step``: a
    run that goes on from this step; what earlier files of the folder have of it and of later steps is not shown.
    ``max_queue`` events (default 10) may wait for the thread that writes; it flushes the file every ``flush_secs``
    seconds (default 120). ``filename_suffix`` ends the names of files.

    Values are tensors (also such that require gradients), numpy arrays or Python's numbers. ``global_step`` is an
    integer, and None is step 0; ``walltime`` is in seconds since the epoch, and None is now. Any thread may call any
    method. After `close` the next value opens a new file.

    ArgumentTypeError GT301 and ArgumentError GT304, which name the parameter, for what has a wrong type, shape or
    value. Messages are those that torch.utils.tensorboard writes, unless a method says otherwise.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if log_dir is not None and not isinstance(log_dir, str | os.PathLike):
            raise wrong_type("log_dir", log_dir, "a str or a path")
        self.log_dir = os.fspath(log_dir or _default_log_dir(as_folder(comment, "comment")))
        self.purge_step = as_step(purge_step, "purge_step")
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self._files = Files(self.log_dir, self.purge_step, max_queue, flush_secs, filename_suffix)
        self._files.get()
        self._projector = Projector(self.log_dir)

    # ---- numbers ----

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: Any = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number, float32: nan and inf too. ``new_style`` writes it as a tensor, which loads faster, and then
        ``double_precision`` as float64."""
        number = as_scalar(scalar_value, "scalar_value")
        self._write(summaries.scalar(as_tag(tag), number, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: Any = None
    ) -> None:
        """Several curves in one chart: each key is a run of its own, in the folder ``main_tag`` + "_" + key, where
        slashes of ``main_tag`` are underscores."""
        if not isinstance(tag_scalar_dict, Mapping):
            raise wrong_type("tag_scalar_dict", tag_scalar_dict, "a dict")
        tag = as_tag(main_tag, "main_tag")
        folders = [
            as_folder(f"{tag.replace('/', '_')}_{as_tag(key, 'a key of tag_scalar_dict')}", "main_tag and key")
            for key in tag_scalar_dict
        ]
        numbers = [as_scalar(value, f"tag_scalar_dict[{key!r}]") for key, value in tag_scalar_dict.items()]
        now = time.time() if walltime is None else walltime
        for folder, number in zip(folders, numbers, strict=True):
            self._write(summaries.scalar(tag, number), global_step, now, folder)

    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None, walltime: Any = None) -> None:
        """A whole tensor, in its dtype (bfloat16 as float32). TensorBoard has no page that shows it."""
        self._write(summaries.tensor(as_tag(tag), as_array(tensor, "tensor")), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: Any = None,
        max_bins: int | None = None,
    ) -> None:
        """How often values occur, in TensorFlow's bins (a tenth wider each), or in those that ``bins`` says to
        `numpy.histogram`; ``max_bins`` joins neighbours. nan and what is outside of all bins is in none, and is not
        left out of minimum, maximum and sums. ArgumentError GT304 for no values at all, and none in a bin.
        """
        array = as_array(values, "values")
        limit = None if max_bins is None else as_int(max_bins, "max_bins")
        self._write(summaries.histogram(as_tag(tag), array, bins, limit), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: Any = None,
    ) -> None:
        """A histogram that was counted elsewhere: of ``num`` values, with the right limit and the count of each
        bin."""
        limits, counts = as_numbers(bucket_limits, "bucket_limits"), as_numbers(bucket_counts, "bucket_counts")
        if len(limits) != len(counts):
            raise refused("bucket_counts", f"a length of {len(counts)}", f"that of bucket_limits, {len(limits)}")
        given = {"min": min, "max": max, "num": num, "sum": sum, "sum_squares": sum_squares}
        figures = {name: as_scalar(value, name) for name, value in given.items()}
        self._write(summaries.histogram_raw(as_tag(tag), limits, counts, **figures), global_step, walltime)

    # ---- images and text ----

    def add_image(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "CHW"
    ) -> None:
        """An image, or a batch as a grid: uint8 in 0 to 255, or floats in 0 to 1, clipped; nan is black.

        ``dataformats`` names the dimensions: an order of "HW", "CHW" (1, 3 or 4 channels) or "NCHW". An image of
        Pillow's goes in as it is, with "HWC" or "HW". Integers that are not uint8 must be 0 or 1.
        """
        array = as_array(img_tensor, "img_tensor")
        self._write(images.image(as_tag(tag), array, dataformats), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "NCHW"
    ) -> None:
        """`add_image` of a batch: a grid of eight columns."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: Any = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """`add_image` with red boxes [N,4] on it (x1, y1, x2, y2 in pixels), a label at each, all made ``rescale``
        times as large after that. torch leaves labels out if there are not N."""
        image, boxes = as_array(img_tensor, "img_tensor"), as_array(box_tensor, "box_tensor")
        names = [labels] if isinstance(labels, str) else labels
        if names is not None and len(names) != len(boxes):
            raise refused("labels", f"a length of {len(names)}", f"one for each of {len(boxes)} boxes")
        scale = as_scalar(rescale, "rescale")
        summary = images.image_with_boxes(as_tag(tag), image, boxes, scale, dataformats, names)
        self._write(summary, global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: Any = None
    ) -> None:
        """A figure of matplotlib's as an image, or a list of equally large ones as a grid. ``close`` closes them for
        pyplot."""
        if isinstance(figure, list):
            self.add_image(tag, images.figures(figure, close), global_step, walltime, "NHWC")
        else:
            self.add_image(tag, images.figure(figure, close), global_step, walltime, "HWC")

    def add_video(
        self, tag: str, vid_tensor: Any, global_step: Any = None, fps: float = 4, walltime: Any = None
    ) -> None:
        """Films [N,T,C,H,W] as one animated GIF, N of them in a grid of eight columns (torch's grid is of another
        form, and needs moviepy); values as for `add_image`."""
        film = images.film(as_tag(tag), as_array(vid_tensor, "vid_tensor"), as_scalar(fps, "fps"))
        self._write(film, global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None) -> None:
        """Markdown."""
        self._write(summaries.text(as_tag(tag), as_tag(text_string, "text_string")), global_step, walltime)

    # ---- models and runs ----

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The traced graph of ``model(*input_to_model)``: a box for each layer, a node in it for each op, with
        shapes, dtypes, attributes and the line of the source.

        ``model`` is a module (traced in evaluation mode; its modes are left as they were), compiled or not, or a
        function; ``input_to_model`` a tensor, a `gt.TensorSpec`, or a tuple of arguments. Nothing is computed.
        ``verbose`` prints the graph. ``use_strict_trace`` is torch's, and changes nothing. Raises what `gt.trace` does.
        """
        graph = graphs.traced(model, input_to_model)
        if verbose:
            print(graph)
        message = graphs.graph_def(graph, model)
        self._files.write(Event(graph_def=message.SerializeToString()))

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """The hyperparameters of a run (numbers, strings, bools; None is left out), and what it came to.

        They are a run of their own, in the folder ``run_name`` (default: the time in seconds) of this one, where
        metrics are scalars. ``hparam_domain_discrete`` lists all values of a hyperparameter. Bools become 0 and 1.
        """
        messages, metrics = hparams.summaries(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = as_folder(run_name or str(time.time()), "run_name")
        step = as_step(global_step)
        file = FileWriter(f"{self.log_dir}/{folder}")
        for message in messages:
            file.add_summary(message, step)
        for name, number in metrics.items():
            file.add_summary(summaries.scalar(name, number), step)
        file.close()

    # ---- the run itself ----

    def get_logdir(self) -> str:
        """The folder of the run."""
        return self.log_dir

    def flush(self) -> None:
        """Return when all that was added is on disk."""
        self._files.flush()

    def close(self) -> None:
        """Flush, and close all files; a second time it does nothing."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, summary: Any, global_step: Any, walltime: Any, folder: str = "") -> None:
        self._files.write(Event(summary=summary), as_step(global_step), as_seconds(walltime), folder)


def _default_log_dir(comment: str) -> str:
    return os.path.join("runs", f"{datetime.now():%b%d_%H-%M-%S}_{socket.gethostname()}{comment}")
