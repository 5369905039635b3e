"""Blocks of images as columns, and images as sums of such blocks."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import pair
from graphtorch.ir.ops.common import Shape, aval_of, require_float, shape_of
from graphtorch.ir.ops.max_pooling import pool_sizes
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.pooling import batched
from graphtorch.ir.ops.windows import fold_op, windows_op


@composite("F")
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The blocks that a convolution of ``kernel_size`` sees in [n, c, h, w]: [n, c * kh * kw, blocks].

    [c, h, w] gives [c * kh * kw, blocks]. ShapeError GT111 when no block fits, DTypeError GT202 for integers.
    """
    require_float(aval_of(input), "the operand of unfold")
    kernel, window = _frame(kernel_size, dilation, padding, stride)
    x = batched(2, input)
    n, c, *size = shape_of(x)
    out = pool_sizes(tuple(size), kernel, ceil_mode=False, **window)
    blocks = permute(bind.bind(windows_op, x, kernel=kernel, out=out, **window), (0, 1, 4, 5, 2, 3))
    lead = (n,) if len(shape_of(input)) == 4 else ()
    return reshape(blocks, (*lead, c * math.prod(kernel), math.prod(out)))


@composite("F")
def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Images [n, c, *output_size] of blocks [n, c * kh * kw, blocks] as `unfold` gives them, added where they meet.

    [c * kh * kw, blocks] gives [c, *output_size]. ShapeError GT103 for other numbers of rows or blocks.
    """
    require_float(aval_of(input), "the operand of fold")
    size = pair(output_size, "output_size", 1)
    kernel, window = _frame(kernel_size, dilation, padding, stride)
    out, shape = pool_sizes(size, kernel, ceil_mode=False, **window), shape_of(input)
    check(len(shape) in (2, 3), "GT107", "input must be [n, rows, blocks] or [rows, blocks]", f"got {list(shape)}")
    rows, blocks = shape[-2:]
    check(
        rows % math.prod(kernel) == 0 and blocks == math.prod(out),
        "GT103",
        f"{rows} rows and {blocks} blocks do not make up {list(size)}",
        f"expected a multiple of {math.prod(kernel)} rows, and {math.prod(out)} blocks",
    )
    lead = shape[:-2]
    apart = reshape(input, (*(lead or (1,)), rows // math.prod(kernel), *kernel, *out))
    image = bind.bind(fold_op, permute(apart, (0, 1, 4, 5, 2, 3)), size=size, **window)
    return reshape(image, (*lead, *shape_of(image)[1:]))


def _frame(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Shape, dict[str, Shape]]:
    kernel = pair(kernel_size, "kernel_size", 1)
    window: dict[str, Shape] = {"stride": pair(stride, "stride", 1), "padding": pair(padding, "padding", 0)}
    return kernel, {**window, "dilation": pair(dilation, "dilation", 1)}
