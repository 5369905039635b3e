"""The named sizes that kernels and programs depend on, where sizes are not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphtorch.codegen.kernel_ir import Alloc, Kernel, Stmt, exprs_of, walk
from graphtorch.codegen.program import Step, Workspace, launches_of
from graphtorch.ir.dim import is_dynamic, names_of
from graphtorch.ir.expr import Const, Expr
from graphtorch.ir.expr import walk as walk_expr


def names_in(kernel: Kernel) -> tuple[str, ...]:
    """The named sizes that the code of ``kernel`` depends on, in order of the alphabet."""
    found: set[str] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, Const) and is_dynamic(e.value):
            found.update(names_of(e.value))

    seen: set[int] = set()
    for s in walk(kernel.body):
        for e in exprs_of(s):
            walk_expr(e, visit, seen)
        found.update(_names_of_memory(s))
    return tuple(sorted(found))


def _names_of_memory(s: Stmt) -> Iterable[str]:
    return names_of(s.buffer.numel) if isinstance(s, Alloc) else ()


def names_of_program(steps: Sequence[Step]) -> tuple[str, ...]:
    """The sizes that are not known to a program, in order of the alphabet."""
    launches = list(launches_of(steps))
    found = {name for kernel in dict.fromkeys(x.kernel for x in launches) for name in names_in(kernel)}
    for value in (v for x in launches for v in x.values if isinstance(v, Workspace)):
        found |= names_of(value.at)
    return tuple(sorted(found))
