"""Images of other sizes: interpolation, and pixels that become channels or the other way round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops import adaptive, smoothing
from graphtorch.ir.ops.casts import row_major
from graphtorch.ir.ops.common import Shape, as_int, aval_of, broadcast, require_float, shape_of
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.resample import resample

#: mode -> the spatial dimensions of an input
RANKS = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
#: modes that mix neighbours, and the polynomials they do it by
SMOOTH = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
_AREA = {1: adaptive.adaptive_avg_pool1d, 2: adaptive.adaptive_avg_pool2d, 3: adaptive.adaptive_avg_pool3d}


@composite("F")
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """``input`` [n, c, *size] of 1 to 3 spatial dimensions with another ``size``, or ``scale_factor`` times its own.

    ``mode`` is "nearest", "nearest-exact", "area", "linear" (1 dimension), "bilinear", "bicubic" (2), "trilinear" (3).
    With ``align_corners`` the corners' centers stay; else the corners. A given ``scale_factor`` counts for where
    elements are taken, unless ``recompute_scale_factor`` has it computed of the sizes. With ``antialias`` ("bilinear"
    and "bicubic" alone) a new element is a weighted mean of all old ones that it covers, as Pillow resizes images.
    ArgumentError GT304 for arguments that do not fit, DTypeError GT202 for integers unless the mode is a nearest one.
    """
    check(
        mode in RANKS,
        "GT304",
        f"mode={mode!r} is not allowed",
        f"expected one of {', '.join(RANKS)}",
        kind=ArgumentError,
    )
    old, rank = shape_of(input)[2:], len(shape_of(input)) - 2
    check(
        rank in RANKS[mode],
        "GT107",
        f"mode={mode!r} does not take an input of {rank + 2} dimensions",
        f"expected [n, c, *size] of {' or '.join(str(r + 2) for r in RANKS[mode])} dimensions",
    )
    check(
        not antialias or mode in smoothing.MODES,
        "GT304",
        f"antialias=True is not allowed with mode={mode!r}",
        f"expected it with {', '.join(smoothing.MODES)} alone",
        kind=ArgumentError,
    )
    check(
        align_corners is None or mode in SMOOTH,
        "GT304",
        f"align_corners={align_corners} is not allowed with mode={mode!r}",
        f"expected it with {', '.join(SMOOTH)} alone",
        kind=ArgumentError,
    )
    new, factors = _new_size(old, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return _AREA[rank](input, new)
    if mode in SMOOTH:
        require_float(aval_of(input), "what is interpolated")
    out = input
    axes = list(enumerate(zip(old, new, factors, strict=True)))
    for axis, (n, m, factor) in reversed(axes) if antialias else axes:  # in the order of torch's, and Pillow's
        out = _along(out, axis + 2, n, m, factor, mode, bool(align_corners), bool(antialias))
    return row_major(input) if out is input else out


def _along(x: Any, dim: int, n: int, m: int, factor: float | None, mode: str, corners: bool, smooth: bool) -> Any:
    scale = n / m if factor is None else 1.0 / factor
    if corners:
        scale = (n - 1) / (m - 1) if m > 1 else 0.0
    if n == m and (scale == 1 or corners):
        return x
    if smooth:
        return smoothing.smoothed(x, dim, m, scale, mode)
    if mode.startswith("nearest") and m % n == 0 and scale == n / m:
        return _repeated(x, dim, m // n)
    kind = SMOOTH.get(mode, mode) + ("-corners" if corners else "")
    return bind.bind(resample, x, dim=dim, size=m, kind=kind, scale=scale)


def _repeated(x: Any, dim: int, count: int) -> Any:
    """Each element ``count`` times."""
    shape = shape_of(x)
    apart = reshape(x, (*shape[: dim + 1], 1, *shape[dim + 1 :]))
    wide = broadcast(apart, (*shape[: dim + 1], count, *shape[dim + 1 :]))
    return reshape(wide, (*shape[:dim], shape[dim] * count, *shape[dim + 1 :]))


def _new_size(old: Shape, size: Any, scale_factor: Any, recompute: bool) -> tuple[Shape, Sequence[float | None]]:
    """The new sizes, and the factors that count for places."""
    given = [name for name, v in (("size", size), ("scale_factor", scale_factor)) if v is not None]
    expected = "expected one of size and scale_factor"
    check(len(given) == 1, "GT304", f"{' and '.join(given) or 'neither'} was given", expected, kind=ArgumentError)
    values = size if scale_factor is None else scale_factor
    factors: list[float | None]
    each = tuple(values) if isinstance(values, Sequence) else (values,) * len(old)
    if scale_factor is None:
        new, factors = tuple(as_int(m, "size") for m in each), [None] * len(old)
        alone = 'expected recompute_scale_factor=None with "size"'
        check(not recompute, "GT304", "recompute_scale_factor=True is not allowed", alone, kind=ArgumentError)
    else:
        factors = [None if recompute else float(f) for f in each]
        new = tuple(math.floor(n * f) for n, f in zip(old, each, strict=False))
    check(
        len(each) == len(old) and min(new) > 0 and min(old) > 0,
        "GT304",
        f"{given[0]}={values!r} is not allowed for a plane of {list(old)}",
        f"expected a number, or {len(old)} of them, and planes that are not empty",
        kind=ArgumentError,
    )
    return new, factors


@composite("F")
def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """`interpolate`, by its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite("F")
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


