"""Contractions: matrix products and 2-d convolution with its two gradients.

Each `lower` is a sum over products of one element of either operand, which is what the contraction
templates of codegen/schedule recognise; nothing about tiles or layouts stands here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphtorch.ir import bind, expr
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.expr import Expr, Reduce, Source, Values
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.arithmetic import add
from graphtorch.ir.ops.common import (
    Shape,
    as_int,
    broadcast,
    broadcast_shapes,
    check_sizes,
    pair,
    require_float,
    shape_of,
)
from graphtorch.ir.ops.movement import pad_op, permute, reshape, transpose
from graphtorch.ir.types import TensorType, dtype_from_name

Array = Any
Pair = tuple[int, int]


def _same_dtype(a: TensorType, b: TensorType) -> None:
    check(
        a.dtype == b.dtype,
        "GT201",
        "operands of one dtype are needed here",
        f"expected {a.dtype!r}, got {b.dtype!r}",
        kind=DTypeError,
    )


class Dot(Op):
    """Matrix product of [..., m, k] and [..., k, n] with equal leading dimensions."""

    name = "dot"

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        _same_dtype(input, other)
        check(
            input.ndim == other.ndim >= 2
            and input.shape[:-2] == other.shape[:-2]
            and input.shape[-1] == other.shape[-2],
            "GT109",
            f"{list(input.shape)} and {list(other.shape)} cannot be multiplied",
            f"expected [..., m, k] and [..., k, n]; k is {input.shape[-1]} and {other.shape[-2]}",
        )
        return input.with_shape((*input.shape[:-1], other.shape[-1]))

    def ref(self, input: Array, other: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.matmul(input, other)

    def vjp(self, g: Any, _y: Any, input: Any, other: Any) -> Any:
        return dot(g, transpose(other, -1, -2)), dot(transpose(input, -1, -2), g)

    def lower(self, input: Source, other: Source) -> Reduce:
        shape = (*input.shape[:-1], other.shape[-1])

        def product(i: Values, k: Values) -> Expr:
            return input[(*i[:-1], k[0])] * other[(*i[:-2], k[0], i[-1])]

        return expr.reduce("add", shape, input.shape[-1:], expr.const(0, input.dtype), product)


dot = register(Dot())


@composite("gt", "Tensor")
def matmul(input: Any, other: Any) -> Any:
    """Matrix product with torch's rules: 1-d operands are vectors, leading dimensions broadcast.

    Raises ShapeError GT109 when the inner sizes differ, DTypeError GT201 when the dtypes do.
    """
    _same_dtype(input.aval, other.aval)
    a, b = shape_of(input), shape_of(other)
    check(bool(a) and bool(b), "GT107", "a 0-d tensor has no matrix product", "expected at least 1 dimension")
    k, k2 = a[-1], b[-2] if len(b) > 1 else b[0]
    check(
        k == k2,
        "GT109",
        f"{list(a)} and {list(b)} cannot be multiplied",
        f"expected the last size of input ({k}) to equal "
        f"{'the second-last' if len(b) > 1 else 'the only'} size of other ({k2})",
    )
    x = reshape(input, (1, k)) if len(a) == 1 else input
    y = reshape(other, (k, 1)) if len(b) == 1 else other
    if len(b) <= 2 and len(shape_of(x)) > 2:
        rows = math.prod(a[:-1])
        out = reshape(dot(reshape(x, (rows, k)), y), (*a[:-1], shape_of(y)[-1]))
    else:
        lead = broadcast_shapes(shape_of(x)[:-2], shape_of(y)[:-2]) if max(len(a), len(b)) > 2 else ()
        out = dot(broadcast(x, (*lead, *shape_of(x)[-2:])), broadcast(y, (*lead, *shape_of(y)[-2:])))
    shape = shape_of(out)
    if len(a) == 1:
        shape = (*shape[:-2], shape[-1])
    if len(b) == 1:
        shape = shape[:-1]
    return out if shape == shape_of(out) else reshape(out, shape)


@composite("gt", "Tensor")
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    for name, x in (("input", input), ("mat2", mat2)):
        check(
            len(shape_of(x)) == 2,
            "GT107",
            f"{name} must be a matrix",
            f"expected 2 dimensions, got {len(shape_of(x))}",
        )
    return matmul(input, mat2)


@composite("F")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``: input [..., in_features], weight [out_features, in_features]."""
    x, w = input.aval, weight.aval
    check(w.ndim == 2, "GT107", "weight must be a matrix", f"expected 2 dimensions, got {w.ndim}")
    check(
        x.ndim >= 1 and x.shape[-1] == w.shape[1],
        "GT109",
        "input features do not match the weight",
        f"expected the last size of input to be in_features={w.shape[1]}, got {list(x.shape)}",
    )
    out = matmul(input, permute(weight, (1, 0)))
    return out if bias is None else add(out, bias)


