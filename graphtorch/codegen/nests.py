"""What the ops of a fusion lower to, as the nests of loops.py: indices are made, and bodies taken at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphtorch.codegen.kernel_ir import Param
from graphtorch.codegen.loops import LoopNest, ReduceNest, ScanNest, ScatterNest
from graphtorch.ir.dim import same
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    Expr,
    Load,
    Reduce,
    Scan,
    Scatter,
    Source,
    Unary,
    Values,
    Var,
    flat_index,
    substitute,
    unflatten_index,
    walk,
)
from graphtorch.ir.types import int64


def variables(prefix: str, shape: Sequence[int]) -> tuple[Var, ...]:
    return tuple(Var(f"{prefix}{d}", int64, n) for d, n in enumerate(shape))


def loop_nest(name: str, params: tuple[Param, ...], stored: Sequence[tuple[Buffer, Source]]) -> LoopNest:
    shape = stored[0][0].shape
    i = variables("i", shape)
    return LoopNest(name, params, shape, i, tuple((b, source[i]) for b, source in stored))


def scatter_nest(name: str, inputs: Sequence[Buffer], s: Scatter) -> ScatterNest:
    i, k = variables("i", s.shape), variables("k", s.domain)
    output = Buffer("out0", s.shape, s.dtype)
    params = (*(Param(b, "in") for b in inputs), Param(output, "out"))
    same = _side_by_side(s, k)
    env: dict[Var, Expr] = {v: i[d] for d, v in same.items()}
    rows = tuple(substitute(r, env) for r, d in zip(s.rows(k), s.dims, strict=True) if d not in same)
    term = substitute(s.term(i, k), env)
    inner = tuple(v for v in k if v not in env)
    return ScatterNest(
        name, params, s.shape, i, tuple(d for d in s.dims if d not in same), tuple(v.size for v in inner),
        inner, output, s.init(i), rows, term, s.combine, s.unknown,
    )  # fmt: skip


def _side_by_side(s: Scatter, k: tuple[Var, ...]) -> dict[int, Var]:
    """Dimensions whose index is the very index of an equal one of the domain, such as those of a batch: what happens at
    each of their indices does not concern the others. One dimension at least is left."""
    found: dict[int, Var] = {}
    for d, row in zip(s.dims, s.rows(k), strict=True):
        if isinstance(row, Var) and row in k and same(row.extent, s.shape[d]) and row not in found.values():
            found[d] = row
    if len(found) == len(s.dims):
        found.popitem()
    return found


def scan_nest(
    name: str,
    params: tuple[Param, ...],
    stored: Sequence[tuple[Buffer, Source]],
    s: Scan,
    accumulators: tuple[Var, ...],
) -> ScanNest:
    i = variables("i", s.shape)

    def value(source: Source) -> Callable[[Values], Expr]:
        final = source[i]
        return lambda acc: substitute(final, dict(zip(accumulators, acc, strict=True)))

    outputs = tuple((b, value(source)) for b, source in stored)
    return ScanNest(name, params, s.shape, i, s.dim, s.reverse, s.init, s.body(i), s.combine, outputs)


def reduce_nest(
    name: str,
    params: tuple[Param, ...],
    stored: Sequence[tuple[Buffer, Source]],
    root: Reduce,
    accumulators: tuple[Var, ...],
) -> ReduceNest:
    i, k = variables("i", root.shape), variables("k", root.domain)

    def value(source: Source) -> Callable[[Values], Expr]:
        index = i if same(source.shape, root.shape) else unflatten_index(source.shape, flat_index(root.shape, i))
        final = source[index]
        return lambda acc: substitute(final, dict(zip(accumulators, acc, strict=True)))

    body = root.body(i, k)
    return ReduceNest(
        name, params, root.shape, i, root.domain, k, root.init, body, root.combine, root.kind,
        tuple((b, value(source)) for b, source in stored), _is_contraction(root, body),
    )  # fmt: skip


def _is_contraction(root: Reduce, body: Values) -> bool:
    """Whether it sums products of two reads, with little done to either: each may be computed several times."""
    product = body[0]
    plain = root.kind == "add" and len(body) == 1 and product.dtype.kind == "f"
    if not (plain and isinstance(product, Binary) and product.fn == "mul"):
        return False
    return _is_read(product.a) and _is_read(product.b)


def _is_read(e: Expr) -> bool:
    """Whether it loads numbers, and calls no function of them."""
    found: list[Expr] = []
    walk(e, found.append)
    loads = any(isinstance(x, Load) and x.dtype.kind != "b" for x in found)
    return loads and all(_is_cheap(x) for x in found)


def _is_cheap(e: Expr) -> bool:
    match e:
        case Unary():
            return e.fn in ("neg", "abs", "not")
        case Binary():
            return e.fn != "pow"
    return True
