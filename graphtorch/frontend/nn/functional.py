"""torch.nn.functional's names: every op whose surface says "F", and what needs the frontend's generator."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.nn.ctc import ctc_loss as ctc_loss
from graphtorch.frontend.random import default_generator
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import warn_user
from graphtorch.ir.op import PUBLIC, composite
from graphtorch.ir.ops import attention, attention_scores
from graphtorch.ir.ops.arguments import placed, spared
from graphtorch.ir.ops.common import aval_of, require_float
from graphtorch.ir.types import DType, float32, float64


@composite(noted=True)
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by 1 / (1 - p), when ``training``.

    An element stays where the default generator's next draw, uniform in [0, 1), is at least ``p``: eager and
    compiled mode drop the same ones. ArgumentError GT304 for p outside of [0, 1], DTypeError GT202 for
    an input that is not floating point.
    """
    number(p, "p", 0, 1)
    type_ = aval_of(input)
    if not training or p == 0:
        return input
    require_float(type_, "the operand of dropout")
    kept = default_generator.uniform(type_.shape, float32) >= p
    scale = 1 / (1 - p) if p < 1 else 0.0  # with p=1 nothing is kept
    out = input * scale * kept.to(type_.dtype)  # products, so that nan stays nan
    return input.copy_(out) if flag(inplace, "inplace") else out


@composite()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element; nan stays nan. ``inplace`` writes the result into ``input``."""
    out = PUBLIC["gt"]["relu"](input)
    return input.copy_(out) if flag(inplace, "inplace") else out


@composite()
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x above 0, a multiple of x elsewhere: by a draw from [lower, upper) when ``training``, else by their mean.

    B. Xu et al., arXiv:1505.00853 (2015). Numbers are the default generator's next draw, one for each element, the same
    eager and compiled. ArgumentError GT304 for lower > upper, DTypeError GT202 for integers.
    """
    number(upper, "upper", number(lower, "lower"))
    if not flag(training, "training"):
        out: Tensor = PUBLIC["F"]["leaky_relu"](input, (lower + upper) / 2)
        return input.copy_(out) if flag(inplace, "inplace") else out
    type_ = aval_of(input)
    require_float(type_, "the operand of rrelu")
    slope = default_generator.uniform(type_.shape, type_.dtype) * (upper - lower) + lower
    out = PUBLIC["gt"]["where"](input <= 0, input * slope, input)
    return input.copy_(out) if flag(inplace, "inplace") else out


@composite()
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value, of shape [..., L, Ev].

    ``query`` is [..., L, E], ``key`` [..., S, E], ``value`` [..., S, Ev]; leading dimensions broadcast. ``attn_mask``
    broadcasts to [..., L, S]: bools say which keys a query sees, other numbers are added to its scores. With
    ``is_causal`` query i sees keys 0 .. i. ``scale`` is 1 / sqrt(E) unless given. With ``enable_gqa`` there may be
    fewer heads (dimension -3) of ``key`` and ``value`` than of ``query``, each for as many neighbours.
    A query that sees no key has zeros.

    Without dropout a compiled program holds no [L, S] matrix, forward or backward: scores are computed block by block
    (T. Dao, "FlashAttention-2", arXiv:2307.08691 (2023)). Dropout zeroes weights after the softmax; ``dropout_p`` is
    taken as it is, in training or not, as in torch. ShapeError GT101, GT103, GT104 or GT107 for shapes that do not fit,
    ArgumentError GT304 for a mask together with ``is_causal``, or ``dropout_p`` outside of [0, 1].
    """
    number(dropout_p, "dropout_p", 0, 1)
    (q, k, v, *bias), attrs = attention.operands(query, key, value, attn_mask, is_causal, scale, enable_gqa)
    if not dropout_p:
        out: Tensor = attention.attention(q, k, v, *bias, **attrs)
    else:
        out = dropout(attention_scores.weights(q, k, tuple(bias), **attrs), dropout_p) @ v
    return out


@composite()
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x) of each element. ``inplace`` writes the result into ``input``."""
    return placed(input, PUBLIC["F"]["silu"](spared(input, inplace)), inplace)  # type: ignore[no-any-return]


def chosen_dim(dim: int | None, input: Tensor, name: str) -> int:
    """``dim``; for None torch's old choice by the number of dimensions, with a UserWarning that names ``name``."""
    if dim is not None:
        return dim
    warn_user(f"the dim of {name} was not given: pass dim=", UserWarning)
    return 0 if aval_of(input).ndim in (0, 1, 3) else 1


def _formula(name: str) -> Any:
    """What a function of an op's file computes, as a part of the call of another: errors are of that one."""
    function: Any = PUBLIC["F"][name]
    return function.__wrapped__


@composite(whole=True)
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """exp(input) over its sum along ``dim``, without overflow. Give ``dim``: None is a guess, and a warning."""
    out: Tensor = _formula("softmax")(input, chosen_dim(dim, input, "softmax"), dtype=dtype)
    return out


@composite(whole=True)
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """log(softmax(input, dim)), without overflow. Give ``dim``: None is a guess, and a warning."""
    out: Tensor = _formula("log_softmax")(input, chosen_dim(dim, input, "log_softmax"), dtype=dtype)
    return out


@composite(whole=True)
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """softmax(-input, dim). Give ``dim``: None is a guess, and a warning."""
    out: Tensor = _formula("softmin")(input, chosen_dim(dim, input, "softmin"), dtype=dtype)
    return out


@composite()
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((logits + noise) / tau) along ``dim``, the noise -log(e) with e exponential: a draw of a class, that has
    gradients (E. Jang et al., arXiv:1611.01144 (2016)).

    ``hard``: it is the class alone, one-hot, with the gradient of the other. Numbers are the default generator's next
    draw. ``eps`` does nothing. DTypeError GT202 for logits that are not floating point.
    """
    type_ = aval_of(logits)
    require_float(type_, "logits")
    drawn = default_generator.uniform(type_.shape, float64 if type_.dtype == float64 else float32)
    waits = (-(1 - drawn).log()).clamp(min=_SHORTEST)  # of which the logarithm is finite
    soft: Tensor = ((logits - waits.log().to(type_.dtype)) / tau).softmax(dim)
    if not flag(hard, "hard"):
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = PUBLIC["gt"]["zeros_like"](soft).scatter(dim, index, 1.0)
    return one_hot - soft.detach() + soft  # type: ignore[no-any-return]


#: the least float32 that is not subnormal
_SHORTEST = 2.0**-126
#: functions that torch has under a name with "_", too: they write into their input
_IN_PLACE = ("celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold")


def _writing(name: str) -> Any:
    """The form of a function that writes into its input."""
    function = globals().get(name) or PUBLIC["F"][name]

    def write(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, **kwargs, inplace=True)

    write.__name__ = write.__qualname__ = f"{name}_"
    write.__doc__ = f"`{name}` of each element, written into ``input``."
    return write


globals().update({f"{name}_": _writing(name) for name in _IN_PLACE})


def __getattr__(name: str) -> Any:
    if name not in PUBLIC["F"]:
        raise AttributeError(f"module 'graphtorch.nn.functional' has no attribute {name!r}")
    globals()[name] = PUBLIC["F"][name]
    return globals()[name]


#: what is defined here, and not by an op
_OWN = (
    "ctc_loss", "dropout", "gumbel_softmax", "log_softmax", "relu", "rrelu", "scaled_dot_product_attention", "silu",
    "softmax", "softmin", *(f"{name}_" for name in _IN_PLACE),
)  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*PUBLIC["F"], *_OWN})
