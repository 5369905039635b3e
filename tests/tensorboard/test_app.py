"""TensorBoard itself, as a process on a port of this machine, shows what a writer and the example wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graphtorch.utils.tensorboard import SummaryWriter
from tests.tensorboard import files, graph_of, picture, values

ROOT = Path(__file__).parents[2]
#: seconds; it takes a tenth of that where nothing else runs
DEADLINE = 90.0

PARAMETERS = {"features/0/weight", "features/0/bias", "classifier/1/weight", "classifier/1/bias"}

Ask = Callable[..., Any]


@contextmanager
def tensorboard(folder: Path) -> Iterator[Ask]:
    """A running TensorBoard, asked by ``ask("scalars/tags")`` and the like; it gives JSON."""
    log = folder.parent / "tensorboard.log"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    with log.open("w") as out:
        process = subprocess.Popen([*command, "--load_fast=false"], stdout=out, stderr=subprocess.STDOUT)
    try:
        address = waited_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", log.read_text()), process, log)[0]

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads to this machine

        def ask(path: str, **query: str) -> Any:
            url = f"{address}data/plugin/{path}?{urllib.parse.urlencode(query)}"
            try:
                with opener.open(url, timeout=DEADLINE) as answer:
                    text = answer.read().decode()
                    return json.loads(text) if "json" in answer.headers["Content-Type"] else text
            except urllib.error.HTTPError as error:
                return f"{error}: {error.read().decode()}"  # as it says of runs that it has not read yet

        yield ask
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def waited_for(get: Callable[[], Any], process: subprocess.Popen[Any], log: Path) -> Any:
    """What ``get`` gives when it gives something; the test fails where that takes too long, or the process ends."""
    end = time.monotonic() + DEADLINE
    while not (found := get()):
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"tensorboard did not answer: {log.read_text()}")
        time.sleep(0.2)
    return found


def eventually(get: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """What ``get`` gives once it is ``good``: TensorBoard answers before it has read all files."""
    end = time.monotonic() + DEADLINE
    while not good(found := get()):
        assert time.monotonic() < end, f"it still answers {found}"
        time.sleep(0.2)
    return found


def tags(answer: Any) -> Any:
    """The tags of each run."""
    return {run: set(found) for run, found in answer.items()}


def test_tensorboard_serves_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with SummaryWriter(folder / "run 1") as writer:
        for step in range(4):
            writer.add_scalar("loss/träin", 0.5**step, step, walltime=1000.0 + step)
        writer.add_scalars("both", {"a": 1, "b": 2}, 7)
        writer.add_hparams({"lr": 0.25, "name": "x"}, {"acc": 0.75}, run_name="hp")
    with tensorboard(folder) as ask:
        wanted = {"run 1": {"loss/träin"}, "run 1/both_a": {"both"}, "run 1/both_b": {"both"}, "run 1/hp": {"acc"}}
        eventually(lambda: tags(ask("scalars/tags")), lambda found: found == wanted)
        curve = [[1000.0 + step, step, 0.5**step] for step in range(4)]
        eventually(lambda: ask("scalars/scalars", run="run 1", tag="loss/träin"), lambda found: found == curve)
        ((seconds, step, value),) = ask("scalars/scalars", run="run 1/both_b", tag="both")
        assert (step, value) == (7, 2) and seconds > 1e9


def test_the_example(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "run"
    command = [sys.executable, str(ROOT / "examples" / "tensorboard_demo.py"), "--logdir", str(folder), "--epochs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accuracy = float(re.search(r"test accuracy (\d\.\d+)", done.stdout)[1])
    assert accuracy > 0.6
    by_tag: dict[str, list[Any]] = {}
    for value in values(folder):
        by_tag.setdefault(value.tag, []).append(value)
    losses = [value.simple_value for value in by_tag["loss/train"]]
    assert len(losses) > 100 and sum(losses[-20:]) < 0.5 * sum(losses[:20])
    assert by_tag["features/0/weight"][0].histo.num == 8 * 25
    assert picture(by_tag["mistakes"][0]).shape == (3 * 28, 8 * 28, 3)
    assert picture(by_tag["confusion"][0]).shape == (600, 600, 3)
    assert by_tag["accuracy/test"][0].simple_value == pytest.approx(accuracy, abs=1e-4)
    assert {"mistakes/text_summary", "shirts", "_hparams_/session_start_info"} <= set(by_tag)
    assert "Net/Sequential[classifier]/Linear[1]/dot" in graph_of(folder)
    assert len(files(folder)) == 2
    with tensorboard(folder.parent) as ask:  # its own reader of each page takes what was written
        curves = eventually(
            lambda: ask("pr_curves/pr_curves", run="run", tag="shirts"),
            lambda found: isinstance(found, dict) and found.get("run"),
        )
        assert curves["run"][0]["step"] == 1  # which was logged last: all of the run is there
        assert tags(ask("scalars/tags"))["run"] == {"loss/train"}
        assert tags(ask("images/tags"))["run"] == {"mistakes", "confusion"}
        assert tags(ask("histograms/tags"))["run"] == PARAMETERS
        ((_, step, bars),) = ask("histograms/histograms", run="run", tag="features/0/weight")
        assert step == 1 and sum(bar[2] for bar in bars) == pytest.approx(200)
        assert 'name: "Net/Sequential[features]/Conv2d[0]/conv"' in ask("graphs/graph", run="run")
        assert "taken for" in ask("text/text", run="run", tag="mistakes/text_summary")[0]["text"]
        experiment = eventually(
            lambda: ask("hparams/experiment", request="{}"),
            lambda found: isinstance(found, dict) and found.get("hparamInfos"),
        )
        assert {info["name"] for info in experiment["hparamInfos"]} == {"lr", "channels"}
        assert [info["name"]["tag"] for info in experiment["metricInfos"]] == ["accuracy/test"]
