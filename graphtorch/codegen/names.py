"""The names of sizes that kernels and programs take, where sizes are not known."""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.codegen.kernel_sizes import symbols_of_code
from graphtorch.codegen.program import Step, Where, launches_of, place_of
from graphtorch.ir.dim import names_of


def names_in(kernel: Kernel) -> tuple[str, ...]:
    """The named sizes that the code of ``kernel`` depends on, in order of the alphabet."""
    return tuple(sorted({s.name for s in symbols_of_code(kernel)}))


def names_of_program(steps: Sequence[Step], where: Where) -> tuple[str, ...]:
    """The sizes that are not known to a program whose values lie ``where`` that says, in order of the alphabet."""
    launches = list(launches_of(steps))
    found = {name for kernel in dict.fromkeys(x.kernel for x in launches) for name in names_in(kernel)}
    for value in dict.fromkeys(v for x in launches for v in x.values):
        _, at, strides, _ = place_of(value, where)
        for size in (at, *(nbytes for _, nbytes in strides)):
            found |= names_of(size)
    return tuple(sorted(found))
