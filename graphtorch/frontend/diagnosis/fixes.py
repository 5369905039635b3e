"""The search for a fix: each candidate edit is tried in a run of its own, and only one that mends is offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.candidates import candidates
from graphtorch.frontend.diagnosis.edits import Candidate, Edit
from graphtorch.ir.errors import GraphTorchError

#: runs that one failure may cost
_TRIES = 160

Run = Callable[[Sequence[Edit]], Observation]


@dataclass(frozen=True)
class Fix:
    """An edit that mends a failure, and the run with it. ``clean``: nothing else fails."""

    candidate: Candidate
    seen: Observation

    @property
    def clean(self) -> bool:
        return self.seen.error is None


def find_fix(seen: Observation, run: Run, edits: Sequence[Edit]) -> Fix | None:
    """The likeliest edit on top of ``edits`` with which ``run`` passes the point where ``seen`` failed.

    One with which all runs is better than one after which something else fails. None where no edit helps.
    """
    best: Fix | None = None
    for number, candidate in enumerate(candidates(seen)):
        if number >= _TRIES or (best is not None and best.clean and best.candidate.rank <= candidate.rank):
            break
        found = _tried(candidate, run, edits)
        if found is not None and _passes(seen, found.seen) and (best is None or _order(found) < _order(best)):
            best = found
    return best


def _tried(candidate: Candidate, run: Run, edits: Sequence[Edit]) -> Fix | None:
    try:
        return Fix(candidate, run((*edits, candidate.edit)))
    except Exception:  # the user's own code may not like what it is given
        return None


def _passes(before: Observation, after: Observation) -> bool:
    if after.error is None or before.error is None:
        return True
    return after.progress > before.progress and _place(after.error) != _place(before.error)


def _place(error: GraphTorchError) -> tuple[Any, ...]:
    return error.code, error.path, error.loc


def _order(fix: Fix) -> tuple[bool, float, int]:
    return not fix.clean, -fix.seen.progress, fix.candidate.rank
