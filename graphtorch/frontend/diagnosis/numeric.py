"""The numeric contract: what a program computes that is infinite or nan on the numbers it is given, and more that is
hardly meant: float64 in a model of float32, integers that wrap or lose what counts.

Intervals (intervals.py) say which numbers an operand can be. Only what they say is told of: where nothing is known of
one, nothing is said. All but float64 are notes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.domains import DOMAINS
from graphtorch.frontend.diagnosis.float64 import float64_problems
from graphtorch.frontend.diagnosis.handwritten import HANDWRITTEN
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.diagnosis.subject import Subject, names_of_captures
from graphtorch.frontend.diagnosis.whole_numbers import WHOLE_NUMBERS
from graphtorch.ir.graph import Graph, Node, Value
from graphtorch.ir.loc import ScopeOwner

Look = Callable[[Subject, Node], Problem | None]


def _looks(*tables: Mapping[str, Look]) -> dict[str, tuple[Look, ...]]:
    """Op -> what looks at its nodes; the first that finds something has said it."""
    return {name: tuple(t[name] for t in tables if name in t) for table in tables for name in table}


#: of floating-point results, and of others
_OF_FLOATS, _OF_OTHERS = _looks(HANDWRITTEN, DOMAINS), _looks(DOMAINS, WHOLE_NUMBERS)


def numeric_problems(
    graph: Graph,
    ranges: Mapping[Value, tuple[float, float]],
    *,
    callers: Mapping[Node, Hashable] | None = None,
    owners: Mapping[Node, ScopeOwner] | None = None,
    tracked: Collection[Value] = (),
    names: Mapping[Value, str] | None = None,
    name_of: Callable[[Node], str] | None = None,
) -> list[Problem]:
    """What is wrong with the numbers of a traced program, in the order of its nodes; one problem for a call of the
    user's. ``ranges`` are those of inputs; see `Subject` for what may be known beside them."""
    subject = Subject(graph, ranges, callers or {}, owners or {}, tracked, names or {})
    if name_of is not None:
        subject.name_of = name_of
    found: dict[Hashable, Problem] = {}
    for position, node in enumerate(graph.nodes):
        looks = (_OF_FLOATS if node.result.type.dtype.kind == "f" else _OF_OTHERS).get(node.op.name, ())
        if not looks or subject.has_company(position) or subject.caller(node) in found or not subject.is_own(node):
            continue
        problem = next(filter(None, (look(subject, node) for look in looks)), None)
        if problem is not None:
            found[subject.caller(node)] = problem
    return [*found.values(), *float64_problems(subject)]


def problems_of(seen: Observation) -> list[Problem]:
    """The numeric problems of what an abstract run did, as far as it came."""
    tracer = seen.tracer
    gradients = tracer.gradients
    return numeric_problems(
        tracer.graph,
        tracer.ranges,
        callers=tracer.callers,
        owners=tracer.owners,
        tracked=gradients.tracked | set(gradients.leaves),
        names=names_of_captures(tracer),
        name_of=tracer.name_of,
    )
