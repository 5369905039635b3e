"""torch: eager, torch.compile, and eager with channels_last memory."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.nets import ops, trainer
from benchmarks.peers import Step
from benchmarks.workloads import LEARNING_RATE, Workload, fill


def build(work: Workload, variant: str, threads: int, model_file: str) -> Step:
    torch.set_num_threads(threads)
    layout = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    inputs = [torch.from_numpy(array) for array in work.inputs()]
    inputs = [x.to(memory_format=layout) if x.ndim == 4 else x for x in inputs]
    wrap: Any = torch.compile if variant == "torch.compile" else lambda f: f
    if work.net is None:
        call = wrap(ops(torch)[work.kind])
    else:
        model = work.net(torch.nn)
        for name, tensor in model.state_dict().items():
            fill(name, tensor.detach().numpy())
        model = model.to(memory_format=layout)
        if work.kind == "train":
            call = wrap(trainer(work, model, torch.nn, torch.optim, LEARNING_RATE))
            return lambda: call(*inputs).detach().numpy()
        call = wrap(model.eval())
    # torch.compile has more to guard under inference_mode; eager torch is faster there.
    mode = torch.no_grad if variant == "torch.compile" else torch.inference_mode

    def infer() -> Any:
        with mode():
            return call(*inputs).numpy()

    return infer
