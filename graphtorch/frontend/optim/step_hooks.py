"""Functions that an optimizer calls before and after each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.tensors.gradients import RemovableHandle
from graphtorch.ir.errors import ArgumentTypeError

if TYPE_CHECKING:
    from graphtorch.frontend.optim.optimizer import Optimizer

#: (optimizer, positional arguments of step with the optimizer first, keyword arguments)
Hook = Callable[["Optimizer", tuple[Any, ...], dict[str, Any]], Any]


class StepHooks:
    """The hooks of an optimizer, in the order in which they came."""

    def __init__(self) -> None:
        self._before: dict[int, Hook] = {}
        self._after: dict[int, Hook] = {}

    def add(self, hook: Hook, *, before: bool) -> RemovableHandle:
        if not callable(hook):
            raise ArgumentTypeError("GT301", f"hook must be a function, got {type(hook).__name__}")
        return RemovableHandle(self._before if before else self._after, hook)

    def around(self, optimizer: Optimizer, step: Callable[[Any], Any], closure: Any) -> Any:
        """``step(closure)`` between the hooks. What a first hook returns are the arguments from there on."""
        args: tuple[Any, ...] = (optimizer,) if closure is None else (optimizer, closure)
        kwargs: dict[str, Any] = {}
        for hook in tuple(self._before.values()):
            changed = hook(optimizer, args, kwargs)
            if changed is not None:
                args, kwargs = _arguments(changed)
        out = step(args[1] if len(args) > 1 else kwargs.get("closure"))
        for hook in tuple(self._after.values()):
            hook(optimizer, args, kwargs)
        return out

    def all(self) -> list[Hook]:
        return [*self._before.values(), *self._after.values()]


def _arguments(changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise ArgumentTypeError(
            "GT301",
            f"a hook of step() returned {type(changed).__name__} {changed!r}",
            ["expected None or a pair of new arguments: (args, kwargs)"],
        )
    return changed
