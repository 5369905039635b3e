"""The bar of a loop."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.utils.data import DataLoader, TensorDataset, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _loader(**given: Any) -> DataLoader:
    return DataLoader(TensorDataset(gt.arange(7)), 2, **given)


def _numbers(batches: Any) -> list[Any]:
    return [batch.tolist() for (batch,) in batches]


BATCHES = [[0, 1], [2, 3], [4, 5], [6]]


def test_the_bar_of_a_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert _numbers(_loader(progress="epoch 3")) == BATCHES
    text = shown.getvalue()
    assert "epoch 3" in text and "4/4" in text and "100%" in text
    loader = _loader(progress=True)
    for _ in loader:
        break
    state = loader.state_dict()
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    loader.load_state_dict(state)
    assert _numbers(loader) == BATCHES[1:]
    assert "1/4" in shown.getvalue() and "4/4" in shown.getvalue()  # it goes on where the pass does


def test_nothing_where_there_is_no_terminal_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
    assert _numbers(_loader(progress=True)) == _numbers(progress_bar(_loader(), "train")) == BATCHES
    assert shown.getvalue() == ""
    pytest.importorskip("tqdm")
    assert _numbers(progress_bar(_loader(), "train", always=True)) == BATCHES
    assert "train" in shown.getvalue()


def test_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert _numbers(_loader(progress=True)) == BATCHES  # nobody would see it
    with pytest.warns(UserWarning, match=r"no progress bar without tqdm: pip install 'graphtorch\[cli\]'"):
        assert _numbers(progress_bar(_loader(), always=True)) == BATCHES
