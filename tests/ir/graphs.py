"""Graphs for tests: a few written by hand, and a hypothesis strategy for random ones."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from hypothesis import strategies as st

from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS, PUBLIC
from graphtorch.ir.types import TensorType, bool_, float32, float64, int32, int64

F, GT = PUBLIC["F"], PUBLIC["gt"]

SAMPLE = """\
// every form of the grammar
graph @step(%x: f32[2,3,9,7], %y: i64[2], %w: f32[5,3,3,3] inout "model1.0.weight", %mask: bool[5] const "mask", \
%"seed 1": i64[2] in "rng") -> (f32[], f32[2,5,3,2]) {
  %0: f32[2,5,7,5] = conv(%x, %w) {stride=[1,1], padding=[0,0], dilation=[1,1], groups=1}  @"model.py":14:8 "model1.0"
  %1: f32[2,5,3,2], %2: i32[2,5,3,2] = max_pool(%0) {kernel=[2,2], stride=[2,2], padding=[0,0], dilation=[1,1], \
ceil_mode=false}  @"model.py":15:8 "model1.1" @"train \\"it\\".py":3:0
  %3: f32[2,5,3,2] = fusion(%1) {kind="loop"} graph @body(%a: f32[2,5,3,2]) -> (f32[2,5,3,2]) {
    %0: f32[] = constant() {value=-0.0, dtype=f32}
    %1: f32[2,5,3,2] = broadcast_to(%0) {shape=[2,5,3,2]}
    %2: f32[2,5,3,2] = maximum(%a, %1)  @"model.py":16:4
    return %2
  }  @"model.py":16:4 "model1.2"
  %4: f32[] = reduce_sum(%3) {dims=[0,1,2,3]}
  %5: f32[5,3,3,3] = neg(%w)
  update %w <- %5
  return %4, %3
}
"""


def type_of(array: Any) -> TensorType:
    return GT["full"](array.shape, 0).aval.with_dtype(array.dtype)


def build(function: Any, *types: TensorType, roles: dict[int, str] | None = None, name: str = "g") -> Graph:
    """The graph of ``function`` over parameters x0, x1, ... of ``types``."""
    roles = roles or {}
    params = [Param(f"x{i}", t, roles.get(i, "in")) for i, t in enumerate(types)]  # type: ignore[arg-type]
    graph = Graph(name, params)
    with Builder(graph):
        out = function(*params)
    graph.outputs = list(out) if isinstance(out, tuple) else [out]
    return graph


def f32(*shape: int) -> TensorType:
    return TensorType(shape, float32)


def arrays_for(graph: Graph, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Random arrays for the parameters, some of their elements special where floats allow it."""
    rng = np.random.default_rng(seed)
    return [_array(rng, p.type) for p in graph.params]


def _array(rng: np.random.Generator, t: TensorType) -> np.ndarray[Any, Any]:
    if t.dtype.kind == "f":
        out = np.asarray(rng.standard_normal(t.shape)).astype(t.dtype.np)
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0]).astype(t.dtype.np)
        return np.where(rng.random(t.shape) < 0.1, rng.choice(special, t.shape), out).astype(t.dtype.np)
    if t.dtype.kind == "b":
        return np.asarray(rng.random(t.shape) < 0.5)
    return np.asarray(rng.integers(0, 5, t.shape)).astype(t.dtype.np)


# ---- random graphs --------------------------------------------------------------------------------

plain_names = st.text(string.ascii_letters + string.digits + "._", max_size=6).map(lambda s: "p" + s)
weird_names = st.text(max_size=8)
locs = st.builds(Loc, weird_names, st.integers(0, 10**6), st.integers(0, 200), st.one_of(st.just(""), weird_names))
loc_lists = st.lists(locs, max_size=3).map(tuple)
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=3).map(tuple)
dtypes = st.sampled_from([float32, float64, int64, int32, bool_])
numbers = st.one_of(
    st.floats(), st.integers(-(2**40), 2**40), st.booleans(), st.sampled_from([-0.0, 0, 1, -1, 1.0, -1.0])
)
UNARY = ("neg", "exp", "relu", "abs", "detach", "clone", "sigmoid")
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "lt", "eq")


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 12) -> Graph:
    """A well-formed graph with outputs, updates, and names and locations of any text."""
    names = draw(st.lists(st.one_of(plain_names, weird_names), min_size=1, max_size=4, unique=True))
    roles = st.sampled_from(["in", "const", "inout"])
    params = [Param(n, TensorType(draw(shapes), draw(dtypes)), draw(roles), draw(weird_names)) for n in names]
    graph = Graph(draw(st.one_of(plain_names, weird_names)), params)
    values: list[Value] = list(params)
    with Builder(graph) as builder:
        for _ in range(draw(st.integers(0, max_nodes))):
            with builder.at(draw(loc_lists)):
                values += _append(draw, builder, values)
    graph.outputs = draw(st.lists(st.sampled_from(values), max_size=3))
    for p in params:
        fitting = [v for v in values if v.type == p.type]
        if p.role == "inout" and draw(st.booleans()):
            graph.updates[p] = draw(st.sampled_from(fitting))
    return graph


