"""onnxruntime, inference in float32. The first call reads the file and optimizes the graph."""

from __future__ import annotations

import functools
from typing import Any

import onnxruntime

from benchmarks.peers import Step
from benchmarks.workloads import Workload


def build(work: Workload, variant: str, threads: int, model_file: str) -> Step:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    inputs = {"x": work.inputs()[0]}

    @functools.cache
    def session() -> Any:
        return onnxruntime.InferenceSession(model_file, options, providers=["CPUExecutionProvider"])

    return lambda: session().run(None, inputs)[0]
