"""``out=``: results that are written into tensors which the caller has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.base import interpreter
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, DTypeError, GraphTorchError, check
from graphtorch.ir.op import describe
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import category

#: the functions that take it in torch
FUNCTIONS = frozenset(
    (
        "abs acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any arange argmax "
        "argmin argsort asin asinh atan atan2 atanh baddbmm bernoulli bitwise_and bitwise_left_shift bitwise_not "
        "bitwise_or bitwise_right_shift bitwise_xor bmm bucketize cat ceil clamp clamp_max clamp_min column_stack "
        "copysign cos cosh cummax cummin cumprod cumsum deg2rad diag diff digamma div dot dstack empty empty_like "
        "eq erf erfc erfinv exp exp2 expm1 eye float_power floor floor_divide fmax fmin fmod frac frexp full "
        "gather gcd ge gt heaviside histc hstack hypot index_add index_copy index_fill index_select inner "
        "isneginf isposinf kron kthvalue lcm ldexp le lerp lgamma linspace log log10 log1p log2 log_softmax "
        "logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor logit logspace "
        "logsumexp lt masked_select matmul matrix_norm max maximum mean median min minimum mm mode msort mul "
        "multi_dot multinomial mv mvlgamma nan_to_num nanmean nanmedian ne neg nonzero norm normal ones ones_like "
        "outer polygamma pow prod rad2deg rand_like randn_like reciprocal remainder round rsqrt rsub scatter "
        "scatter_add scatter_reduce searchsorted sigmoid sign signbit sin sinc sinh softmax sort sqrt square "
        "stack std std_mean sub sum take_along_dim tan tanh tensordot topk tril triu trunc var var_mean "
        "vector_norm vstack where xlogy zeros zeros_like "
    ).split()
)
#: of these the numbers come out in the dtype of ``out``, unless another one is asked for
CREATING = frozenset("arange empty eye full linspace logspace ones zeros".split())


def into(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)`` with its results written into ``kwargs["out"]``, a tensor or a tuple of them.

    A target is cast to, and given another size, where it has none that fits. ArgumentTypeError GT301 where the function
    does not take ``out``, or that is no tensor; AutogradError GT508 where gradients would be recorded; DTypeError GT203
    for a dtype of a lower kind than the result's; ShapeError GT103 for a size that does not fit in a program.
    """
    rest = {n: v for n, v in kwargs.items() if n != "out"}
    out = kwargs["out"]
    try:
        check(name in FUNCTIONS, "GT301", f"{name}() does not take out", kind=ArgumentTypeError)
        if out is None:
            return function(*args, **rest)
        targets = out if isinstance(out, tuple | list) else (out,)
        _check_targets(targets, [*args, *rest.values()])
        if name in CREATING:
            rest.setdefault("dtype", targets[0].dtype)
        found = function(*args, **rest)
        results = found if isinstance(found, tuple) else (found,)
        check(
            len(results) == len(targets),
            "GT301",
            f"out has {len(targets)} tensors",
            f"expected {len(results)}",
            kind=ArgumentTypeError,
        )
        for target, result in zip(targets, results, strict=True):
            _write(target, result)
    except GraphTorchError as error:
        describe(error, name, [("out", out)])
        raise
    return out if not isinstance(found, tuple) else _like(found, targets)


def _like(found: tuple[Any, ...], targets: Any) -> Any:
    """``targets`` as a tuple of the kind of ``found``, which may have names."""
    return type(found)(*targets) if hasattr(found, "_fields") else tuple(targets)


def _check_targets(targets: Any, given: list[Any]) -> None:
    for t in targets:
        if not isinstance(t, Tensor):
            raise ArgumentTypeError("GT301", f"out must be a tensor, got {type(t).__name__}")
    if autograd.is_grad_enabled() and any(t.requires_grad for t in (*targets, *_tensors(given))):
        raise AutogradError(
            "GT508",
            "what is written into out has no gradient, and one of the arguments requires gradients",
            ["leave out= away, or do it inside of `with gt.no_grad():`"],
        )


def _tensors(given: Any) -> Iterator[Tensor]:
    for x in given:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, tuple | list):
            yield from _tensors(x)


def _write(target: Tensor, result: Tensor) -> None:
    check(
        category(result.dtype) <= category(target.dtype),
        "GT203",
        f"a result of {result.dtype!r} cannot be written into out of {target.dtype!r}",
        f"expected out of {result.dtype!r}, or of another dtype of its kind",
        kind=DTypeError,
    )
    if target.shape == result.shape:
        target.copy_(result)
        return
    check(
        not interpreter().tracing,
        "GT103",
        f"out of shape {list(target.shape)} does not fit the result",
        f"expected {list(result.shape)}",
    )
    if target.numel():
        warnings.warn(f"out had the shape {list(target.shape)} and gets {list(result.shape)}", stacklevel=5)
    target.data = to_dtype(result, target.dtype).clone()
