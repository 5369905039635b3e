"""gt.cuda on a GPU: what it says of the device, memory, events, and several threads."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import graphtorch as gt
from graphtorch.errors import DeviceError, OutOfMemoryError

pytestmark = pytest.mark.gpu


def test_facts() -> None:
    assert gt.cuda.is_available() and gt.cuda.why_unavailable() == "" and gt.cuda.device_count() >= 1
    major, _ = gt.cuda.get_device_capability()
    told = gt.cuda.get_device_properties("cuda:0")
    assert major >= 7 and told.major == major and told.total_memory >= 1 << 30 and told.warp_size == 32
    assert gt.cuda.get_device_name(0) == told.name and told.multi_processor_count > 0
    for wrong in ("cuda:99", "cpu"):
        with pytest.raises(DeviceError, match="GT402"):
            gt.cuda.get_device_name(wrong)
    with pytest.raises(DeviceError, match="GT402"):
        gt.cuda.set_device(99)
    gt.cuda.set_device("cuda:0")
    assert gt.cuda.current_device() == 0


def test_memory_is_counted() -> None:
    gc.collect()
    gt.cuda.empty_cache()
    before = gt.cuda.memory_allocated()
    gt.cuda.reset_peak_memory_stats()
    x = gt.zeros(1 << 20, device="cuda")
    y = x[5:]
    assert gt.cuda.memory_allocated() - before == 1 << 22
    z = x + x
    del x, z
    assert gt.cuda.memory_allocated() - before == 1 << 22  # a view keeps its memory
    del y
    assert gt.cuda.memory_allocated() == before
    assert gt.cuda.max_memory_allocated() - before >= 1 << 23
    reserved = gt.cuda.memory_reserved()
    gt.cuda.empty_cache()
    assert before <= gt.cuda.memory_reserved() <= reserved - (1 << 23)


def test_out_of_memory_says_how_much_there_is() -> None:
    with pytest.raises(OutOfMemoryError, match=r"GT405.*\n(.*\n)*.*in use by tensors"):
        gt.empty(1, device="cuda").expand(1 << 38).contiguous()
    assert gt.zeros(3, device="cuda").sum().item() == 0


def test_events() -> None:
    start, end = gt.cuda.Event(enable_timing=True), gt.cuda.Event(enable_timing=True)
    assert start.query()
    with pytest.raises(DeviceError, match="GT406"):
        start.elapsed_time(end)
    start.record()
    gt.ones(100, device="cuda") + 1
    end.record()
    end.synchronize()
    assert end.query() and 0 <= start.elapsed_time(end) < 60_000
    stream = gt.cuda.Stream()
    stream.wait_event(end)
    stream.synchronize()
    assert stream.query() and stream != gt.cuda.current_stream() and stream.device == gt.device("cuda:0")
    gt.cuda.synchronize()


def test_threads() -> None:
    def work(n: int) -> float:
        x = gt.full((50, 40), float(n), device="cuda")
        for _ in range(5):
            x = x + 1
        return x.sum().item()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(12))) == [2000.0 * (n + 5) for n in range(12)]


def test_each_thread_has_its_stream() -> None:
    side, found = gt.cuda.Stream(), []
    with gt.cuda.stream(side):
        other = threading.Thread(target=lambda: found.append(gt.cuda.current_stream()))
        other.start()
        other.join()
        assert gt.cuda.current_stream() == side
    assert found == [gt.cuda.default_stream()]
