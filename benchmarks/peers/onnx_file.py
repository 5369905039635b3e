"""A net of nets.py as an ONNX file, with the same weights: what onnxruntime and openvino read.

    python -m benchmarks.peers.onnx_file WORKLOAD FILE

A process of its own, so that its memory is not counted as theirs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.layers import Layer, namespace
from benchmarks.workloads import BY_NAME, Workload, fill


class Writer:
    """Nodes and weights so far."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> Traced:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return Traced(name, self)

    def weight(self, name: str, array: np.ndarray[Any, Any]) -> str:
        self.weights.append(onnx.numpy_helper.from_array(array, name))
        return name

    def layer(self, kind: str, layer: Layer, x: Traced, **attributes: Any) -> Traced:
        return self.node(kind, [x.name, *(layer.values[name] for name in layer.shapes)], **attributes)


class Traced:
    """A value in the file."""

    def __init__(self, name: str, writer: Writer) -> None:
        self.name, self.writer = name, writer

    def __add__(self, other: Traced) -> Traced:
        return self.writer.node("Add", [self.name, other.name])

    def mean(self, dims: tuple[int, ...]) -> Traced:
        return self.writer.node("ReduceMean", [self.name], axes=list(dims), keepdims=0)


def _window(kernel: int, layer: Layer) -> dict[str, list[int]]:
    stride, padding = layer.options["stride"], layer.options["padding"]
    return {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}


TABLE = {
    "conv2d": lambda layer, x: x.writer.layer("Conv", layer, x, **_window(layer.shapes["weight"][2], layer)),
    "max_pool2d": lambda layer, x: x.writer.layer("MaxPool", layer, x, **_window(layer.options["kernel"], layer)),
    "batch_norm": lambda layer, x: x.writer.layer("BatchNormalization", layer, x, epsilon=1e-5),
    "linear": lambda layer, x: x.writer.layer("Gemm", layer, x, transB=1),
    "relu": lambda layer, x: x.writer.layer("Relu", layer, x),
    "flatten": lambda layer, x: x.writer.layer("Flatten", layer, x, axis=1),
}


def write(work: Workload, path: str) -> None:
    assert work.net is not None
    writer, net = Writer(), work.net(namespace(TABLE))
    for prefix, layer in net.layers():
        for name, shape in layer.shapes.items():
            array = np.empty(shape, np.float32)
            fill(prefix + name, array)
            layer.values[name] = writer.weight(prefix + name, array)
    y = net(Traced("x", writer))
    float32 = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", float32, work.shapes[0])]
    outputs = [helper.make_tensor_value_info(y.name, float32, None)]
    graph = helper.make_graph(writer.nodes, work.name, inputs, outputs, writer.weights)
    # Opset 17 is the last whose ReduceMean has its axes as an attribute; version 8 of the format goes with it.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


if __name__ == "__main__":
    write(BY_NAME[sys.argv[1]], sys.argv[2])
