"""The error classes, and how they are shown.

An op raises through `check`, with the facts it knows. An error knows by itself on which line of the user it
came to be, and in which module; what leaves an op adds the op and its operands on the way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.ir.loc import Loc, here, state


@dataclass(frozen=True)
class Mend:
    """How the call that failed reads when it is right.

    Each of ``calls`` is one way: pairs of a parameter and its argument, in which ``{input}`` stands for what the user
    wrote for ``input``. ``otherwise`` is said where the user's line cannot be read. ``by_layer``: the layer that gives
    ``input`` has to do with it; ``outputs`` is how many it should have, where that is the mistake.
    """

    calls: tuple[tuple[tuple[str, str], ...], ...] = ()
    otherwise: str = ""
    by_layer: bool = False
    outputs: int = 0


class GraphTorchError(Exception):
    """The base of every graphtorch error. ``str(error)`` is the whole message.

    Attributes: ``code`` ("GT102"), ``message`` (one line), ``facts`` (lines: expected and got),
    ``op`` and ``path`` (which op, in which module), ``loc`` (the user's call), ``created``
    (where the module was constructed), ``operands`` (a line for each), ``trail`` (where their sizes came from, a line
    for each step), ``fix`` ("" when none is known).
    """

    #: whether the line that is running is where the user finds the mistake
    _of_user_code = True

    def __init__(self, code: str, message: str, facts: Sequence[str] = (), fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = list(facts)
        self.fix = fix
        self.op = ""
        self.path = ""
        self.loc: Loc | None = None
        self.created: Loc | None = None
        if self._of_user_code:
            self.loc = here()
            self.path = self.loc.path
            self.created = state.scope.owner._created_at if state.scope else None
        self.operands: list[str] = []
        #: the operands themselves, with their names, for who looks where they came from
        self.tensors: list[tuple[str, Any]] = []
        self.trail: list[str] = []
        #: what becomes ``fix`` when the error leaves the function that the user called
        self.mend: Mend | None = None

    def __str__(self) -> str:
        where = f" in {self.op}" if self.op else ""
        where += f' "{self.path}"' if self.path else ""
        lines = [f"{type(self).__name__} {self.code}{where}: {self.message}"]
        if self.loc is not None and self.loc.line:
            lines.append(f"  {self.loc.show()}")
        if self.created is not None:
            lines.append(f"  {self.created.show()}          <- constructed here")
        return "\n".join([*lines, *self._details()])

    def _details(self) -> list[str]:
        lines = [f"  {line}" for line in (*self.operands, *self.trail, *self.facts)]
        return [*lines, f"  fix: {self.fix}"] if self.fix else lines

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickles and copies: all but the operands themselves, which an error that goes elsewhere leaves here."""
        return _restored, (type(self), self.args, {**vars(self), "tensors": []})

    def as_warning(self) -> str:
        """The text of a Python warning, which shows the user's line itself."""
        return "\n".join([f"{self.message} ({self.code}" + (f" in {self.op})" if self.op else ")"), *self._details()])


def _restored(kind: type[GraphTorchError], args: tuple[Any, ...], state: dict[str, Any]) -> GraphTorchError:
    """The error again, whose ``__init__`` would look for the line that is running."""
    base = OSError if issubclass(kind, OSError) else Exception  # each makes its own layout alone
    error: GraphTorchError = base.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error


class ShapeError(GraphTorchError, ValueError, RuntimeError):
    """Shapes that do not fit (GT1xx)."""


class DTypeError(GraphTorchError, TypeError, RuntimeError, ValueError):
    """Element types that do not fit (GT2xx)."""


class ArgumentError(GraphTorchError, ValueError):
    """An argument outside of what is allowed (GT3xx)."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a wrong Python type (GT3xx)."""

    #: (what was given,) where a tensor is needed: what leaves an op finds out for which parameter
    no_tensor: tuple[object, ...] = ()


class IndexRangeError(GraphTorchError, IndexError):
    """A dimension or an index out of range (GT3xx)."""


class DeviceError(GraphTorchError, RuntimeError):
    """A device that is missing, or tensors on different ones (GT4xx)."""


class OutOfMemoryError(DeviceError):
    """A GPU has no memory left (GT405)."""


class AutogradError(GraphTorchError, RuntimeError):
    """A gradient that cannot be had (GT5xx)."""


class TraceError(GraphTorchError, RuntimeError):
    """User code that cannot become a static graph (GT6xx)."""


class StateError(GraphTorchError, RuntimeError, KeyError, ValueError):
    """A state_dict or a module attribute that does not fit (GT7xx)."""

    __str__ = GraphTorchError.__str__


class MissingAttributeError(StateError, AttributeError):
    """A module attribute that is not there (GT7xx)."""

    __str__ = GraphTorchError.__str__


class ContractError(GraphTorchError, ValueError, RuntimeError):
    """A loss, an optimizer or a training step that cannot do what was meant (GT32x, GT33x, GT34x)."""


class IRError(GraphTorchError):
    """A malformed graph or IR text (GT8xx): a mistake in a pass or in an edited file."""

    _of_user_code = False


class LoadError(GraphTorchError, RuntimeError):
    """A file that is none, is damaged, or asks for what no file may (GT9xx)."""


class MissingFilesError(LoadError, FileNotFoundError):
    """Files of a data set that are not there (GT92x)."""


class SaveError(GraphTorchError, TypeError):
    """A value that a file cannot hold (GT9xx)."""


class HubError(GraphTorchError, RuntimeError):
    """A repository of models that is not trusted, or has not what was asked for (GT9xx)."""


class DownloadError(GraphTorchError, OSError):
    """A file that cannot be downloaded, or is not what was promised (GT9xx)."""


class ContractWarning(UserWarning):
    """A loss, an optimizer or a training step that runs, and hardly does what was meant (GT32x, GT33x)."""


class CacheWarning(UserWarning):
    """The on-disk cache was ignored; the program was compiled instead."""


class DeviceWarning(UserWarning):
    """What runs on the CPU though its tensors are on a GPU (GT407)."""


class RecompileWarning(UserWarning):
    """A function is compiled again and again: for Python values, or more kinds of calls than are kept."""


def check(ok: bool, code: str, message: str, *facts: str, kind: type[GraphTorchError] = ShapeError) -> None:
    """Raise ``kind(code, message, facts)`` unless ``ok``; the caller's context is added on the way out."""
    if not ok:
        raise kind(code, message, facts)


def not_a_tensor(given: object) -> ArgumentTypeError:
    """The error for something that is no tensor, in the place of one."""
    convertible = isinstance(given, list) or type(given).__module__ == "numpy"
    facts = ["convert it first, with gt.tensor or gt.from_numpy"] if convertible else []
    error = ArgumentTypeError("GT301", f"expected a tensor, got {type(given).__name__}", facts)
    error.no_tensor = (given,)
    return error
