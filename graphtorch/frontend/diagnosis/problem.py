"""A problem: what is wrong with a model, a loss or a training step, how bad it is, and what would mend it.

An error that an op raises and a finding about a whole graph are the same thing to whoever reads them: a `Problem`
is a `GraphTorchError` with a severity, so there is one text, whether `gt.check` lists it or `gt.compile` raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graphtorch.ir.errors import ContractError, GraphTorchError
from graphtorch.ir.loc import Loc

Severity = Literal["error", "warning", "note"]
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Problem:
    """One problem. ``severity``: an "error" cannot run or cannot train; a "warning" runs, and hardly does what was
    meant; a "note" may happen. ``str(problem)`` is the error's message, and begins "warning" or "note" for these.
    """

    error: GraphTorchError
    severity: Severity = "error"

    @property
    def code(self) -> str:
        return self.error.code

    @property
    def message(self) -> str:
        """What is wrong, in a line."""
        return self.error.message

    @property
    def path(self) -> str:
        """The module, by its path from the model; "" outside of any."""
        return self.error.path

    @property
    def locations(self) -> tuple[Loc, ...]:
        """The user's line of the call, and the line that constructed the module; what there is of them."""
        return tuple(at for at in (self.error.loc, self.error.created) if at is not None and at.line)

    @property
    def trail(self) -> tuple[str, ...]:
        """Where the sizes came from, a line for each step, the first step first."""
        return tuple(self.error.trail)

    @property
    def fix(self) -> str:
        """The edit that mends it; "" where none is known."""
        return self.error.fix

    def __str__(self) -> str:
        text = str(self.error)
        return text if self.severity == "error" else f"{self.severity} {text.partition(' ')[2]}"

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `json.dumps` takes it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "op": self.error.op,
            "module": self.path,
            "locations": [{"file": at.file, "line": at.line, "source": at.source()} for at in self.locations],
            "operands": list(self.error.operands),
            "facts": list(self.error.facts),
            "trail": list(self.trail),
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Site:
    """Where in the user's code something was called: the line, the module, and where that one was constructed."""

    loc: Loc | None = None
    created: Loc | None = None
    op: str = ""


def finding(
    code: str,
    severity: Severity,
    message: str,
    facts: Sequence[str] = (),
    *,
    site: Site = Site(),
    operands: Sequence[str] = (),
    trail: Sequence[str] = (),
    fix: str = "",
) -> Problem:
    """A problem that no op raised: it was found by looking at a whole graph, a model or an optimizer."""
    error = ContractError(code, message, facts, fix)
    error.op, error.loc, error.created = site.op, site.loc, site.created
    error.path = site.loc.path if site.loc is not None else ""
    error.operands, error.trail = list(operands), list(trail)
    return Problem(error, severity)


def order(problems: Sequence[Problem]) -> list[Problem]:
    """Errors first, then warnings, then notes; each in the order in which they were found."""
    return sorted(problems, key=lambda p: _SEVERITIES.index(p.severity))
