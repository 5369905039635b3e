"""float64 in a model of float32: where it came in, and what brought it.

An op that is given both computes in float64, and so does all that follows: at half the speed or less, with results that
the next layer refuses. numpy's arrays are float64 unless told otherwise, so it is seldom meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphtorch.frontend.diagnosis.problem import Problem, Severity, finding
from graphtorch.frontend.diagnosis.source import public_name
from graphtorch.frontend.diagnosis.subject import Subject, is_number, names_of_captures
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Node, Param, Value
from graphtorch.ir.types import float32, float64

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer


def float64_problems(subject: Subject) -> list[Problem]:
    """One problem for each thing that brings float64 in; none where the model is not of float32.

    A number, which has no dimensions, is left alone: it makes no tensor float64 that has some.
    """
    casts = [n for n in subject.graph.nodes if n.op.name == "cast" and n.result.type.shape and _is_promotion(n)]
    promotions = [n for n in casts if not subject.is_own(n)]
    if not promotions or not _is_of_float32(subject):
        return []
    found: dict[Value, Problem] = {}
    for cast in promotions:
        meeting = next((n for n in subject.uses[cast.result] if _brings(n, cast)), None)
        source = origin(subject, _brings(meeting, cast)) if meeting is not None else None
        if meeting is not None and source is not None and source not in found:
            found[source] = _problem(subject, meeting, cast, source)
    return list(found.values())


def _is_promotion(node: Node) -> bool:
    """A cast from float32 to float64."""
    return node.op.name == "cast" and node.result.type.dtype is float64 and node.operands[0].type.dtype is float32


def _brings(node: Node, cast: Node) -> Value | None:
    """What ``node`` is given in float64 beside the result of a promotion."""
    return next((o for o in node.operands if o.type.dtype is float64 and not _is_made_of(o, cast)), None)


def _is_made_of(value: Value, cast: Node) -> bool:
    while value.node is not None and value.node.op.name == "broadcast_to":
        value = value.node.operands[0]
    return value.node is cast or (value.node is not None and value.node.op.name == "constant")


def _is_of_float32(subject: Subject) -> bool:
    """Whether most parameters are float32; of a function that has none, whether it is given any float32."""
    params = {o: None for n in subject.graph.nodes for o in n.operands if isinstance(o, Param)}
    weights = [p for p in params if p.role != "in" and subject.flows(p)]
    if not weights:
        return any(p.type.dtype is float32 for p in params if p.role == "in")
    return sum(p.type.dtype is float32 for p in weights) > sum(p.type.dtype is float64 for p in weights)


def origin(subject: Subject, value: Value | None) -> Value | None:
    """The parameter, or the result, that is the first to be float64 of what ``value`` is made of."""
    stack, seen = [value], set[Value]()
    while stack:
        at = stack.pop()
        if at is None or at in seen:
            continue
        seen.add(at)
        node = at.node
        if node is None:
            return None if isinstance(at, Param) and is_number(at) else at
        before = [o for o in node.operands if o.type.dtype is float64]
        if before:
            stack += reversed(before)
        elif not (_is_promotion(node) and not subject.is_own(node)) and node.op.name != "constant":
            return at
    return None


def _problem(subject: Subject, meeting: Node, cast: Node, source: Value) -> Problem:
    lasts = _reaches_the_end(subject, meeting) and not _is_asked_for(source)
    severity: Severity = "warning" if lasts else "note"
    facts = came_from(subject, source)
    if lasts:
        facts.append("all that is computed from it is float64, at half the speed or less")
    return finding(
        "GT346",
        severity,
        f"float64 comes into a float32 model, through {_what(subject, source)}",
        facts,
        site=subject.site(meeting, subject.name_of(meeting)),
        operands=[f"{cast.operands[0].type} is made {cast.result.type} here"],
        fix=_fix(subject, source),
    )


def _is_asked_for(source: Value) -> bool:
    """Whether the user wrote ``.double()``."""
    return source.node is not None and source.node.op.name == "cast"


def _reaches_the_end(subject: Subject, node: Node) -> bool:
    """Whether a float64 result is what the program gives, or gradients are computed of; not where all are cast."""
    stack, seen = list(node.results), set[Value]()
    while stack:
        value = stack.pop()
        if value.type.dtype is not float64 or value in seen:
            continue
        seen.add(value)
        users = subject.uses.get(value, [])
        if not users or any(n.op.name == "gradient" for n in users):
            return True
        stack += [r for n in users for r in n.results]
    return False


def _what(subject: Subject, source: Value) -> str:
    if isinstance(source, Param):
        return subject.title(source)
    assert source.node is not None  # it is no parameter
    return "a cast to float64" if source.node.op.name == "cast" else f"the result of {subject.name_of(source.node)}"


def came_from(subject: Subject, source: Value) -> list[str]:
    """Where a float64 tensor comes from, in lines."""
    if source.node is not None:
        line = f"   {source.node.locs[0].show()}" if source.node.locs else ""
        return [f"{_what(subject, source)} gives {source.type}{line}"]
    return [
        f"{_what(subject, source)} is {source.type}, as numpy's arrays are unless told otherwise",
        _REMEDY,
    ]


def float64_problems_of(tracer: Tracer) -> list[Problem]:
    """Those of a trace that is to be compiled, and calls modules: a function of tensors may well mix dtypes."""
    if not tracer.notes.called or not any(map(_is_promotion, tracer.graph.nodes)):
        return []
    gradients, names = tracer.gradients, names_of_captures(tracer)
    tracked = gradients.tracked | set(gradients.leaves)
    return float64_problems(
        Subject(tracer.graph, owners=tracer.owners, tracked=tracked, names=names, name_of=public_name)
    )


def without_those_told(problems: Sequence[Problem], errors: Sequence[GraphTorchError]) -> list[Problem]:
    """``problems`` less each float64 that one of ``errors`` has come from, and says so (`explain`): it gets the fix."""
    left = []
    for p in problems:
        told = [e for e in errors if p.code == "GT346" and not set(e.facts).isdisjoint(p.error.facts[:1])]
        for error in told:
            error.fix = error.fix or p.fix
        left += [p] if not told else []
    return left


def explain(error: GraphTorchError, tracer: Tracer) -> None:
    """Add to an error about float32 and float64 where the latter came from."""
    given = [t for _, t in error.tensors]
    if not {float32, float64} <= {t.aval.dtype for t in given}:
        return
    subject = Subject(tracer.graph, names=names_of_captures(tracer), name_of=public_name)
    for value in (tracer.values.get(t._storage) for t in given if t.aval.dtype is float64):
        source = origin(subject, value)
        new = came_from(subject, source) if source is not None else [_OUTSIDE, _REMEDY] if value is None else []
        error.facts += [line for line in (*new, *_first_use(subject, source)) if line not in error.facts]


def _first_use(subject: Subject, source: Value | None) -> list[str]:
    """The line where a tensor of the outside came in, which is another one than that of the error."""
    users = subject.uses.get(source, []) if source is not None and source.node is None else []
    return [f"it came in here: {users[0].locs[0].show()}"] if users and users[0].locs else []


_OUTSIDE = "float64 comes from a tensor made outside, as numpy's arrays are unless told otherwise"
_REMEDY = "make it float32 where it comes from: x.float(), or dtype=gt.float32"


def _fix(subject: Subject, source: Value) -> str:
    name = subject.names.get(source)
    return f"{name} = {name}.float()" if name else ""
