"""torch's convolutions as functions: of 1, 2 and 3 dimensions, and transposed. The ops are in conv.py."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import ints
from graphtorch.ir.ops.arithmetic import add
from graphtorch.ir.ops.common import Shape, as_int, shape_of
from graphtorch.ir.ops.conv import conv_input_grad, conv_op
from graphtorch.ir.ops.movement import pad_op, reshape

_SIZE = {1: "l", 2: "h, w", 3: "d, h, w"}
_KERNEL = {1: "kl", 2: "kh, kw", 3: "kd, kh, kw"}


@composite("gt", "F")
def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """1-d convolution: input [n, c, l] or [c, l], weight [o, c/groups, kl]; the rest as in `conv2d`."""
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


@composite("gt", "F")
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """2-d convolution (cross-correlation, as in torch).

    input [n, c, h, w] or [c, h, w]; weight [o, c/groups, kh, kw]; bias [o]. stride, dilation and
    padding are ints or pairs; padding may be "valid" or "same" (stride 1 only). ShapeError GT102
    when the channels do not match, GT111 when the kernel does not fit.
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


@composite("gt", "F")
def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """3-d convolution: input [n, c, d, h, w] or [c, d, h, w], weight [o, c/groups, kd, kh, kw]; see `conv2d`."""
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


@composite("gt", "F")
def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Transposed 1-d convolution: input [n, c, l] or [c, l], weight [c, o/groups, kl]; see `conv_transpose2d`."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite("gt", "F")
def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The gradient of a 2-d convolution for its input, as an op of its own.

    input [n, c, h, w] or [c, h, w]; weight [c, o/groups, kh, kw]; bias [o]. A length n becomes
    (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1. ShapeError GT102 when the channels do
    not match, GT111 when nothing is left; ArgumentError GT304 unless output_padding < max(stride, dilation).
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite("gt", "F")
def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Transposed 3-d convolution: weight [c, o/groups, kd, kh, kw]; see `conv_transpose2d`."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _convolution(
    rank: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    _check_shapes(rank, input, weight, f"[o, c/groups, {_KERNEL[rank]}]")
    stride, dilation = ints(stride, "stride", rank, 1), ints(dilation, "dilation", rank, 1)
    groups = _groups(groups)
    x = _batched(rank, input)
    x, padding = _resolve_padding(x, shape_of(weight)[2:], stride, padding, dilation)
    out = bind.bind(conv_op, x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _finish(rank, input, _biased(out, bias))


def _transposed(
    rank: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any,
) -> Any:  # fmt: skip
    _check_shapes(rank, input, weight, f"[c, o/groups, {_KERNEL[rank]}]")
    stride, dilation = ints(stride, "stride", rank, 1), ints(dilation, "dilation", rank, 1)
    padding, extra = ints(padding, "padding", rank, 0), ints(output_padding, "output_padding", rank, 0)
    groups = _groups(groups)
    check(
        all(e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)),
        "GT304",
        f"output_padding={output_padding!r} is not allowed with stride={list(stride)}, dilation={list(dilation)}",
        "expected output_padding < stride or output_padding < dilation",
        kind=ArgumentError,
    )
    x = _batched(rank, input)
    channels = shape_of(x)[1]
    check(
        channels == shape_of(weight)[0] and channels % groups == 0,
        "GT102",
        "input channels do not match the weight",
        f"expected {shape_of(weight)[0]} input channels, a multiple of groups={groups}, got {channels}",
    )
    along = list(zip(shape_of(x)[2:], shape_of(weight)[2:], stride, padding, extra, dilation, strict=True))
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, e, d in along)
    check(
        all(n > 0 for n in size),
        "GT111",
        f"the output would be of size {list(size)}",
        "(n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 must be positive",
    )
    # a stride or more of output_padding is what further elements, all zero, would add
    more = tuple(e // s for e, s in zip(extra, stride, strict=True))
    if any(more):
        x = bind.bind(pad_op, x, low=(0,) * (rank + 2), high=(0, 0, *more), interior=(0,) * (rank + 2))
    conv = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _finish(rank, input, _biased(bind.bind(conv_input_grad, x, weight, size=size, **conv), bias))


def _check_shapes(rank: int, input: Any, weight: Any, weight_is: str) -> None:
    dims = len(shape_of(input))
    check(
        dims in (rank + 1, rank + 2),
        "GT107",
        f"input must be [n, c, {_SIZE[rank]}] or [c, {_SIZE[rank]}]",
        f"expected {rank + 1} or {rank + 2} dimensions, got {dims}",
    )
    check(
        len(shape_of(weight)) == rank + 2,
        "GT107",
        f"weight must be {weight_is}",
        f"expected {rank + 2} dimensions, got {len(shape_of(weight))}",
    )


def _groups(groups: Any) -> int:
    count = as_int(groups, "groups")
    check(count >= 1, "GT304", f"groups={count} is not allowed", "expected groups >= 1", kind=ArgumentError)
    return count


def _batched(rank: int, input: Any) -> Any:
    shape = shape_of(input)
    return reshape(input, (1, *shape)) if len(shape) == rank + 1 else input


def _biased(out: Any, bias: Any) -> Any:
    if bias is None:
        return out
    o, *size = shape_of(out)[1:]
    check(
        shape_of(bias) == (o,),
        "GT103",
        "bias does not match the output channels",
        f"expected [{o}], got {list(shape_of(bias))}",
    )
    return add(out, reshape(bias, (o, *(1 for _ in size))))


def _finish(rank: int, input: Any, out: Any) -> Any:
    return reshape(out, shape_of(out)[1:]) if len(shape_of(input)) == rank + 1 else out


def _resolve_padding(x: Any, kernel: Shape, stride: Shape, padding: Any, dilation: Shape) -> tuple[Any, Shape]:
    """Numbers for "same" and "valid"; where "same" is uneven the extra zero comes last, as in torch."""
    rank = len(kernel)
    if padding == "valid":
        return x, (0,) * rank
    if not isinstance(padding, str):
        return x, ints(padding, "padding", rank, 0)
    check(
        padding == "same" and all(s == 1 for s in stride),
        "GT304",
        f"padding={padding!r} is not allowed with stride={list(stride)}",
        'expected numbers, "valid", or "same" with stride 1',
        kind=ArgumentError,
    )
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    odd = tuple(t % 2 for t in total)
    if any(odd):
        x = bind.bind(pad_op, x, low=(0,) * (rank + 2), high=(0, 0, *odd), interior=(0,) * (rank + 2))
    return x, tuple(t // 2 for t in total)
