"""Worker processes: the same batches, errors, ends of workers, and what is left behind: nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError
from graphtorch.utils.data import (
    DataLoader,
    Dataset,
    TensorDataset,
    WorkerError,
    WorkerTimeout,
    WorkerTraceback,
    get_worker_info,
)
from tests.data.data_sets import Drawn, Ends, Odd, Pids, alive, left_over

ROOT = Path(__file__).parents[2]


def _plain(batch: Any) -> Any:
    return [part.tolist() for part in batch]


def _epochs(dataset: Any, workers: int, **given: Any) -> Any:
    gt.manual_seed(11)
    loader = DataLoader(dataset, 3, shuffle=True, num_workers=workers, **given)
    out = [[_plain(batch) for batch in loader] for _ in range(2)]
    return out, gt.rand(1).item()


# ---- the same batches ----


def test_batches_and_draws_are_the_same_for_any_number_of_workers() -> None:
    expected, after = _epochs(Drawn(11), 0)
    numbers = [number for batch in expected[0] for number in batch[0]]
    assert sorted(numbers) == list(range(11)) and numbers != sorted(numbers)
    draws = [x for epoch in expected for batch in epoch for x in batch[2]]
    assert len(set(draws)) == 22  # none is drawn twice
    for workers in (1, 2, 3):
        assert _epochs(Drawn(11), workers) == (expected, after)
    assert _epochs(Drawn(11), 2, persistent_workers=True, prefetch_factor=1) == (expected, after)
    assert _epochs(Drawn(11, width=3001), 2) == _epochs(Drawn(11, width=3001), 0)  # through shared memory


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method: str) -> None:
    assert _epochs(Drawn(7), 1, multiprocessing_context=method, persistent_workers=True) == _epochs(Drawn(7), 0)


def test_drawing_in_a_data_set_does_not_disturb_the_training() -> None:
    np.random.seed(3)
    gt.manual_seed(3)
    expected = np.random.rand(), gt.get_rng_state().tolist()
    np.random.seed(3)
    gt.manual_seed(3)
    loader = iter(DataLoader(Drawn(4), generator=gt.Generator().manual_seed(1)))
    next(loader)
    assert (np.random.rand(), gt.get_rng_state().tolist()) == expected


class Views(Dataset[Any]):
    """Samples of every kind: views of a large storage, other layouts, dtypes numpy does not know, no elements."""

    big = gt.arange(70000).to(gt.float32).reshape(70, 1000)

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        row = self.big[index]
        return {
            "view": row,
            "turned": self.big[:7, index : index + 3].t(),
            "half": row.to(gt.bfloat16),
            "none": gt.zeros(0, 3),
            "one": gt.tensor(2.5).requires_grad_(),
            "text": "x" * 100_000,
            "array": np.asfortranarray(np.arange(20_002.0).reshape(2, 10_001)),
        }


def test_what_comes_out_is_what_went_in() -> None:
    own, sent = (list(DataLoader(Views(), None, num_workers=workers)) for workers in (0, 2))
    assert len(own) == len(sent) == 5
    for a, b in zip(own, sent, strict=True):
        for name in ("view", "turned", "half", "none", "one", "array"):
            assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape
            assert a[name].tolist() == b[name].tolist()
        assert b["one"].requires_grad and b["text"] == a["text"]
        assert b["view"].untyped_storage().nbytes() == 4000  # and not that of all rows
        b["view"].zero_()  # batches can be written


def test_a_batch_lasts_as_long_as_its_tensors() -> None:
    loader = DataLoader(Pids(), 4, num_workers=1)
    kept = [batch[1] for batch in loader][2]
    assert left_over() == []
    assert kept[:, 6999].tolist() == [8.0, 9.0, 10.0, 11.0]


def test_tensors_are_gathered_in_workers() -> None:
    data = TensorDataset(gt.arange(21).reshape(7, 3), gt.arange(7) * 10)
    batches = [_plain(batch) for batch in DataLoader(data, 3, num_workers=2)]
    assert batches == [_plain(batch) for batch in DataLoader(data, 3)]


class Compiled(Dataset[Any]):
    def __init__(self, function: Any) -> None:
        self.function = function

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        rows = 17 if index == 3 else 33  # which is compiled in the worker
        return self.function(gt.full((rows, 1000), float(index)))


def test_compiled_programs_run_in_forked_workers() -> None:
    """The parent's pool has threads, which a fork does not copy."""
    function = gt.compile(lambda x: (x * 2 + 1).sum(1))
    threads = gt.get_num_threads()
    gt.set_num_threads(2)
    try:
        function(gt.ones(33, 1000))
        sent = list(DataLoader(Compiled(function), None, num_workers=2, multiprocessing_context="fork"))
    finally:
        gt.set_num_threads(threads)
    assert [rows[-1].item() for rows in sent] == [1000, 3000, 5000, 7000, 9000] and len(sent[3]) == 17


