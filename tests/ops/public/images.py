"""Padding, other sizes, blocks as columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.ops.formulas import resampling
from tests.ops.public.pooling import each
from tests.ops.public.table import Call, call, refuse, row, smooth
from tests.ops.samples import array, special

Array = Any

# ---- padding --------------------------------------------------------------------------------------

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def cropped(x: Array, pairs: list[tuple[int, int]]) -> Array:
    return x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape, strict=True))]


def pad(input: Array, pad: Any, mode: str = "constant", value: Any = None) -> Array:
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    more = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "constant":
        return np.pad(cropped(input, pairs), more, constant_values=value or 0)
    if mode == "circular":
        return np.pad(cropped(input, pairs), more, mode="wrap")
    return cropped(np.pad(input, more, mode=MODES[mode]), pairs)  # type: ignore[call-overload]


X1, X2, X3 = array(2, 3, 7), array(2, 3, 5, 7), array(1, 2, 3, 5, 4)
row(
    "F.pad",
    pad,
    smooth(X2, (1, 2)),
    smooth(X2, (1, 2, 3, 0), value=2.5),
    smooth(X1, [2, -3, -1, 1], "constant", -1.5),
    smooth(X2, (1, 0, 0, 2, 1, 1, 0, 1)),
    *(smooth(x, (1, 2, 2, 1, 0, 2)[: 2 * r], mode=m) for r, x in enumerate((X1, X2, X3), 1) for m in list(MODES)[1:]),
    *(smooth(X2[1], (2, 1, 1, 2), mode=m) for m in list(MODES)[1:]),
    *(smooth(X2, (-1, 3, 2, -2), mode=m) for m in list(MODES)[1:]),
    smooth(X1, (0, 17), mode="replicate"),
    smooth(X1, (7, 7), mode="circular"),
    smooth(X1, (6, 6), mode="reflect"),
    call(special().reshape(2, 5), (1, 1), value=math.inf),
    call(np.arange(5), (1, 2), value=3),
    call(np.arange(5) > 2, (1, 2), value=1),
    call(X1, ()),
    call(X1, (0, 0)),
    call(array(0, 3), (1, 2)),
    call(X1, (-7, 0)),
    refuse("entries", X1, (1,)),
    refuse("entries", array(3), (1, 1, 1, 1)),
    refuse("mode", X1, (1, 1), "mirror"),
    refuse("value", X1, (1, 1), "reflect", 1.0),
    refuse("not allowed for an input", X2, (1, 1), "reflect"),
    refuse("not allowed for an input", array(5), (1, 1), "replicate"),
    refuse("at most 6", X1, (7, 0), "reflect"),
    refuse("at most 7", X1, (8, 0), "circular"),
    refuse("crops more", X1, (-4, -4)),
)

# ---- other sizes ----------------------------------------------------------------------------------


def interpolate(
    input: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None,
    recompute_scale_factor: Any = None, antialias: bool = False,
) -> Array:  # fmt: skip
    rank = input.ndim - 2
    factors = [None] * rank if scale_factor is None else list(each(scale_factor, rank))
    for axis, factor in enumerate(factors):
        n = input.shape[axis + 2]
        m = each(size, rank)[axis] if factor is None else math.floor(n * factor)
        scale = n / m if factor is None or recompute_scale_factor else 1 / factor
        kind = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
        if align_corners:
            kind, scale = kind + "-corners" * (not antialias), (n - 1) / (m - 1) if m > 1 else 0.0
        if antialias:
            kind += "-smooth"
        matrix = resampling(kind, n, m, scale)
        if mode.startswith("nearest"):
            input = np.take(input, matrix.argmax(1), axis + 2)
        else:
            input = np.moveaxis(np.tensordot(matrix, input, (1, axis + 2)), 0, axis + 2)
    return input


SIZES: tuple[dict[str, Any], ...] = (
    {"size": (11, 4)}, {"size": 6}, {"scale_factor": 2}, {"scale_factor": (1.7, 0.6)}, {"size": (5, 14)}, {"size": (5, 7)},
    {"scale_factor": (1.7, 0.6), "recompute_scale_factor": True}, {"size": 1},
)  # fmt: skip
SMOOTH = ("bilinear", "bicubic")
row(
    "F.interpolate",
    interpolate,
    *(smooth(X2, mode=m, **s) for s in SIZES for m in ("nearest", "nearest-exact", "area", *SMOOTH)),
    *(smooth(X2.astype(np.float64), mode=m, align_corners=True, **s) for s in SIZES for m in SMOOTH),
    *(smooth(X2, mode=m, antialias=True, **s) for s in SIZES for m in SMOOTH),
    smooth(X2.astype(np.float64), (3, 11), mode="bilinear", align_corners=True, antialias=True),
    smooth(X1, 11, None, "linear"),
    smooth(X1, 11, None, "linear", True),
    smooth(X1, scale_factor=1.5),
    smooth(X3, scale_factor=1.5, mode="trilinear"),
    smooth(X3, (4, 2, 9), mode="trilinear", align_corners=True),
    smooth(X3, (4, 2, 9), mode="area"),
    smooth(X3, scale_factor=[2, 1, 3]),
    call(X2[:0], 3),
    call(np.array([[[1, np.nan, 3, np.inf]]], np.float32), 8),
    call(np.arange(8, dtype=np.uint8).reshape(1, 2, 4), 8),
    refuse("neither", X2),
    refuse("size and scale_factor", X2, 3, 2),
    refuse("mode", X2, 3, mode="lanczos"),
    refuse("does not take an input", X2, 3, mode="linear"),
    refuse("does not take an input", array(3, 5), 3),
    refuse("align_corners", X2, 3, align_corners=False),
    refuse("antialias", X2, 3, antialias=True),
    refuse("recompute_scale_factor", X2, 3, recompute_scale_factor=True),
    refuse("size", X2, (3, 4, 5)),
    refuse("size", X2, 0),
    refuse("floating point", np.arange(8).reshape(1, 2, 4), 8, mode="linear"),
)
row("F.upsample", interpolate, smooth(X2, scale_factor=2, mode="bilinear"), refuse("neither", X2))
row("F.upsample_nearest", interpolate, smooth(X2, 6), smooth(X1, scale_factor=2), refuse("neither", X2))
row(
    "F.upsample_bilinear",
    lambda x, size=None, scale_factor=None: interpolate(x, size, scale_factor, "bilinear", True),
    smooth(X2, (6, 3)),
    smooth(X2, scale_factor=2),
    refuse("does not take an input", X1, 4),
)


def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    r = upscale_factor
    *lead, c, h, w = x.shape
    out = np.zeros((*lead, c // r**2, h * r, w * r), x.dtype)
    for k, y, z in np.ndindex(*out.shape[-3:]):
        out[..., k, y, z] = x[..., k * r**2 + y % r * r + z % r, y // r, z // r]
    return out


def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    r = downscale_factor
    *lead, c, h, w = x.shape
    out = np.zeros((*lead, c * r**2, h // r, w // r), x.dtype)
    for k, y, z in np.ndindex(*x.shape[-3:]):
        out[..., k * r**2 + y % r * r + z % r, y // r, z // r] = x[..., k, y, z]
    return out


for name in ("F.pixel_shuffle", "gt.pixel_shuffle"):
    row(
        name,
        pixel_shuffle,
        smooth(array(2, 12, 3, 5), 2),
        smooth(array(18, 4, 5), upscale_factor=3),
        call(array(2, 3, 4, 7, 5).astype(np.int32), 2),
        Call((array(0, 4, 3, 5), 2), torch=False),  # whose gradient it refuses
        refuse("at least 3", array(4, 5), 1),
        refuse("multiple of 4", array(1, 7, 2, 3), 2),
        refuse("upscale_factor", array(1, 8, 2, 3), 0),
    )
for name in ("F.pixel_unshuffle", "gt.pixel_unshuffle"):
    row(
        name,
        pixel_unshuffle,
        smooth(array(2, 3, 4, 10), 2),
        smooth(array(2, 3, 9), downscale_factor=3),
        refuse("divisor", array(1, 2, 4, 5), 2),
        refuse("at least 3", array(4, 6), 2),
    )
for name in ("F.channel_shuffle", "gt.channel_shuffle"):
    row(
        name,
        lambda x, groups: x[:, [i // groups + i % groups * (x.shape[1] // groups) for i in range(x.shape[1])]],
        smooth(array(2, 12, 3, 5), 3),
        smooth(array(3, 6, 7), groups=2),
        refuse("divisor", array(2, 5, 3, 4), 2),
        refuse("at least 3", array(2, 4), 2),
    )

# ---- columns --------------------------------------------------------------------------------------


def unfold(x: Array, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (each(v, 2) for v in (kernel_size, dilation, padding, stride))
    wide = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(ph, ph), (pw, pw)])
    h, w = (n - d * (k - 1) for n, d, k in zip(wide.shape[-2:], (dh, dw), (kh, kw), strict=True))
    blocks = [wide[..., y : y + dh * kh : dh, z : z + dw * kw : dw] for y in range(0, h, sh) for z in range(0, w, sw)]
    blocks = [b[..., :kh, :kw].reshape(*x.shape[:-3], x.shape[-3] * kh * kw) for b in blocks]
    return np.stack(blocks, -1)


def fold(x: Array, output_size: Any, *args: Any, **kwargs: Any) -> Array:
    """The adjoint of `unfold`, by way of every unit image."""
    *lead, rows, _ = x.shape
    kernel = each(args[0] if args else kwargs["kernel_size"], 2)
    shape = (rows // math.prod(kernel), *each(output_size, 2))
    units = np.eye(math.prod(shape)).reshape(-1, *shape)
    return np.einsum("urb,...rb->...u", unfold(units, *args, **kwargs), x).reshape(*lead, *shape)


row(
    "F.unfold",
    unfold,
    smooth(X2, 2),
    smooth(X2[1], (3, 2), 1, 1),
    smooth(X2, kernel_size=(2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 3)),
    call(X2[:0], 2),
    refuse("output would be", X2, 6),
    refuse("input must be", array(3, 5), 2),
    refuse("kernel_size", X2, 0),
    refuse("floating point", np.arange(24).reshape(1, 2, 3, 4), 2),
)
row(
    "F.fold",
    fold,
    smooth(array(2, 12, 24), (5, 7), 2),
    smooth(array(18, 16), (4, 5), (3, 2), padding=(1, 0)),
    smooth(array(3, 8, 4), (5, 7), kernel_size=(2, 2), dilation=(2, 1), stride=(2, 4)),
    refuse("do not make up", array(2, 12, 23), (5, 7), 2),
    refuse("do not make up", array(2, 11, 24), (5, 7), 2),
    refuse("input must be", array(12), (5, 7), 2),
)
