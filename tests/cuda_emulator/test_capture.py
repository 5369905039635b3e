"""Capture of streams, and graphs: what the fake driver does, and what it refuses as a real one does."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_size_t, c_uint64, c_void_p

import numpy as np
import pytest

from tests.cuda_emulator.harness import refused
from tests.cuda_emulator.streams import event, first, on, ready
from tests.gpu.driver import Gpu


def capture(gpu: Gpu, stream: c_void_p, mode: int = 1) -> Callable[[], c_void_p]:
    """Begins; what it gives ends it, and is the instantiated graph."""
    gpu.call("cuStreamBeginCapture_v2", stream, mode)

    def end() -> c_void_p:
        graph, made = c_void_p(), c_void_p()
        gpu.call("cuStreamEndCapture", stream, byref(graph))
        gpu.call("cuGraphInstantiateWithFlags", byref(made), graph, c_uint64(0))
        gpu.call("cuGraphDestroy", graph)
        return made

    return end


def test_a_graph_replays(gpu: Gpu, kernels: Callable[[str], c_void_p], x: int) -> None:
    y = gpu.upload(np.zeros(64, np.float32))
    end = capture(gpu, gpu.stream)
    gpu.launch(ready(gpu, kernels, "add", x))
    gpu.launch(ready(gpu, kernels, "twice", x))
    gpu.copy(y, x, 256)
    made = end()
    assert first(gpu, x) == 0  # nothing ran
    for want in (2, 6, 14):
        gpu.call("cuGraphLaunch", made, gpu.stream)
        assert first(gpu, x) == first(gpu, y) == want
    gpu.call("cuGraphExecDestroy", made)
    refused(gpu, "INVALID_HANDLE", "this is no instantiated graph", "cuGraphLaunch", made, gpu.stream)


def test_a_capture_goes_through_other_streams(
    gpu: Gpu, kernels: Callable[[str], c_void_p], x: int, streams: tuple[c_void_p, c_void_p]
) -> None:
    one, other = streams
    end, fork, join = capture(gpu, one), event(gpu), event(gpu)
    on(gpu, one, ready(gpu, kernels, "add", x))
    gpu.call("cuEventRecord", fork, one)
    gpu.call("cuStreamWaitEvent", other, fork, 0)
    on(gpu, other, ready(gpu, kernels, "twice", x))
    gpu.call("cuEventRecord", join, other)
    gpu.call("cuStreamWaitEvent", one, join, 0)
    made = end()
    gpu.call("cuGraphLaunch", made, one)
    gpu.call("cuStreamSynchronize", one)
    assert first(gpu, x) == 2


def test_a_fork_has_to_be_joined(
    gpu: Gpu, kernels: Callable[[str], c_void_p], x: int, streams: tuple[c_void_p, c_void_p]
) -> None:
    one, other = streams
    fork = event(gpu)
    gpu.call("cuStreamBeginCapture_v2", one, 1)
    gpu.call("cuEventRecord", fork, one)
    gpu.call("cuStreamWaitEvent", other, fork, 0)
    on(gpu, other, ready(gpu, kernels, "add", x))
    words = "no stream waits for the last work of a stream that joined the capture"
    refused(gpu, "STREAM_CAPTURE_UNJOINED", words, "cuStreamEndCapture", one, byref(c_void_p()))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("cuMemAlloc_v2", (byref(c_uint64()), c_size_t(4))), ("cuCtxSynchronize", ()),
        ("cuMemHostAlloc", (byref(c_void_p()), c_size_t(4), 0)),
    ],
)  # fmt: skip
def test_what_a_capture_forbids(name: str, args: tuple[object, ...], gpu: Gpu) -> None:
    gpu.call("cuStreamBeginCapture_v2", gpu.stream, 1)
    refused(gpu, "STREAM_CAPTURE_UNSUPPORTED", "while a stream captures", name, *args)
    refused(gpu, "STREAM_CAPTURE_INVALIDATED", "invalid", "cuStreamEndCapture", gpu.stream, byref(c_void_p()))
    end = capture(gpu, gpu.stream, mode=2)  # relaxed
    if name != "cuCtxSynchronize":
        gpu.call(name, *args)
    end()


def test_a_capture_outlives_no_mistake(gpu: Gpu, streams: tuple[c_void_p, c_void_p]) -> None:
    one, other = streams
    nothing = byref(c_void_p())
    refused(gpu, "ILLEGAL_STATE", "this stream does not capture", "cuStreamEndCapture", one, nothing)
    refused(gpu, "STREAM_CAPTURE_UNSUPPORTED", "the legacy stream", "cuStreamBeginCapture_v2", c_void_p(), 0)
    outside = event(gpu)
    gpu.call("cuEventRecord", outside, other)
    gpu.call("cuStreamBeginCapture_v2", one, 1)
    refused(gpu, "ILLEGAL_STATE", "captures already", "cuStreamBeginCapture_v2", one, 1)
    refused(gpu, "STREAM_CAPTURE_ISOLATION", "from outside", "cuStreamWaitEvent", one, outside, 0)
    gpu.call("cuStreamEndCapture", one, nothing)
