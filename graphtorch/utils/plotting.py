"""Curves of a training, drawn by matplotlib, which is imported when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: names that begin so are curves of the quantity that the rest names
_SPLITS = ("train_", "val_", "valid_", "validation_", "test_", "eval_")
_PANEL = 4.0, 3.0  # inches

History = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


def plot_history(history: History, *, title: str = "", xlabel: str = "epoch", start: int = 1) -> Figure:
    """A matplotlib Figure of a training: a panel for each quantity, a curve for each split.

    ``history`` is a mapping of names to one number for each epoch, ``{"loss": [0.9, 0.5], "val_loss": [1.0, 0.7]}``,
    or a list of a mapping for each epoch, ``[{"loss": 0.9}, {"loss": 0.5, "val_loss": 0.7}]``, in which names may be
    missing. Numbers may be tensors of one element. A name that begins with train_, val_, valid_, validation_, test_ or
    eval_ is a curve in the panel of the rest of the name. ``start`` is the number of the first epoch.

    The figure belongs to no window: ``figure.savefig("history.png")``, or show it in a notebook by naming it.
    ImportError where matplotlib is missing (``pip install 'graphtorch[plot]'``); ArgumentError GT304 for a history
    that is empty, and ArgumentTypeError GT301 for what is none.
    """
    curves = _curves(history, start)
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImportError("plot_history needs matplotlib: pip install 'graphtorch[plot]'") from missing
    panels: dict[str, list[str]] = {}
    for name in curves:
        panels.setdefault(_quantity(name), []).append(name)
    figure = Figure(figsize=(_PANEL[0] * len(panels), _PANEL[1]), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (quantity, names) in zip(axes, panels.items(), strict=True):
        _draw(ax, quantity, {name: curves[name] for name in names}, xlabel)
    if title:
        figure.suptitle(title)
    return figure


def _draw(ax: Any, quantity: str, curves: dict[str, tuple[list[int], list[float]]], xlabel: str) -> None:
    for name, (epochs, values) in curves.items():
        # one number is no line
        ax.plot(epochs, values, label=name, marker="o" if len(values) == 1 else None)
    ax.set_title(quantity)
    ax.set_xlabel(xlabel)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    if len(curves) > 1:
        ax.legend()


def _quantity(name: str) -> str:
    for split in _SPLITS:
        if name.startswith(split) and name != split:
            return name[len(split) :]
    return name


def _curves(history: Any, start: int) -> dict[str, tuple[list[int], list[float]]]:
    """The epochs and the numbers of each name, in the order in which names come first."""
    if isinstance(history, Mapping):
        found = {str(name): list(enumerate(_several(name, values), start)) for name, values in history.items()}
    else:
        found = _by_epoch(history, start)
    if not any(found.values()):
        raise ArgumentError("GT304", "the history is empty", ["expected at least one number"])
    return {
        name: ([epoch for epoch, _ in points], [_number(name, value) for _, value in points])
        for name, points in found.items()
    }


def _several(name: Any, values: Any) -> Sequence[Any]:
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        facts = ["expected a sequence, of one number for each epoch"]
        raise ArgumentTypeError("GT301", f"history[{name!r}] must not be a {type(values).__name__}", facts)
    return list(values)


def _by_epoch(history: Any, start: int) -> dict[str, list[tuple[int, Any]]]:
    if isinstance(history, str) or not isinstance(history, Sequence):
        facts = ["expected a mapping of names to sequences of numbers, or a list of mappings of names to numbers"]
        raise ArgumentTypeError("GT301", f"history must not be a {type(history).__name__}", facts)
    found: dict[str, list[tuple[int, Any]]] = {}
    for epoch, numbers in enumerate(history, start):
        if not isinstance(numbers, Mapping):
            facts = ["expected a mapping of names to numbers"]
            raise ArgumentTypeError("GT301", f"history[{epoch - start}] is a {type(numbers).__name__}", facts)
        for name, value in numbers.items():
            found.setdefault(str(name), []).append((epoch, value))
    return found


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as wrong:
        facts = [f"got {type(value).__name__} {value!r}"]
        raise ArgumentTypeError("GT301", f"the history of {name!r} holds what is no number", facts) from wrong
