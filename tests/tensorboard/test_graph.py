"""add_graph: layers are boxes, ops are nodes with shapes, dtypes and sources, and edges are those of the trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError
from graphtorch.utils.tensorboard import SummaryWriter
from tests.tensorboard import graph_of

DT_FLOAT, DT_INT64, DT_BOOL, DT_BFLOAT16 = 1, 9, 10, 14


class Net(nn.Module):
    """Layers in a layer, one that is called under a second name, and state."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.again = self.features[2]
        self.head = nn.Linear(5, 3)
        self.scale = nn.Parameter(gt.ones(3))

    def forward(self, x: Any) -> Any:
        return self.head(self.again(-self.features(x))) * self.scale


IMAGE = gt.TensorSpec((2, 1, 9, 7))


def logged(folder: Path, model: Any, inputs: Any) -> dict[str, Any]:
    with SummaryWriter(folder) as writer:
        writer.add_graph(model, inputs)
    nodes = graph_of(folder)
    for node in nodes.values():
        for name in node.input:
            source, _, port = name.partition(":")
            assert source in nodes
            assert int(port or 0) < len(nodes[source].attr["_output_shapes"].list.shape)
    return nodes


def shapes(node: Any) -> list[list[int]]:
    return [[d.size for d in shape.dim] for shape in node.attr["_output_shapes"].list.shape]


@pytest.mark.parametrize("wrap", [lambda m: m, gt.compile], ids=["module", "compiled"])
def test_layers_are_boxes(wrap: Any, tmp_path: Path) -> None:
    nodes = logged(tmp_path, wrap(Net()), IMAGE)
    conv = nodes["Net/Sequential[features]/Conv2d[0]/conv"]
    assert list(conv.input) == ["input/x0", "Net/Sequential[features]/Conv2d[0]/weight"]
    assert shapes(conv) == [[2, 4, 7, 5]]
    assert conv.attr["dtype"].type == DT_FLOAT
    assert b"stride=[1,1], padding=[0,0]" in conv.attr["attr"].s
    assert b"test_graph.py:" in conv.attr["source"].s
    assert shapes(nodes["Net/Sequential[features]/Conv2d[0]/weight"]) == [[4, 1, 3, 3]]
    assert nodes["Net/Sequential[features]/Conv2d[0]/weight"].op == "Parameter"
    assert nodes["Net/scale"].op == "Parameter"
    assert list(nodes["Net/ReLU[again]/relu"].input) == ["Net/neg"]
    assert list(nodes["Net/neg"].input) == ["Net/Sequential[features]/ReLU[2]/relu"]
    assert list(nodes["output/output.1"].input) == ["Net/mul"]
    assert {n.op for n in nodes.values() if n.name.endswith("/constant")} == {"Const"}


def test_it_is_a_trace_in_evaluation_mode_that_leaves_modes_alone(tmp_path: Path) -> None:
    model = Net()
    model.features[2].eval()
    before = [m.training for m in model.modules()]
    nodes = logged(tmp_path, model, gt.zeros(2, 1, 9, 7))
    assert [m.training for m in model.modules()] == before
    assert True in before and False in before
    assert not any(name.endswith("_update") for name in nodes)
    assert model.features[1].num_batches_tracked.item() == 0


def test_modes_come_back_after_an_error(tmp_path: Path) -> None:
    model = Net()
    with SummaryWriter(tmp_path) as writer, pytest.raises(ShapeError):
        writer.add_graph(model, gt.zeros(2, 3, 9, 7))
    assert all(m.training for m in model.modules())


def test_a_function_that_writes_state(tmp_path: Path) -> None:
    norm = nn.BatchNorm1d(3)

    def step(x: Any) -> Any:
        return norm(x)

    nodes = logged(tmp_path, step, gt.TensorSpec((5, 3)))
    update = nodes["step/running_mean_update"]
    assert update.op == "update"
    assert nodes[update.input[0]].op == "add"
    assert all(name.startswith(("step/", "input/", "output/")) for name in nodes)


def test_several_results_and_bodies(tmp_path: Path) -> None:
    nodes = logged(tmp_path, nn.LSTM(5, 7), gt.TensorSpec((3, 2, 5)))
    scan = nodes["LSTM/scan"]
    assert shapes(scan)[:3] == [[2, 7], [2, 7], [3, 2, 7]]
    assert list(nodes["output/output.1"].input) == ["LSTM/scan:2"]
    assert list(nodes["LSTM/scan/tanh"].input) == ["LSTM/scan/slice_2"]
    assert "LSTM/scan/input/k0" in nodes and "LSTM/scan/output/output.1" in nodes


def test_branches(tmp_path: Path) -> None:
    cond = gt.cond  # looked up here, for that imports a module

    def choose(x: Any) -> Any:
        return cond(x.sum() > 0, lambda y: y.exp(), lambda y: -y, (x,))

    nodes = logged(tmp_path, choose, gt.TensorSpec((5,)))
    assert nodes["choose/cond"].op == "cond"
    assert {"exp", "neg"} <= {n.op for n in nodes.values() if n.name.startswith("choose/cond/")}


def test_dtypes_of_arguments(tmp_path: Path) -> None:
    def f(x: Any, parts: Any) -> Any:
        return x + parts["a"], parts["b"] > 0, x.to(gt.bfloat16)

    nodes = logged(tmp_path, f, (gt.TensorSpec((2, 3), gt.int64), {"a": gt.ones(3), "b": gt.ones(())}))
    dtype = {name: node.attr["dtype"].type for name, node in nodes.items()}
    assert [dtype[f"output/output.{i}"] for i in (1, 2, 3)] == [DT_FLOAT, DT_BOOL, DT_BFLOAT16]
    assert [dtype[f"input/x{i}"] for i in (0, 1, 2)] == [DT_INT64, DT_FLOAT, DT_FLOAT]


def test_names_with_colons(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_parameter("a:1", nn.Parameter(gt.ones(3)))
            self.register_parameter("a_1", nn.Parameter(gt.ones(3)))

        def forward(self, x: Any) -> Any:
            return x * getattr(self, "a:1") * self.a_1

    nodes = logged(tmp_path, Odd(), gt.ones(3))
    assert {"Odd/a_1", "Odd/a_1_1"} <= set(nodes)


def test_verbose_prints_the_graph(tmp_path: Path, capsys: Any) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(nn.ReLU(), gt.ones(3), verbose=True)
    assert "relu(%x0)" in capsys.readouterr().out


def test_refusals(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ArgumentTypeError, match="model must be a module or a function, got int"):
            writer.add_graph(3, gt.ones(3))
        with pytest.raises(ArgumentError, match="input_to_model: NoneType is not allowed"):
            writer.add_graph(nn.ReLU())
        with pytest.raises(ArgumentError, match="input_to_model: tuple is not allowed"):
            writer.add_graph(nn.ReLU(), ())
