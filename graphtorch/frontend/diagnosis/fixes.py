"""The search for a fix: each candidate edit is tried in a run of its own, and only one that mends is offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.candidates import candidates, flattening
from graphtorch.frontend.diagnosis.edits import Candidate, Edit
from graphtorch.ir.errors import GraphTorchError

#: runs that one failure may cost, and those after one that mends it and leaves another failure
_TRIES, _MORE = 120, 24


class Run(Protocol):
    """A run of the program with some edits; a quick one is for shapes alone."""

    def __call__(self, edits: Sequence[Edit], quick: bool = False) -> Observation: ...


@dataclass(frozen=True)
class Fix:
    """An edit that mends a failure, where it is made, and the run with it.

    ``clean``: nothing else fails, and no loss broadcasts: sizes that agree with the batch's by chance mend nothing.
    """

    edit: Edit
    candidate: Candidate
    seen: Observation

    @property
    def clean(self) -> bool:
        return self.seen.error is None and not self.seen.tracer.notes.doubts


def find_fix(seen: Observation, run: Run, edits: Sequence[Edit]) -> list[Fix]:
    """The likeliest edit on top of ``edits`` with which ``run`` passes the point where ``seen`` failed.

    One with which all runs is better than one after which something else fails. Two edits where no single one helps,
    and all runs with both; none where those do not help either. The last of them has the run with all.
    """
    found = _single(seen, run, edits, _TRIES)
    return [found] if found is not None else _double(seen, run, edits)


def _double(seen: Observation, run: Run, edits: Sequence[Edit]) -> list[Fix]:
    """A Flatten that is missing before a layer which would not take what it gives: one first edit, not all pairs."""
    for candidate in flattening(seen):
        edit = candidate.make()
        first = _tried(edit, candidate, run, edits) if edit is not None else None
        if first is None or first.seen.error is None or _passes(seen, first.seen):
            continue
        second = _single(first.seen, run, (*edits, first.edit), _MORE)
        if second is not None and second.clean:
            return [first, second]
    return []


def _single(seen: Observation, run: Run, edits: Sequence[Edit], left: int) -> Fix | None:
    """One edit, of at most ``left`` that are tried."""
    best: Fix | None = None
    for candidate in candidates(seen):
        if left <= 0:
            break
        edit = candidate.make()
        if edit is None:
            continue
        left -= 1
        found = _tried(edit, candidate, run, edits)
        if found is None or not _passes(seen, found.seen) or not _better(found, best):
            continue
        best, left = found, min(left, _MORE)
        if best.clean:
            break
    return None if best is None else Fix(best.edit, best.candidate, run((*edits, best.edit)))


def _tried(edit: Edit, candidate: Candidate, run: Run, edits: Sequence[Edit]) -> Fix | None:
    try:
        return Fix(edit, candidate, run((*edits, edit), quick=True))
    except Exception:  # the user's own code may not like what it is given
        return None


def _better(found: Fix, best: Fix | None) -> bool:
    """Than the best so far, which is none that is clean."""
    if found.clean or not found.candidate.far:
        return found.clean or best is None
    return found.candidate.further and best is not None and found.seen.progress > best.seen.progress


def _passes(before: Observation, after: Observation) -> bool:
    if after.error is None or before.error is None:
        return True
    return after.progress > before.progress and _place(after.error) != _place(before.error)


def _place(error: GraphTorchError) -> tuple[Any, ...]:
    return error.code, error.path, error.loc
