"""The text form: golden, lossless, and with errors that point."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphtorch.ir.dim import symbol
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Builder, Graph, Node, Param
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS
from graphtorch.ir.text import attr_text, parse_graph, print_graph
from graphtorch.ir.types import TensorType, float32, int64
from graphtorch.ir.verify import verify
from tests.ir.graphs import SAMPLE, f32, graphs


def test_sample_prints_as_in_the_golden_file(golden):
    golden("ir/sample.gt", print_graph(parse_graph(SAMPLE)))


def test_sample_round_trips():
    graph = parse_graph(SAMPLE)
    verify(graph)
    assert parse_graph(str(graph)) == graph
    assert [(p.name, p.role, p.label) for p in graph.params] == [
        ("x", "in", ""), ("y", "in", ""), ("w", "inout", "model1.0.weight"), ("mask", "const", "mask"),
        ("seed 1", "in", "rng"),
    ]  # fmt: skip
    assert graph.nodes[1].locs == (Loc("model.py", 15, 8, "model1.1"), Loc('train "it".py', 3, 0))


@given(graphs())
def test_every_graph_round_trips(graph):
    verify(graph)
    text = print_graph(graph)
    again = parse_graph(text)
    assert again == graph
    assert print_graph(again) == text
    verify(again)


@given(graphs())
def test_without_locations_all_else_is_there(graph):
    text = print_graph(graph, locations=False)
    without = parse_graph(text)
    assert not any(n.locs for n in _nodes(without))
    assert print_graph(without) == text
    for bare, node in zip(_nodes(without), _nodes(graph), strict=True):
        bare.locs = node.locs
    assert without == graph


def _nodes(graph):
    """Those of bodies, too."""
    for node in graph.nodes:
        yield node
        yield from _nodes(node.body) if node.body else ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), (True, "true"), (1, "1"), (-7, "-7"), (1.0, "1.0"), (-0.0, "-0.0"), (1e300, "1e+300"),
        (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan"), ('a"\\\n\x00é', '"a\\"\\\\\\n\\u0000\\u00e9"'),
        (float32, "f32"), ((), "[]"), ((1, 2), "[1,2]"), (((1, 2), (3.5, None)), "[[1,2], [3.5,none]]"),
    ],
)  # fmt: skip
def test_attributes(value, text):
    graph = Graph("g", [Param("x", f32(2))])
    body = Graph("b", [Param("a", f32(2))])
    body.outputs = [body.params[0]]
    graph.nodes = [Node(OPS["fusion"], graph.params, {"k": value}, [f32(2)], (), body)]
    assert attr_text(value) == text
    assert f"{{k={text}}}" in str(graph)
    assert parse_graph(str(graph)) == graph


def test_an_attribute_without_text_form():
    with pytest.raises(IRError) as error:
        attr_text([1, 2])
    assert str(error.value) == "IRError GT809: an attribute of type list has no text form\n  value [1, 2]"


ERRORS = {
    "unknown op": (
        "graph @g(%x: f32[2]) -> (f32[2]) {\n  %0: f32[2] = nge(%x)\n  return %0\n}",
        """\
IRError GT802: there is no op 'nge'
  a.gt:2:16
      %0: f32[2] = nge(%x)
                   ^
  did you mean ne?""",
    ),
    "undefined value": (
        "graph @g(%x: f32[2]) -> (f32[2]) {\n  %0: f32[2] = neg(%y)\n  return %0\n}",
        """\
IRError GT803: %y is not defined before it is used
  a.gt:2:20
      %0: f32[2] = neg(%y)
                       ^""",
    ),
    "value of the graph around": (
        'graph @g(%x: f32[2]) -> (f32[2]) {\n  %0: f32[2] = fusion(%x) {kind="loop"} graph @b(%a: f32[2]) -> (f32[2]) '
        "{\n    return %x\n  }\n  return %0\n}",
        """\
