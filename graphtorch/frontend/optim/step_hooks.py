"""Functions that an optimizer calls before and after each step, and where its state is given or taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.tensors.gradients import RemovableHandle
from graphtorch.ir.errors import ArgumentTypeError

if TYPE_CHECKING:
    from graphtorch.frontend.optim.optimizer import Optimizer

#: (optimizer, positional arguments of step with the optimizer first, keyword arguments)
Hook = Callable[["Optimizer", tuple[Any, ...], dict[str, Any]], Any]
#: (optimizer, state) -> another state, or None
StateHook = Callable[[Any, dict[str, Any]], Any]


class StepHooks:
    """The hooks of an optimizer, by what they are called around, in order. Copies of an optimizer have none."""

    def __init__(self) -> None:
        self._before: dict[int, Hook] = {}
        self._after: dict[int, Hook] = {}
        #: around `state_dict` and `load_state_dict`
        self.state: dict[str, dict[int, Any]] = {"collecting": {}, "collected": {}, "loading": {}, "loaded": {}}

    def __reduce__(self) -> tuple[Any, ...]:
        return StepHooks, ()

    def add(self, hook: Hook, *, before: bool) -> RemovableHandle:
        return _added(self._before if before else self._after, hook, prepend=False)

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


class Hooked:
    """The hooks of an optimizer, as its users register them; ``remove()`` of the handle takes one out again."""

    _hooks: StepHooks

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ``(args, kwargs)`` for it.

        In a compiled step hooks are a part of the program: they are called while it is traced.
        """
        return self._hooks.add(hook, before=True)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step; see `register_step_pre_hook`."""
        return self._hooks.add(hook, before=False)

    def register_state_dict_pre_hook(self, hook: Callable[[Any], None], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before `state_dict` looks at it; ``prepend`` puts it before the others."""
        return _added(self._hooks.state["collecting"], hook, prepend)

    def register_state_dict_post_hook(self, hook: StateHook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` with what `state_dict` is to return; it may return another."""
        return _added(self._hooks.state["collected"], hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: StateHook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` with a copy of what is to be loaded; it may return another."""
        return _added(self._hooks.state["loading"], hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[[Any], None], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` when state is loaded."""
        return _added(self._hooks.state["loaded"], hook, prepend)

    def _through(self, when: str, state: dict[str, Any]) -> dict[str, Any]:
        """The dictionary that hooks make of ``state``."""
        for hook in tuple(self._hooks.state[when].values()):
            changed = hook(self, state)
            state = state if changed is None else changed
        return state

    def _tell(self, when: str) -> None:
        for hook in tuple(self._hooks.state[when].values()):
            hook(self)


def _added(table: dict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    """ArgumentTypeError GT301 for what is no function."""
    if not callable(hook):
        raise ArgumentTypeError("GT301", f"hook must be a function, got {type(hook).__name__}")
    before = list(table) if prepend else []
    handle = RemovableHandle(table, hook)
    for key in before:  # to the end, in order
        table[key] = table.pop(key)
    return handle


def _arguments(changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise ArgumentTypeError(
            "GT301",
            f"a hook of step() returned {type(changed).__name__} {changed!r}",
            ["expected None or a pair of new arguments: (args, kwargs)"],
        )
    return changed
