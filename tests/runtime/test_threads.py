"""The worker pool: several callers at once, fork, sizes, exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError


def step() -> tuple[object, gt.Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    x = gt.from_numpy(rng.standard_normal((128, 257)).astype(np.float32))
    w = gt.from_numpy(rng.standard_normal((257, 129)).astype(np.float32))
    f = gt.compile(lambda x: (x @ w).relu().sum(1))
    return f, x, f(x).numpy()


def test_several_python_threads_call_one_program() -> None:
    f, x, want = step()
    failures: list[int] = []

    def work() -> None:
        for _ in range(50):
            if not np.array_equal(f(x).numpy(), want):  # type: ignore[operator]
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_several_programs_at_once() -> None:
    programs = [step() for _ in range(3)]
    failures: list[int] = []

    def work(f: object, x: gt.Tensor, want: np.ndarray) -> None:
        for _ in range(50):
            if not np.array_equal(f(x).numpy(), want):  # type: ignore[operator]
                failures.append(1)

    threads = [threading.Thread(target=work, args=p) for p in programs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


CHILD = """
import os, numpy as np, graphtorch as gt
gt.set_num_threads(2)
w = gt.ones(300, 200)
f = gt.compile(lambda x: (x @ w).sum())
x = gt.ones(128, 300)
want = f(x).item()
pid = os.fork()
if pid == 0:
    os._exit(0 if f(x).item() == want else 1)
_, status = os.waitpid(pid, 0)
assert f(x).item() == want
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_number_of_threads() -> None:
    before = gt.get_num_threads()
    try:
        gt.set_num_threads(3)
        assert gt.get_num_threads() == 3
        for bad in (0, -1, 1000):
            with pytest.raises(ArgumentError, match="GT304"):
                gt.set_num_threads(bad)
    finally:
        gt.set_num_threads(before)


def test_import_is_cheap_and_needs_no_llvm() -> None:
    code = "import sys, graphtorch; assert not {'llvmlite', 'networkx', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
