"""Memory of a GPU, kept from one use to the next: the driver waits for the device, and takes longer than a kernel.

Blocks are cut from what the driver gave, the smallest that fits first, and joined with their neighbours when they are
given back, as in torch's allocator. Each stream has blocks of its own: what is freed may still be read by work that the
same stream was given before, and by nothing else.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field

from graphtorch.ir.errors import OutOfMemoryError
from graphtorch.runtime.cuda_driver import OutOfMemory
from graphtorch.runtime.threads import fork_safe

#: blocks are multiples of it, and so are addresses
ALIGN = 512
#: the least that the driver is asked for
SEGMENT = 2 << 20


@dataclass(eq=False)
class Block:
    """``size`` bytes at ``address``; ``before`` and ``after`` are its neighbours in the same segment."""

    address: int
    size: int
    stream: int
    free: bool = True
    before: Block | None = None
    after: Block | None = None


@dataclass
class Counts:
    """Bytes, now and at most."""

    current: int = 0
    peak: int = 0

    def add(self, nbytes: int) -> None:
        self.current += nbytes
        self.peak = max(self.peak, self.current)

    def reset_peak(self) -> None:
        self.peak = self.current


@dataclass
class Pool:
    """The memory of one device. ``ask`` and ``give_back`` are the driver's; ``describe`` tells of its memory."""

    ask: Callable[[int], int]
    give_back: Callable[[int], None]
    describe: Callable[[], str]
    wait: Callable[[], None]
    #: bytes of blocks that are in use, and of what the driver gave
    allocated: Counts = field(default_factory=Counts)
    reserved: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._free: dict[int, list[tuple[int, int]]] = {}
        self._blocks: dict[int, Block] = {}
        # a tensor may go, by the garbage collector, while its own thread is in here
        self._lock = fork_safe(threading.RLock())

    def take(self, nbytes: int, stream: int) -> Block:
        """A block for work on ``stream``; OutOfMemoryError GT405 where the device has none."""
        size = max(-(-nbytes // ALIGN) * ALIGN, ALIGN)
        with self._lock:
            block = self._fitting(size, stream) or self._segment(size, stream)
            if block.size > size:
                self._cut(block, size)
            block.free = False
            self.allocated.add(block.size)
            return block

    def give(self, block: Block) -> None:
        """Free for what the same stream is given next."""
        with self._lock:
            self.allocated.add(-block.size)
            block.free = True
            if block.after is not None and block.after.free:
                self._join(block, block.after)
            if block.before is not None and block.before.free:
                block = self._join(block.before, block)
            self._enter(block)

    def empty(self) -> None:
        """Give back to the driver what is all free."""
        with self._lock:
            whole = [b for b in self._blocks.values() if b.free and b.before is None and b.after is None]
            if whole:
                self.wait()
            for block in whole:
                self._leave(block)
                del self._blocks[block.address]
                self.reserved.add(-block.size)
                self.give_back(block.address)

    def _fitting(self, size: int, stream: int) -> Block | None:
        free = self._free.setdefault(stream, [])
        at = bisect_left(free, (size, 0))
        if at == len(free):
            return None
        block = self._blocks[free.pop(at)[1]]
        return block

    def _segment(self, size: int, stream: int) -> Block:
        """New memory of the driver, entered nowhere."""
        asked = -(-size // SEGMENT) * SEGMENT
        try:
            address = self.ask(asked)
        except OutOfMemory:
            self.empty()
            try:
                address = self.ask(asked)
            except OutOfMemory:
                raise self._none_left(size) from None
        self.reserved.add(asked)
        block = self._blocks[address] = Block(address, asked, stream)
        return block

    def _none_left(self, size: int) -> OutOfMemoryError:
        mib = [n / 2**20 for n in (size, self.allocated.current, self.reserved.current)]
        return OutOfMemoryError(
            "GT405",
            f"the GPU has no memory for {mib[0]:.1f} MiB more",
            [f"{mib[1]:.1f} MiB are in use by tensors, {mib[2]:.1f} MiB reserved; {self.describe()}"],
            "make batches smaller, or free tensors (del, gt.cuda.empty_cache())",
        )

    def _cut(self, block: Block, size: int) -> None:
        rest = Block(block.address + size, block.size - size, block.stream, True, block, block.after)
        if rest.after is not None:
            rest.after.before = rest
        block.after, block.size = rest, size
        self._blocks[rest.address] = rest
        self._enter(rest)

    def _join(self, low: Block, high: Block) -> Block:
        """One block of two neighbours that are free."""
        for each in (low, high):
            self._leave(each)
        del self._blocks[high.address]
        low.size, low.after = low.size + high.size, high.after
        if low.after is not None:
            low.after.before = low
        return low

    def _enter(self, block: Block) -> None:
        insort(self._free.setdefault(block.stream, []), (block.size, block.address))

    def _leave(self, block: Block) -> None:
        """Out of the list of free blocks, where it may not be yet."""
        free, key = self._free[block.stream], (block.size, block.address)
        at = bisect_left(free, key)
        if at < len(free) and free[at] == key:
            free.pop(at)
