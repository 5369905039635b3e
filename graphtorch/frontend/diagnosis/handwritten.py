"""Functions that the user wrote out, and that the library has in a form that does not overflow."""

from __future__ import annotations

import math
from collections.abc import Callable

from graphtorch.frontend.diagnosis.domains import exponent_of
from graphtorch.frontend.diagnosis.interval import number
from graphtorch.frontend.diagnosis.problem import Problem, finding
from graphtorch.frontend.diagnosis.provenance import is_sum_of, moved, root
from graphtorch.frontend.diagnosis.subject import Subject
from graphtorch.frontend.diagnosis.written import call_of, operand_of
from graphtorch.ir.graph import Node, Value
from graphtorch.ir.types import greatest_finite


def _softmax(subject: Subject, node: Node) -> Problem | None:
    """exp(x) / exp(x).sum(dim)."""
    above, below = node.operands
    summed = moved(below).node
    if summed is None or summed.op.name != "reduce_sum":
        return None
    x, same = exponent_of(above), exponent_of(summed.operands[0])
    if x is None or same is None or root(x) is not root(same) or not _overflows(subject, x):
        return None
    aligned = is_sum_of(below, above) or root(above) is not root(summed.operands[0])
    call = f"gt.softmax({_written(above)}, {_dim(summed)})" if aligned and _dim(summed) and _written(above) else ""
    return _note(subject, node, x, "a softmax", "the quotient is then nan", "gt.softmax", call)


def _logsumexp(subject: Subject, node: Node) -> Problem | None:
    """exp(x).sum(dim).log()."""
    summed = moved(node.operands[0]).node
    if summed is None or summed.op.name != "reduce_sum":
        return None
    x = exponent_of(summed.operands[0])
    if x is None or not _overflows(subject, x):
        return None
    written = _written(summed.operands[0])
    keeps = ", keepdim=True" if node.result.type.ndim == summed.operands[0].type.ndim else ""
    call = f"gt.logsumexp({written}, {_dim(summed)}{keeps})" if written and _dim(summed) else ""
    return _note(subject, node, x, "a logsumexp", "the logarithm is then inf", "gt.logsumexp", call)


def _softplus(subject: Subject, node: Node) -> Problem | None:
    """log(1 + exp(x)), log1p(exp(x))."""
    value: Value | None = node.operands[0]
    if node.op.name == "log":
        value = _one_more(subject, node.operands[0])
    x = exponent_of(value) if value is not None else None
    if value is None or x is None or not _overflows(subject, x):
        return None
    written = _written(value)
    call = f"F.softplus({written})" if written else ""
    return _note(subject, node, x, "a softplus", "the logarithm is then inf", "F.softplus", call)


def _one_more(subject: Subject, value: Value) -> Value | None:
    """y of 1 + y."""
    made = root(value).node
    if made is None or made.op.name != "add":
        return None
    for one, other in (made.operands, made.operands[::-1]):
        if subject.interval(one) == number(1):
            return other
    return None


def _overflows(subject: Subject, x: Value) -> bool:
    return x.type.dtype.kind == "f" and subject.interval(x).high > math.log(greatest_finite(x.type.dtype))


def _written(exponential: Value) -> str:
    """What the user wrote in exp(...)."""
    made = root(exponential).node
    call = call_of(made.locs[0], "exp") if made is not None and made.locs else None
    return operand_of(call) if call is not None else ""


def _dim(summed: Node) -> str:
    """The one dimension of a sum, counted from the end as users do."""
    dims: tuple[int, ...] = summed.attrs["dims"]  # type: ignore[assignment]
    return str(dims[0] - summed.operands[0].type.ndim) if len(dims) == 1 else ""


def _note(subject: Subject, node: Node, x: Value, what: str, wrong: str, better: str, fix: str) -> Problem:
    dtype = x.type.dtype
    most = math.log(greatest_finite(dtype))
    message = f"{what} written by hand overflows: exp is inf in {dtype.name} above {most:.4g}"
    facts = [f"{wrong}; {better} computes it without overflow"]
    return finding("GT345", "note", message, facts, site=subject.site(node), fix=fix)


def _logarithm(subject: Subject, node: Node) -> Problem | None:
    return _logsumexp(subject, node) or _softplus(subject, node)


HANDWRITTEN: dict[str, Callable[[Subject, Node], Problem | None]] = {
    "div": _softmax, "log": _logarithm, "log1p": _softplus,
}  # fmt: skip
