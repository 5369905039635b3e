"""The worker pool: several callers at once, fork, sizes, exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

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


def python(code: str, **env: str) -> None:
    """Run ``code`` in a fresh process, which has a minute to end."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr


PROGRAM = """
import os, sys, threading, time, numpy as np, graphtorch as gt
w = gt.ones(300, 200)
f = gt.compile(lambda x: (x @ w).sum())
x = gt.ones(128, 300)
gt.set_num_threads(2)
want = f(x).item()
"""
CHECKED = """
def checked():
    return all(f(x).item() == want for _ in range(20))
"""
FORK = """
pid = os.fork()
if pid == 0:
    os._exit(0 if checked() and again() else 1)
_, status = os.waitpid(pid, 0)
assert checked()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
FORK_OF_FORK = """
def again():
    pid = os.fork()
    if pid == 0:
        os._exit(0 if checked() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and checked()
"""
FORK_WHILE_OTHERS_RUN = """
stop = False
def work():
    while not stop:
        f(x)
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if f(x).item() == want and f(x).item() == want else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert f(x).item() == want
stop = True
"""
IDLE = """
for count in (2, 8):
    gt.set_num_threads(count)
    f(x)
    time.sleep(0.1)
    used = time.process_time()
    time.sleep(0.5)
    used = time.process_time() - used
    assert used < 0.1, f"{used} s of CPU time in 0.5 s of sleep"
"""
EXIT = """
threading.Thread(target=lambda: [f(x) for _ in range(10**9)], daemon=True).start()
f(x)
sys.exit(0)
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


@forks
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    python(PROGRAM + CHECKED + FORK_OF_FORK + FORK)


@forks
def test_fork_while_other_threads_run_the_program() -> None:
    python(PROGRAM + FORK_WHILE_OTHERS_RUN)


def test_workers_sleep_when_idle() -> None:
    python(PROGRAM + IDLE)


def test_exit_while_a_thread_runs_the_program() -> None:
    for _ in range(3):
        python(PROGRAM + EXIT)


def test_the_environment_sets_the_number_of_threads() -> None:
    python("import graphtorch as gt; assert gt.get_num_threads() == 3", GRAPHTORCH_NUM_THREADS="3")


@pytest.mark.parametrize("given", ["100000", "abc", "-3", "1.5", "0", "²"])
def test_a_number_of_threads_that_is_none_is_refused(given: str) -> None:
    code = "import graphtorch as gt; gt.compile(lambda x: x.sum())(gt.ones(2000000))"
    env = {**os.environ, "GRAPHTORCH_NUM_THREADS": given, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, env=env)
    assert f"ArgumentError GT304: GRAPHTORCH_NUM_THREADS={given!r} is not allowed" in done.stderr
    assert "expected a number from 1 to 256" in done.stderr


@pytest.fixture
def set_num_threads() -> Iterator[Callable[[int], None]]:
    before = gt.get_num_threads()
    yield gt.set_num_threads
    gt.set_num_threads(before)


def test_more_threads_than_processors_and_changes_between_calls(set_num_threads: Callable[[int], None]) -> None:
    f, x, want = step()
    for count in (1, 2, 8, 3, 8, 1, 4, 2) * 5:
        set_num_threads(count)
        assert np.array_equal(f(x).numpy(), want)  # type: ignore[operator]


def test_the_number_of_threads(set_num_threads: Callable[[int], None]) -> None:
    set_num_threads(3)
    assert gt.get_num_threads() == 3
    for bad in (0, -1, 1000):
        with pytest.raises(ArgumentError, match="GT304"):
            set_num_threads(bad)


def test_import_is_cheap_and_needs_no_llvm() -> None:
    late = {
        "llvmlite",
        "networkx",
        "torch",
        "json",
        "graphtorch.codegen",
        "graphtorch.runtime.cpu",
        "graphtorch.runtime.cuda",
        "graphtorch.runtime.executable",
        "graphtorch.frontend.trace",
    }
    code = f"import sys, graphtorch; assert not {late} & set(sys.modules), {late} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compiling_in_many_threads_leaves_the_interpreter_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CACHE", "0")
    before, start = sys.getswitchinterval(), threading.Barrier(6)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        start.wait()
        try:
            for k in range(3):
                x = gt.ones(5 + number, 7 + k)
                np.testing.assert_array_equal(gt.compile(lambda x, k=k: x * k + number)(x).numpy(), k + number)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    assert sys.getswitchinterval() == before


def test_a_program_can_be_compiled_while_the_interpreter_shuts_down() -> None:
    code = """
import atexit, graphtorch as gt
x = gt.ones(4)
atexit.register(lambda: print(gt.compile(lambda x: x * 3.5)(x).numpy()))
import threading
def last():
    threading.main_thread().join()
    print(gt.compile(lambda x: x * 2.5)(x).numpy())
threading.Thread(target=last).start()
"""
    env = {**os.environ, "GRAPHTORCH_CACHE": "0"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "2.5 2.5" in run.stdout and "3.5 3.5" in run.stdout, run.stderr


def test_importing_the_package_and_eager_mode_leave_the_compiler_alone() -> None:
    """Code generators wait, a GPU's too."""
    code = """
import sys, graphtorch as gt
gt.nn.Linear(3, 2)(gt.ones(5, 3)).sum().backward()
late = ("graphtorch.codegen", "graphtorch.runtime.cuda_program", "llvmlite", "networkx")
found = [name for name in sys.modules if name.startswith(late)]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)
