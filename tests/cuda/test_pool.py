"""The pool of memory, over a driver of 8 MiB."""

from __future__ import annotations

import itertools
import random

import pytest

from graphtorch.errors import OutOfMemoryError
from graphtorch.runtime.cuda_driver import OutOfMemory
from graphtorch.runtime.cuda_memory import ALIGN, SEGMENT, Block, Pool

LIMIT = 4 * SEGMENT


class Driver:
    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        self.waits = 0
        self.next = 1 << 40

    def ask(self, nbytes: int) -> int:
        if sum(self.held.values()) + nbytes > LIMIT:
            raise OutOfMemory
        self.next += 1 << 30
        self.held[self.next] = nbytes
        return self.next

    def give(self, address: int) -> None:
        del self.held[address]

    def wait(self) -> None:
        self.waits += 1

    def pool(self) -> Pool:
        return Pool(self.ask, self.give, lambda: "it has 8 MiB", self.wait)


def test_blocks_do_not_overlap_and_are_counted() -> None:
    pool, rng, live, most = Driver().pool(), random.Random(5), list[Block](), 0
    for _ in range(3000):
        if live and rng.random() < 0.5:
            pool.give(live.pop(rng.randrange(len(live))))
        elif sum(b.size for b in live) < LIMIT // 4:
            block = pool.take(rng.choice([1, 511, 513, 5000, 70_000, 300_000]), stream=rng.choice([1, 2]))
            live.append(block)
        spans = sorted((b.address, b.address + b.size) for b in live)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert all(b.address % ALIGN == 0 for b in live)
        assert pool.allocated.current == sum(b.size for b in live)
        most = max(most, pool.allocated.current)
    assert pool.allocated.peak == most
    for block in live:
        pool.give(block)
    pool.empty()
    assert (pool.allocated.current, pool.reserved.current) == (0, 0)


def test_neighbours_that_are_free_are_one_again() -> None:
    driver = Driver()
    pool = driver.pool()
    blocks = [pool.take(SEGMENT // 8, 7) for _ in range(8)]
    for i in (1, 3, 5, 7, 6, 0, 2, 4):
        pool.give(blocks[i])
    assert pool.take(SEGMENT, 7).address == blocks[0].address
    assert len(driver.held) == 1


def test_streams_share_no_block() -> None:
    pool = Driver().pool()
    first = pool.take(4096, 1)
    pool.give(first)
    assert pool.take(4096, 2).address != first.address
    assert pool.take(4096, 1).address == first.address


def test_what_is_free_is_given_back_before_memory_is_said_to_be_out() -> None:
    driver = Driver()
    pool = driver.pool()
    for stream in range(4):
        pool.give(pool.take(100, stream))
    assert pool.reserved.current == LIMIT
    big = pool.take(3 * SEGMENT, 9)
    assert driver.waits == 1 and pool.reserved.current == 3 * SEGMENT
    with pytest.raises(OutOfMemoryError, match=r"GT405.*2\.0 MiB more\n(.*\n)*.*8\.0 MiB are in use.*it has 8 MiB"):
        pool.take(SEGMENT, 1), pool.take(SEGMENT, 1)
    pool.give(big)
    pool.take(2 * SEGMENT, 1)


def test_peaks_start_anew() -> None:
    pool = Driver().pool()
    pool.give(pool.take(10 * ALIGN, 1))
    pool.allocated.reset_peak()
    kept = pool.take(ALIGN, 1)
    assert (pool.allocated.peak, pool.allocated.current, kept.size) == (ALIGN, ALIGN, ALIGN)
