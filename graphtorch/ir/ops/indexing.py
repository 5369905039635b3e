"""`x[...]`: what an index means."""

from __future__ import annotations

from typing import Any

from graphtorch.ir.op import composite
from graphtorch.ir.ops.advanced import places_of
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import shape_of
from graphtorch.ir.ops.index_members import items_of
from graphtorch.ir.ops.slices import part_of


@composite("Tensor", name="__getitem__")
def getitem(input: Any, index: Any) -> Any:
    """As torch's. Integers, slices with a positive step, None and ... give a view.

    Tensors of int64 or int32 (lists and numpy arrays, too) give the elements that they name, negative ones counted from
    the end: they broadcast, and their dimensions stand where theirs were if these are adjacent, else in front. An index
    out of range is an IndexRangeError GT302 in eager mode, and gives nan (0 for dtypes that have none) in a program.
    Tensors of bools or uint8 give the elements where they are true; how many these are is known in eager mode
    alone: a TraceError GT601 elsewhere. True is a new dimension of size 1, and False one of size 0,
    of a copy.
    """
    items = items_of(index)
    if items.are_basic:
        part = part_of(shape_of(input), items.given).read(input)
        return row_major(part) if any(isinstance(i, bool) for i in items.given) else part
    return places_of(input, items).read()
