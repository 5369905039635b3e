"""What every tensor has: fields, and what its type says. The families of methods build on this class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from graphtorch.frontend.tensors.storage import Storage, Unseen
from graphtorch.ir import bind
from graphtorch.ir.device import CPU, device
from graphtorch.ir.errors import IndexRangeError, TraceError, check
from graphtorch.ir.loc import Scope
from graphtorch.ir.operators import Operators
from graphtorch.ir.ops.common import as_int, normalize_dim
from graphtorch.ir.types import DType, TensorType, dtype_from_name
from graphtorch.runtime.cuda_array import on_gpu

if TYPE_CHECKING:
    from graphtorch.frontend.autograd import GradNode
    from graphtorch.frontend.history import View
    from graphtorch.frontend.tensor import Tensor


class Size(tuple[int, ...]):
    """A shape; prints as torch's does. Parts and sums of shapes are such, too."""

    def __new__(cls, sizes: Iterable[int] = ()) -> Size:
        """ArgumentTypeError GT301 for what is no int."""
        return super().__new__(cls, [n if type(n) is int else as_int(n, "a size") for n in sizes])

    def numel(self) -> int:
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return _new_size(Size, found) if type(found) is tuple else found

    def __add__(self, other: Any) -> Any:
        return Size((*self, *other)) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return Size((*other, *self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: Any) -> Any:
        return _new_size(Size, tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"graphtorch.Size({list(self)})"


_new_size = tuple.__new__  # for what is made of sizes


class TensorBase(Operators):
    """The fields of a tensor. Every one of them is a `Tensor`; methods that ask for one ask for this class, since
    they are part of that one."""

    __array_priority__ = 1000
    _data: np.ndarray[Any, Any] | None
    _storage: Storage
    _requires_grad: bool = False
    _grad: Tensor | None = None
    _grad_fn: GradNode | None = None
    _output_index: int = 0
    _aval: TensorType | None = None
    _origin: tuple[str, Scope | None] | None = None
    #: what a trace knows of the tensor (frontend/trace.py); None in eager mode
    _traced: Any = None
    #: made by `.data` of a tensor that requires grad
    _is_data: bool = False
    #: what it views, if it was made by a view op, how often its own history was changed, and its views that do not
    #: require grad (frontend/history.py)
    _view: View | None = None
    _rebases: int = 0
    _views: list[ref[Tensor]] | None = None
    #: the base that it was before it became a view of that (unsqueeze_)
    _was: Tensor | None = None
    #: the writes through it that its storage does not count: for `.data` and its views
    _unseen: Unseen | None = None
    #: of leaves: what `register_hook` put here; of others: whether `retain_grad` was called
    _hooks: dict[int, Callable[[Tensor], Any]] | None = None
    _retains_grad: bool = False

    if TYPE_CHECKING:  # methods come out of the registry: see install_methods

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, index: Any) -> Tensor: ...

    @property
    def aval(self) -> TensorType:
        """Shape and dtype, as the IR sees them."""
        found = self._aval
        if found is None:
            assert self._data is not None  # traced tensors are made with their type
            found = self._aval = TensorType(self._data.shape, dtype_from_name(self._data.dtype.name))
        return found

    @property
    def _array(self) -> np.ndarray[Any, Any]:
        """The data; TraceError GT601 when there is none because the tensor is being traced."""
        if self._data is None:
            raise no_data("the data of a tensor")
        return self._data

    def _made_by(self) -> str:
        if self._origin is None:
            return ""
        name, scope = self._origin
        name = "indexing" if name == "__getitem__" else name
        path = scope.path if scope else ""
        return f'{name} "{path}"' if path else name

    @property
    def shape(self) -> Size:
        return _new_size(Size, self.aval.shape)

    @property
    def dtype(self) -> DType:
        return self.aval.dtype

    @property
    def device(self) -> device:
        """Where the elements are; in a trace, where the program runs."""
        data = self._data
        if data is None:
            return getattr(self._traced, "device", None) or CPU
        return device("cuda", data.device) if on_gpu(data) else CPU

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def T(self) -> Tensor:
        return self.permute(tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        return self.transpose(-1, -2)  # type: ignore[no-any-return]

    @property
    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def get_device(self) -> int:
        """The number of the GPU; -1 on the CPU, as in torch."""
        return -1 if self.device.index is None else self.device.index

    def dim(self) -> int:
        return self.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """All sizes, or that of dimension ``dim``, which may be negative; IndexRangeError GT302 if there is none."""
        shape = self.aval.shape
        if dim is None:
            return _new_size(Size, shape)
        check(bool(shape), "GT302", f"dim={dim} is out of range for a 0-d tensor", kind=IndexRangeError)
        return shape[normalize_dim(dim, len(shape))]

    def numel(self) -> int:
        return self.aval.numel

    nelement = numel


def interpreter() -> Any:
    """What gives ops their meaning now: eager mode or a trace."""
    return bind.current()


def no_data(what: str) -> TraceError:
    """The error for code that needs a number while only shapes are known."""
    return TraceError(
        "GT601",
        f"{what} needs the numbers of a tensor, but while tracing only its shape and dtype are known",
        [
            "write it with ops, so that it becomes part of the program:",
            "  a condition on data      gt.where(condition, a, b)",
            "  a number from a tensor   keep it a tensor, and return it from the function",
            "  printing or logging      return the tensor and print it outside of gt.compile",
        ],
    )


def user_attributes(t: TensorBase) -> dict[str, Any]:
    """What a user has put on a tensor: `x.scale = 2`."""
    return {name: value for name, value in vars(t).items() if name not in TensorBase.__annotations__}
