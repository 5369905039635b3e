"""`gt.autograd.Function`: functions with a backward of their own, and their place on the tape."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.history import check_writable, enter
from graphtorch.frontend.tensor import Tensor, zeros_of
from graphtorch.frontend.tensors.base import interpreter
from graphtorch.ir.errors import AutogradError, TraceError, check
from graphtorch.ir.ops.common import to_dtype
from graphtorch.ir.types import TensorType


class Context:
    """What `Function.forward` leaves for `Function.backward`; users put attributes on it, too."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        #: for each argument of apply, whether its gradient is wanted
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._versions: tuple[int, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs; a change in place before backward is an error."""
        self._saved = tensors
        self._versions = tuple(0 if t is None else autograd.version_of(t) for t in tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved; AutogradError GT502 for what was written since, GT501 after a backward that freed it."""
        if self._saved is _FREED:
            raise autograd.freed("a Function")
        for t, version in zip(self._saved, self._versions, strict=True):
            if t is not None and autograd.version_of(t) != version:
                raise AutogradError("GT502", "a tensor saved for the backward of a Function was changed in place since")
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These outputs require no gradients."""
        self._constant = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These inputs were changed in place; each has to be an output, and is the same tensor there.

        In a compiled function it is refused: TraceError GT602.
        """
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True, the default) or None for outputs that got no gradient."""
        self._materialize = value


_FREED: tuple[Any, ...] = (object(),)


class Function:
    """A function with a backward of its own: static methods ``forward(ctx, *args)``, which runs unrecorded, and
    ``backward(ctx, *gradients)``, which gives a gradient, or None, for each argument. Call it by ``apply(*args)``.

    Where there is a static method ``setup_context(ctx, inputs, output)`` it is ``forward(*args)`` instead, and what
    backward needs is put into ``ctx`` by that method, which gets the tuple of arguments, and what forward gave.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a Function needs a static method forward(ctx, ...)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raise NotImplementedError("a Function with forward(*args) needs a static method setup_context(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError("a Function needs a static method backward(ctx, ...)")

    @classmethod
    def gradients(cls, ctx: Context, grads: Sequence[Any], count: int) -> tuple[Any, ...]:
        """What ``backward`` gives; AutogradError GT508 unless it is one for each of ``count`` arguments."""
        found = cls.backward(ctx, *grads)
        each = found if isinstance(found, tuple) else (found,)
        if len(each) != count:
            raise AutogradError(
                "GT508",
                f"backward of {cls.__name__} gave {len(each)} gradients",
                [f"expected one, or None, for each of the {count} arguments"],
            )
        return each

    @classmethod
    def _fitted(cls, number: int, g: Any, of: TensorType) -> Tensor:
        """What ``backward`` gave for argument ``number``, as a gradient of a tensor of that type: in its dtype, and
        summed over what broadcasting repeats. AutogradError GT508 for no tensor, ShapeError GT103 for another shape."""
        if not isinstance(g, Tensor):
            raise AutogradError("GT508", f"backward of {cls.__name__} gave {type(g).__name__} for argument {number}")
        lead = g.ndim - of.ndim
        check(
            lead >= 0 and all(n in (1, m) for n, m in zip(of.shape, g.shape[lead:], strict=True)),
            "GT103",
            f"backward of {cls.__name__} gave a gradient of another shape for argument {number}",
            f"expected {of}, got {g.aval}",
        )
        return to_dtype(g if g.shape == of.shape else g.sum_to_size(of.shape), of.dtype)  # type: ignore[no-any-return]

    @classmethod
    def _run(cls, ctx: Context, args: tuple[Any, ...]) -> Any:
        """What ``forward`` gives, in either style; ``ctx`` is filled."""
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *args)
        found = cls.forward(*args)
        cls.setup_context(ctx, args, found)
        return found

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The result of ``forward``; its gradients come from ``backward``.

        In a compiled function both are parts of the program: backward is traced at once, for gradients that may
        never be asked for, and TraceError GT602 names the class and the line of what cannot be traced.
        """
        needs = tuple(isinstance(a, Tensor) and a._requires_grad for a in args)
        recording = autograd.is_grad_enabled() and any(needs)
        ctx = Context(needs)
        with autograd.no_grad():
            found = cls._run(ctx, args)
        outputs = given = found if isinstance(found, tuple) else (found,)
        _check_dirty(cls, ctx, given)
        if recording:
            outputs = tuple(_own(o, args, ctx._dirty) for o in given)
            ctx._saved = tuple(_as_output(t, given, outputs) for t in ctx._saved)
            current = interpreter()
            record = current.attach if current.tracing else attach
            outputs = record(cls, ctx, args, outputs)
        return outputs if isinstance(found, tuple) else outputs[0]


def _own(output: Any, args: Sequence[Any], dirty: Sequence[Any]) -> Any:
    """An output that is an argument as a tensor of its own, unless it was changed in place."""
    return output.detach() if _among(output, args) and not _among(output, dirty) else output


def _among(x: Any, them: Sequence[Any]) -> bool:
    return any(x is one for one in them)


def _check_dirty(cls: type[Function], ctx: Context, outputs: Sequence[Any]) -> None:
    """AutogradError GT508 for an input that was changed, and is no output; TraceError GT602 for any in a trace."""
    if not all(_among(t, outputs) for t in ctx._dirty):
        what = f"{cls.__name__} marks an input as changed in place, which is no output"
        raise AutogradError("GT508", what, ["return every tensor that mark_dirty() is given"])
    if ctx._dirty and interpreter().tracing:
        instead = "return a new tensor, and assign it where the function is called"
        raise TraceError("GT602", f"mark_dirty() of {cls.__name__} cannot be traced", [instead])


def _as_output(t: Any, before: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """A saved output as it is given out."""
    return next((o for b, o in zip(before, outputs, strict=True) if b is t), t)


def attach(cls: type[Function], ctx: Context, args: Sequence[Any], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put a call of a `Function` on the tape; its outputs."""
    tensors = [o for o in outputs if isinstance(o, Tensor)]
    node = FunctionNode(cls, ctx, args, tensors)
    for i, o in enumerate(tensors):
        if _among(o, ctx._constant) or not o.dtype.is_floating_point:
            continue
        if _among(o, ctx._dirty):
            check_writable(o)
            enter(o, (node, i))
        else:
            o._requires_grad, o._grad_fn, o._output_index = True, node, i
    return outputs


