"""Writing into tensors: copies and fills, indexed assignment, and the in-place form of every op that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphtorch.frontend import autograd
from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.ir.dim import same
from graphtorch.ir.errors import AutogradError, DTypeError, check
from graphtorch.ir.loc import place
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.casts import holdable
from graphtorch.ir.ops.common import fitting, lift, to_dtype
from graphtorch.ir.ops.index_members import gives_view
from graphtorch.ir.types import DType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor

#: ops of which torch has an in-place form; those that graphtorch has get theirs
FORMS = (
    "abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan "
    "arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh cumprod cumsum deg2rad "
    "digamma div divide eq erf erfc erfinv exp exp2 expm1 fill_diagonal fix float_power floor floor_divide fmod "
    "frac gcd ge greater greater_equal gt heaviside hypot i0 igamma igammac index_add index_copy index_fill "
    "index_put index_reduce lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not "
    "logical_or logical_xor logit lt masked_fill masked_scatter mul multiply mvlgamma nan_to_num ne neg negative "
    "nextafter not_equal polygamma pow put rad2deg reciprocal relu remainder renorm round rsqrt scatter "
    "scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square sub subtract tan tanh tril triu "
    "true_divide trunc xlogy "
).split()
#: forms whose result has to be of the tensor's own dtype: float_power computes in float64 to be exact
EXACT = frozenset(["float_power_"])
#: views that change their tensor itself
RESHAPED = "squeeze swapaxes swapdims t transpose unsqueeze".split()
#: Python's operator -> the op; where there is no such op, Python computes `a = a % b` by itself
OPERATORS = {
    "__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div", "__ifloordiv__": "floor_divide",
    "__imod__": "remainder", "__ipow__": "pow", "__iand__": "bitwise_and", "__ior__": "bitwise_or",
    "__ixor__": "bitwise_xor", "__ilshift__": "bitwise_left_shift", "__irshift__": "bitwise_right_shift",
}  # fmt: skip


class InPlace(TensorBase):
    """Methods that write into their tensor."""

    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Write ``src`` (broadcast and converted) into this tensor; ShapeError GT104 where it has no such shape.

        AutogradError GT503 for a leaf that requires grad, or a view of one, while gradients are recorded; GT117 where
        elements share memory.
        """
        return self._assign(src, "src", "copy_")

    def _assign(self, value: Any, parameter: str, name: str) -> Tensor:
        """Write ``value``, which the caller ``name`` knows as ``parameter``."""
        interpreter().check_write(self, name)
        given = value if isinstance(value, TensorBase) else _to_tensor(value, self.dtype, parameter)
        source = to_dtype(given, self.dtype)
        if not same(source.aval.shape, self.aval.shape):
            source = source.broadcast_to(self.aval.shape)
        interpreter().write(self, source, name)
        return self  # type: ignore[return-value]

    def _wrote(self, name: str) -> None:
        """Count a write by ``name``."""
        storage = self._storage
        storage.changed = name, place()
        if self._unseen is None:
            storage.version += 1
        else:
            self._unseen.count += 1
            storage.unseen += 1

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write ``value``, a number or what broadcasts, through a view of the elements at ``index``.

        What gives no view (masks, integer tensors, bools) goes to the function that the registry has for it, which
        gives this tensor with the elements replaced.
        """
        if not gives_view(index):
            given = value if isinstance(value, TensorBase) else _to_tensor(value, self.dtype, "value")
            self._in_place(PUBLIC["Tensor"]["__setitem__"], "__setitem__", (index, to_dtype(given, self.dtype)), {})
            return
        self[index]._assign(_fewer_dimensions(value), "value", "__setitem__")

    def _in_place(self, function: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Tensor:
        """Write ``function(self, ...)``, whose in-place form is called ``name``, into this tensor.

        ShapeError GT101 for a result of another shape, DTypeError GT206 for one of a higher kind (float > int > bool).
        """
        interpreter().check_write(self, name)
        if interpreter().wrote_into(self, function, name, args, kwargs):
            return self  # type: ignore[return-value]
        since = autograd.mark()
        result = function(self, *args, **kwargs)
        check(
            same(result.aval.shape, self.aval.shape),
            "GT101",
            f"{name} cannot change the shape of its tensor",
            f"expected a result of {list(self.shape)}, got {list(result.shape)}",
        )
        check(
            _rank(result.dtype) <= _rank(self.dtype) and (name not in EXACT or result.dtype == self.dtype),
            "GT206",
            f"{name} cannot store {result.dtype!r} in {self.dtype!r}",
            "convert the tensor first, or compute out of place",
            kind=DTypeError,
        )
        interpreter().write(self, to_dtype(result, self.dtype), name, since)
        return self  # type: ignore[return-value]

    def _reshape_in_place(self, function: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Tensor:
        interpreter().check_write(self, name)
        view = function(self, *args, **kwargs)
        if view is not self:
            interpreter().become(self, view, name)
        return self  # type: ignore[return-value]

    def fill_(self, value: Any) -> Tensor:
        """Every element becomes ``value``, a number or a tensor of no dimensions (ShapeError GT107)."""
        ndim = value.ndim if isinstance(value, TensorBase) else 0
        check(ndim == 0, "GT107", "fill_ takes a number", f"expected no dimensions, got {ndim}")
        return self._assign(holdable(value, self.dtype, "value"), "value", "fill_")

    def zero_(self) -> Tensor:
        """Every element becomes 0."""
        return self._assign(0, "value", "zero_")

    def detach_(self) -> Tensor:
        """Forget where this tensor came from. AutogradError GT504 for a view: it shares the history of its base."""
        if interpreter().is_view(self):
            raise AutogradError("GT504", "a view cannot be detached in place", ["use detach(), which makes another"])
        interpreter().detach_in_place(self)
        return self  # type: ignore[return-value]


def _rank(dtype: DType) -> int:
    return {"b": 0, "u": 1, "i": 1, "f": 2}[dtype.kind]


def _fewer_dimensions(value: Any) -> Any:
    """``value`` without leading dimensions of size 1, which an assignment may have too many of."""
    shape = value.aval.shape if isinstance(value, TensorBase) else getattr(value, "shape", ())
    count = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return value.reshape(shape[count:]) if count else value


def _to_tensor(value: Any, dtype: DType, parameter: str) -> Tensor:
    if isinstance(value, bool | int | float):
        return lift(fitting(value, dtype, parameter), dtype)  # type: ignore[no-any-return]
    from graphtorch.frontend.construction import to_tensor  # which makes tensors, and so knows them as a whole

    return to_tensor(value, dtype, parameter)


def install(cls: type[InPlace]) -> None:
    """Give ``cls`` the in-place form of every registered op that torch has one of, and the operators."""
    public = {**PUBLIC["F"], **PUBLIC["gt"], **PUBLIC["Tensor"]}
    for name in FORMS:
        if name in public and name + "_" not in vars(cls):
            setattr(cls, name + "_", _form(public[name], name + "_", "_in_place"))
    for name in RESHAPED:
        if name in public:
            setattr(cls, name + "_", _form(public[name], name + "_", "_reshape_in_place"))
    for dunder, name in OPERATORS.items():
        if name in public:
            setattr(cls, dunder, _operator(name + "_"))


def _form(function: Callable[..., Any], name: str, how: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, how)(function, name, args, kwargs)

    method.__name__, method.__doc__ = name, f"`{name[:-1]}`, written into this tensor."
    return method


def _operator(name: str) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        return getattr(self, name)(other)

    return method
