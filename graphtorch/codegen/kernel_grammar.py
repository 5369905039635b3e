"""What printer, parser and emitters of kernels agree on: operator symbols, names, what is left unsaid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from graphtorch.codegen.kernel_ir import Kernel
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Buffer, Const, Expr, Var, whole

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>",
}  # fmt: skip
_ODD = re.compile(r"[^A-Za-z0-9_]")


class Names:
    """Unique names for variables and buffers, in the order in which they are bound.

    The text of a kernel is hashed for the on-disk cache, so that a name must not depend on object
    identity: a second ``i`` is ``i_1``, wherever it comes from. ``reserved`` are taken from the start;
    ``dots`` lets names keep their dots (C does not).
    """

    def __init__(self, kernel: Kernel, reserved: Iterable[str] = (), dots: bool = True) -> None:
        self.kernel = kernel
        self.dots = dots
        self.taken = set(reserved)
        self.bound: dict[Var | Buffer, str] = {}

    def bind(self, item: Var | Buffer) -> str:
        """A new name for ``item``, which holds from here on."""
        base = ".".join(_ODD.sub("_", part) for part in item.name.split("."))
        base = base or "v"
        if not self.dots:
            base = base.replace(".", "_")
            base = f"v{base}" if base[0].isdigit() else base
        name, count = base, 0
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        self.bound[item] = name
        return name

    def __getitem__(self, item: Var | Buffer) -> str:
        if item not in self.bound:
            what = "variable" if isinstance(item, Var) else "buffer"
            raise IRError("GT821", f"{what} %{item.name} is not bound in kernel @{self.kernel.name}")
        return self.bound[item]


def obvious_extent(extent: Expr) -> int | None:
    """The extent that the variable of a loop has unless its binder says otherwise."""
    return whole(extent.value) if isinstance(extent, Const) else None


def load_lanes(indices: Sequence[Expr], where: Expr | None) -> int:
    """The lanes of a load, which its index and its guard give."""
    return max((e.lanes for e in (*indices, where) if e is not None), default=1)