class FunctionNode(autograd.GradNode):
    """A call of a `Function` on the tape."""

    def __init__(self, cls: type[Function], ctx: Context, args: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        edges = [autograd.edge_of(a) if isinstance(a, Tensor) else None for a in args]
        super().__init__(edges, [o.aval for o in outputs])
        self._function, self._ctx = cls, ctx
        self._types = [a.aval if isinstance(a, Tensor) else None for a in args]

    @property
    def name(self) -> str:
        return self._function.__name__

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self._ctx._materialize:
            grads = [zeros_of(a) if g is None else g for g, a in zip(grads, self.avals, strict=True)]
        found = self._function.gradients(self._ctx, grads, len(self.edges))
        each = enumerate(zip(found, self._types, strict=True))
        return [None if g is None or of is None else self._function._fitted(i, g, of) for i, (g, of) in each]

    def release(self) -> None:
        if self._ctx._saved:
            self._ctx._saved = _FREED


class _Once(autograd.GradNode):
    """What a backward gave that has no gradient of its own."""

    name = "once_differentiable"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        raise AutogradError("GT508", "a backward that is marked by once_differentiable is differentiated again")


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark ``backward`` of a `Function` as one whose results have no gradient: it runs unrecorded.

    AutogradError GT508 where they are differentiated all the same. A program takes them for constants.
    """

    @functools.wraps(function)
    def backward(ctx: Any, *grads: Any) -> Any:
        with autograd.no_grad():
            found = function(ctx, *grads)
        needed = [g for g in grads if isinstance(g, Tensor) and g._requires_grad]
        if not needed or not autograd.is_grad_enabled() or interpreter().tracing:
            return found
        each = [o for o in (found if isinstance(found, tuple) else (found,)) if isinstance(o, Tensor)]
        node = _Once([autograd.edge_of(g) for g in needed], [o.aval for o in each])
        for i, o in enumerate(each):
            o._requires_grad, o._grad_fn, o._output_index = True, node, i
        return found

    return backward