def _init(worker: int) -> None:
    info = get_worker_info()
    assert info is not None and info.id == worker and info.num_workers == 2
    info.dataset.count = 100 + worker


class Counted(Pids):
    def __getitem__(self, index: int) -> Any:
        return self.count, get_worker_info().seed  # type: ignore[union-attr]


def test_worker_init_fn_and_worker_info() -> None:
    found = list(DataLoader(Counted(5), 1, num_workers=2, worker_init_fn=_init))
    assert [batch[0].item() for batch in found] == [100, 101, 100, 101, 100]
    assert len({batch[1].item() for batch in found}) == 2
    assert get_worker_info() is None


def test_workers_stay_or_go() -> None:
    loader = DataLoader(Pids(), 4, num_workers=2)
    first, second = ({pid for pids, _ in loader for pid in pids.tolist()} for _ in range(2))
    assert len(first) == len(second) == 2 and not first & second
    assert not any(alive(pid) for pid in first | second)
    loader = DataLoader(Pids(), 4, num_workers=2, persistent_workers=True)
    iter(loader)  # a pass that is given up at once
    for number, (pids, _) in enumerate(loader):
        first = set(pids.tolist())
        if number == 1:
            break
    second = {pid for pids, _ in loader for pid in pids.tolist()}
    assert first < second and len(second) == 2
    pairs = [(a[1][0, 0].item(), b[1][0, 0].item()) for a, b in zip(loader, loader, strict=True)]
    assert pairs == [(float(n), float(n)) for n in range(0, 23, 4)]  # two passes at once
    del loader
    assert not any(alive(pid) for pid in second) and left_over() == []


# ---- errors and ends ----


@pytest.mark.parametrize(("how", "kind", "text"), [
    ("KeyError", KeyError, "no such name"),
    ("ShapeError", ShapeError, "GT101 in add"),
    ("Odd", Odd, "4 and four"),
    ("StopIteration", RuntimeError, "batch 2: the data set or collate_fn raised StopIteration"),
    ("local", WorkerError, "ValueError|Local: made here"),
])  # fmt: skip
def test_what_a_worker_raises_is_raised_here(how: str, kind: type[Exception], text: str) -> None:
    seen = []
    with pytest.raises(kind, match=text) as raised:
        for _, x in DataLoader(Ends(5, how), 2, num_workers=2):
            seen.append(x[0, 0].item())
    assert seen == [0.0, 2.0] and type(raised.value) is kind
    cause = raised.value.__cause__
    assert isinstance(cause, WorkerTraceback) and cause.worker == 0 and "in __getitem__" in str(cause)
    assert "data_sets.py" in cause.text
    assert getattr(raised.value, "first", 4) == 4
    assert left_over() == []


def test_a_worker_that_raised_is_asked_again_if_it_stays() -> None:
    loader = DataLoader(Ends(5, "KeyError"), 2, num_workers=2, persistent_workers=True)
    for _ in range(2):
        with pytest.raises(KeyError):
            list(loader)


@pytest.mark.parametrize(("how", "text"), [
    ("kill", "was killed by signal 9, SIGKILL; the system kills so when memory runs out"),
    ("exit", "exited with code 3"),
    ("sys.exit", "exited with code 5"),
])  # fmt: skip
def test_the_end_of_a_worker_is_reported(how: str, text: str) -> None:
    for workers in (1, 2):
        with pytest.raises(WorkerError, match=rf"worker \d of the DataLoader \(pid \d+\) {text}$"):
            list(DataLoader(Ends(5, how), 2, num_workers=workers))
        assert left_over() == []


def test_the_end_of_a_worker_is_seen_while_another_one_is_waited_for() -> None:
    """Worker 0 sleeps for a minute; what ended is worker 1."""
    loader = DataLoader(Ends(0, "sleep"), 1, num_workers=2, prefetch_factor=3)
    batches = iter(loader)
    victim = batches._crew._members.processes[1].pid  # type: ignore[attr-defined]
    killed: list[float] = []

    def kill() -> None:
        os.kill(victim, signal.SIGKILL)
        killed.append(time.monotonic())

    threading.Timer(0.3, kill).start()
    with pytest.raises(WorkerError, match=r"worker 1 .* signal 9"):
        next(batches)
    assert time.monotonic() - killed[0] < 2
    assert list(batches) == [] and left_over() == []


