"""SummaryWriter: what is written is read back, in whatever form values come, from several threads, after a restart."""

from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import graphtorch as gt
from graphtorch.utils.tensorboard import FileWriter, SummaryWriter
from tests.tensorboard import events, files, values


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """(step, value) as TensorBoard itself would show them."""
    accumulator = EventAccumulator(str(folder)).Reload()
    if tag in accumulator.Tags()["scalars"]:
        return [(e.step, e.value) for e in accumulator.Scalars(tag)]
    return []


@pytest.mark.parametrize(
    "given",
    [
        1.5, np.float64(1.5), np.float16(1.5), np.array(1.5), np.array([[1.5]]), gt.tensor(1.5), gt.tensor([1.5]),
        gt.tensor(1.5, requires_grad=True), gt.tensor(1.5, dtype=gt.bfloat16), gt.tensor(1.5, dtype=gt.bfloat16).numpy(), gt.tensor(0.75, requires_grad=True) * 2,
    ],
    ids=repr,
)  # fmt: skip
def test_forms_of_a_number(given: Any, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", given, 3)
    assert scalars(tmp_path, "x") == [(3, 1.5)]


@pytest.mark.parametrize(
    "given", [7, 7.0, np.int8(7), np.array([7]), gt.tensor(7), gt.tensor([7], dtype=gt.uint8)], ids=repr
)
def test_forms_of_a_step(given: Any, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1, given)
    assert scalars(tmp_path, "x") == [(7, 1)]


def test_numbers_that_are_none(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step, number in enumerate([math.nan, math.inf, -math.inf, gt.tensor(math.nan), 10**400, -(10**400)]):
            writer.add_scalar("x", number, step)
    found = [value for _, value in scalars(tmp_path, "x")]
    np.testing.assert_array_equal(found, [math.nan, math.inf, -math.inf, math.nan, math.inf, -math.inf])


def test_large_bfloat16_is_no_infinity(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:  # float16, which torch takes for these, ends at 65504
        writer.add_scalar("x", gt.tensor(2.0**100, dtype=gt.bfloat16))
    assert scalars(tmp_path, "x") == [(0, 2.0**100)]


def test_a_tensor_without_numbers_cannot_be_logged(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)

    @gt.compile
    def step(x: Any) -> Any:
        writer.add_scalar("x", x.sum())
        return x

    with pytest.raises(gt.errors.TraceError, match="scalar_value of a SummaryWriter needs the numbers of a tensor"):
        step(gt.ones(3))
    writer.close()
    assert values(tmp_path) == []


# ---- files ---------------------------------------------------------------------------------------


def test_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr 0.1", filename_suffix=".s") as writer:
        folder = writer.get_logdir()
    month_to_second = r"[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d"
    assert re.fullmatch(rf"runs/{month_to_second}_{re.escape(socket.gethostname())}_lr 0\.1", folder)
    (path,) = files(tmp_path / folder)
    assert path.name.endswith(".s")


def test_a_given_folder_takes_no_comment(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "a", "comment") as writer:
        assert writer.get_logdir() == writer.log_dir == str(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


def test_flush_puts_all_on_disk(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path, flush_secs=10_000)
    for step in range(3):
        writer.add_scalar("x", step, step)
        writer.add_scalars("y", {"z": step}, step)
    writer.flush()
    assert len(values(tmp_path)) == 6
    writer.close()


def test_close_twice_and_go_on(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("x", 1, 1)
    writer.close()
    writer.close()
    writer.flush()
    writer.add_scalar("x", 2, 2)
    writer.close()
    assert len(files(tmp_path)) == 2
    assert scalars(tmp_path, "x") == [(1, 1), (2, 2)]


def test_purge_step_hides_what_a_crash_left(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(6):
            writer.add_scalar("x", step, step, walltime=1000 + step)
    with SummaryWriter(tmp_path, purge_step=gt.tensor(3)) as writer:
        writer.add_scalar("x", 30, 3, walltime=2000)
    assert scalars(tmp_path, "x") == [(0, 0), (1, 1), (2, 2), (3, 30)]


def test_purging_happens_once(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path, purge_step=0)
    writer.close()
    writer.add_scalar("x", 1, 0)
    writer.close()
    assert sum(event.HasField("session_log") for event in events(tmp_path)) == 1


def test_scalars_of_one_chart_are_runs_below(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 0)
        for step in range(2):
            writer.add_scalars("loss/all", {"train": step, "test set": 10 + step}, step)
    assert scalars(tmp_path / "loss_all_train", "loss/all") == [(0, 0), (1, 1)]
    assert scalars(tmp_path / "loss_all_test set", "loss/all") == [(0, 10), (1, 11)]
    assert len(files(tmp_path)) == 3
    times = {event.step: set() for event in events(tmp_path / "loss_all_train")}
    for folder in ("loss_all_train", "loss_all_test set"):
        for event in events(tmp_path / folder):
            times[event.step].add(event.wall_time)
    assert [len(found) for found in times.values()] == [1, 1]  # one time for all of a call


def test_many_threads(tmp_path: Path) -> None:
    writer, failures = SummaryWriter(tmp_path, max_queue=3), []

    def work(number: int) -> None:
        try:
            for step in range(40):
                writer.add_scalar(f"x{number}", step, step)
                writer.add_scalars("y", {"a": number, f"b{number}": step}, step)
                if step % 10 == number:
                    writer.flush()
                if step == 17 and number == 2:
                    writer.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert failures == []
    assert len(values(tmp_path)) == 5 * 40 * 3
    assert len(files(tmp_path / "y_a")) == 2  # one before it was closed, and one after


def test_a_file_writer_alone(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event

    writer = FileWriter(tmp_path, max_queue=0, flush_secs=0.5, filename_suffix=".mine")
    writer.add_event(Event(), np.int64(5), walltime=12.5)
    writer.flush()
    (event,) = events(tmp_path)
    assert (event.step, event.wall_time) == (5, 12.5)
    writer.close()
    assert writer.get_logdir() == str(tmp_path)


# ---- hyperparameters -----------------------------------------------------------------------------


def test_hyperparameters_are_a_run_of_their_own(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    given = {"n": np.int64(3), "f": np.float32(0.5), "t": gt.tensor(2.0), "one": gt.tensor([4]), "s": "x", "none": None}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(given, {"acc": gt.tensor(0.75)}, global_step=9)
        writer.add_hparams({}, {}, run_name="named")
    (folder,) = (f for f in os.listdir(tmp_path) if re.fullmatch(r"\d+\.\d+", f))
    assert scalars(tmp_path / folder, "acc") == [(9, 0.75)]
    assert files(tmp_path / "named")
    contents = [HParamsPluginData.FromString(v.metadata.plugin_data.content) for v in values(tmp_path / folder)[:3]]
    assert [c.WhichOneof("data") for c in contents] == ["experiment", "session_start_info", "session_end_info"]
    chosen = contents[1].session_start_info.hparams
    assert {k: v.string_value or v.number_value for k, v in chosen.items()} == {
        "n": 3, "f": 0.5, "t": 2, "one": 4, "s": "x",
    }  # fmt: skip
    assert [m.name.tag for m in contents[0].experiment.metric_infos] == ["acc"]


# ---- the package without tensorboard -------------------------------------------------------------


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_loads_nothing() -> None:
    code = (
        "import sys, graphtorch.utils.tensorboard; print({'tensorboard', 'PIL', 'google.protobuf'} & set(sys.modules))"
    )
    assert python(code) == "set()"


@pytest.mark.parametrize("package", ["tensorboard", "PIL"])
def test_a_missing_package_is_named(package: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    from graphtorch.utils.tensorboard import SummaryWriter
except ImportError as error:
    print(error)
"""
    expected = f"SummaryWriter needs the package {package}, which is not installed: pip install graphtorch[tensorboard]"
    assert python(code) == expected


def test_other_names_are_no_attributes() -> None:
    import graphtorch.utils.tensorboard as module

    with pytest.raises(AttributeError, match="has no attribute 'Writer'"):
        module.Writer  # noqa: B018
