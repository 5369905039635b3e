"""jax: plain functions under jit; a training step takes its state and gives the next, in donated buffers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.layers import Layer, namespace
from benchmarks.peers import Step
from benchmarks.workloads import LEARNING_RATE, Workload, fill

State = dict[str, Any]
MOMENTUM, EPS = 0.1, 1e-5  # torch's, of batch norm


def _product(x: Any, w: Any, stride: int, padding: int) -> Any:
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=("NCHW", "OIHW", "NCHW"))


def _conv2d(layer: Layer, x: Any) -> Any:
    y = _product(x, layer.values["weight"], layer.options["stride"], layer.options["padding"])
    return y + layer.values["bias"][:, None, None] if "bias" in layer.values else y


def _max_pool2d(layer: Layer, x: Any) -> Any:
    k, s, p = (layer.options[name] for name in ("kernel", "stride", "padding"))
    pads = [(0, 0), (0, 0), (p, p), (p, p)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, k, k), (1, 1, s, s), pads)


def _batch_norm(layer: Layer, x: Any) -> Any:
    """Training writes the running statistics into ``values``; the step returns them from there."""
    v = layer.values
    mean, var = v["running_mean"], v["running_var"]
    if layer.options.get("training"):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        count = x.size // x.shape[1]
        v["running_mean"] = (1 - MOMENTUM) * v["running_mean"] + MOMENTUM * mean
        v["running_var"] = (1 - MOMENTUM) * v["running_var"] + MOMENTUM * var * (count / (count - 1))
    scale = v["weight"] * lax.rsqrt(var + EPS)
    return x * scale[:, None, None] + (v["bias"] - mean * scale)[:, None, None]


def _normal(x: Any) -> Any:
    """Rows less their means, over their deviations."""
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + EPS)


def _attention(query: Any, key: Any, value: Any, is_causal: bool) -> Any:
    scores = query @ key.swapaxes(-1, -2) * query.shape[-1] ** -0.5
    seen = jnp.tril(jnp.ones(scores.shape[-2:], bool)) if is_causal else True
    return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ value


TABLE = {
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "batch_norm": _batch_norm,
    "linear": lambda layer, x: x @ layer.values["weight"].T + layer.values.get("bias", 0),
    "embedding": lambda layer, x: layer.values["weight"][x],
    "layer_norm": lambda layer, x: _normal(x) * layer.values["weight"] + layer.values["bias"],
    "attention": _attention,
    "relu": lambda layer, x: jnp.maximum(x, 0),
    "sigmoid": lambda layer, x: jax.nn.sigmoid(x),
    "gelu": lambda layer, x: jax.nn.gelu(x, approximate=False),
    "flatten": lambda layer, x: x.reshape(x.shape[0], -1),
}


def build(work: Workload, variant: str, threads: int, model_file: str) -> Step:
    inputs = [jnp.asarray(array) for array in work.inputs()]
    if work.net is None:
        op = jax.jit(_OPS[work.kind])
        return lambda: np.asarray(op(*inputs))
    layers, model = _model(work)
    state = _state(layers)
    if work.kind == "train":
        return _training(work, layers, model, state, inputs)

    @jax.jit
    def infer(state: State, x: Any) -> Any:
        _bind(layers, state)
        return model(x)

    return lambda: np.asarray(infer(state, *inputs))


def _training(work: Workload, layers: dict[str, Layer], model: Any, state: State, inputs: list[Any]) -> Step:
    start, update = {"sgd": (_no_moments, _sgd), "adamw": (_moments, _adamw)}[work.optimizer]
    running = {name: value for name, value in state.items() if "running" in name}
    params = {name: value for name, value in state.items() if name not in running}
    moments = start(params)

    def loss(params: State, running: State, x: Any, y: Any) -> Any:
        _bind(layers, params | running)
        value = _LOSSES[work.loss](model(x), y)
        after = {name: layers[name.rpartition(".")[0] + "."].values[name.rpartition(".")[2]] for name in running}
        return value, after

    def step(params: State, running: State, moments: Any, x: Any, y: Any) -> Any:
        (value, after), grads = jax.value_and_grad(loss, has_aux=True)(params, running, x, y)
        return *update(params, grads, moments), after, value

    compiled = jax.jit(step, donate_argnums=(0, 1, 2))

    def run() -> Any:
        nonlocal params, running, moments
        params, moments, running, value = compiled(params, running, moments, *inputs)
        jax.block_until_ready((params, running))
        return np.asarray(value)

    return run


def _cross_entropy(scores: Any, y: Any) -> Any:
    return -jax.nn.log_softmax(scores)[jnp.arange(len(y)), y].mean()


_LOSSES: dict[str, Any] = {"cross_entropy": _cross_entropy, "mse": lambda out, y: ((out - y) ** 2).mean()}


def _no_moments(params: State) -> Any:
    return ()


def _sgd(params: State, grads: State, moments: Any) -> Any:
    return {name: p - LEARNING_RATE * grads[name] for name, p in params.items()}, moments


def _moments(params: State) -> Any:
    first, second = ({name: jnp.zeros_like(p) for name, p in params.items()} for _ in range(2))
    return jnp.zeros(()), first, second


def _adamw(params: State, grads: State, moments: Any, decay: float = 0.01) -> Any:
    """torch's, with its defaults."""
    steps, first, second = moments
    steps = steps + 1
    first = {name: 0.9 * m + 0.1 * grads[name] for name, m in first.items()}
    second = {name: 0.999 * v + 0.001 * grads[name] ** 2 for name, v in second.items()}
    a, b = 1 - 0.9**steps, jnp.sqrt(1 - 0.999**steps)
    after = {
        name: p * (1 - LEARNING_RATE * decay) - LEARNING_RATE / a * first[name] / (jnp.sqrt(second[name]) / b + 1e-8)
        for name, p in params.items()
    }
    return after, (steps, first, second)


def _model(work: Workload) -> tuple[dict[str, Layer], Any]:
    assert work.net is not None
    model = work.net(namespace(TABLE))
    layers = dict(model.layers())
    for layer in layers.values():
        layer.options["training"] = work.kind == "train"
    return layers, model


def _state(layers: dict[str, Layer]) -> State:
    state: State = {}
    for prefix, layer in layers.items():
        for name, shape in layer.shapes.items():
            array = np.empty(shape, np.float32)
            fill(prefix + name, array)
            state[prefix + name] = jnp.array(array)
    return state


def _bind(layers: dict[str, Layer], state: State) -> None:
    for prefix, layer in layers.items():
        layer.values = {name: state[prefix + name] for name in layer.shapes}


_OPS: dict[str, Any] = {
    "matmul": lambda a, b: a @ b,
    "conv": lambda x, w: _product(x, w, 1, 1),
    "elementwise": lambda x, y: jnp.tanh(x * 1.5 + y) * jax.nn.sigmoid(y) - jnp.exp(-x * x),
    "softmax": jax.nn.softmax,
    "layer_norm": _normal,
    "column_sum": lambda x: x.sum(0),
}
