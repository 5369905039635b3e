"""The next row, while this one is worked on.

A row of several passes is read from memory in the first, and memory is idle in the others. The processor's own
prefetching does not look beyond a page of 4 KB, which may be a row. So one pass asks for the elements of the row that
follows: the one that takes the longest, since a core waits for no more than some twenty lines at a time, and a short
pass would wait with it. The last row of all asks for what is no row, which does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.codegen.kernel_ir import Prefetch
from graphtorch.ir.dim import example
from graphtorch.ir.expr import Buffer, Expr, Load, Memo, Var, linear, substitute, walk

#: bytes of a line of the cache
LINE = 64
#: smaller arrays may be in the cache already; longer rows would push out the one that is worked on
_LEAST_BYTES, _LONGEST_ROW = 1 << 20, 1 << 17

Read = tuple[Buffer, Expr]


def next_rows(exprs: Sequence[Expr], vars: Sequence[Var], inner: Var) -> list[Read]:
    """What ``exprs`` read of large arrays, densely along ``inner``, one further along the last of ``vars``."""
    if not vars:
        return []
    found: dict[tuple[Buffer, int], Expr] = {}

    def visit(e: Expr) -> None:
        if isinstance(e, Load) and e.where is None and _is_far(e, vars[-1], inner):
            found[e.buffer, id(e.indices[0])] = e.indices[0]

    seen: set[int] = set()
    for e in exprs:
        walk(e, visit, seen)
    memo: Memo = {}
    following = {vars[-1]: vars[-1] + 1}
    return [(buffer, substitute(at, following, memo)) for (buffer, _), at in found.items()]


def prefetches(reads: Sequence[Read], env: dict[Var, Expr], inner: Var, base: Expr, width: int) -> list[Prefetch]:
    """The lines that hold ``width`` elements from ``base`` on along ``inner``."""
    out = []
    for buffer, at in reads:
        for start in range(0, width, LINE // buffer.dtype.itemsize):
            out.append(Prefetch(buffer, (substitute(at, {**env, inner: base + start}),)))
    return out


def _is_far(e: Load, row: Var, inner: Var) -> bool:
    form = linear(e.indices[0])
    bytes = example(inner.size) * e.buffer.dtype.itemsize
    return (
        form is not None
        and form[0].get(inner) == 1
        and row in form[0]
        and example(e.buffer.nbytes) >= _LEAST_BYTES
        and bytes <= _LONGEST_ROW
    )
