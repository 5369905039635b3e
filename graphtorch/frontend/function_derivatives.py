"""`gt.autograd.functional`: Jacobians and Hessians of functions, and their products with vectors.

All by `grad`, so that they can be differentiated again (``create_graph``) and traced. A function takes and gives a
tensor or a tuple of tensors; where it takes (gives) one, the result has no tuple for it, as in torch. ``strict``
refuses an input that no output depends on (AutogradError GT506), whose derivatives are zeros otherwise. ShapeError
GT103 for a ``v`` of other shapes, and for a function of several numbers where one is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend.differentiate import grad
from graphtorch.frontend.tensor import Tensor, zeros_of
from graphtorch.ir.errors import ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC

Tensors = tuple[Tensor, ...]


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Of each output for each input: [*shape of the output, *shape of the input], a backward pass for each row.

    ``vectorize`` and ``strategy`` say how torch computes it, and change nothing here.
    """
    xs, one_in = _tuple(inputs, "inputs")
    rows, one_out = _jacobian(func, xs, create_graph, strict)
    per_output = tuple(row[0] if one_in else row for row in rows)
    return per_output[0] if one_out else per_output


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of a function of one number: [*shape of input i, *shape of input j], for each i and j."""
    xs, one = _tuple(inputs, "inputs")

    def gradient(*points: Tensor) -> Tensors:
        return _grad((_number(func(*points)),), points, None, True, strict)

    rows, _ = _jacobian(gradient, xs, create_graph, False)
    return rows[0][0] if one else tuple(rows)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, ``v`` times the Jacobian): ``v`` is shaped as the outputs, and may be left out for one number."""
    xs, one_in = _tuple(inputs, "inputs")
    points = _points(xs, create_graph)
    ys, one_out = _tuple(func(*points), "outputs")
    found = _grad(ys, points, _weights(v, ys), create_graph, strict)
    return _untied(ys, one_out, create_graph), _untied(found, one_in, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, the Jacobian times ``v``): ``v`` is shaped as the inputs, and may be left out for one number.

    The gradient of u J for u, by two backward passes (J. Townsend, "A new trick for calculating Jacobian vector
    products", 2017).
    """
    xs, _ = _tuple(inputs, "inputs")
    points = _points(xs, create_graph)
    ys, one_out = _tuple(func(*points), "outputs")
    us = tuple(zeros_of(y.aval).requires_grad_() for y in ys)
    products = _grad(ys, points, us, True, strict)
    found = _grad(products, us, _weights(v, xs), create_graph, False)
    return _untied(ys, one_out, create_graph), _untied(found, one_out, create_graph)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(output, ``v`` times the Hessian) of a function of one number; ``v`` is shaped as the inputs."""
    xs, one = _tuple(inputs, "inputs")
    points = _points(xs, create_graph)
    y = _number(func(*points))
    slopes = _grad((y,), points, None, True, strict)
    found = _grad(slopes, points, _weights(v, xs), create_graph, False)
    return _untied((y,), True, create_graph), _untied(found, one, create_graph)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(output, the Hessian times ``v``): what `vhp` gives, since second derivatives are symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


# ---- what they share -----------------------------------------------------------------------------


def _jacobian(func: Callable[..., Any], xs: Tensors, create_graph: bool, strict: bool) -> tuple[list[Tensors], bool]:
    """(for each output its derivatives for each input, whether there is one output and no tuple)."""
    points = _points(xs, create_graph)
    ys, one = _tuple(func(*points), "outputs")
    return [_rows(y, points, create_graph, strict) for y in ys], one


def _rows(y: Tensor, points: Tensors, create_graph: bool, strict: bool) -> Tensors:
    elements = y.reshape(-1)
    rows = [_grad((elements[k],), points, None, create_graph, strict) for k in range(y.numel())]
    if not rows:
        return tuple(zeros_of(x.aval)[None].expand(*y.shape, *x.shape) for x in points)
    columns = zip(*rows, strict=True)
    shapes = [(*y.shape, *x.shape) for x in points]
    found = tuple(PUBLIC["gt"]["stack"](column).reshape(shape) for column, shape in zip(columns, shapes, strict=True))
    return found if create_graph else tuple(t.detach() for t in found)


def _grad(ys: Tensors, points: Tensors, weights: Tensors | None, create_graph: bool, strict: bool) -> Tensors:
    """`grad`, with zeros for points that nothing depends on, unless that is refused."""
    kept = [k for k, y in enumerate(ys) if y.requires_grad]
    if not kept and not strict:
        return tuple(zeros_of(x.aval) for x in points)
    chosen = None if weights is None else [weights[k] for k in kept]
    return grad(  # type: ignore[return-value]  # zeros stand for None
        [ys[k] for k in kept] or list(ys),
        points,
        chosen,
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=not strict,
    )


def _points(xs: Tensors, create_graph: bool) -> Tensors:
    """The inputs as tensors that have gradients, and that join the caller's graph if that is asked for."""
    joined = [create_graph and x.requires_grad for x in xs]
    return tuple(x.view_as(x) if j else x.detach().requires_grad_() for x, j in zip(xs, joined, strict=True))


def _weights(v: Any, like: Sequence[Tensor]) -> Tensors:
    if v is None:
        single = len(like) == 1 and like[0].numel() == 1
        check(single, "GT103", "v is left out for more than one number", f"expected v shaped as {_shapes(like)}")
        return (PUBLIC["gt"]["ones_like"](like[0]),)
    vs, _ = _tuple(v, "v")
    fits = [t.shape for t in vs] == [t.shape for t in like]
    check(fits, "GT103", f"v has the shapes {_shapes(vs)}", f"expected {_shapes(like)}")
    return vs


def _shapes(tensors: Sequence[Tensor]) -> list[list[int]]:
    return [list(t.shape) for t in tensors]


def _number(y: Any) -> Tensor:
    tensors, _ = _tuple(y, "outputs")
    single = len(tensors) == 1 and tensors[0].numel() == 1
    check(single, "GT103", f"the function gave the shapes {_shapes(tensors)}", "expected one number")
    return tensors[0].reshape(())  # type: ignore[no-any-return]


def _tuple(given: Any, name: str) -> tuple[Tensors, bool]:
    """(a tuple of tensors, whether there was one tensor and no tuple)."""
    one = isinstance(given, Tensor)
    tensors = (given,) if one else tuple(given) if isinstance(given, tuple | list) else None
    if tensors is None or not all(isinstance(t, Tensor) for t in tensors):
        raise ArgumentTypeError("GT301", f"{name} must be a tensor or a tuple of tensors, got {type(given).__name__}")
    return tensors, one


def _untied(tensors: Tensors, one: bool, create_graph: bool) -> Any:
    found = tensors if create_graph else tuple(t.detach() for t in tensors)
    return found[0] if one else found
