"""Curves of a training."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError
from graphtorch.utils import plot_history


def _lines(figure: Any) -> dict[str, dict[str, list[list[float]]]]:
    return {
        ax.get_title(): {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in ax.get_lines()}
        for ax in figure.axes
    }


def test_curves_are_the_numbers() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    history = {"loss": [0.9, gt.tensor(0.5), np.float32(0.25)], "accuracy": [0.1, 0.5, 0.75], "val_loss": [1.0, 0.75]}
    figure = plot_history(history, title="a net")
    assert _lines(figure) == {
        "loss": {"loss": [[1, 0.9], [2, 0.5], [3, 0.25]], "val_loss": [[1, 1.0], [2, 0.75]]},
        "accuracy": {"accuracy": [[1, 0.1], [2, 0.5], [3, 0.75]]},
    }
    assert [ax.get_legend() is not None for ax in figure.axes] == [True, False]
    assert figure.get_suptitle() == "a net" and figure.axes[0].get_xlabel() == "epoch"
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_a_list_of_epochs_in_which_names_are_missing() -> None:
    pytest.importorskip("matplotlib")
    figure = plot_history([{"loss": 3.0}, {"loss": 2.0, "test_accuracy": 0.5}], xlabel="step", start=0)
    assert _lines(figure) == {"loss": {"loss": [[0, 3.0], [1, 2.0]]}, "accuracy": {"test_accuracy": [[1, 0.5]]}}


def test_matplotlib_is_not_imported_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"plot_history needs matplotlib: pip install 'graphtorch\[plot\]'"):
        plot_history({"loss": [1.0]})


def test_what_is_no_history() -> None:
    for wrong, text in [
        (3, "history must not be a int"),
        ("loss", "history must not be a str"),
        ([1.0], r"history\[0\] is a float"),
        ({"loss": 3.0}, r"history\['loss'\] must not be a float"),
        ({"loss": ["high"]}, "the history of 'loss' holds what is no number\n.*\n  got str 'high'"),
    ]:
        with pytest.raises(ArgumentTypeError, match=f"GT301: {text}"):
            plot_history(wrong)  # type: ignore[arg-type]
    for empty in ({}, [], {"loss": []}):
        with pytest.raises(ArgumentError, match="GT304: the history is empty"):
            plot_history(empty)
