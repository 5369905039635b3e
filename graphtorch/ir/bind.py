"""`bind(op, ...)`: hand an op to whatever interprets it now: eager, the tracer, or a graph builder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from graphtorch.ir.errors import ContractWarning, GraphTorchError
from graphtorch.ir.loc import warn_user
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.ir.device import device
    from graphtorch.ir.op import Op


class Handle(Protocol):
    """What ops are applied to: a Tensor of the frontend or a Value of a graph."""

    @property
    def aval(self) -> TensorType: ...


class Interpreter:
    """Gives ops their meaning. `bind` type-checks the call and returns a handle for each result."""

    #: whether tensors have no numbers now
    tracing = False
    #: whether whoever runs it explains failures
    diagnoses = False
    #: whether `calling` and `returning` are to be asked; a module does without them otherwise
    hears_modules = False

    def bind(self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__} does not interpret ops")

    def place(self) -> device | None:
        """The device that tensors are made on now; None where nobody says so."""
        return None

    def placing(self, place: device) -> None:
        """A trace is told that its program's tensors are to be on ``place``."""

    def data(self, t: Any, what: str) -> Any:
        """The numbers of a tensor, as a numpy array; a TraceError where it has none says that ``what`` needs them."""
        raise TypeError(f"{type(self).__name__} has no numbers")

    def whole(self, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``function(*args, **kwargs)``, of the public name ``name``, which is made of ops and does nothing else."""
        return function(*args, **kwargs)

    def wrote_into(self, target: Any, function: Any, name: str, args: Any, kwargs: Any) -> bool:
        """Whether ``function(target, ...)`` was computed into ``target`` itself, as by the in-place op ``name``."""
        return False

    def filled(self, value: Any, type_: TensorType) -> Any:
        """A handle of a type, every element of which is the Python number ``value``."""
        from graphtorch.ir.op import OPS  # which imports this module

        (number,) = self.bind(OPS["constant"], (), {"value": value, "dtype": type_.dtype})
        return self.bind(OPS["broadcast_to"], (number,), {"shape": type_.shape})[0] if type_.shape else number

    def fresh(self, value: Any, type_: TensorType) -> Any:
        """`filled`, of memory that nothing else looks at."""
        from graphtorch.ir.op import OPS  # which imports this module

        (number,) = self.bind(OPS["constant"], (), {"value": value, "dtype": type_.dtype})
        attrs = {"row_major": True}
        return self.bind(OPS["clone"], self.bind(OPS["broadcast_to"], (number,), {"shape": type_.shape}), attrs)[0]

    def in_order_of(self, t: Any, other: Any) -> Any:
        """``t``, which is new, with its dimensions in memory in the order of those of ``other``, of the same shape."""
        return t

    def array(self, array: Any) -> Any:
        """A handle for a numpy array that nobody else changes."""
        raise TypeError(f"{type(self).__name__} takes no arrays")

    # What is told to whoever looks at a model before it runs (frontend/diagnosis).

    def calling(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        """``module`` is called: what runs, as a rule its `forward`, and its arguments.

        The module calls it: a frame of ours between two modules would halve the depth to which they nest.
        """
        return module.forward, args, kwargs

    def returning(self, out: Any) -> Any:
        """What the module whose scope it is gives: ``out``."""
        return out

    def hooked(self, what: str) -> None:
        """A hook of a module is about to be called: ``what`` names it."""

    def noted(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        """A function that has a contract (a loss) gave ``result``."""

    def doubted(self, error: GraphTorchError) -> None:
        """A function found that what it is asked runs, and hardly is what was meant: ``error`` says why."""
        warn_user(error.as_warning(), ContractWarning)

    def explain(self, error: Any) -> None:
        """Add to a DTypeError what is known of where its tensors (``error.tensors``) come from."""

    def stepped(self, optimizer: Any) -> None:
        """An optimizer updated its parameters."""

    def cleared(self, owner: Any) -> None:
        """The gradients that an optimizer or a module holds were forgotten."""

    def path_ends(self, t: Any) -> list[str]:
        """Facts for the error that ``t`` has no gradient: where the path from parameters to it ends."""
        return []

    # What modules and optimizers tell whatever runs them. Only a trace listens: its program repeats the
    # assignments, and a failed trace takes everything back.

    def constructing(self, owner: Any) -> None:
        """A module comes to be."""

    def assigning(self, owner: Any, name: str) -> None:
        """The attribute ``name`` of a module is about to be assigned or deleted."""

    def hooking(self, owner: Any) -> None:
        """A hook of a module is about to be registered; None stands for all modules."""

    def taking_back(self, undo: Callable[[], object]) -> None:
        """A module has changed for good, and ``undo`` takes that back: whoever only looks at it does that."""

    def made(self, table: dict[Any, Any], key: Any) -> None:
        """``table[key]`` is about to be made."""

    def located(self, t: Any, fetch: Callable[[Any], Any]) -> None:
        """``t`` is what ``fetch(arguments)`` gives; later there may be another tensor."""

    def switching(self, t: Any) -> None:
        """The requires_grad of ``t`` is about to change."""

    def depends(self, name: str, read: Callable[[], tuple[Any, ...]]) -> None:
        """What is computed is good as long as ``read()`` gives the objects that it gives now."""


class _Stack(threading.local):
    def __init__(self) -> None:
        self.items: list[Interpreter] = []


_stack = _Stack()
_default: Callable[[], Interpreter] | None = None


def set_default(make: Callable[[], Interpreter]) -> None:
    """What interprets ops outside of every trace and builder; the frontend sets eager mode."""
    global _default
    _default = make


def push(interpreter: Interpreter) -> None:
    _stack.items.append(interpreter)


def pop() -> Interpreter:
    return _stack.items.pop()


@contextmanager
def suspended() -> Iterator[None]:
    """Ops in the block run in the default mode, whatever trace or builder this thread is in."""
    before, _stack.items = _stack.items, []
    try:
        yield
    finally:
        _stack.items = before


def is_default() -> bool:
    """Whether this thread is in no trace and no builder."""
    return not _stack.items


def current() -> Interpreter:
    """The innermost interpreter of this thread."""
    if _stack.items:
        return _stack.items[-1]
    if _default is None:
        raise RuntimeError("no interpreter: import graphtorch before binding ops")
    return _default()


def bind(op: Op, *operands: Any, **attrs: Any) -> Any:
    """Apply ``op``; one handle, or a tuple of them for an op of several results."""
    results = current().bind(op, operands, attrs)
    return results[0] if len(results) == 1 else results
