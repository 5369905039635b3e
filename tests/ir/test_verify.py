"""verify: every rule has a graph that breaks it, and names the node, its op and the user's line."""

from __future__ import annotations

import pytest

from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Graph, Node, Param
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS
from graphtorch.ir.text import parse_graph
from graphtorch.ir.verify import verify
from tests.ir.graphs import SAMPLE, f32

HERE = Loc(__file__, 1, 0, "net.0")


def chain() -> Graph:
    """neg, exp over one parameter of each role."""
    graph = Graph("g", [Param("x", f32(2)), Param("w", f32(2), "inout", "w")])
    a = Node(OPS["neg"], [graph.params[0]], {}, [f32(2)], (HERE,))
    b = Node(OPS["exp"], [a.result], {}, [f32(2)], (HERE,))
    graph.nodes = [a, b]
    graph.outputs = [b.result]
    return graph


def fails(graph: Graph) -> str:
    with pytest.raises(IRError) as error:
        verify(graph)
    return str(error.value)


def test_a_good_graph():
    verify(chain())
    verify(parse_graph(SAMPLE))


def test_use_before_definition():
    graph = chain()
    graph.nodes.reverse()
    assert fails(graph) == (
        'IRError GT803 in exp "net.0": node 0 of @g: operand 0 is not defined before it is used\n'
        '  test_verify.py:1 """verify: every rule has a graph that breaks it, and names the node, its op and the'
        ' user\'s line."""'
    )


def test_defined_twice():
    graph = chain()
    graph.nodes.append(graph.nodes[0])
    assert 'GT804 in neg "net.0": node 2 of @g: its results are defined twice' in fails(graph)


def test_wrong_types():
    graph = chain()
    graph.nodes[0].result.type = f32(3)
    text = fails(graph)
    assert 'GT805 in neg "net.0": node 0 of @g: the declared types are wrong' in text
    assert text.endswith("declared f32[3], actual f32[2]")


def test_no_results():
    graph = chain()
    graph.nodes.append(Node(OPS["neg"], graph.params[:1], {}, []))
    assert fails(graph) == "IRError GT805 in neg: node 2 of @g: a node has at least one result"


def test_rejected_by_infer():
    graph = chain()
    graph.nodes.append(Node(OPS["reshape"], graph.params[:1], {"shape": (3,)}, [f32(3)]))
    assert fails(graph) == (
        "IRError GT806 in reshape: node 2 of @g: reshape rejects its operands: [2] cannot be reshaped to [3]\n"
        "  expected 2 elements, got 3"
    )


def test_malformed_attributes():
    graph = chain()
    graph.nodes.append(Node(OPS["reshape"], graph.params[:1], {}, [f32(3)]))
    assert "GT806 in reshape: node 2 of @g: reshape rejects its operands or attributes" in fails(graph)


def test_undefined_output():
    graph = chain()
    graph.outputs = [Param("y", f32(2))]
    assert fails(graph) == "IRError GT803: output 0 of @g is not defined in it"


@pytest.mark.parametrize(
    ("param", "value", "message"),
    [
        (0, 1, "IRError GT807: %x cannot be updated\n  its role is 'in', expected 'inout'"),
        (1, Param("y", f32(3)), "IRError GT807: %w is updated with another type\n  expected f32[2], got f32[3]"),
        (1, Param("y", f32(2)), "IRError GT803: the update of %w is not defined in @g"),
        (Param("z", f32(2)), 0, "IRError GT807: an update of something that is not a parameter of @g"),
    ],
)
def test_updates(param, value, message):
    graph = chain()
    target = graph.params[param] if isinstance(param, int) else param
    graph.updates = {target: graph.params[value] if isinstance(value, int) else value}
    assert fails(graph) == message


def test_names_of_parameters():
    graph = chain()
    graph.params.append(Param("x", f32(1)))
    assert fails(graph) == "IRError GT804: @g has two parameters named 'x'"


def test_bodies():
    graph, body = chain(), chain()
    body.name, body.params = "b", body.params[:1]
    body.nodes.reverse()
    graph.nodes.append(Node(OPS["fusion"], graph.params[:1], {"kind": "loop"}, [f32(2)], (), body))
    text = fails(graph)
    assert text.startswith('IRError GT803 in exp "net.0": node 0 of @b: operand 0 is not defined before it is used')
    assert text.endswith("inside of node 2 of @g: fusion")


def test_body_parameters():
    graph, body = chain(), chain()
    body.name = "b"
    graph.nodes.append(Node(OPS["fusion"], graph.params[:1], {"kind": "loop"}, [f32(2)], (), body))
    assert fails(graph) == (
        "IRError GT808 in fusion: node 2 of @g: the operands do not fit the parameters of @b\n"
        "  expected f32[2], f32[2], got f32[2]"
    )
