"""Which device tensors are made on, and how they get from one to another.

Functions that make tensors (`zeros_like`, a draw inside of `dropout`) make them where their arguments are. With
``device=`` they make them there: on the CPU, as ever, and copied, so that the numbers are the same.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from graphtorch.frontend import autograd
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir import device as devices
from graphtorch.ir import op as ops
from graphtorch.ir.device import CPU, check_device, device
from graphtorch.ir.errors import DeviceError
from graphtorch.runtime.cuda_array import on_gpu

F = TypeVar("F", bound=Callable[..., Any])


class _Place(threading.local):
    """What this thread's work is about: None where nobody says so."""

    here: device | None = None
    #: the device that "cuda" means
    index: int = 0


_place = _Place()
#: what `set_default_device` has set
default: device = CPU


def current_index() -> int:
    """The number of the GPU that "cuda" means in this thread."""
    return _place.index


def set_current_index(index: int) -> None:
    _place.index = index


def set_default(to: device) -> None:
    """Where tensors are made if nothing says where."""
    global default
    default = to


def here() -> device:
    """Where a tensor is to be made now."""
    return _place.here or default


def ready(wanted: device) -> device:
    """A GPU with its number; DeviceError GT402 where it cannot hold tensors."""
    from graphtorch.runtime.cuda import gpu

    index = _place.index if wanted.index is None else wanted.index
    gpu(index)
    ops.placed = beside  # from now on there may be tensors that are not on the CPU
    return device("cuda", index)


devices.ready = ready


@contextmanager
def at(place: device | None) -> Iterator[None]:
    """Tensors of the block are made there; None changes nothing."""
    before = _place.here
    _place.here = place or before
    try:
        yield
    finally:
        _place.here = before


def out_of_a_pickle(array: Any, was: str) -> Any:
    """The numbers of a tensor on the device ``was``, where it was; DeviceError GT402."""
    place = check_device(device(was))
    return array if place is None or place.type == "cpu" else array_on(array, place)


def of(args: Sequence[Any]) -> device | None:
    """The GPU of the first tensor among arguments, or in lists of them, that is on one."""
    for a in args:
        if isinstance(a, Tensor):
            if on_gpu(a._data):
                return device("cuda", a._data.device)
        elif type(a) in (list, tuple):
            found = of(a)
            if found is not None:
                return found
    return None


def beside(perform: Callable[..., Any], function: Any, name: str, args: Any, kwargs: Any) -> Any:
    """A call of a public function: what it makes is made where its arguments are."""
    where = of((*args, *kwargs.values()) if kwargs else args)
    if where is None:
        return perform(function, name, args, kwargs)
    with at(where):
        return perform(function, name, args, kwargs)


def asked(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call with ``device=``: of the function without it, and a copy of what that made if it is elsewhere."""
    where = check_device(kwargs["device"]) or CPU
    rest = {k: v for k, v in kwargs.items() if k not in ("device", "requires_grad")}
    current = bind.current()
    if current.tracing:
        current.placing(where)
    with at(where):
        out = function(*args, **rest)
    if not current.tracing:
        out = [moved(t, where) for t in out] if isinstance(out, list | tuple) else moved(out, where)
    return out.requires_grad_() if kwargs.get("requires_grad") else out


ops.asked = asked


def placing(function: F) -> F:
    """A function of the frontend that has ``device=``, as composites have it."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("device") is not None:
            return asked(function, args, kwargs)
        if default is CPU or _place.here is not None or bind.current().tracing:
            return function(*args, **kwargs)
        return asked(function, args, {**kwargs, "device": default})

    return call  # type: ignore[return-value]


# ---- from one device to another --------------------------------------------------------------------


def moved(t: Tensor, to: device, non_blocking: bool = False) -> Tensor:
    """``t`` on ``to``: itself where it is there. Gradients come back the same way."""
    if t.device == to:
        return t
    out = Tensor._made(array_on(t._array, to, non_blocking), t.aval)
    out._origin = t._origin
    if t._requires_grad and autograd.is_grad_enabled():
        out._requires_grad, out._grad_fn, out._output_index = True, MoveNode(t), 0
    return out


def array_on(array: Any, to: device, non_blocking: bool = False) -> Any:
    """A copy of ``array``, which is elsewhere, on a device."""
    from graphtorch.runtime import cuda_copy

    host = cuda_copy.to_host(array) if on_gpu(array) else array
    if to.type == "cpu":
        return host
    assert to.index is not None  # `check_device` gives it
    if non_blocking:
        from graphtorch.frontend.pinned import holds

        if holds(host) and host.flags.c_contiguous:
            return cuda_copy.from_pinned(host, to.index)
    return cuda_copy.to_device(host, to.index)


def move_in_place(t: Tensor, to: device) -> None:
    """The same tensor object with its numbers, and those of its gradient, on ``to``."""
    if t.device != to:
        t.data = moved(t.data, to)
    if t.grad is not None and t.grad.device != to:
        t.grad.data = moved(t.grad.data, to)


class MoveNode(autograd.GradNode):
    """A copy on another device: the gradient is copied back."""

    def __init__(self, t: Tensor) -> None:
        super().__init__([autograd.edge_of(t)], [t.aval])
        self._back = t.device

    @property
    def name(self) -> str:
        return "to"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        (g,) = grads
        assert g is not None  # its only result
        return (moved(g, self._back),)


def mixed(op: str, operands: Sequence[tuple[str, Tensor]]) -> DeviceError:
    """The error of an op whose tensors are on different devices."""
    facts = [f"{name:<8} {t.aval} on {t.device}" for name, t in operands]
    return DeviceError(
        "GT404",
        f"the tensors of {op} are on different devices",
        facts,
        "move one of them: x.to(y.device). A tensor of one number (x.ndim == 0) may stay on the CPU",
    )


def fresh(array: Any, type_: Any) -> Tensor:
    """A tensor over a numpy array that is new, where tensors are made now."""
    place = here()
    if place.type != "cpu":
        array = array_on(np.ascontiguousarray(array).reshape(array.shape), place)
    return Tensor._made(array, type_)
