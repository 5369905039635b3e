"""Each example runs as a reader would run it, in a process of its own, and learns what it says it does."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphtorch as gt

ROOT = Path(__file__).parent.parent.parent


def run(name: str, *args: object, fails: bool = False) -> str:
    """What ``examples/name`` prints; warnings are errors, as in all tests."""
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), *map(str, args)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert (done.returncode != 0) is fails, done.stderr
    assert "\r" not in done.stdout, "a progress bar, and no terminal"
    return done.stderr if fails else done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    return [float(n) for n in re.findall(pattern, text)]


def test_custom_pass() -> None:
    text = run("custom_pass.py")
    batch, first, last = 96, 24 * 48, 48 * 5
    assert f"0      {2 * batch * first:>9,}" in text  # forward, and the gradient of the weight
    assert f"3      {3 * batch * last:>9,}" in text  # and that of its input
    before, after = re.search(r"rsqrt +(\d+) -> (\d+)", text).groups()
    assert int(before) < int(after)
    (start, end), (gap,) = re.search(r"loss (\S+) -> (\S+);", text).groups(), numbers(r"at most (\S+)", text)
    assert float(end) < float(start) and gap < 1e-5


def test_custom_op() -> None:
    text = run("custom_op.py")
    assert "finite differences: True" in text
    start, end = re.search(r"loss (\S+) -> (\S+) in", text).groups()
    assert float(end) < 0.3 * float(start)
    assert numbers(r"differ by at most (\S+)", text)[0] < 1e-5
    assert "dot, broadcast_to, add, squareplus" in text


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_lstm_names(cell: str) -> None:
    text = run("lstm_names.py", "--cell", cell, "--epochs", 10, "--predict", "Fiorentino", "Kawaguchi")
    assert numbers(r"loss (\S+)", text)[-1] < 0.3
    assert numbers(r"test accuracy (\S+)", text)[0] >= 0.6
    assert "Fiorentino: Italian" in text and "Kawaguchi: Japanese" in text


def test_lstm_names_refuses_what_is_no_name() -> None:
    assert "--predict 'Öz': expected 1 to 16" in run("lstm_names.py", "--predict", "Öz", fails=True)


def test_char_transformer(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("to be or not to be " * 9, encoding="utf-8")
    text = run("char_transformer.py", "--text", tmp_path / "text", "--steps", 60, "--sample", 40)
    losses = numbers(r"step +\d+: loss (\S+)", text)
    assert losses[-1] < 0.6 < 2 < losses[0]
    written = text.splitlines()[-1]
    assert len(written) == 44 and written.startswith("to b") and written.count("be") > 2


def test_train_cifar(tmp_path: Path) -> None:
    text = run("train_cifar.py", "--epochs", 2, "--save", tmp_path / "model.pt")
    losses = numbers(r": loss (\S+),", text)
    assert len(losses) == 2 and losses[1] < 0.7 * losses[0]
    assert text.splitlines()[-1].startswith("loaded again, it says: ") and text.count("(") == 6
    assert gt.load(tmp_path / "model.pt")["11.weight"].shape == (10, 512)


def test_train_cifar_reads_the_files_of_cifar(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        batch = {"data": rng.integers(0, 256, (12, 3072), dtype=np.uint8), "labels": [n % 10 for n in range(12)]}
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    text = run("train_cifar.py", "--data", tmp_path, "--epochs", 1, "--batch-size", 9)
    assert "54 images to train with, 6 to validate, 12 to test" in text
    assert "expected data_batch_1 to 5" in run("train_cifar.py", "--data", tmp_path / "nothing", fails=True)


def test_finetune_vgg() -> None:
    text = run("finetune_vgg.py", "--images", 300, "--epochs", 2)
    assert "128,807,306 parameters, of which 40,970 are trained" in text
    losses = numbers(r"loss (\S+),", text)
    assert losses[1] < losses[0] and numbers(r"accuracy (\S+)", text)[-1] > 0.12


@pytest.mark.parametrize(
    "options", [("--epochs", 2), ("--layout", "files", "--workers", 2, "--epochs", 2)], ids=["folders", "files"]
)
def test_ants_bees(options: tuple[object, ...]) -> None:
    pytest.importorskip("PIL")
    text = run("ants_bees.py", *options)
    assert "160 images to train with, 40 to validate" in text
    assert numbers(r"accuracy (\S+)", text)[-1] >= 0.9
    assert "the last image shows bees: it says bees" in text


def test_ants_bees_says_what_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    assert "there is no folder" in run("ants_bees.py", "--data", tmp_path, fails=True)


def test_padding_does_not_change_a_name() -> None:
    """The state behind the last letter, whatever comes after it."""
    import runpy

    names = runpy.run_path(str(ROOT / "examples" / "lstm_names.py"), run_name="example")
    gt.manual_seed(0)
    model = names["Classifier"]("LSTM")
    letters, lengths = names["encoded"](["Abe", "Wojciechowski"])
    other = letters.clone()
    other[0, 3:] = 5
    with gt.no_grad():
        np.testing.assert_array_equal(model(letters, lengths).numpy(), model(other, lengths).numpy())
        alone = model(letters[:1, :3], lengths[:1])
        np.testing.assert_allclose(model(letters, lengths)[:1].numpy(), alone.numpy(), rtol=1e-5, atol=1e-6)
