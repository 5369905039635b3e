"""`python -m tools.gpu_check [--out FILE]`: is what we emit right on this GPU, and how fast is it?

`python -m tools.gpu_check --only products,convs,resnet --variants` prints how products compare with torch's instead.

Runs `pytest -m gpu`, measures with CUDA events, and writes benchmarks/RESULTS-GPU.md. Programs are kernels in the order
of the graph, launched from Python and as one CUDA graph; torch runs the same functions where it is installed.

`--steps` is the runtime alone, in at most six minutes: its tests (tests/cuda), and compiled training steps beside
torch's (gpu_steps.py). Tests and compilation run side by side, measurements after them, one by one. It installs
nothing, and takes pycuda, nvcc or NVRTC, and pytest.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from graphtorch.codegen.nvrtc import find_nvrtc
from tests.gpu.driver import Gpu
from tools.gpu_bench import HEAD, Bench
from tools.gpu_figures import Table, copies, functions, nets
from tools.gpu_products import compiled, convs, entries, products
from tools.gpu_products import variants as tiled_entries
from tools.gpu_resnet import resnet_lines
from tools.gpu_torch import Torch

OUT = Path(__file__).parent.parent / "benchmarks/RESULTS-GPU.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the report (default: benchmarks/RESULTS-GPU.md)")
    parser.add_argument("--skip-tests", action="store_true", help="measure alone")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a while")
    parser.add_argument("--steps", action="store_true", help="the runtime alone: its tests, and training steps")
    parser.add_argument("--only", help="of products, convs and resnet, with commas: tables on the terminal alone")
    parser.add_argument("--variants", action="store_true", help="with --only: other tiles, too")
    options = parser.parse_args()
    if options.steps:
        runtime(options.out, options.skip_tests)
        return
    if options.only or options.variants:
        _compare(set((options.only or "").split(",")) - {""}, options.variants)
        return
    tests = "not run" if options.skip_tests else _tests()
    print(tests, flush=True)
    gpu = Gpu()
    torch = Torch.found(compiled=not options.no_compile)
    tables = [copies(gpu), *functions(gpu, torch), nets(gpu)]
    options.out.write_text(report(gpu, tests, torch, tables), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


#: seconds that the runtime's tests may take, side by side with what compiles; until steps are ready, and all is done
TESTED, READY, DONE = 150.0, 170.0, 340.0


def runtime(out: Path, skip_tests: bool) -> None:
    """The runtime's tests, and steps. What there is after each part is written at once."""
    import graphtorch as gt
    from tools import gpu_steps

    now = time.perf_counter()
    lines = [
        "# The runtime on a GPU",
        "",
        f"- Device: {gt.cuda.get_device_name()}, sm_{''.join(map(str, gt.cuda.get_device_capability()))}",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        every = gpu_steps.start(Path(folder), list(gpu_steps.WORKS))
        tests = [] if skip_tests else _start_tests(Path(folder))
        for name, process, log in tests:
            lines.append(f"- `pytest -m gpu {name}`: {_end(process, log, now + TESTED)}")
            print(lines[-1], flush=True)
        out.write_text("\n".join([*lines, ""]), encoding="utf-8")
        lines += ["", *gpu_steps.table(gpu_steps.measure(every, now + READY, now + DONE))]
    out.write_text("\n".join(lines), encoding="utf-8")
    print(out.read_text(encoding="utf-8"))


def _start_tests(folder: Path) -> list[tuple[str, subprocess.Popen[bytes], Path]]:
    found = []
    for path in sorted(Path("tests/cuda").glob("test_*.py")):
        if "pytest.mark.gpu" not in path.read_text(encoding="utf-8") or path.name == "test_emulated.py":
            continue
        log = folder / f"{path.stem}.txt"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "gpu",
            str(path),
            "-o",
            f"cache_dir={folder / path.stem}",
        ]
        # small kernels, one by one: NVRTC starts no processes
        env = {**os.environ, "GRAPHTORCH_CUDA_COMPILER": "nvrtc" if find_nvrtc() else "nvcc"}
        with open(log, "wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=env)
        found.append((str(path), process, log))
    return found


def _end(process: subprocess.Popen[bytes], log: Path, deadline: float) -> str:
    """pytest's last line; what failed is printed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(deadline - time.perf_counter(), 0.1))
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode is None:
        process.kill()
        return f"not done in time: {text.count('.')} or so passed"
    if process.returncode:
        print(text[-5000:], flush=True)
    return text.strip().splitlines()[-1].strip("= ") if text.strip() else f"exit status {process.returncode}"


def _compare(only: set[str], variants: bool) -> None:
    """Products, convolutions and a step of ResNet18 beside torch's; all that is printed is also in $OUT/compare.txt."""
    import torch

    gpu, start = Gpu(), time.monotonic()
    torch.cuda.init()
    works = [*(convs() if "convs" in only else []), *(products() if "products" in only else [])]
    every = [*(tiled_entries() if variants else []), *entries(works)]
    compiled(every, gpu.arch)
    lines: list[str] = []

    def show(*more: str) -> None:
        lines.extend(more)
        print(*more, sep="\n", flush=True)

    show(f"{gpu.name}, torch {torch.__version__}; compiled after {time.monotonic() - start:.0f} s", HEAD)
    bench = Bench(gpu, torch)
    for entry in every:
        show(*_tried(lambda entry=entry: [bench.line(entry)], entry.work.name))  # type: ignore[misc]
    if "resnet" in only:
        show(*_tried(lambda: resnet_lines(gpu, torch), "resnet"))
    show(f"done after {time.monotonic() - start:.0f} s")
    out = os.environ.get("OUT")
    if out:
        Path(out, "compare.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tried(work: Callable[[], list[str]], name: str) -> list[str]:
    """What fails is a line as well: the rest is measured all the same."""
    try:
        return work()
    except Exception as error:
        return [f"{name}: {type(error).__name__}: {str(error)[:300]}"]


def _tests() -> str:
    """pytest's last line."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu", "-o", f"cache_dir={cache}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-2000:])
    return done.stdout.strip().splitlines()[-1].strip("= ") if done.stdout.strip() else done.stderr[-500:]


def report(gpu: Gpu, tests: str, torch: Torch | None, tables: list[Table]) -> str:
    """The page: what was measured, where and when."""
    size = f"{gpu.attribute('multiprocessors')} multiprocessors, {gpu.attribute('L2 bytes') >> 20} MiB of L2"
    facts = [
        f"- Device: {gpu.name} ({gpu.arch}, {size}); the driver knows CUDA {gpu.driver}",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- torch: {torch.version if torch else 'not installed'}",
        f"- `pytest -m gpu`: {tests}",
    ]
    return "\n".join([HEADER, *facts, "", *(line for t in tables for line in t.lines())])


HEADER = """\
# Figures of a GPU

Written by `python -m tools.gpu_check`. Times are microseconds between two CUDA events, median (least) of 30 after a
warm-up; data is random and larger than the L2 cache where bandwidth is meant. Bytes are those that must move: each
input read once, each output written once. "graph" is the same launches, captured and replayed as one CUDA graph.
"""


if __name__ == "__main__":
    main()
