"""The order of units: merged exactly where no path through a third unit stands between; always topological."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import graphtorch as gt
from graphtorch.ir.passes._units import Units


def reaches(edges: dict[int, set[int]], start: int, goal: int) -> bool:
    """Whether a path of at least one edge leads from start to goal."""
    seen, stack = set[int](), list(edges[start])
    while stack:
        u = stack.pop()
        if u == goal:
            return True
        if u not in seen:
            seen.add(u)
            stack += edges[u]
    return False


@given(st.data())
def test_against_a_search_of_everything(data: st.DataObject) -> None:
    units, edges, alive = Units(), dict[int, set[int]](), list[int]()
    for _ in range(data.draw(st.integers(1, 14))):
        sources = data.draw(st.sets(st.sampled_from(alive), max_size=3)) if alive else set[int]()
        unit = units.add(sources)
        edges[unit] = set()
        for s in sources:
            edges[s].add(unit)
        alive.append(unit)
        if len(alive) < 2 or not data.draw(st.booleans()):
            continue
        a, b = data.draw(st.lists(st.sampled_from(alive), min_size=2, max_size=2, unique=True))
        without = {u: set() if u in (a, b) else vs for u, vs in edges.items()}
        through = any(
            (v not in (a, b) and reaches(without, v, goal)) or False
            for start, goal in ((a, b), (b, a))
            for v in edges[start]
        )
        assert units.may_merge(a, b) is not through
        if not through:
            units.merge(a, b)
            edges[a] = (edges[a] | edges.pop(b)) - {a, b}
            edges = {u: {a if v == b else v for v in vs} - ({a} if u == a else set()) for u, vs in edges.items()}
            alive.remove(b)
        assert all(units.place[u] < units.place[v] for u, vs in edges.items() for v in vs)
        assert len({units.place[u] for u in alive}) == len(alive)


def test_groups_that_depend_on_each_other_are_not_made() -> None:
    """m's group would need c's, by way of h's, and c's would need m's."""

    def f(x: gt.Tensor, w: gt.Tensor, y1: gt.Tensor, y2: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        m = x * 2
        h = (m @ w)[:, :8]
        c = gt.cat([y1, y2], 1)
        return m + c, c + h

    args = gt.randn(4, 8), gt.randn(8, 16), gt.randn(4, 3), gt.randn(4, 5)
    for got, want in zip(gt.compile(f)(*args), f(*args), strict=True):
        gt.testing.assert_close(got, want)
