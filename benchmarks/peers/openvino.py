"""openvino, inference in float32. The first call reads the file and compiles the model."""

from __future__ import annotations

import functools
from typing import Any

import openvino

from benchmarks.peers import Step
from benchmarks.workloads import Workload


def build(work: Workload, variant: str, threads: int, model_file: str) -> Step:
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16, where the CPU has it
    }
    inputs = work.inputs()

    @functools.cache
    def request() -> Any:
        core = openvino.Core()
        return core.compile_model(core.read_model(model_file), "CPU", config).create_infer_request()

    return lambda: request().infer(inputs, share_inputs=True, share_outputs=True)[0]
