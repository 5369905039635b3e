"""Backward hooks of modules: gates around a call, through which the gradients of all its inputs or outputs pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphtorch.frontend import autograd
from graphtorch.frontend.custom_functions import Function
from graphtorch.frontend.nn import hooks
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, TraceError
from graphtorch.ir.op import PUBLIC

if TYPE_CHECKING:
    from graphtorch.frontend.nn.module import Module

Grads = tuple[Any, ...]


class Gate:
    """The backward hooks of one call of a module."""

    def __init__(self, module: Module) -> None:
        self._module = module
        for kind in ("backward_pre", "backward"):
            for _, hook in module._hooks_for(kind):
                bind.current().hooked(f"{hook.name} of {type(module).__name__}")
        #: which positional arguments have gradients, and how many there are
        self._at: list[int] = []
        self._count = 0
        self._grad_output: Grads = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those with gradients as copies whose gradients the hooks see."""
        self._count = len(args)
        if not self._module._hooks_for("backward"):
            return args
        self._at = [i for i, a in enumerate(args) if _follows(a)]
        return self._gated(args, self._call)

    def outputs(self, out: Any) -> Any:
        """What the module gave, its tensors as copies whose gradients the hooks see."""
        if not isinstance(out, tuple):
            return self._gated((out,), self._output_gradients)[0]
        through = self._gated(out, self._output_gradients)
        return type(out)(*through) if hasattr(out, "_fields") else through

    def _output_gradients(self, grads: Grads) -> Grads:
        for _, hook in self._module._hooks_for("backward_pre"):
            grads = _changed(hook, hooks.run(self._module, hook, grads), grads)
        self._grad_output = grads
        if not self._at:
            self._call((None,) * self._count)
        return grads

    def _call(self, grad_input: Grads) -> Grads:
        for _, hook in self._module._hooks_for("backward"):
            found = hooks.run(self._module, hook, grad_input, self._grad_output)
            grad_input = _changed(hook, found, grad_input)
        return grad_input

    def _gated(self, values: tuple[Any, ...], seen: Callable[[Grads], Grads]) -> tuple[Any, ...]:
        """``values``, whose tensors with gradients are copies; ``seen`` is applied to all gradients at once, with None
        for what has none."""
        at = [i for i, value in enumerate(values) if _follows(value)]

        def of_tensors(grads: Grads) -> Grads:
            given = dict(zip(at, grads, strict=True))
            every = seen(tuple(given.get(i) for i in range(len(values))))
            return tuple(every[i] for i in at)

        copies = dict(zip(at, self._copies([values[i] for i in at], of_tensors), strict=True)) if at else {}
        return tuple(copies.get(i, value) for i, value in enumerate(values))

    def _copies(self, tensors: Sequence[Tensor], seen: Callable[[Grads], Grads]) -> Sequence[Tensor]:
        if len(tensors) == 1:
            copy = PUBLIC["gt"]["clone"](tensors[0])
            copy.register_hook(lambda g: seen((g,))[0])
            return (copy,)
        if bind.current().tracing:
            every = self._module._hooks_for("backward_pre") + self._module._hooks_for("backward")
            names = ", ".join(hook.name for _, hook in every)
            raise TraceError(
                "GT602",
                f"{names} of {type(self._module).__name__} cannot be traced: {len(tensors)} tensors that go in or "
                "out of it have gradients, and a program computes them one by one",
                ["call the module outside of the compiled function, or give it one tensor"],
            )
        return _Together.apply(seen, *tensors)  # type: ignore[no-any-return]


class _Together(Function):
    """Copies of several tensors, whose gradients pass through a function when the last of them is known."""

    @staticmethod
    def forward(ctx: Any, seen: Callable[[Grads], Grads], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tuple(map(PUBLIC["gt"]["clone"], tensors))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        return (None, *ctx.seen(grads))


def _follows(value: Any) -> bool:
    return isinstance(value, Tensor) and value._requires_grad and autograd.is_grad_enabled()


def _changed(hook: hooks.Hook, found: Any, before: Grads) -> Grads:
    """The gradients after a hook returned ``found``; ArgumentTypeError GT301 unless they are as many as before."""
    if found is None:
        return before
    new = found if isinstance(found, tuple) else (found,)
    if len(new) != len(before):
        raise ArgumentTypeError(
            "GT301", f"{hook.name} returned {len(new)} gradients", [f"expected None, or one for each of {len(before)}"]
        )
    return new
