"""Makes of a failure all that can be said of it: the trail of its sizes, and the fix."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.called import types_in
from graphtorch.frontend.diagnosis.edits import Candidate, Edit
from graphtorch.frontend.diagnosis.layers import is_layer
from graphtorch.frontend.diagnosis.trail import Step, Told, given_to, trail
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node
from graphtorch.ir.loc import Loc

if TYPE_CHECKING:
    from graphtorch.frontend.diagnosis.fixes import Run

#: failures that one check goes past, each as if it had been mended
MOST = 10


def failures(run: Run) -> tuple[list[GraphTorchError], Observation]:
    """The failures of a program, one after the other, each with its trail and its fix; and the last run.

    After the first failure the program is run as if that had been mended, and so on, until it runs, or no edit is found
    that mends it.
    """
    seen = run(())
    if seen.error is None:
        return [], seen
    from graphtorch.frontend.diagnosis.fixes import find_fix  # only failures need the search

    edits: list[Edit] = []
    found: list[GraphTorchError] = []
    while seen.error is not None and len(found) < MOST:
        error = seen.error
        if any((e.code, e.path, e.loc) == (error.code, error.path, error.loc) for e in found[:-1]):
            break  # one edit undoes another
        found.append(error)
        error.trail = trail(error, seen.tracer.read, functools.partial(_told, seen))
        fixes = find_fix(seen, run, edits) if error.mend is not None or not error.fix else []
        if not fixes:
            break
        error.fix = " and ".join(fix_text(fix.edit, fix.candidate, error) for fix in fixes)
        edits += [fix.edit for fix in fixes]
        seen = fixes[-1].seen
    return found, seen


def _told(seen: Observation, step: Step, node: Node) -> Told:
    """A step as the user knows it: by the call of a layer, or of a function, that it is a part of."""
    tracer, owner = seen.tracer, seen.tracer.owners.get(node)
    name = named(node, owner, tracer.name_of(node))
    around = tracer.within.get(node) or [c for c in reversed(seen.calls) if c.module is owner]  # of a loop
    layer = next((c for c in around if is_layer(c.module) and c.inputs), None)
    if layer is not None:
        made = step.value.type if step.value.type in layer.outputs or not layer.outputs else layer.outputs[0]
        return name, layer.inputs[:1], made
    call = tracer.call_of(node)
    given = types_in(call.arguments) if call is not None else []
    return name, given or given_to(node), step.value.type


def named(node: Node, owner: object, function: str) -> str:
    """`Conv2d "features.0" (net.py:12)`, or `reshape (net.py:40)` outside of any layer."""
    loc = node.locs[0] if node.locs else None
    if loc is not None and isinstance(owner, Module) and is_layer(owner):
        path = f' "{loc.path}"' if loc.path else ""
        return f"{type(owner).__name__}{path}{_at(owner._created_at)}"
    return f"{function}{_at(loc)}"


def _at(loc: Loc | None) -> str:
    return f" ({loc.show().split(' ', 1)[0]})" if loc is not None and loc.line else ""


def fix_text(edit: Edit, candidate: Candidate, error: GraphTorchError) -> str:
    """The edit, and where it is made unless that is one of the lines which the error shows."""
    at = candidate.loc
    shown = at is None or any(
        o is not None and (o.file, o.line) == (at.file, at.line) for o in (error.loc, error.created)
    )
    return edit.text + ("" if shown else _at(at))