@composite("F")
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="bilinear" and align_corners=True."""
    return interpolate(input, size, scale_factor, "bilinear", True)


# ---- pixels and channels --------------------------------------------------------------------------


@composite("gt", "F")
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """[..., c * r^2, h, w] to [..., c, h * r, w * r]: channels become r x r pixels, r = ``upscale_factor``.

    W. Shi et al., "Real-time single image and video super-resolution", CVPR 2016.
    """
    r = _factor(input, upscale_factor, "upscale_factor")
    *lead, c, h, w = shape_of(input)
    check(
        c % (r * r) == 0,
        "GT304",
        f"upscale_factor={r} is not allowed for {c} channels",
        f"expected a multiple of {r * r} channels",
        kind=ArgumentError,
    )
    k = len(lead)
    apart = reshape(input, (*lead, c // (r * r), r, r, h, w))
    moved = row_major(permute(apart, (*range(k), k, k + 3, k + 1, k + 4, k + 2)))
    return reshape(moved, (*lead, c // (r * r), h * r, w * r))


@composite("gt", "F")
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """[..., c, h * r, w * r] to [..., c * r^2, h, w]: the inverse of `pixel_shuffle`, r = ``downscale_factor``."""
    r = _factor(input, downscale_factor, "downscale_factor")
    *lead, c, h, w = shape_of(input)
    check(
        h % r == 0 and w % r == 0,
        "GT304",
        f"downscale_factor={r} is not allowed for a plane of {[h, w]}",
        "expected a divisor of its height and width",
        kind=ArgumentError,
    )
    k = len(lead)
    apart = reshape(input, (*lead, c, h // r, r, w // r, r))
    moved = row_major(permute(apart, (*range(k), k, k + 2, k + 4, k + 1, k + 3)))
    return reshape(moved, (*lead, c * r * r, h // r, w // r))


def _factor(input: Any, factor: Any, name: str) -> int:
    r, ndim = as_int(factor, name), len(shape_of(input))
    check(r > 0, "GT304", f"{name}={factor} is not allowed", f"expected {name} > 0", kind=ArgumentError)
    check(ndim >= 3, "GT107", "input must be [..., c, h, w]", f"expected at least 3 dimensions, got {ndim}")
    return r


@composite("gt", "F")
def channel_shuffle(input: Any, groups: int) -> Any:
    """[n, c, ...] with the channels of ``groups`` groups in turn: channel j of group i becomes j * groups + i.

    X. Zhang et al., "ShuffleNet", CVPR 2018. ArgumentError GT304 where ``groups`` does not divide c.
    """
    shape, g = shape_of(input), as_int(groups, "groups")
    check(len(shape) > 2, "GT107", "input must be [n, c, ...]", f"expected at least 3 dimensions, got {len(shape)}")
    check(
        g > 0 and shape[1] % g == 0,
        "GT304",
        f"groups={groups} is not allowed for {shape[1]} channels",
        f"expected a divisor of {shape[1]}",
        kind=ArgumentError,
    )
    apart = reshape(input, (shape[0], g, shape[1] // g, *shape[2:]))
    return reshape(row_major(permute(apart, (0, 2, 1, *range(3, len(shape) + 1)))), shape)
