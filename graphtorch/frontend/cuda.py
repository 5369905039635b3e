"""graphtorch.cuda: devices, streams, events and memory, under the names that torch.cuda has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from graphtorch.frontend import placement, random
from graphtorch.ir import device as devices
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import DeviceError
from graphtorch.runtime import cuda
from graphtorch.runtime.cuda import Gpu


def is_available() -> bool:
    """Whether a GPU can hold tensors; never an exception."""
    return cuda.device_count() > 0


def why_unavailable() -> str:
    """Why `is_available` is False, in a line; "" where it is True."""
    return cuda.why_unavailable()


def device_count() -> int:
    """How many GPUs there are; 0 where there is no driver."""
    return cuda.device_count()


def _index(device: Any) -> int:
    """The number of a GPU that is named by number or name, the current one for None."""
    if device is None:
        return placement.current_index()
    named = devices.device("cuda", device) if type(device) is int else devices.device(device)
    if named.type != "cuda":
        raise DeviceError("GT402", f"{str(device)!r} is no GPU", ['expected a number, "cuda" or "cuda:<index>"'])
    return placement.current_index() if named.index is None else named.index


def _gpu(device: Any) -> Gpu:
    found = check_device(devices.device("cuda", _index(device)))
    assert found is not None and found.index is not None  # a GPU that is ready has a number
    return cuda.gpu(found.index)


def current_device() -> int:
    """The number of the GPU that "cuda" means in this thread: 0 at the start."""
    return placement.current_index()


def set_device(device: Any) -> None:
    """What "cuda" means in this thread from now on: a number or a name; DeviceError GT402 if there is no such GPU."""
    placement.set_current_index(_gpu(device).index)


class device:
    """``with gt.cuda.device(1):`` "cuda" means that GPU in the block; None changes nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = None if device is None else _gpu(device).index

    def __enter__(self) -> None:
        self._before = placement.current_index()
        if self.idx is not None:
            placement.set_current_index(self.idx)

    def __exit__(self, *_: object) -> None:
        placement.set_current_index(self._before)


class Properties(NamedTuple):
    """What a GPU is; ``total_memory`` in bytes."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    L2_cache_size: int
    warp_size: int
    max_threads_per_multi_processor: int
    shared_memory_per_block: int


def get_device_properties(device: Any = None) -> Properties:
    """Of the current GPU, or another one."""
    found = _gpu(device)
    names = "MULTIPROCESSOR_COUNT", "L2_CACHE_SIZE", "WARP_SIZE", "MAX_THREADS_PER_MULTIPROCESSOR"
    figures = [found.attribute(name) for name in (*names, "MAX_SHARED_MEMORY_PER_BLOCK")]
    return Properties(found.name, *found.capability, found.total_memory, *figures)


def get_device_name(device: Any = None) -> str:
    """What its maker calls it."""
    return _gpu(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """(9, 0) for sm_90."""
    return _gpu(device).capability


def synchronize(device: Any = None) -> None:
    """Wait for all work on a GPU."""
    _gpu(device).synchronize()


# ---- streams and events ----------------------------------------------------------------------------


class Stream:
    """Work that runs in turn, beside that of other streams of the same GPU.

    Memory that one stream makes and another reads needs `wait_stream` between them, as in torch.
    """

    def __init__(self, device: Any = None, priority: int = 0, *, _of: cuda.Stream | None = None) -> None:
        self._stream = cuda.Stream(_gpu(device)) if _of is None else _of

    @property
    def device(self) -> devices.device:
        return devices.device("cuda", self._stream.device.index)

    @property
    def cuda_stream(self) -> int:
        """The driver's handle."""
        return self._stream.handle

    def synchronize(self) -> None:
        """Wait for its work."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether its work is done."""
        return self._stream.query()

    def record_event(self, event: Event | None = None) -> Event:
        """An event behind the work that it has been given."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What it is given from now on waits for ``event``."""
        if event._event is not None:
            self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """What it is given from now on waits for what ``stream`` has been given."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other._stream is self._stream

    def __hash__(self) -> int:
        return id(self._stream)

    def __repr__(self) -> str:
        return f"<graphtorch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A point in a stream's work. With ``enable_timing`` two of them tell the time between them."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._timing = enable_timing
        self._event: cuda.Event | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Behind the work that ``stream``, or the current one, has been given."""
        to = (stream or current_stream())._stream
        if self._event is None:
            self._event = cuda.Event(to.device, self._timing)
        self._event.record(to)

    def wait(self, stream: Stream | None = None) -> None:
        """What ``stream``, or the current one, is given from now on waits for this."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """Whether it has come; True for one that was never recorded."""
        return self._event is None or self._event.query()

    def synchronize(self) -> None:
        """Wait until it has come."""
        if self._event is not None:
            self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to ``end_event``; DeviceError GT406 unless both were recorded with timing."""
        if self._event is None or end_event._event is None or not (self._timing and end_event._timing):
            raise DeviceError(
                "GT406", "there is no time between events that were not recorded", ["expected enable_timing=True"]
            )
        return self._event.milliseconds_to(end_event._event)


def current_stream(device: Any = None) -> Stream:
    """The stream that this thread's work goes to."""
    return Stream(_of=_gpu(device).stream)


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to where no other is chosen."""
    return Stream(_of=_gpu(device).main)


def set_stream(stream: Stream) -> None:
    """This thread's work goes to ``stream`` from now on."""
    stream._stream.device.choose(stream._stream)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """The work of the block goes to ``stream``; None changes nothing."""
    if stream is None:
        yield
        return
    chosen = stream._stream
    before = chosen.device.choose(chosen)
    try:
        yield
    finally:
        chosen.device.choose(before)


# ---- memory ----------------------------------------------------------------------------------------


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors and programs hold."""
    return _gpu(device).pool.allocated.current


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that they held since the start, or `reset_peak_memory_stats`."""
    return _gpu(device).pool.allocated.peak


def memory_reserved(device: Any = None) -> int:
    """Bytes that the driver gave, what is free of them included."""
    return _gpu(device).pool.reserved.current


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that the driver gave."""
    return _gpu(device).pool.reserved.peak


def reset_peak_memory_stats(device: Any = None) -> None:
    """`max_memory_allocated` and `max_memory_reserved` start anew."""
    pool = _gpu(device).pool
    pool.allocated.reset_peak()
    pool.reserved.reset_peak()


def empty_cache() -> None:
    """Give back to the driver what no tensor holds."""
    for each in cuda.opened():
        cuda.gpu(each.index).pool.empty()


# ---- random numbers --------------------------------------------------------------------------------


def manual_seed(seed: int) -> None:
    """Seed the generator of the current GPU; nothing where there is none. The same seed gives the CPU's numbers."""
    if is_available():
        random.seed_gpus(seed, [_gpu(None).index])


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs; nothing where there is none."""
    if is_available():
        for index in range(device_count()):
            _gpu(index)
        random.seed_gpus(seed, range(device_count()))
