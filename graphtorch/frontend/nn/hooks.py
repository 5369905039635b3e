"""Hooks of modules: functions of the user that see what goes in and out, and may put something in its place.

All hooks of a module stand in one table, in the order in which they are called, so that a call without hooks looks at
one attribute. A change of the table moves
`graphtorch.frontend.epoch`; to a trace it is a table like `_parameters`, which its programs compare.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from graphtorch.frontend.nn.members import Members, Registry
from graphtorch.frontend.tensors.gradients import RemovableHandle
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, GraphTorchError, TraceError

if TYPE_CHECKING:
    from graphtorch.frontend.nn.module import Module

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Hook(NamedTuple):
    """A function, when it is called ("forward", "forward_pre", "backward", ...), and how."""

    kind: str
    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        named = getattr(self.function, "__qualname__", None) or type(self.function).__name__
        return f"the {self.kind.replace('_', ' ')} hook {named.rsplit('<locals>.', 1)[-1]}"


#: the hooks of all modules, which come before their own
EVERYWHERE: Any = Registry()


class Hooked(Members):
    """A module's hooks. Each ``register_`` method returns a handle, whose ``remove()`` takes the hook out again."""

    #: by the key of a handle; None before Module.__init__()
    _hooks: Any = None

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`; what it returns, unless None, are the arguments instead.

        A single value stands for a tuple of one. With ``with_kwargs`` it is ``hook(module, args, kwargs)``, which
        returns None or ``(args, kwargs)``. ``prepend`` puts it before the others. In a compiled function it is traced.
        """
        return self._add_hook(Hook("forward_pre", hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after `forward`; what it returns, unless None, is the output instead.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. ``always_call`` calls it with None as the
        output where `forward` or another hook raises; what it raises itself is then a warning. ``prepend`` puts it
        before the others. In a compiled function it is traced.
        """
        return self._add_hook(Hook("forward", hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs are known.

        Both are tuples: of an entry for each positional argument and for each tensor of the output, None for what has
        no gradient. What it returns, unless None, are the gradients of the inputs instead. Inputs are copied, so an
        in-place module changes a copy. In a compiled function it is traced, for modules of one such input and output.
        """
        return self._add_hook(Hook("backward", hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`register_full_backward_hook`, which torch has beside an older hook that sees less."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the gradients of the module's inputs are computed.

        What it returns, unless None, are the gradients of the outputs instead.
        """
        return self._add_hook(Hook("backward_pre", hook), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the state of this module is collected."""
        return self._add_hook(Hook("state_dict_pre", hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)``, which may change the dictionary, when the
        state of this module and of all below it has been collected."""
        return self._add_hook(Hook("state_dict", hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before state is loaded. It may change the dictionary, a copy, and add to ``error_msgs``."""
        return self._add_hook(Hook("load_pre", hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` when the state of this module and of all below it is loaded.

        It may clear ``missing_keys`` and ``unexpected_keys``, which are complained of after it."""
        return self._add_hook(Hook("load_post", hook))

    def _add_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        self._require_init("a hook")
        table: dict[int, Any] = vars(self)["_hooks"]
        before = list(table.items())
        handle = add(table, hook, self)
        if prepend:
            for key, _ in before:  # to the end, in order
                table[key] = table.pop(key)
        return handle

    def _hooks_for(self, kind: str) -> list[tuple[int, Hook]]:
        """(key, hook) of this kind, in order."""
        every = (*EVERYWHERE.items(), *(self._hooks or {}).items())
        return [(key, hook) for key, hook in every if hook.kind == kind]


def add(table: dict[int, Any], hook: Hook, owner: Hooked | None = None) -> RemovableHandle:
    """Put a hook at the end of the table of a module, or of all; ArgumentTypeError GT301 for what is no function."""
    if not callable(hook.function):
        raise ArgumentTypeError("GT301", f"hook must be a function, got {type(hook.function).__name__}")
    bind.current().hooking(owner)
    return RemovableHandle(table, hook)


def call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a module that has hooks."""
    done: set[int] = set()
    try:
        return _call(module, args, kwargs, done)
    except Exception:
        for key, hook in module._hooks_for("forward"):
            if hook.always_call and key not in done:
                _despite_failure(module, hook, args, kwargs)
        raise


def _call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], done: set[int]) -> Any:
    for _, hook in module._hooks_for("forward_pre"):
        args, kwargs = _before(module, hook, args, kwargs)
    gate = None
    if module._hooks_for("backward") or module._hooks_for("backward_pre"):
        from graphtorch.frontend.nn.backward_hooks import Gate  # which is made of ops

        gate = Gate(module)
        args = gate.inputs(args)
    interpreter = bind.current()
    forward, given, named = interpreter.calling(module, args, kwargs)
    out = interpreter.returning(forward(*given, **named))
    for key, hook in module._hooks_for("forward"):
        done.add(key)
        changed = run(module, hook, *_seen(hook, args, kwargs), out)
        out = out if changed is None else changed
    return out if gate is None else gate.outputs(out)


def _seen(hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    yield args
    if hook.with_kwargs:
        yield kwargs


def _before(module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    changed = run(module, hook, *_seen(hook, args, kwargs))
    if changed is None:
        return args, kwargs
    if not hook.with_kwargs:
        return changed if isinstance(changed, tuple) else (changed,), kwargs
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise ArgumentTypeError(
            "GT301",
            f"{hook.name} returned {type(changed).__name__} {changed!r}",
            ["expected None or a pair of new arguments: (args, kwargs)"],
        )
    return changed


def _despite_failure(module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        hook.function(module, *_seen(hook, args, kwargs), None)
    except Exception as error:
        warnings.warn(f"{hook.name} raised, after the call had failed: {error}", stacklevel=2)


def run(module: Module, hook: Hook, *args: Any) -> Any:
    """``hook.function(module, *args)``; errors that come of tracing it name it."""
    current = bind.current()
    if not current.tracing:
        return hook.function(module, *args)
    what = f"{hook.name} of {type(module).__name__}"
    current.hooked(what)
    try:
        return hook.function(module, *args)
    except GraphTorchError as error:
        if isinstance(error, TraceError) and not any(what in fact for fact in error.facts):
            error.facts.append(f"in {what}")
        raise