# ---- convolution ----------------------------------------------------------------------------------


def conv_size(n: int, k: int, stride: int, padding: int, dilation: int) -> int:
    """The length of a convolution's output along one dimension."""
    return (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1


def _windows(x: Array, kernel: Pair, out: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """A view [n, c, kh, kw, oh, ow] of the zero-padded input [n, c, h, w]."""
    (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
    if ph or pw:
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    n, c, h, w = x.strides
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *kernel, *out), (n, c, h * dh, w * dw, h * sh, w * sw), writeable=False
    )


class _Conv(Op):
    """What the three convolutions share: x [n, c, h, w], w [o, c/groups, kh, kw], y [n, o, oh, ow]."""


def _check_4d(a: TensorType, b: TensorType) -> None:
    check(
        a.ndim == 4 and b.ndim == 4,
        "GT107",
        "conv2d needs 4-d operands",
        f"expected [n, c, h, w] and [o, c/groups, kh, kw] or [n, o, oh, ow], got {a} and {b}",
    )


def _check_grad(
    grad: TensorType, x: TensorType, w: TensorType, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """The gradient has the type of the convolution's result."""
    y = conv2d_op.infer(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    check(grad == y, "GT103", "the gradient does not fit its convolution", f"expected {y}, got {grad}")


class Conv2d(_Conv):
    """2-d cross-correlation of NCHW with OIHW."""

    name = "conv2d"

    def infer(
        self, input: TensorType, weight: TensorType, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> TensorType:
        _same_dtype(input, weight)
        require_float(input, "the operands of conv2d")
        _check_4d(input, weight)
        check_sizes((groups, *stride, *dilation), "groups, stride, dilation", 1)
        (n, c, h, w), (o, ci, kh, kw) = input.shape, weight.shape
        check(
            c == ci * groups,
            "GT102",
            "input channels do not match the weight",
            f"expected {ci * groups} input channels (groups={groups}), got {c}",
        )
        check(
            o % groups == 0,
            "GT110",
            f"groups={groups} does not divide {o} output channels",
            "expected out_channels to be a multiple of groups",
        )
        size = []
        for axis, x, k, s, p, d in zip("hw", (h, w), (kh, kw), stride, padding, dilation, strict=True):
            out = conv_size(x, k, s, p, d)
            check(
                out > 0,
                "GT111",
                f"the {'height' if axis == 'h' else 'width'} of the output would be {out}",
                f"({x} + 2*{p} - {d}*({k} - 1) - 1) // {s} + 1 = {out}: the kernel is larger than the padded input",
            )
            size.append(out)
        return input.with_shape((n, o, *size))

    def ref(self, x: Array, w: Array, *, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
        t = self.infer(_type(x), _type(w), stride=stride, padding=padding, dilation=dilation, groups=groups)
        (n, o, oh, ow), (_, ci, kh, kw) = t.shape, w.shape
        cols = _windows(x, (kh, kw), (oh, ow), stride, padding, dilation)
        cols = cols.reshape(n, groups, ci * kh * kw, oh * ow)
        return np.matmul(w.reshape(groups, o // groups, -1), cols).reshape(t.shape)

    def vjp(self, g: Any, _y: Any, input: Any, weight: Any, **conv: Any) -> Any:
        dx = bind.bind(conv2d_input_grad, g, weight, size=shape_of(input)[2:], **conv)
        dw = bind.bind(conv2d_weight_grad, g, input, kernel=shape_of(weight)[2:], **conv)
        return dx, dw

    def lower(self, x: Source, w: Source, *, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Reduce:
        (n, _, h, wd), (o, ci, kh, kw) = x.shape, w.shape
        size = [conv_size(*a) for a in zip((h, wd), (kh, kw), stride, padding, dilation, strict=True)]
        xg, wg = x.view((n, groups, ci, h, wd)), w.view((groups, o // groups, ci, kh, kw))

        def product(i: Values, k: Values) -> Expr:
            b, g, f, oy, ox = i
            y = oy * stride[0] + k[1] * dilation[0] - padding[0]
            z = ox * stride[1] + k[2] * dilation[1] - padding[1]
            inside = (y >= 0) & (y < h) & (z >= 0) & (z < wd)
            return wg[g, f, k[0], k[1], k[2]] * xg.at((b, g, k[0], y, z), inside)

        zero = expr.const(0, x.dtype)
        return expr.reduce("add", (n, groups, o // groups, *size), (ci, kh, kw), zero, product)


class Conv2dInputGrad(_Conv):
    """The gradient of conv2d for its input, of spatial ``size``."""

    name = "conv2d_input_grad"

    def infer(
        self, grad: TensorType, weight: TensorType, *,
        size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    ) -> TensorType:  # fmt: skip
        _same_dtype(grad, weight)
        _check_4d(grad, weight)
        out = grad.with_shape((grad.shape[0], weight.shape[1] * groups, *size))
        _check_grad(grad, out, weight, stride, padding, dilation, groups)
        return out

    def ref(self, g: Array, w: Array, *, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
        (n, o, oh, ow), (_, ci, kh, kw) = g.shape, w.shape
        cols = np.matmul(
            w.reshape(groups, o // groups, -1).transpose(0, 2, 1), g.reshape(n, groups, o // groups, oh * ow)
        ).reshape(n, groups * ci, kh, kw, oh, ow)
        (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
        out = np.zeros((n, groups * ci, size[0] + 2 * ph, size[1] + 2 * pw), g.dtype)
        for a in range(kh):
            for b in range(kw):
                rows = slice(a * dh, a * dh + (oh - 1) * sh + 1, sh)
                columns = slice(b * dw, b * dw + (ow - 1) * sw + 1, sw)
                out[:, :, rows, columns] += cols[:, :, a, b]
        return out[:, :, ph : ph + size[0], pw : pw + size[1]]

    def vjp(self, gg: Any, _y: Any, grad: Any, weight: Any, *, size: Pair, **conv: Any) -> Any:
        dg = bind.bind(conv2d_op, gg, weight, **conv)
        return dg, bind.bind(conv2d_weight_grad, grad, gg, kernel=shape_of(weight)[2:], **conv)

    def lower(
        self, g: Source, w: Source, *, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Reduce:
        (n, o, oh, ow), (_, ci, kh, kw) = g.shape, w.shape
        gg, wg = g.view((n, groups, o // groups, oh, ow)), w.view((groups, o // groups, ci, kh, kw))

        def product(i: Values, k: Values) -> Expr:
            b, grp, c, y, x = i
            ay, ax = y + padding[0] - k[1] * dilation[0], x + padding[1] - k[2] * dilation[1]
            inside = (ay >= 0) & (ax >= 0) & (ay % stride[0]).eq(0) & (ax % stride[1]).eq(0)
            oy, ox = ay // stride[0], ax // stride[1]
            inside = inside & (oy < oh) & (ox < ow)
            return wg[grp, k[0], c, k[1], k[2]] * gg.at((b, grp, k[0], oy, ox), inside)

        zero = expr.const(0, g.dtype)
        return expr.reduce("add", (n, groups, ci, *size), (o // groups, kh, kw), zero, product)


class Conv2dWeightGrad(_Conv):
    """The gradient of conv2d for its weight, of spatial size ``kernel``."""

    name = "conv2d_weight_grad"

    def infer(
        self, grad: TensorType, input: TensorType, *,
        kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int,
    ) -> TensorType:  # fmt: skip
        _same_dtype(grad, input)
        _check_4d(grad, input)
        out = grad.with_shape((grad.shape[1], input.shape[1] // groups, *kernel))
        _check_grad(grad, input, out, stride, padding, dilation, groups)
        return out

    def ref(
        self, g: Array, x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Array:
        (n, o, oh, ow), c = g.shape, x.shape[1]
        cols = _windows(x, kernel, (oh, ow), stride, padding, dilation)
        cols = cols.reshape(n, groups, c // groups * kernel[0] * kernel[1], oh * ow)
        out = np.zeros((groups, o // groups, cols.shape[2]), g.dtype)
        for image in range(n):
            out += np.matmul(g[image].reshape(groups, o // groups, oh * ow), cols[image].transpose(0, 2, 1))
        return out.reshape(o, c // groups, *kernel)

    def vjp(self, gg: Any, _y: Any, grad: Any, input: Any, *, kernel: Pair, **conv: Any) -> Any:
        dg = bind.bind(conv2d_op, input, gg, **conv)
        return dg, bind.bind(conv2d_input_grad, grad, gg, size=shape_of(input)[2:], **conv)

    def lower(
        self, g: Source, x: Source, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Reduce:
        (n, o, oh, ow), (_, c, h, wd) = g.shape, x.shape
        ci = c // groups
        gg, xg = g.view((n, groups, o // groups, oh, ow)), x.view((n, groups, ci, h, wd))

        def product(i: Values, k: Values) -> Expr:
            grp, f, ch, ky, kx = i
            b, oy, ox = k
            y = oy * stride[0] + ky * dilation[0] - padding[0]
            z = ox * stride[1] + kx * dilation[1] - padding[1]
            inside = (y >= 0) & (y < h) & (z >= 0) & (z < wd)
            return gg[b, grp, f, oy, ox] * xg.at((b, grp, ch, y, z), inside)

        zero = expr.const(0, g.dtype)
        return expr.reduce("add", (groups, o // groups, ci, *kernel), (n, oh, ow), zero, product)


def _type(x: Array) -> TensorType:
    return TensorType(x.shape, dtype_from_name(x.dtype.name))


conv2d_op = register(Conv2d())
conv2d_input_grad = register(Conv2dInputGrad())
conv2d_weight_grad = register(Conv2dWeightGrad())


@composite("gt", "F")
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """2-d convolution (cross-correlation, as in torch).

    input [n, c, h, w] or [c, h, w]; weight [o, c/groups, kh, kw]; bias [o]. stride, dilation and
    padding are ints or pairs; padding may be "valid" or "same" (stride 1 only). ShapeError GT102
    when the channels do not match, GT111 when the kernel does not fit.
    """
    dims = len(shape_of(input))
    check(
        dims in (3, 4),
        "GT107",
        "input must be [n, c, h, w] or [c, h, w]",
        f"expected 3 or 4 dimensions, got {dims}",
    )
    check(
        len(shape_of(weight)) == 4,
        "GT107",
        "weight must be [o, c/groups, kh, kw]",
        f"expected 4 dimensions, got {len(shape_of(weight))}",
    )
    stride, dilation, groups = pair(stride, "stride", 1), pair(dilation, "dilation", 1), as_int(groups, "groups")
    check(groups >= 1, "GT304", f"groups={groups} is not allowed", "expected groups >= 1", kind=ArgumentError)
    x = reshape(input, (1, *shape_of(input))) if dims == 3 else input
    x, padding = _resolve_padding(x, shape_of(weight)[2:], stride, padding, dilation)
    out = bind.bind(conv2d_op, x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if bias is not None:
        o = shape_of(weight)[0]
        check(
            shape_of(bias) == (o,),
            "GT103",
            "bias does not match the output channels",
            f"expected [{o}], got {list(shape_of(bias))}",
        )
        out = add(out, reshape(bias, (o, 1, 1)))
    return reshape(out, shape_of(out)[1:]) if dims == 3 else out


def _resolve_padding(x: Any, kernel: Shape, stride: Pair, padding: Any, dilation: Pair) -> tuple[Any, Pair]:
    """Numbers for "same" and "valid"; where "same" is uneven the extra zero comes last, as in torch."""
    if padding == "valid":
        return x, (0, 0)
    if not isinstance(padding, str):
        return x, pair(padding, "padding", 0)
    check(
        padding == "same" and stride == (1, 1),
        "GT304",
        f"padding={padding!r} is not allowed with stride={list(stride)}",
        'expected numbers, "valid", or "same" with stride 1',
        kind=ArgumentError,
    )
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    odd = (total[0] % 2, total[1] % 2)
    if any(odd):
        x = bind.bind(pad_op, x, low=(0,) * 4, high=(0, 0, *odd), interior=(0,) * 4)
    return x, (total[0] // 2, total[1] // 2)