def _append(draw: st.DrawFn, builder: Builder, values: list[Value]) -> list[Value]:
    """One more call with what is there; its results."""
    x = draw(st.sampled_from(values))
    make = draw(st.sampled_from([_unary, _binary, _number, _move, _reduce, _where, _body]))
    found = make(draw, builder, x, values)
    return [v for v in (found if isinstance(found, tuple) else (found,)) if isinstance(v, Value)]


def _unary(draw: st.DrawFn, _b: Builder, x: Value, _values: list[Value]) -> Any:
    name = draw(st.sampled_from(UNARY))
    return GT[name](x) if name in ("detach", "clone") or x.type.dtype != bool_ else GT["logical_not"](x)


def _binary(draw: st.DrawFn, _b: Builder, x: Value, values: list[Value]) -> Any:
    other = draw(st.sampled_from([v for v in values if v.type == x.type]))
    name = draw(st.sampled_from(BINARY))
    return GT["add" if x.type.dtype == bool_ and name == "sub" else name](x, other)


def _number(draw: st.DrawFn, _b: Builder, x: Value, _values: list[Value]) -> Any:
    value = draw(numbers)
    return GT[draw(st.sampled_from(["add", "mul", "maximum"]))](x, value)


def _move(draw: st.DrawFn, _b: Builder, x: Value, _values: list[Value]) -> Any:
    shape = x.type.shape
    kind = draw(st.sampled_from(["reshape", "permute", "broadcast_to", "slice", "pad", "cast"]))
    if kind == "reshape":
        return GT["reshape"](x, draw(st.sampled_from([shape, (x.type.numel,), (1, *shape)])))
    if kind == "permute":
        return GT["permute"](x, tuple(draw(st.permutations(range(len(shape))))))
    if kind == "broadcast_to":
        return GT["broadcast_to"](x, (draw(st.integers(0, 3)), *shape))
    if kind == "cast":
        return OPS["cast"](x, dtype=draw(dtypes))
    small = st.integers(0, 2)
    if kind == "pad":
        low, high, interior = (tuple(draw(small) for _ in shape) for _ in range(3))
        return OPS["pad"](x, low=low, high=high, interior=interior)
    start = tuple(draw(st.integers(0, n)) for n in shape)
    stop = tuple(draw(st.integers(a, n)) for a, n in zip(start, shape, strict=True))
    return OPS["slice"](x, start=start, stop=stop, step=tuple(draw(st.integers(1, 3)) for _ in shape))


def _reduce(draw: st.DrawFn, _b: Builder, x: Value, _values: list[Value]) -> Any:
    if not x.type.shape or x.type.dtype == bool_:
        return x
    dims = draw(st.lists(st.integers(0, len(x.type.shape) - 1), unique=True).map(sorted))
    return OPS["reduce_sum"](x, dims=tuple(dims))


def _where(draw: st.DrawFn, _b: Builder, x: Value, values: list[Value]) -> Any:
    other = draw(st.sampled_from([v for v in values if v.type == x.type]))
    return GT["where"](draw(st.sampled_from([GT["lt"](x, other), GT["full"](x.type.shape, True)])), x, other)


def _body(draw: st.DrawFn, builder: Builder, x: Value, _values: list[Value]) -> Any:
    """A fusion node with a body of its own."""
    body = Graph(draw(weird_names), [Param("a", x.type)])
    with Builder(body) as inner, inner.at(draw(loc_lists)):
        body.outputs = [GT["clone"](body.params[0]), GT["eq"](body.params[0], body.params[0])]
    types = [o.type for o in body.outputs]
    return builder.append(Node(OPS["fusion"], [x], {"kind": draw(weird_names)}, types, builder.locs, body)).results
