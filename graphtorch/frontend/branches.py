"""cond and while_loop, as torch names them: Python's `if` and `while` in eager mode; in a trace a node each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend import autograd, bodies
from graphtorch.frontend.control_flow import (
    check_same,
    check_tensors,
    defined,
    function_name,
    tensors_of,
    with_tensors,
)
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tracer import Tracer
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, ShapeError, check
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.loc import here
from graphtorch.ir.op import composite
from graphtorch.ir.ops.branches import PRED, append_cond
from graphtorch.ir.ops.scan import Division
from graphtorch.ir.ops.while_loop import while_loop as WHILE

Function = Callable[..., Any]


@composite("gt")
def cond(pred: Any, true_fn: Function, false_fn: Function, operands: Sequence[Any] = ()) -> Any:
    """``true_fn(*operands)`` if ``pred``, a bool or a tensor of one element, is true, else ``false_fn(*operands)``.

    Operands and results are tensors, None, or tuples, lists and dicts of them. Under gt.compile both functions are
    traced, and have to return the same structure, shapes and dtypes (ShapeError GT118); the one that is taken runs, on
    one thread. They may read tensors from outside, which get gradients, but not write them (TraceError GT616).
    """
    if not isinstance(operands, tuple | list):
        raise ArgumentTypeError("GT301", f"operands must be a tuple or a list, got {type(operands).__name__}")
    check_tensors("operands", operands)
    if isinstance(pred, Tensor):
        check(pred.numel() == 1, "GT118", "pred has one element", f"got {pred.aval}")
    elif not isinstance(pred, bool):
        raise ArgumentTypeError("GT301", f"pred must be a bool or a bool tensor, got {type(pred).__name__}")
    interpreter = bind.current()
    if isinstance(interpreter, Tracer) and isinstance(pred, Tensor):
        return _traced_cond(interpreter, pred, (true_fn, false_fn), operands)
    function = true_fn if pred else false_fn
    result = function(*operands)
    check_tensors(f"what {function_name(function)} returns", result)
    return result


def _trace(tracer: Tracer, op: str, function: Function, operands: Sequence[Any]) -> bodies.Traced:
    """A function of trees as a body."""

    def call(given: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
        result = function(*with_tensors(operands, given))
        check_tensors(f"what {function_name(function)} returns", result)
        return result, tensors_of(result)

    return bodies.trace_body(tracer, op, function_name(function), [t.aval for t in tensors_of(operands)], call)


def _traced_cond(tracer: Tracer, pred: Tensor, functions: tuple[Function, Function], operands: Sequence[Any]) -> Any:
    given, recording = tensors_of(operands), autograd.is_grad_enabled()
    first, second = (_trace(tracer, "cond", function, operands) for function in functions)
    facts = [defined(function) for function in functions]
    check_same(
        "what the branches return",
        first.result,
        second.result,
        "differs in its",
        ("true_fn gives", "false_fn gives"),
        facts,
    )
    test = pred.to(PRED.dtype).reshape(())
    tracer.builder.locs = (here(),)
    values = tracer.operands(given, recording)
    branches = [(t.graph, [*values, *t.captured]) for t in (first, second)]
    found = append_cond(tracer.builder, tracer.read(test), branches)
    results = bodies.results_of(tracer, found, given, [*first.captured, *second.captured])
    return with_tensors(first.result, results)


@composite("gt")
def while_loop(cond_fn: Function, body_fn: Function, carried_inputs: Sequence[Any]) -> Any:
    """``carry = body_fn(*carry)`` as long as ``cond_fn(*carry)`` is true, from ``carried_inputs`` on; the last carry.

    Carries are tensors, None, or tuples, lists and dicts of them, and keep their structure, shapes and dtypes
    (ShapeError GT118). ``cond_fn`` gives a bool, or a bool tensor of one element. Under gt.compile it is traced twice,
    and ``body_fn`` once; the loop runs on one thread, and it has no gradient (AutogradError GT508). They may read
    tensors from outside, but not write them (TraceError GT616). Nothing can interrupt a compiled
    loop that does not end.
    """
    if not isinstance(carried_inputs, tuple | list):
        raise ArgumentTypeError("GT301", f"carried_inputs must be a tuple or list, got {type(carried_inputs).__name__}")
    check_tensors("carried_inputs", carried_inputs)
    carry = tuple(carried_inputs)
    interpreter = bind.current()
    if isinstance(interpreter, Tracer):
        return _traced_while(interpreter, cond_fn, body_fn, carry)
    while bool(cond_fn(*carry)):
        carry = _next(body_fn, carry)
    return carry


def _next(body_fn: Function, carry: tuple[Any, ...]) -> tuple[Any, ...]:
    found = body_fn(*carry)
    if isinstance(found, Tensor):
        found = (found,)
    if not isinstance(found, tuple | list):
        raise ShapeError("GT118", f"body_fn returns {type(found).__name__}", ["expected a carry", defined(body_fn)])
    check_tensors("what body_fn returns", found)
    new = tuple(found)
    check_same("carry", carry, new, "changes its", ("it was", f"{function_name(body_fn)} returns"), [defined(body_fn)])
    return new


def _test(cond_fn: Function, carry: tuple[Any, ...]) -> Tensor:
    found = cond_fn(*carry)
    fine = isinstance(found, Tensor) and found.numel() == 1
    if not fine:
        got = found.aval if isinstance(found, Tensor) else type(found).__name__
        facts = [f"got {got}; while tracing, a Python bool would be the same in every round", defined(cond_fn)]
        raise ShapeError("GT118", "cond_fn returns a bool tensor of one element", facts)
    return found.to(PRED.dtype).reshape(())  # type: ignore[no-any-return]


def _traced_while(tracer: Tracer, cond_fn: Function, body_fn: Function, carry: tuple[Any, ...]) -> Any:
    given = tensors_of(carry)

    def call(stand_ins: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
        new = _next(body_fn, with_tensors(carry, stand_ins[1:]))
        return new, [_test(cond_fn, new), *tensors_of(new)]

    go = _test(cond_fn, carry)
    types = [PRED, *(t.aval for t in given)]
    traced = bodies.trace_body(tracer, "while_loop", function_name(body_fn), types, call)
    graph, d = traced.graph, Division(len(traced.captured), len(types), 0, False)
    graph.params = graph.params[len(types) :] + graph.params[: len(types)]
    tracer.builder.locs = (here(),)
    operands: list[Value] = [*traced.captured, *tracer.operands([go, *given], autograd.is_grad_enabled())]
    attrs = {"consts": d.consts, "carries": d.carries}
    results = WHILE.types([o.type for o in operands], attrs, graph)
    node = tracer.builder.append(Node(WHILE, operands, attrs, results, tracer.builder.locs, graph))
    return with_tensors(carry, bodies.results_of(tracer, node.results[1:], given, traced.captured))
