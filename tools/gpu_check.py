"""`python -m tools.gpu_check [--out FILE]`: is what we emit right on this GPU, and how fast is it?

Runs `pytest -m gpu`, measures with CUDA events, and writes benchmarks/RESULTS-GPU.md. Programs are kernels in the order
of the graph, launched from Python and as one CUDA graph; torch runs the same functions where it is installed.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gpu.driver import Gpu
from tools.gpu_figures import Table, copies, functions, nets
from tools.gpu_torch import Torch

OUT = Path(__file__).parent.parent / "benchmarks/RESULTS-GPU.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the report (default: benchmarks/RESULTS-GPU.md)")
    parser.add_argument("--skip-tests", action="store_true", help="measure alone")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a while")
    options = parser.parse_args()
    tests = "not run" if options.skip_tests else _tests()
    print(tests, flush=True)
    gpu = Gpu()
    torch = Torch.found(compiled=not options.no_compile)
    tables = [copies(gpu), *functions(gpu, torch), nets(gpu)]
    options.out.write_text(report(gpu, tests, torch, tables), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


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
