"""Reverse-mode autograd for eager mode: what a node of the tape is, what it keeps, and where gradients go."""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from graphtorch.frontend.tensors.storage import Storage, Unseen
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.loc import Place, of_place
from graphtorch.ir.op import Op
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class _Mode(threading.local):
    enabled: bool = True


_mode = _Mode()
_sequence = itertools.count()
F = TypeVar("F", bound=Callable[..., Any])


def is_grad_enabled() -> bool:
    """Whether ops record for backward in this thread."""
    return _mode.enabled


class set_grad_enabled:
    """Switch recording on or off: at once, as a context manager, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self._wanted, self._before = bool(mode), _mode.enabled
        if type(self) is set_grad_enabled:
            _mode.enabled = self._wanted

    def __enter__(self) -> None:
        if type(self) is not set_grad_enabled:
            self._before = _mode.enabled
        _mode.enabled = self._wanted

    def __exit__(self, *_: object) -> None:
        _mode.enabled = self._before

    def __call__(self, function: F) -> F:
        wanted = self._wanted

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            before, _mode.enabled = _mode.enabled, wanted
            try:
                return function(*args, **kwargs)
            finally:
                _mode.enabled = before

        return call  # type: ignore[return-value]


class _Decorator(set_grad_enabled):
    """One that decorates also without parentheses: ``no_grad(function)``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)


class no_grad(_Decorator):
    """Nothing in the block (or in the decorated function) is recorded for backward."""

    def __init__(self, function: None = None) -> None:
        super().__init__(False)


class enable_grad(_Decorator):
    """Recording in the block (or in the decorated function), also inside of `no_grad`."""

    def __init__(self, function: None = None) -> None:
        super().__init__(True)


class Hooks:
    """What `register_hook` was given of a tensor; equal where these are the same objects."""

    def __init__(self, t: Tensor) -> None:
        node = t._grad_fn
        found = t._hooks if node is None else node.hooks and node.hooks.get(t._output_index)
        self.given = dict(found or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hooks) and hash(self) == hash(other)  # which holds them, so that no id comes again

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.given.values())))

    def __bool__(self) -> bool:
        return bool(self.given)


#: what a gradient flows into: result number ``index`` of a node, a leaf, or nothing
Edge: TypeAlias = "tuple[GradNode, int] | Tensor | None"


class Shaped:
    """Stands for an operand whose data `vjp` does not read, so that the tape need not keep it."""

    __slots__ = ("aval",)

    def __init__(self, aval: TensorType) -> None:
        self.aval = aval


class Saved(NamedTuple):
    """The data of a tensor, kept for backward without its history, and the version that its storage had then."""

    data: Any
    storage: Storage
    aval: TensorType
    unseen: Unseen | None
    version: int

    def is_stale(self) -> bool:
        """Whether the data was written since."""
        return self.storage.version + (self.unseen.count if self.unseen is not None else 0) != self.version


def saved(t: Tensor) -> Saved:
    """What the tape keeps of ``t``."""
    return Saved(t._data, t._storage, t.aval, t._unseen, version_of(t))


class GradNode:
    """Where a result came from. ``edges`` hold, for each operand, what its gradient flows into:
    another node's result (node, index), a leaf tensor, or None."""

    def __init__(self, edges: Sequence[Edge], avals: Sequence[TensorType]) -> None:
        self.edges = tuple(edges)
        self.avals = tuple(avals)
        self.order = next(_sequence)

    #: the line of the user's that it comes from, where that is known
    place: Place | None = None
    #: by the number of a result: what `register_hook` put there, and the tensor that retains its gradient
    hooks: dict[int, dict[int, Callable[[Tensor], Any]]] | None = None
    retained: dict[int, weakref.ref[Tensor]] | None = None

    @property
    def name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradient of each operand from that of each result (None: zero)."""
        raise NotImplementedError(type(self).__name__)

    def release(self) -> None:
        """Forget what was saved; another backward is an error."""


def restored(kept: Saved | None, aval: TensorType, edge: Edge) -> Any:
    """What was kept, with the history that it had where gradients are to have gradients themselves."""
    if kept is None:
        return Shaped(aval)
    recording = edge is not None and is_grad_enabled()
    if recording and not isinstance(edge, tuple):
        return edge
    from graphtorch.frontend.tensor import Tensor

    t = Tensor._from_array(kept.data, kept.storage)
    t._aval, t._unseen = kept.aval, kept.unseen
    if recording:
        node, index = edge  # type: ignore[misc]
        t._requires_grad, t._grad_fn, t._output_index = True, node, index  # type: ignore[assignment]
    return t


def array_of(g: Tensor | None, type_: TensorType) -> Any:
    """The numbers of a gradient; zeros where there is none."""
    return np.zeros(type_.shape, type_.dtype.np) if g is None else g._array


def data_of(kept: Saved | None) -> Any:
    """The data of what is known to be kept."""
    assert kept is not None  # it is read
    return kept.data


def as_gradient(array: Any, type_: TensorType, grads: Sequence[Tensor | None]) -> Tensor:
    """A tensor over a gradient that was computed from ``grads``; the one among them that it is."""
    from graphtorch.frontend.tensor import Tensor

    for g in grads:
        if g is not None and g._data is array:
            return g
    return Tensor._made(array, type_)


def changed(node: GradNode, kept: Saved | None) -> AutogradError:
    """The error for a saved tensor that was written since."""
    writer, at = kept.storage.changed if kept is not None else ("", None)
    facts = [f"saved by {node.name} at {of_place(node.place).show()}"] if node.place else []
    facts += [f"changed by {writer} at {of_place(at).show()}"] if at else []
    return AutogradError(
        "GT502",
        f"a tensor saved for the backward of {node.name} was changed in place since",
        [*facts, "clone it before the in-place operation, or do that operation after backward()"],
    )


def saves(op: Op) -> bool:
    """Whether backward through ``op`` needs tensors, which it then frees."""
    result, operands = op.saved_for_backward
    return result or any(operands)


def freed(name: str) -> AutogradError:
    """The error of a second backward."""
    return AutogradError(
        "GT501",
        f"the saved tensors of {name} were freed by an earlier backward",
        ["pass retain_graph=True to the first backward to run it again"],
    )


def edge_of(t: Tensor) -> Edge:
    """What the gradient of ``t`` flows into."""
    if t._view is not None:
        t._view.refresh(t)
    if t._grad_fn is not None:
        return t._grad_fn, t._output_index
    return t if t._requires_grad else None


def version_of(t: Tensor) -> int:
    """How often the memory of ``t`` was written, as far as autograd is told: not through `.data` of it."""
    return t._storage.version + (t._unseen.count if t._unseen is not None else 0)


def mark() -> int:
    """A point in time, for `made_since`."""
    return next(_sequence)
