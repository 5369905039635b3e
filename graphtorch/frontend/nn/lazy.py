"""Lazy layers: the size of the input is taken from the first call, which makes the parameters.

A lazy layer becomes one of the class that it stands for, as in torch, and its parameters stay the same objects. In a
trace that happens beside it, as if the layer had been made before; `gt.check` takes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

from graphtorch.frontend import epoch
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Uninitialized, UninitializedBuffer, UninitializedParameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.ops.common import aval_of
from graphtorch.ir.types import TensorType


class Lazy(Module):
    """The base of lazy layers. ``_becomes`` is the class that it stands for, ``_size`` the attribute that is not known
    yet, 0 until then."""

    _becomes: ClassVar[Callable[..., Any]]
    _size: ClassVar[str]

    def _begin(self, least: int, **arguments: Any) -> None:
        """Be as a layer of ``least`` inputs is, but for the parameters and what is 0."""
        Module.__init__(self)
        with init.skipped():
            like = type(self)._becomes(least, **arguments)
        kept = {k: v for k, v in vars(like).items() if k not in vars(self)}
        vars(self).update(kept, _arguments=arguments)
        setattr(self, self._size, 0)
        for name, p in like._parameters.items():
            self.register_parameter(name, None if p is None else UninitializedParameter(dtype=p.dtype))
        for name, b in like._buffers.items():
            self.register_buffer(name, b if b is None or b.ndim == 0 else UninitializedBuffer(dtype=b.dtype))
        self.register_load_state_dict_pre_hook(_of_state)

    def has_uninitialized_params(self) -> bool:
        """Whether there was no call yet."""
        own = vars(self)
        every = [*own["_parameters"].values(), *own["_buffers"].values()]
        return any(isinstance(t, Uninitialized) for t in every)

    def initialize_parameters(self, input: Any) -> None:
        """Make the parameters for an ``input`` like this one, of which only the type is looked at."""
        self._materialize(self._inputs_of(aval_of(input)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            self.initialize_parameters(args[0] if args else next(iter(kwargs.values())))
        return Module.__call__(self, *args, **kwargs)

    def _inputs_of(self, type_: TensorType) -> int:
        """How many inputs a layer has that takes a tensor of this type."""
        raise NotImplementedError(type(self).__name__)

    def _inputs_in(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """How many inputs a layer has whose state has these shapes."""
        return shapes["weight"][1]

    def _materialize(self, size: int) -> None:
        from graphtorch.frontend import watch  # which is about modules

        current = bind.current()
        with watch.paused(), bind.suspended(), init.skipped() if current.diagnoses else nullcontext():
            undo = self._become(size)
        current.taking_back(undo)

    def _become(self, size: int) -> Callable[[], None]:
        """Be the layer; what takes that back."""
        own, cls = vars(self), type(self)
        held = {name: t for table in ("_parameters", "_buffers") for name, t in own[table].items()}
        dtype = next((t.dtype for t in held.values() if isinstance(t, Uninitialized)), None)
        before = {**own, "_buffers": dict(own["_buffers"])}
        states = [(t, type(t), dict(vars(t))) for t in held.values() if isinstance(t, Uninitialized)]
        made = cls._becomes(size, **{**own["_arguments"], "dtype": dtype})
        place = next((t._place for t in held.values() if isinstance(t, Uninitialized)), None)
        if place is not None:
            made.to(place)
        for name, t in held.items():
            if isinstance(t, Uninitialized):
                t.become(getattr(made, name))
        hook = next(key for key, h in own["_hooks"].items() if h.function is _of_state)
        of_state = own["_hooks"].pop(hook)
        own[cls._size] = getattr(made, cls._size)
        del own["_arguments"]
        self.__class__ = self._becomes  # type: ignore[assignment]
        epoch.bump()

        def undo() -> None:
            own.update({k: before[k] for k in (cls._size, "_arguments")})
            own["_hooks"][hook] = of_state
            for t, kind, fields in states:
                t.__class__ = kind
                vars(t).clear()
                vars(t).update(fields)
            self.__class__ = cls
            epoch.bump()

        return undo


def _of_state(module: Any, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Before state is loaded: a lazy layer takes its size from that, if it says it."""
    names = [*module._parameters, *module._buffers]
    found = {n: state[prefix + n] for n in names if isinstance(state.get(prefix + n), Tensor)}
    shapes = {n: tuple(t.shape) for n, t in found.items() if not isinstance(t, Uninitialized)}
    if any(shapes.values()) and module.has_uninitialized_params():
        module._materialize(module._inputs_in(shapes))
