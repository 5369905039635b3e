"""graphtorch: a compiled training step, a frozen compiled module, a compiled function; or the same eagerly.

"graphtorch-winograd" allows Winograd convolution for weights that are not frozen, too (ADR 9).
"""

from __future__ import annotations

import os
from typing import Any

import graphtorch as gt
from benchmarks.nets import ops, trainer
from benchmarks.peers import Step
from benchmarks.workloads import LEARNING_RATE, Workload, fill
from graphtorch import nn, optim


def build(work: Workload, variant: str, threads: int, model_file: str) -> Step:
    if variant == "graphtorch-winograd":
        os.environ["GRAPHTORCH_WINOGRAD"] = "1"  # read when the first program is compiled
    gt.set_num_threads(threads)
    call, inputs = parts(work, compiled=variant != "graphtorch-eager")
    if work.kind == "train":
        return lambda: call(*inputs).detach().numpy()

    def infer() -> Any:
        with gt.no_grad():
            return call(*inputs).numpy()

    return infer


def parts(work: Workload, compiled: bool = True, freeze: bool = True) -> tuple[Any, list[Any]]:
    """What a step calls, and on what; ``freeze`` is for modules in inference."""
    inputs = [gt.from_numpy(array) for array in work.inputs()]
    wrap: Any = gt.compile if compiled else lambda f: f
    if work.net is None:
        return wrap(ops(gt)[work.kind]), inputs
    model = work.net(nn)
    for name, tensor in model.state_dict().items():
        fill(name, tensor.detach().numpy())
    if work.kind == "train":
        return wrap(trainer(work, model, nn, optim, LEARNING_RATE)), inputs
    model.eval()
    return (gt.compile(model, freeze=freeze) if compiled else model), inputs