def test_a_worker_killed_between_batches() -> None:
    batches = iter(DataLoader(Pids(), 2, num_workers=2, persistent_workers=True))
    os.kill(int(next(batches)[0][0].item()), signal.SIGKILL)
    with pytest.raises(WorkerError, match="worker 0"):
        list(batches)
    assert left_over() == []


def test_workers_that_stay_are_replaced_when_they_have_ended() -> None:
    loader = DataLoader(Pids(5), 2, num_workers=1, persistent_workers=True)
    (pid,) = {pid for pids, _ in loader for pid in pids.tolist()}
    os.kill(pid, signal.SIGKILL)
    loader._crew._members.processes[0].join()  # type: ignore[union-attr]
    assert [x[0, 0].item() for _, x in loader] == [0.0, 2.0, 4.0]


def test_an_early_break_leaves_nothing() -> None:
    children = set(multiprocessing.active_children())
    for number, _ in enumerate(DataLoader(Pids(), 2, num_workers=2, prefetch_factor=4)):
        if number == 1:
            break
    assert set(multiprocessing.active_children()) <= children and left_over() == []


def test_ctrl_c_while_waiting(request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    batches = iter(DataLoader(Ends(0, "sleep"), 1, num_workers=1))
    pid = batches._crew._members.processes[0].pid  # type: ignore[attr-defined]
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    assert not alive(pid) and left_over() == []


def test_timeout() -> None:
    with pytest.raises(WorkerTimeout, match=r"worker 0 of the DataLoader gave no batch within 0\.2 s"):
        list(DataLoader(Ends(0, "sleep"), 1, num_workers=1, timeout=0.2))
    assert issubclass(WorkerTimeout, TimeoutError) and left_over() == []


def _failing_init(worker: int) -> None:
    raise OSError(2, "no such device", "disk")


def test_worker_init_fn_that_raises() -> None:
    with pytest.raises(FileNotFoundError, match="no such device") as raised:
        list(DataLoader(Pids(), 2, num_workers=2, worker_init_fn=_failing_init))
    assert raised.value.filename == "disk"


@pytest.mark.parametrize("name", ["dataset", "collate_fn", "worker_init_fn"])
def test_what_cannot_be_pickled_is_named(name: str) -> None:
    dataset = Pids()
    if name == "dataset":
        dataset.slow = lambda: 0  # type: ignore[assignment]
    given: Any = {} if name == "dataset" else {name: lambda batch: batch}
    loader = DataLoader(dataset, **given, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(ArgumentTypeError) as raised:
        iter(loader)
    assert f"GT301: {name} cannot be pickled, which workers of the start method 'spawn' need: Can't pickle" in str(
        raised.value
    )
    assert 'or multiprocessing_context="fork"' in str(raised.value)


ORPHANS = """
import os, signal
from graphtorch.utils.data import DataLoader
from tests.data.data_sets import Pids

batches = iter(DataLoader(Pids(), 2, num_workers=2, multiprocessing_context="fork"))
print(os.getpid(), *{int(next(batches)[0][0]) for _ in range(2)}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_the_training_process_is_killed() -> None:
    command = [sys.executable, "-c", ORPHANS]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    pids = [int(pid) for pid in killed.stdout.split()]
    assert len(pids) == 3 and killed.returncode == -signal.SIGKILL, killed.stderr
    deadline = time.monotonic() + 30
    while (any(map(alive, pids)) or left_over(pids[0])) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    assert not left_over(pids[0])  # multiprocessing's resource tracker has removed them


def test_refusals() -> None:
    for given, text in [
        ({"num_workers": -1}, "num_workers=-1 is not allowed"),
        ({"timeout": -1}, "timeout=-1 is not allowed"),
        ({"prefetch_factor": 2}, "prefetch_factor is not allowed with num_workers=0"),
        ({"persistent_workers": True}, "persistent_workers=True is not allowed with num_workers=0"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context is not allowed with num_workers=0"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor=0 is not allowed"),
        ({"num_workers": 1, "multiprocessing_context": "thread"}, "multiprocessing_context='thread' is not allowed"),
    ]:
        with pytest.raises(ArgumentError, match=f"GT304: {text}"):
            DataLoader(Pids(), **given)
    with pytest.raises(ArgumentTypeError, match="multiprocessing_context must not be a int"):
        DataLoader(Pids(), num_workers=1, multiprocessing_context=3)
    with pytest.raises(ArgumentError, match="batch_size of a DataLoader cannot be changed"):
        DataLoader(Pids()).batch_size = 3
