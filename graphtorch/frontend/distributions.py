"""Random numbers of given distributions, and in the shape of another tensor: all out of a generator's uniform draws."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.random import Generator, rand, randint, randn, stream_of
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.formats import preserve_format
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops.common import (
    as_int,
    aval_of,
    broadcast_shapes,
    is_handle,
    require_float,
    result_dtype,
    shape_of,
    sizes,
)
from graphtorch.ir.ops.creation import arranged
from graphtorch.ir.types import DType, defaults, float32, float64, int64


@composite("gt")
def rand_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`rand` in the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``."""
    drawn = rand(shape_of(input), generator=generator, dtype=dtype or aval_of(input).dtype, device=device)
    return arranged(drawn, input, memory_format, requires_grad)


@composite("gt")
def randn_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`randn` in the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``."""
    drawn = randn(shape_of(input), generator=generator, dtype=dtype or aval_of(input).dtype, device=device)
    return arranged(drawn, input, memory_format, requires_grad)


@composite("gt")
def randint_like(
    input: Any,
    low: Any,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`randint` in the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``.

    ``randint_like(input, high)`` starts at 0.
    """
    first, last = (0, low) if high is None else (low, high)
    options = {"dtype": dtype or aval_of(input).dtype, "device": device}
    drawn = randint(first, last, shape_of(input), generator=generator, **options)
    return arranged(drawn, input, memory_format, requires_grad)


@composite("gt")
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Normal with this ``mean`` and standard deviation, numbers or tensors that broadcast; of numbers, ``size`` many.

    ArgumentError GT304 for a number ``std`` below 0, and for a ``size`` beside a tensor.
    """
    tensors = [x for x in (mean, std) if is_handle(x)]
    if not is_handle(std):
        check(std >= 0, "GT304", f"std={std} is not allowed", "expected a number >= 0", kind=ArgumentError)
    if not tensors:
        check(size is not None, "GT301", "size is missing", "expected the size of the result", kind=ArgumentTypeError)
        shape, kind = sizes((size,)), dtype or defaults.dtype
    else:
        check(size is None, "GT304", "size beside a tensor", "the tensors' shapes are the result's", kind=ArgumentError)
        for x in tensors:
            require_float(aval_of(x), "mean or std")
        shape, kind = broadcast_shapes(*map(shape_of, tensors)), result_dtype(*tensors)
    mean, std = (x.detach() if is_handle(x) else x for x in (mean, std))  # torch's gradients of them are zeros
    out = randn(shape, generator=generator, dtype=kind, device=device) * std + mean
    return out.requires_grad_() if requires_grad else out


@composite("gt", "Tensor")
def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability that ``input`` holds, else 0, in its dtype; with ``p``, with that one everywhere.

    The generator's next draw, uniform in [0, 1), is below the probability. Not differentiable.
    """
    kind = aval_of(input)
    if p is None:
        require_float(kind, "input")
    else:
        check(0 <= p <= 1, "GT304", f"p={p} is not allowed", "expected 0 <= p <= 1", kind=ArgumentError)
    drawn = stream_of(generator).uniform(kind.shape, float64 if kind.dtype == float64 else float32)
    probability = input.detach() if p is None else p
    return (drawn < probability).to(kind.dtype)


@composite("gt", "Tensor")
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """int64[..., num_samples]: indices drawn by the weights in the rows of ``input``, [n] or [m, n].

    With ``replacement`` each is the first whose cumulative weight is above a uniform draw. Without, they are those of
    the greatest weight / e, e exponential: P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling with a
    reservoir", Inf. Process. Lett. 97 (2006).
    """
    kind, count = aval_of(input), as_int(num_samples, "num_samples")
    require_float(kind, "input")
    check(kind.ndim in (1, 2), "GT107", f"input has {kind.ndim} dimensions", "expected 1 or 2")
    check(count > 0, "GT304", f"num_samples={count} is not allowed", "expected a number > 0", kind=ArgumentError)
    n = kind.shape[-1]
    check(
        n > 0 and (replacement or count <= n),
        "GT304",
        f"num_samples={count} of {n} weights without replacement",
        "expected at most as many samples as weights, or replacement=True",
        kind=ArgumentError,
    )
    weights, stream = input.detach().to(float64), stream_of(generator)
    _check_weights(weights)
    if not replacement:
        waits = (1 - stream.uniform(kind.shape, float64)).log() * -1
        return PUBLIC["gt"]["topk"](weights / waits, count).indices
    sums = weights.cumsum(-1)
    drawn = stream.uniform((*kind.shape[:-1], count), float64) * sums[..., -1:]
    return PUBLIC["gt"]["searchsorted"](sums, drawn, right=True).clamp(max=n - 1).to(int64)


def _check_weights(weights: Tensor) -> None:
    """ArgumentError GT304 for weights that are none, where they are known."""
    if weights._data is None:
        return
    array = weights._data
    good = bool((array >= 0).all()) and bool((array.sum(-1) > 0).all()) and bool((array.sum(-1) < float("inf")).all())
    check(
        good, "GT304", "input holds no weights", "expected finite numbers >= 0 that are not all 0", kind=ArgumentError
    )
