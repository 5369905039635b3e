"""How threads share a loop: the native code of the pool, called one thread at a time, so that the order is ours."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.emit_program import _runs, emit_program
from graphtorch.codegen.kernel_text import parse_kernel
from graphtorch.codegen.program import HEADER, Launch
from graphtorch.runtime import cpu, threads
from graphtorch.runtime.section_ir import CHUNKS

POINTER, WORD = ctypes.c_void_p, ctypes.c_int64
LINE = 64


def aligned(nbytes: int) -> int:
    """Zeroed memory at a multiple of a line; it is never freed."""
    memory = np.zeros(nbytes + LINE, np.uint8)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    return -(-memory.ctypes.data // LINE) * LINE


class Section:
    """A section of ``extent`` iterations, and what each of its threads has claimed."""

    def __init__(self, threads: int, extent: int) -> None:
        self.threads, self.extent, self.epoch = threads, extent, 1
        self.memory = aligned(LINE * (1 + threads))
        machine = cpu.load_pool()
        claim = ctypes.CFUNCTYPE(ctypes.c_bool, POINTER, WORD, WORD, WORD, WORD, POINTER)
        wait = ctypes.CFUNCTYPE(None, POINTER, WORD, WORD, WORD)
        self._claim, self._await = claim(machine.address("gt_claim")), wait(machine.address("gt_await"))
        self.work = [(WORD * 4)() for _ in range(threads)]

    def claim(self, thread: int) -> range | None:
        work = self.work[thread]
        if not self._claim(self.memory, thread, self.threads, self.epoch, self.extent, work):
            return None
        return range(work[0], work[1])

    def rest(self, thread: int) -> Iterator[range]:
        while (claimed := self.claim(thread)) is not None:
            yield claimed

    def wait(self) -> None:
        self._await(self.memory, self.threads, self.epoch, self.extent)

    def again(self) -> None:
        self.epoch += 1
        self.work = [(WORD * 4)() for _ in range(self.threads)]


SIZES = [(t, e) for t in (1, 2, 3, 8) for e in (0, 1, 2, 3, 7, 17, 64, 1000, 12345)]


@pytest.mark.parametrize(("count", "extent"), SIZES)
def test_one_thread_does_all_where_no_other_comes(count: int, extent: int) -> None:
    section = Section(count, extent)
    for _ in range(3):  # nothing is reset between runs
        done = [i for claimed in section.rest(count - 1) for i in claimed]
        assert sorted(done) == list(range(extent))
        section.wait()
        assert all(section.claim(thread) is None for thread in range(count - 1))  # they come too late
        section.again()


@pytest.mark.parametrize(("count", "extent"), [s for s in SIZES if s[0] > 1])
def test_in_turn_each_iteration_is_claimed_once(count: int, extent: int) -> None:
    section, rng = Section(count, extent), np.random.default_rng(0)
    for _ in range(3):
        done, active = [], list(range(count))
        while active:
            thread = int(rng.choice(active))
            claimed = section.claim(thread)
            if claimed is None:
                active.remove(thread)
            else:
                done += claimed
        assert sorted(done) == list(range(extent))
        section.wait()
        section.again()


@pytest.mark.parametrize(("count", "extent"), [s for s in SIZES if s[0] > 1 and s[1]])
def test_who_is_rounds_behind_finds_nothing_to_do(count: int, extent: int) -> None:
    """In a loop others may be ahead; a claim for a round that is over would run its iterations again."""
    section = Section(count, extent)
    for _ in range(3):
        list(section.rest(0))
        section.again()
    list(section.rest(0))  # round 4 is done
    for late in (1, 2, 3):
        section.epoch = late
        section.work = [(WORD * 4)() for _ in range(count)]
        assert all(section.claim(thread) is None for thread in range(count))
        section.wait()  # the count has gone past what it waits for
    section.epoch = 4
    section.wait()


def test_who_comes_back_within_a_round_takes_what_is_left_of_it_alone() -> None:
    section = Section(2, 100)
    first = [i for claimed in section.rest(0) for i in claimed]
    section.again()
    ahead = section.claim(0)
    assert ahead is not None
    section.epoch = 1
    assert section.claim(1) is None  # a share that nobody has touched in round 2 is still over in round 1
    section.epoch, section.work[1] = 2, (WORD * 4)()
    rest = [*section.rest(0), *section.rest(1)]
    assert sorted(i for claimed in (ahead, *rest) for i in claimed) == sorted(first)
    section.wait()


def test_a_thread_begins_with_its_own_share() -> None:
    section = Section(4, 4000)
    assert [section.claim(t) for t in range(4)] == [range(s, s + 1000 // CHUNKS) for s in (0, 1000, 2000, 3000)]


def test_who_is_held_back_keeps_one_chunk() -> None:
    section = Section(2, 100)
    kept = section.claim(0)
    assert kept is not None
    others = [i for claimed in section.rest(1) for i in claimed]
    assert others[:50] == list(range(50, 100))  # its own first
    assert sorted([*kept, *others]) == list(range(100))
    assert len(kept) <= -(-100 // (2 * CHUNKS))
    assert section.claim(0) is None
    section.wait()


RAGGED = """\
kernel @ragged(%x: f32[97] out) {
  par %i in 97 {
    store %x[%i], 0.0
    for %j in (%i * 50) {
      store %x[%i], (load %x[%i] + 1.0)
    }
  }
}
"""
SERIAL = """\
kernel @next(%x: f32[97]) {
  for %i in 96 {
    store %x[(%i + 1)], (load %x[(%i + 1)] + load %x[%i])
  }
}
"""


def program(*texts: str) -> Callable[[threads.Pool, int, np.ndarray], None]:
    """A program of kernels over one buffer, and how to run it."""
    kernels = {text: parse_kernel(text) for text in texts}
    return run_of([Launch(kernels[text], (0,)) for text in texts])  # type: ignore[arg-type]


def run_of(launches: list[Any]) -> Callable[..., None]:
    """Launches whose values are numbers of buffers, and how to run them."""
    machine = cpu.Machine(cpu.compile_object(emit_program(launches, lambda v: ("slot", v), 0)))  # type: ignore[arg-type, return-value]
    count = ctypes.CFUNCTYPE(WORD)(machine.address("sections"))()
    memory: dict[int, int] = {}

    def run(pool: threads.Pool, n: int, *arrays: np.ndarray) -> None:
        if n not in memory:
            memory[n] = aligned(LINE * (1 + count * (1 + n)))
        table = (POINTER * (HEADER + len(arrays)))()
        table[3] = memory[n] + LINE
        table[HEADER:] = [a.ctypes.data for a in arrays]
        pool.start(pool.address, machine.address("program"), ctypes.addressof(table), n, memory[n])

    return run


def expected() -> np.ndarray:
    return np.cumsum(np.arange(97, dtype=np.float32) * 50)


def test_a_pool_whose_workers_do_not_come() -> None:
    pool = threads.Pool(cpu.load_pool())  # it has none
    run = program(RAGGED, SERIAL, RAGGED, SERIAL)
    for n in (2, 5, 2):
        x = np.full(97, np.nan, np.float32)
        run(pool, n, x)
        np.testing.assert_array_equal(x, expected())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_ragged_iterations_on_a_pool(n: int) -> None:
    pool = threads.pool()
    pool.grow(n)
    run = program(RAGGED, SERIAL)
    for _ in range(200):
        x = np.full(97, np.nan, np.float32)
        run(pool, n, x)
        np.testing.assert_array_equal(x, expected())


ONE = """\
kernel @one(%x: f32[97] out) {
  for %i in 97 {
    store %x[%i], 0.0
    for %j in (%i * 50) {
      store %x[%i], (load %x[%i] + 1.0)
    }
  }
}
"""


@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("kinds", ["psps", "ssss", "spss", "pppp", "ssp", "pps"])
def test_launches_without_meetings(kinds: str, n: int) -> None:
    """Loops over buffers of their own, shared (p) or by one thread (s), and then sums that need all of them."""
    pool = threads.pool()
    pool.grow(n)
    fill = {"p": replace(parse_kernel(RAGGED), waits=False), "s": replace(parse_kernel(ONE), waits=False)}
    launches = [Launch(fill[kind], (i,), meets=False) for i, kind in enumerate(kinds)]  # type: ignore[arg-type]
    launches[-1] = replace(launches[-1], meets=True)
    sums = parse_kernel(SERIAL)
    launches += [Launch(sums, (i,)) for i in range(len(kinds))]  # type: ignore[arg-type]
    run = run_of(launches)
    for _ in range(100):
        arrays = [np.full(97, np.nan, np.float32) for _ in kinds]
        run(pool, n, *arrays)
        for x in arrays:
            np.testing.assert_array_equal(x, expected())


def test_one_thread_runs_neighbours_but_not_past_a_meeting_with_others() -> None:
    def runs(text: str) -> list[str]:
        """p and s are launches that do not meet, P and S ones that do."""
        launches: list[Any] = [Launch(c, (), meets=c.isupper()) for c in text]  # type: ignore[arg-type]
        return ["".join(x.kernel for x in run.launches) for run in _runs(launches, lambda x: x.kernel in "pP")]  # type: ignore[misc, operator]

    assert runs("SSPSS") == ["SS", "P", "SS"]
    assert runs("ssSSS") == ["ssSSS"]
    assert runs("psSSS") == ["p", "sS", "SS"]
    assert runs("spSS") == ["s", "p", "S", "S"]
    assert runs("ppPSsP") == ["p", "p", "P", "Ss", "P"]


def test_threads_meet_after_all_that_may_be_needed() -> None:
    """Whatever launches a meeting follows are done before those that come after it: also where the thread that ran
    them went on with some that nobody waits for."""
    for text in map("".join, product("psPS", repeat=6)):
        launches: list[Any] = [Launch(c, (i,), meets=c.isupper()) for i, c in enumerate(f"{text}S")]  # type: ignore[arg-type]
        meetings, place = 0, dict[int, tuple[int, int]]()
        for number, run in enumerate(_runs(launches, lambda x: x.kernel in "pP")):  # type: ignore[operator]
            place |= {x.values[0]: (number, meetings) for x in run.launches}  # type: ignore[misc]
            meetings += run.meets
        for early, late in combinations(range(len(launches)), 2):
            if any(x.meets for x in launches[early:late]) and place[early][0] != place[late][0]:
                assert place[early][1] < place[late][1], f"{late} does not wait for {early} in {text}S"


COPY = """\
kernel @copy(%x: f32[97], %y: f32[97] out) {
  par %i in 97 {
    store %y[%i], load %x[%i]
  }
}
"""


@pytest.mark.parametrize("n", [2, 3, 8])
def test_a_result_is_waited_for_though_its_thread_goes_on(n: int) -> None:
    """Such as the factor of clipping, which all updates of a bundle read, the first of them on the same thread."""
    pool = threads.pool()
    pool.grow(n)
    slow, copy = parse_kernel(ONE), replace(parse_kernel(COPY), waits=False)
    launches = [
        Launch(slow, (0,)),  # type: ignore[arg-type]
        Launch(replace(slow, name="other", waits=False), (1,), meets=False),  # type: ignore[arg-type]
        Launch(copy, (0, 2)),  # type: ignore[arg-type]
    ]
    run = run_of(launches)
    for _ in range(100):
        arrays = [np.full(97, np.nan, np.float32) for _ in range(3)]
        run(pool, n, *arrays)
        for x in arrays:
            np.testing.assert_array_equal(x, np.arange(97) * 50)
