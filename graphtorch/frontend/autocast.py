"""autocast: in a block, products take 16-bit floats, and what needs the range or the precision takes float32.

Which functions those are is torch's choice, by device: what a public function is given is cast before it runs, and
within it nothing is cast. All else runs on the dtypes that it gets, and promotes them. Backward runs on the dtypes of
forward: a cast's gradient is a cast.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from graphtorch.frontend.autocast_mode import Active, mode, suspended
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import op as ops
from graphtorch.ir.device import device
from graphtorch.ir.errors import DTypeError, check
from graphtorch.ir.types import DType, bfloat16, float16, float32
from graphtorch.runtime.threads import fork_safe

F = TypeVar("F", bound=Callable[..., Any])
_LOW = float16, bfloat16
_DEFAULTS = {"cpu": bfloat16, "cuda": float16}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: functions whose operands become 16-bit floats
_LOWER = _names(
    "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d einsum "
    "linear matmul mm multi_dot prelu scaled_dot_product_attention"
)
#: functions whose 16-bit operands become float32
_FLOAT32 = _names(
    "binary_cross_entropy_with_logits cdist cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div "
    "l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss prod "
    "smooth_l1_loss soft_margin_loss triplet_margin_loss"
)
_BY_DEVICE = {
    "cpu": (
        _LOWER | _names("tensordot"),
        _FLOAT32
        | _names(
            "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy ctc_loss grid_sample "
            "max_pool3d trace"
        ),
    ),
    "cuda": (
        _LOWER | _names("addmv addr mv"),
        _FLOAT32
        | _names(
            "acos arccos asin arcsin cosh cosine_similarity cumprod cumsum erfinv exp expm1 group_norm interpolate "
            "layer_norm log log10 log1p log2 log_softmax logsumexp matrix_norm norm pow reciprocal rsqrt sinh softmax "
            "softmin softplus sum tan upsample upsample_bilinear upsample_nearest vector_norm"
        ),
    ),
}
#: functions whose operands become float32 if one of them is
_WIDEST = {
    "cpu": _names("cat concat concatenate index_copy stack"),
    "cuda": _names(
        "addcdiv addcmul atan2 arctan2 bilinear cat concat concatenate cross dot grid_sample index_put scatter_add "
        "stack tensordot"
    ),
}
#: functions that are made of products here, and run on what they get
_AS_GIVEN = {"cpu": _names("addmv addr dot inner mv"), "cuda": _names("")}
#: functions that are told a dtype of their own
_TOLD = _names("cumprod cumsum log_softmax matrix_norm norm prod softmax softmin sum vector_norm")


_lock = fork_safe(threading.Lock())
_users = 0


class autocast:
    """A block, or a decorated function, in which functions of tensors on ``device_type`` choose their dtype as torch's.

    ``device_type``: "cpu" or "cuda". ``dtype``: bfloat16 or float16; None is bfloat16 for the CPU and float16 for CUDA.
    ``enabled=False`` turns autocast off within another block. ``cache_enabled`` is taken for torch's sake: compiled
    programs cast a weight once, eager mode at each use.

    DTypeError GT202 for another dtype, ArgumentError GT401 for another device.

        >>> import graphtorch as gt
        >>> with gt.autocast("cpu"):
        ...     (gt.ones(2, 3) @ gt.ones(3, 2)).dtype
        graphtorch.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device, self._enabled = _device_type(device_type), bool(enabled)
        self.fast_dtype = _DEFAULTS[self.device] if dtype is None else dtype
        check(
            not enabled or self.fast_dtype in _LOW,
            "GT202",
            f"autocast does not compute in {self.fast_dtype!r}",
            "expected graphtorch.bfloat16 or graphtorch.float16",
            kind=DTypeError,
        )
        self._before: list[Active] = []

    def __enter__(self) -> autocast:
        global _users
        before = mode.active
        self._before.append(before)
        others = tuple(x for x in before if x[0] != self.device)
        mode.active = tuple(sorted((*others, (self.device, self.fast_dtype)), key=_first)) if self._enabled else others
        with _lock:
            _users += 1
            ops.casting = _cast
        return self

    def __exit__(self, *_: object) -> None:
        global _users
        mode.active = self._before.pop()
        with _lock:
            _users -= 1
            ops.casting = _cast if _users else None

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.fast_dtype, self._enabled):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on in this thread for tensors on ``device_type``. ArgumentError GT401 for another than
    "cpu" or "cuda"."""
    return _device_type(device_type) in dict(mode.active)


def get_autocast_dtype(device_type: str) -> DType:
    """The 16-bit dtype that autocast takes for tensors on ``device_type``: that of the block, or the default.
    ArgumentError GT401 for another than "cpu" or "cuda"."""
    kind = _device_type(device_type)
    return dict(mode.active).get(kind, _DEFAULTS[kind])


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for this type of device, which may be missing here."""
    return device_type in _DEFAULTS


def _device_type(device_type: str) -> str:
    return device(device_type).type


def _first(pair: tuple[str, DType]) -> str:
    return pair[0]


def _cast(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`op.casting`: the result of the call on operands that are cast; NotImplemented where none is to be."""
    if not mode.active:
        return NotImplemented
    for kind, low in mode.active:
        tensors = [t for t in _floats((*args, *kwargs.values())) if t.device.type == kind]
        if not tensors:
            continue
        told = name in _TOLD and kwargs.get("dtype") is not None
        to = _choice(name, kind, any(t.dtype == float32 for t in tensors))
        if to is None or told:
            return NotImplemented
        to = low if to == "lower" else to
        with suspended():
            return function(*_each(args, kind, to), **{k: _each(v, kind, to) for k, v in kwargs.items()})
    return NotImplemented


def _choice(name: str, device: str, some_float32: bool) -> DType | str | None:
    """What the operands of a public function become: float32, "lower", or "as given"; None for a function that may
    be made of others, which are asked for themselves."""
    lower, float32s = _BY_DEVICE[device]
    if name in lower:
        return "lower"
    if name in float32s or (name in _WIDEST[device] and some_float32):
        return float32
    if name == "binary_cross_entropy" and device == "cuda":
        raise _unsafe()
    return "as given" if name in _AS_GIVEN[device] else None


def _floats(given: Any) -> list[Tensor]:
    """The tensors of floats, those in lists included, but for float64, which stays."""
    found: list[Tensor] = []
    for x in given:
        if isinstance(x, Tensor):
            found += [x] if x.dtype in (*_LOW, float32) else []
        elif isinstance(x, list | tuple):
            found += _floats(x)
    return found


def _each(given: Any, device: str, to: DType | str) -> Any:
    if isinstance(given, list | tuple) and any(isinstance(x, Tensor | list | tuple) for x in given):
        return type(given)([_each(x, device, to) for x in given])
    if isinstance(given, Tensor) and isinstance(to, DType) and _floats([given]) and given.device.type == device:
        return given.to(to)
    return given


def _unsafe() -> DTypeError:
    return DTypeError(
        "GT202",
        "binary_cross_entropy is not safe under autocast: a sigmoid in 16 bits may be 1, and log(1 - 1) is infinite",
        ["its operands were made by functions that run in 16 bits"],
        "use binary_cross_entropy_with_logits on the sigmoid's operand, or gt.autocast(..., enabled=False) around it",
    )
