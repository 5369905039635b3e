"""`gt.autograd`: gradients as values, and a check by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, backward
from graphtorch.frontend.construction import tensor
from graphtorch.frontend.tensor import Tensor, zeros_of
from graphtorch.frontend.tensors.base import interpreter
from graphtorch.frontend.tensors.gradients import seed
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, AutogradError, TraceError, check


def _each(x: Any) -> list[Any]:
    return [x] if isinstance(x, Tensor) or x is None else list(x)


def _check_eager(what: str) -> None:
    if interpreter().tracing:
        raise TraceError("GT602", f"{what} cannot be traced", ["call it outside of gt.compile"])


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of ``outputs`` (weighted by ``grad_outputs``) for each of ``inputs``, leaves or not.

    Nothing is added to ``.grad``. ``create_graph`` records them, so that they have gradients. AutogradError GT506 for
    an input that no output depends on, unless ``allow_unused`` (None for it) or ``materialize_grads`` (zeros for it).
    ArgumentError GT304 for ``materialize_grads`` where ``allow_unused`` is False.
    """
    check(
        allow_unused is not False or not materialize_grads,
        "GT304",
        "materialize_grads=True and allow_unused=False exclude each other",
        "expected allow_unused=True, or none",
        kind=ArgumentError,
    )
    roots, wanted = _each(outputs), _each(inputs)
    given = [None] * len(roots) if grad_outputs is None else _each(grad_outputs)
    check(len(given) == len(roots), "GT103", f"{len(roots)} outputs and {len(given)} grad_outputs")
    for i, t in enumerate(wanted):
        if not t.requires_grad:
            raise AutogradError("GT506", f"inputs[{i}] does not require gradients")
    keep = create_graph if retain_graph is None else retain_graph
    seeds = [seed(r, g) for r, g in zip(roots, given, strict=True)]
    current = interpreter()
    run = current.grad if current.tracing else backward.run
    found = run(roots, seeds, keep, create_graph, wanted)
    unused = [i for i, t in enumerate(wanted) if id(t) not in found]
    if unused and not (allow_unused or materialize_grads):
        raise AutogradError(
            "GT506", f"no output depends on inputs[{unused[0]}]", ["pass allow_unused=True to get None for it"]
        )
    none = [zeros_of(t.aval) if materialize_grads else None for t in wanted]
    return tuple(found[id(t)][1] if id(t) in found else n for t, n in zip(wanted, none, strict=True))


def backward_of(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """`Tensor.backward` from several tensors at once."""
    roots = _each(tensors)
    given = [None] * len(roots) if grad_tensors is None else _each(grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    for i, (root, g) in enumerate(zip(roots, given, strict=True)):
        root.backward(g, keep or i + 1 < len(roots), create_graph, inputs)


class inference_mode(autograd.set_grad_enabled):
    """As `no_grad`: nothing is recorded. ``mode=False`` leaves everything as it is."""

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(autograd.is_grad_enabled() and not mode)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of ``func(*inputs)`` agree with central differences of step ``eps``, for every output.

    ``inputs`` that require gradients should be float64. False, or AutogradError GT513 that names the first gradient
    that differs by more than ``atol + rtol * |difference|``.
    """
    args = _each(inputs)
    _check_eager("gradcheck()")
    if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        raise ArgumentTypeError("GT301", "gradcheck() needs an input that requires gradients")
    for number, output in enumerate(_outputs(func, args)):
        if not output.requires_grad:
            continue
        wrong = _first_difference(func, args, number, eps, atol, rtol)
        if wrong and raise_exception:
            raise AutogradError("GT513", f"the gradient of output {number} is not that of finite differences", [wrong])
        if wrong:
            return False
    return True


def _outputs(func: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    found = func(*args)
    return [found] if isinstance(found, Tensor) else list(found)


def _first_difference(func: Any, args: Sequence[Any], number: int, eps: float, atol: float, rtol: float) -> str:
    wanted = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    output = _outputs(func, args)[number]
    exact = [np.zeros((output.numel(), t.numel())) for t in wanted]
    for row in range(output.numel()):
        unit = np.zeros(output.shape)
        unit.reshape(-1)[row] = 1
        rows = grad(output, wanted, tensor(unit, dtype=output.dtype), retain_graph=True, materialize_grads=True)
        for matrix, g in zip(exact, rows, strict=True):
            assert g is not None  # zeros were asked for
            matrix[row] = g.detach().numpy().reshape(-1)
    for k, (t, matrix) in enumerate(zip(wanted, exact, strict=True)):
        measured = _jacobian(func, args, number, t, eps)
        if not np.allclose(matrix, measured, rtol, atol, equal_nan=True):
            return f"input {k}: expected {measured.tolist()}, got {matrix.tolist()}"
    return ""


def _jacobian(func: Any, args: Sequence[Any], number: int, t: Tensor, eps: float) -> Any:
    """[elements of the output, elements of ``t``] by central differences."""
    columns = []
    for index in np.ndindex(*t.shape):
        values = []
        for step in (eps, -eps):
            moved = t.detach().clone()
            moved._array[index] += step
            with autograd.no_grad():
                at = [moved if a is t else a for a in args]
                values.append(_outputs(func, at)[number].numpy().reshape(-1).astype(np.float64).copy())
        columns.append((values[0] - values[1]) / (2 * eps))
    return np.stack(columns, 1) if columns else np.zeros((0, 0))