IRError GT803: %x is not defined before it is used
  a.gt:3:12
        return %x
               ^""",
    ),
    "redefinition": (
        "graph @g(%x: f32[2]) -> (f32[2]) {\n  %0: f32[2] = neg(%x)\n  %0: f32[2] = neg(%x)\n  return %0\n}",
        """\
IRError GT804: %0 is defined twice
  a.gt:3:3
      %0: f32[2] = neg(%x)
      ^""",
    ),
    "two parameters of one name": (
        "graph @g(%x: f32[2], %x: f32[2]) -> () {\n  return\n}",
        """\
IRError GT804: %x is defined twice
  a.gt:1:22
    graph @g(%x: f32[2], %x: f32[2]) -> () {
                         ^""",
    ),
    "type mismatch": (
        "graph @g(%x: f32[2]) -> (f32[3]) {\n  %0: f32[3] = neg(%x)\n  return %0\n}",
        """\
IRError GT805: the types declared for neg are wrong
  a.gt:2:3
      %0: f32[3] = neg(%x)
      ^
  declared f32[3], actual f32[2]""",
    ),
    "type mismatch of outputs": (
        "graph @g(%x: f32[2]) -> (f32[2], i64[]) {\n  return %x\n}",
        """\
IRError GT805: the types declared for the outputs are wrong
  a.gt:1:25
    graph @g(%x: f32[2]) -> (f32[2], i64[]) {
                            ^
  declared f32[2], i64[], actual f32[2]""",
    ),
    "rejected operands": (
        "graph @g(%x: f32[2], %y: i64[2]) -> (f32[2]) {\n  %0: f32[2] = add(%x, %y)\n  return %0\n}",
        """\
IRError GT806: add rejects its operands: operands of one dtype are needed here
  a.gt:2:16
      %0: f32[2] = add(%x, %y)
                   ^
  expected graphtorch.float32, got graphtorch.int64""",
    ),
    "rejected attributes": (
        "graph @g(%x: f32[2]) -> (f32[2]) {\n  %0: f32[2] = neg(%x) {k=1}\n  return %0\n}",
        """\
IRError GT806: neg rejects its operands or attributes
  a.gt:2:16
      %0: f32[2] = neg(%x) {k=1}
                   ^
  TypeError: Unary.infer() got an unexpected keyword argument 'k'""",
    ),
    "update of what is not inout": (
        "graph @g(%x: f32[2]) -> () {\n  update %x <- %x\n  return\n}",
        """\
IRError GT807: %x cannot be updated
  a.gt:2:3
      update %x <- %x
      ^
  its role is 'in', expected 'inout'""",
    ),
    "update with another type": (
        "graph @g(%x: f32[2] inout, %y: f32[3]) -> () {\n  update %x <- %y\n  return\n}",
        """\
IRError GT807: %x is updated with another type
  a.gt:2:3
      update %x <- %y
      ^
  expected f32[2], got f32[3]""",
    ),
    "body that does not fit": (
        'graph @g(%x: f32[2]) -> () {\n  %0: f32[3] = fusion(%x) {kind="loop"} graph @b(%a: f32[3]) -> (f32[3]) {\n'
        "    return %a\n  }\n  return\n}",
        """\
IRError GT808: the operands do not fit the parameters of @b
  a.gt:2:16
      %0: f32[3] = fusion(%x) {kind="loop"} graph @b(%a: f32[3]) -> (f32[3]) {
                   ^
  expected f32[3], got f32[2]""",
    ),
    "syntax": (
        "graph @g(%x: f32[2]) -> () {\n  return %x,\n}",
        """\
IRError GT801: expected a value, as in %x or %0, got }
  a.gt:3:1
    }
    ^""",
    ),
    "character": (
        "graph @g() -> () { return ; }",
        """\
IRError GT801: unexpected character ';'
  a.gt:1:27
    graph @g() -> () { return ; }
                              ^""",
    ),
    "end": (
        "graph @g() -> () {",
        """\
IRError GT801: expected 'return', got the end of the text
  a.gt:1:19
    graph @g() -> () {
                      ^""",
    ),
    "more after the end": (
        "graph @g() -> () { return } graph",
        """\
IRError GT801: expected the end of the text, got graph
  a.gt:1:29
    graph @g() -> () { return } graph
                                ^""",
    ),
    "dtype": (
        "graph @g(%x: f24[2]) -> () { return }",
        """\
IRError GT801: expected a type, as in f32[2,3], got f24
  a.gt:1:14
    graph @g(%x: f24[2]) -> () { return }
                 ^""",
    ),
    "string": (
        'graph @"\\q"() -> () { return }',
        """\
IRError GT801: a malformed string: Invalid \\escape
  a.gt:1:8
    graph @"\\q"() -> () { return }
           ^""",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_point_at_the_text(case):
    text, expected = ERRORS[case]
    with pytest.raises(IRError) as error:
        parse_graph(text, "a.gt")
    assert str(error.value) == expected


def test_save_and_parse(tmp_path):
    graph = parse_graph(SAMPLE)
    graph.save(str(tmp_path / "g.gt"))
    assert parse_graph((tmp_path / "g.gt").read_text(encoding="utf-8")) == graph


@given(st.text(max_size=9), st.text(max_size=9))
def test_places_with_odd_names_round_trip(file: str, path: str) -> None:
    loc = Loc(file, 3, 4, path)
    x = Param("x", f32(2))
    graph = Graph("g", [x], [Node(OPS["relu"], [x], {}, [f32(2)], (loc,))])
    graph.outputs = [graph.nodes[0].result]
    again = parse_graph(print_graph(graph))
    assert again == graph
    assert again.nodes[0].locs == (loc,)
    assert str(loc) in print_graph(graph)


B, T = symbol("B", 67), symbol("T", 41)
SIZES = [B, T * 2 + 3, B // 2, (B * T - 1) % (T + 1), B // 2 * 5 % 3 + T, 4 - (T + 1) % 4, 7]


def test_sizes_that_are_not_known_are_read_back() -> None:
    graph = Graph("g", [Param("x", TensorType((B, 3), float32))])
    with Builder(graph) as builder:
        for size in SIZES:
            (y,) = builder.bind(OPS["constant"], (), {"value": size, "dtype": int64})
            graph.outputs += builder.bind(OPS["broadcast_to"], (y,), {"shape": (size, 2)})
    text = print_graph(graph)
    assert text.startswith("sizes B=67, T=41\ngraph @g(%x: f32[B,3]) -> (i64[B,2], i64[2*T + 3,2], i64[((B)//2),2], ")
    again = parse_graph(text)
    assert again == graph and print_graph(again) == text
    found = [n.attrs["value"] for n in again.nodes if n.op.name == "constant"]
    assert [str(s) for s in found] == [str(s) for s in SIZES] and found[0] == B
    assert parse_graph(text.replace("B=67", "B=71")) != graph, "the example is of the text"
    assert parse_graph(text.replace("sizes", "// one\nsizes").replace("{\n", "{ // two\n")) == graph


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes B=67\ngraph @g(%x: f32[C]) -> () { return }", "expected a size"),
        ("sizes B=67, B=5\ngraph @g() -> () { return }", "B is defined already"),
        ("sizes f32=67\ngraph @g() -> () { return }", "f32 is defined already"),
        ("sizes B=67\ngraph @g(%x: f32[-B]) -> () { return }", "a size is not negative, got -B"),
        ("sizes B=67\ngraph @g(%x: f32[((B)//0)]) -> () { return }", "divided by what is above 0, got 0"),
        ("sizes B=67\ngraph @g(%x: f32[B + ]) -> () { return }", "expected a size: a number, or one of B, got ]"),
        ("sizes B\ngraph @g() -> () { return }", "expected '=', got graph"),
    ],
)
def test_malformed_sizes(text: str, message: str) -> None:
    with pytest.raises(IRError, match=re.escape(message)):
        parse_graph(text)
