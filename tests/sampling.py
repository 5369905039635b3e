"""Samples of long sweeps: the ordinary run takes some cases, `pytest -m slow` the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def sampled(
    cases: Iterable[Any], percent: int, family: Callable[[Any], Any] | None = None, name: Callable[[Any], str] = str
) -> list[Any]:
    """A parameter for each case: of each ``family`` (all are one by default) the first is in the ordinary run, and of
    the others so many in a hundred, always the same ones. The rest are marked slow. A tuple is several arguments."""
    chance, seen, found = random.Random(20261127), set(), []
    for case in cases:
        of = family(case) if family else None
        late = of in seen and chance.randrange(100) >= percent
        seen.add(of)
        values = case if type(case) is tuple else (case,)
        found.append(pytest.param(*values, id=name(case), marks=[pytest.mark.slow] if late else []))
    return found
